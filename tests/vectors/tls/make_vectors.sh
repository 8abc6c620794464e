#!/bin/sh
# Makes the certificates of this folder anew: ones that the product's own CA refuses to make. Valid for a hundred years.
set -eu
cd "$(dirname "$0")"
new="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 36500"
# shellcheck disable=SC2086
{
  openssl req -x509 $new -nodes -utf8 -subj "/CN=vectors CA" -keyout ca.key -out ca.crt
  for name in no-cn two-cn; do
    case $name in
      no-cn) subject="/O=nobody" ;;
      two-cn) subject="/CN=first/CN=last" ;;
    esac
    openssl req $new -nodes -subj "$subject" -keyout $name.key -out csr
    openssl x509 -req -in csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 36500 -out $name.crt
  done
  # The password is "open sesame".
  openssl req $new -passout "pass:open sesame" -subj "/CN=locked" -keyout locked.key -out csr
  openssl x509 -req -in csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 36500 -out locked.crt
} 2>/dev/null
rm -f csr ca.key ca.srl
