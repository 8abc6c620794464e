# Sourced by tools/up: the first client's profile.
# shellcheck shell=bash

# has_certificate CULVERT CONFIG_DIR NAME: was one issued that is still good?
has_certificate() {
  as_root "$1" client list --dir "$2" | awk -v name="$3" '$1 == name && $2 == "valid" { found = 1 } END { exit !found }'
}

# make_profile CULVERT CONFIG_DIR NAME: unless there is one. Sets `profile` to where it is, or what became of it: who has
# taken it to the client, as is right for a private key, has nothing left to do here.
make_profile() {
  profile=$2/clients/$3.ovpn
  if as_root test -e "$profile"; then return; fi
  if has_certificate "$@"; then
    profile="not here any more: $3 has a certificate, whose profile was taken from $2/clients"
    say "client: $3 (has its profile)"
    return
  fi
  as_root "$1" client add "$3" --dir "$2" >/dev/null || die "no profile for $3: see above"
  say "client: $3 (made)"
}
