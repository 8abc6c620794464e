# Sourced by tools/up: clients' way to the internet, and back to how it was.
# shellcheck shell=bash

nat_table=culvert_nat
forward4=/proc/sys/net/ipv4/ip_forward
conf6=/proc/sys/net/ipv6/conf
forward6=$conf6/all/forwarding

# Interfaces whose router advertisements the machine hears only as long as it does not forward.
hearing_interfaces() {
  local file name
  [ "$(cat $forward6 2>/dev/null)" = 0 ] || return 0
  for file in $conf6/*/accept_ra; do
    name=$(basename "$(dirname "$file")")
    if [ "$name" != all ] && [ "$name" != default ] && [ "$(cat "$file")" = 1 ]; then echo "$name"; fi
  done
}

# hear_on STATE_FILE FROM TO: accept_ra of the interfaces that the state names, from one value to the other.
hear_on() {
  local name
  for name in $(as_root tail -n +2 "$1"); do
    if [ "$(cat "$conf6/$name/accept_ra" 2>/dev/null)" = "$2" ]; then
      echo "$3" | as_root tee "$conf6/$name/accept_ra" >/dev/null
    fi
  done
}

# nat_on STATE_FILE CONFIG_DIR: forwards, and masquerades the pools of server.conf. Remembers what forwarding was.
nat_on() {
  local state=$1 conf=$2/server.conf pool4 pool6
  pool4=$(as_root awk '$1 == "server" { print $2 " " $3; exit }' "$conf")
  pool6=$(as_root awk '$1 == "server-ipv6" { print $2; exit }' "$conf")
  [ -n "$pool4$pool6" ] || die "--nat: $conf has neither a server nor a server-ipv6 line"
  as_root test -e "$state" ||
    { echo "$(cat $forward4) $(cat $forward6 2>/dev/null || echo -)"; hearing_interfaces; } | as_root tee "$state" >/dev/null
  echo 1 | as_root tee $forward4 >/dev/null
  if [ -n "$pool6" ] && [ -e $forward6 ]; then
    # First: a machine that forwards forgets the default routes that routers have advertised, and hears of no others.
    hear_on "$state" 1 2
    echo 1 | as_root tee $forward6 >/dev/null
  fi
  {
    # Made empty first, so that doing it twice leaves one table.
    echo "table inet $nat_table {}"
    echo "delete table inet $nat_table"
    echo "table inet $nat_table {"
    echo "  chain postrouting {"
    echo "    type nat hook postrouting priority srcnat;"
    if [ -n "$pool4" ]; then echo "    ip saddr ${pool4% *}/$(prefix_of "${pool4#* }") ip daddr != ${pool4% *}/$(prefix_of "${pool4#* }") masquerade"; fi
    if [ -n "$pool6" ]; then echo "    ip6 saddr $pool6 ip6 daddr != $pool6 masquerade"; fi
    echo "  }"
    echo "}"
  } | as_root nft -f - || die "--nat: nft refused the rules: is nf_tables in this kernel?"
  say "clients are forwarded and masqueraded (nftables table inet $nat_table)"
}

# nat_off STATE_FILE: undoes nat_on, if it was done.
nat_off() {
  local state=$1 was4 was6
  as_root test -e "$state" || return 0
  read -r was4 was6 < <(as_root cat "$state")
  as_root nft delete table inet $nat_table 2>/dev/null || true
  echo "$was4" | as_root tee $forward4 >/dev/null
  if [ "$was6" != - ]; then echo "$was6" | as_root tee $forward6 >/dev/null; fi
  hear_on "$state" 2 1
  as_root rm -f "$state"
  say "forwarding and masquerading are back to what they were"
}

# 255.255.255.0 → 24
prefix_of() {
  local octet bits=0
  for octet in ${1//./ }; do
    while [ "$octet" -gt 0 ]; do
      bits=$((bits + (octet & 1)))
      octet=$((octet >> 1))
    done
  done
  echo $bits
}
