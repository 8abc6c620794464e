# Sourced by tools/up and tools/check: saying things, becoming root, installing packages, building.
# shellcheck shell=bash

# Debian 12 package names, by purpose.
# shellcheck disable=SC2034  # read by the scripts that source this
packages_build=(g++ meson ninja-build pkg-config libdpdk-dev libipsec-mb-dev libssl-dev libcli11-dev libtomlplusplus-dev
  nlohmann-json3-dev libspdlog-dev libnl-route-3-dev libnuma-dev libbsd-dev libpam0g-dev prometheus-cpp-dev libgtest-dev)
packages_run=(iproute2)
packages_test=(python3 python3-pytest python3-pytest-xdist openvpn openssl iproute2 iputils-ping ethtool bird2 nftables procps util-linux iperf3 clang-format git systemd)

say() { printf '%s: %s\n' "$program" "$*"; }
warn() { printf '%s: %s\n' "$program" "$*" >&2; }
die() {
  warn "$*"
  exit 1
}

# Runs a command as root: as we are, or through sudo.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -- "$@"; fi
}

need_root() {
  [ "$(id -u)" = 0 ] && return
  command -v sudo >/dev/null ||
    die "needs root ($1), this user is not root and there is no sudo: log in as root and run it again"
  # Asks for the password now, on the terminal, rather than in the middle of something.
  sudo -v || die "needs root ($1), and sudo refused"
}

need_debian() {
  command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
    die "this machine has no apt-get: $program installs packages on Debian 12 and its like. Elsewhere install what tools/lib/common.sh lists, then run meson setup build && ninja -C build"
  [ "$(uname -m)" = x86_64 ] || die "culvert runs on x86-64 only, and this machine is $(uname -m)"
  # shellcheck disable=SC1091
  local id version
  id=$(. /etc/os-release 2>/dev/null && echo "${ID:-?}")
  version=$(. /etc/os-release 2>/dev/null && echo "${VERSION_ID:-?}")
  [ "$id $version" = "debian 12" ] || warn "made for Debian 12, this is $id $version: going on, packages may differ"
}

missing_packages() {
  local package
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || echo "$package"
  done
}

# Installs those of the given packages that are missing. Says so, keeps quiet when none is.
install_packages() {
  local missing log
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} = 0 ] && return
  need_root "to install packages"
  say "installing with apt: ${missing[*]}"
  log=$(mktemp)
  # A fresh machine has no package lists yet, an old one has stale ones: fetch them only when needed.
  if ! apt_get "$log" install -y --no-install-recommends "${missing[@]}"; then
    if ! apt_get "$log" update || ! apt_get "$log" install -y --no-install-recommends "${missing[@]}"; then
      tail -n 15 "$log" >&2
      rm -f "$log"
      die "apt-get could not install the packages above (its last lines are shown): is there a network, and a Debian 12 mirror in /etc/apt?"
    fi
  fi
  rm -f "$log"
}

# apt_get LOG WORD…: apt-get, which asks nothing; a terminal shows what it does at the moment.
apt_get() {
  local log=$1
  shift
  as_root env DEBIAN_FRONTEND=noninteractive apt-get "$@" </dev/null 2>&1 | tee "$log" | last_line
}

# Shows the newest line of its input, on a terminal; elsewhere nothing.
last_line() {
  local line
  [ -t 1 ] || exec cat >/dev/null
  while IFS= read -r line; do printf '\r\033[K  %.*s' $((${COLUMNS:-80} - 3)) "$line"; done
  printf '\r\033[K'
}

# compile DIR JOBS LOG TARGET…: ninja with its output in LOG, and how far it is: a counter on a terminal, else a line per quarter.
compile() {
  local dir=$1 compile_jobs=$2 log=$3
  shift 3
  ninja -C "$dir" -j "$compile_jobs" "$@" 2>&1 | tee "$log" | progress
}

# Reads ninja's output.
progress() {
  local line quarter shown=0
  while IFS= read -r line; do
    [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] || continue
    quarter=$((4 * BASH_REMATCH[1] / BASH_REMATCH[2]))
    if [ -t 1 ]; then
      printf '\r  %d of %d' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
    elif [ $quarter -gt $shown ]; then
      shown=$quarter
      printf '  %d of %d\n' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
    fi
  done
  if [ -t 1 ]; then printf '\r\033[K'; fi
}

# configure DIR OPTION…: makes or refreshes a build folder. Its log is shown only on failure.
configure() {
  local dir=$1 log="$1.setup.log"
  shift
  mkdir -p "$(dirname "$log")"
  if [ -f "$dir/build.ninja" ]; then
    meson configure "$dir" "$@" >"$log" 2>&1 || { cat "$log" >&2; return 1; }
  elif ! meson setup "$dir" "$@" >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    return 1
  fi
  rm -f "$log"
}
