# Sourced by tools/up: clients' way to the internet, and back to how it was.
# shellcheck shell=bash

nat_table=culvert_nat
forward4=/proc/sys/net/ipv4/ip_forward
forward6=/proc/sys/net/ipv6/conf/all/forwarding

# nat_on STATE_FILE CONFIG_DIR: forwards, and masquerades the pools of server.conf. Remembers what forwarding was.
nat_on() {
  local state=$1 conf=$2/server.conf pool4 pool6
  pool4=$(as_root awk '$1 == "server" { print $2 " " $3; exit }' "$conf")
  pool6=$(as_root awk '$1 == "server-ipv6" { print $2; exit }' "$conf")
  [ -n "$pool4$pool6" ] || die "--nat: $conf has neither a server nor a server-ipv6 line"
  as_root test -e "$state" ||
    echo "$(cat $forward4) $(cat $forward6 2>/dev/null || echo -)" | as_root tee "$state" >/dev/null
  echo 1 | as_root tee $forward4 >/dev/null
  if [ -n "$pool6" ] && [ -e $forward6 ]; then echo 1 | as_root tee $forward6 >/dev/null; fi
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
