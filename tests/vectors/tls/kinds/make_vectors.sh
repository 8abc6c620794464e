#!/bin/sh
# Makes the certificates of this folder anew: one for each kind of key, all by an intermediate CA. Valid for a hundred
# years.
set -eu
cd "$(dirname "$0")"
rm -f ./*.crt ./*.key
issue() { # NAME ISSUER EXTENSIONS, openssl's options for a new key …
  name=$1 issuer=$2 extensions=$3
  shift 3
  openssl req "$@" -nodes -subj "/CN=$name" -keyout "$name.key" -out csr
  printf '%s\n' "$extensions" >extensions
  openssl x509 -req -in csr -CA "$issuer.crt" -CAkey "$issuer.key" -CAcreateserial -days 36500 -sha256 \
    -extfile extensions -out "$name.crt"
}
leaf="basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=clientAuth,serverAuth"
authority="basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign"
{
  openssl req -x509 -newkey rsa:2048 -days 36500 -nodes -subj "/CN=kinds root" -keyout root.key -out root.crt
  issue sub root "$authority" -newkey ec -pkeyopt ec_paramgen_curve:P-384
  issue rsa sub "$leaf" -newkey rsa:2048
  issue rsa-pss sub "$leaf" -newkey rsa-pss -pkeyopt rsa_keygen_bits:2048
  for curve in 256 384 521; do issue "p$curve" sub "$leaf" -newkey ec -pkeyopt "ec_paramgen_curve:P-$curve"; done
  for kind in ed25519 ed448; do issue "$kind" sub "$leaf" -newkey "$kind"; done
} 2>/dev/null
rm -f csr extensions root.key sub.key ./*.srl
