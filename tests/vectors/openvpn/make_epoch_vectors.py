#!/usr/bin/env python3
"""Writes epoch-keys.txt: keys of data-channel epochs, computed from the standard library alone.

OVPN-Expand-Label is HKDF-Expand (RFC 5869) with SHA-256 over the structure of TLS 1.3 (RFC 8446, section 7.1) with the prefix
"ovpn " and an empty context (openvpn-wire-protocol, epoch data keys). Run it in this folder; the result is always the same.
"""
import hashlib
import hmac


def expand(secret: bytes, info: bytes, length: int) -> bytes:
    out, block, number = b"", b"", 1
    while len(out) < length:
        block = hmac.new(secret, block + info + bytes([number]), hashlib.sha256).digest()
        out += block
        number += 1
    return out[:length]


def expand_label(secret: bytes, label: str, length: int) -> bytes:
    full = b"ovpn " + label.encode()
    return expand(secret, length.to_bytes(2, "big") + bytes([len(full)]) + full + b"\x00", length)


def main() -> None:
    lines = ["# Made by make_epoch_vectors.py: epoch, its secret, keys of 32, 24 and 16 bytes, implicit IV of 12"]
    for seed in ("one session", "another session"):
        secret = hashlib.sha256(seed.encode()).digest()
        for epoch in range(1, 13):
            fields = [secret, *(expand_label(secret, "data_key", size) for size in (32, 24, 16)),
                      expand_label(secret, "data_iv", 12)]
            lines.append(" ".join([str(epoch), *(field.hex() for field in fields)]))
            secret = expand_label(secret, "datakey upd", 32)
    with open("epoch-keys.txt", "w", encoding="ascii") as out:
        out.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
