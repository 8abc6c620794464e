#!/usr/bin/env python3
"""Makes tokens.txt anew: tokens of auth-gen-token, put together from their description (the header auth_token.h of the
reference) with nothing but Python's own hmac and base64. The secret comes from `openvpn --genkey auth-token` (package openvpn).

    name username session-id(hex) first made token            one token per line; "-" stands for the empty username
"""
import base64
import hashlib
import hmac
import struct
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
CASES = [
    ("plain", "alice", "000102030405060708090a0b", 1600000000, 1600003600),
    ("first", "bob@example.org", "ffeeddccbbaa998877665544", 1760000000, 1760000000),
    ("empty-username", "", "0f1e2d3c4b5a69788796a5b4", 1760000000, 1760001000),
    ("late", "carol", "a0a1a2a3a4a5a6a7a8a9aaab", 4102444800, 4102448400),
    ("first-behind-made", "dave", "112233445566778899aabbcc", 1760001000, 1760000000),
]


def hmac_key(pem: str) -> bytes:
    body = "".join(line for line in pem.splitlines() if not line.startswith("-----"))
    content = base64.b64decode(body)
    assert len(content) == 128, "a struct key: 64 bytes for a cipher, 64 for an HMAC"
    return content[64:96]


def token(key: bytes, username: str, session: bytes, first: int, made: int) -> str:
    signed = session + struct.pack(">QQ", first, made)
    code = hmac.new(key, username.encode() + signed, hashlib.sha256).digest()
    return "SESS_ID_AT_" + base64.b64encode(signed + code).decode()


def main() -> None:
    secret = HERE / "auth-token.key"
    if not secret.exists():
        subprocess.run(["openvpn", "--genkey", "auth-token", str(secret)], check=True)
    key = hmac_key(secret.read_text())
    lines = [f"{name} {user or '-'} {session} {first} {made} {token(key, user, bytes.fromhex(session), first, made)}\n"
             for name, user, session, first, made in CASES]
    (HERE / "tokens.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
