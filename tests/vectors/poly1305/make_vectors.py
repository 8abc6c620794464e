#!/usr/bin/env python3
"""Makes tags.txt anew: Poly1305 as CHACHA20-POLY1305 uses it (RFC 8439, 2.8), computed with plain integers.

    name key(hex, 32 bytes) aad(hex) text(hex) tag(hex)       one per line; "-" stands for nothing
"""
import random
from pathlib import Path

P = 2**130 - 5
CLAMP = 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
ONES = 2**128 - 1


def poly1305(key: bytes, message: bytes) -> bytes:
    r = int.from_bytes(key[:16], "little") & CLAMP
    s = int.from_bytes(key[16:], "little")
    h = 0
    for at in range(0, len(message), 16):
        h = (h + int.from_bytes(message[at : at + 16] + b"\1", "little")) * r % P
    return ((h + s) % 2**128).to_bytes(16, "little")


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 16)


def lengths(aad: bytes, text: bytes) -> bytes:
    return len(aad).to_bytes(8, "little") + len(text).to_bytes(8, "little")


def tag(key: bytes, aad: bytes, text: bytes) -> bytes:
    return poly1305(key, padded(aad) + padded(text) + lengths(aad, text))


def key(r: int, s: int) -> bytes:
    return r.to_bytes(16, "little") + s.to_bytes(16, "little")


def sum_to(residue: int, blocks: int) -> bytes:
    """A text of that many blocks whose hash under r = 1, without AAD, is `residue` modulo P before it is reduced."""
    end = 2**128 + int.from_bytes(lengths(b"", bytes(16 * blocks)), "little")
    wanted = residue - end - blocks * 2**128
    while wanted < 0:
        wanted += P
    text = b""
    for left in range(blocks, 0, -1):
        block = min(ONES, wanted) if left > 1 else wanted
        wanted -= block
        text += block.to_bytes(16, "little")
    assert wanted == 0
    return text


def cases():
    # Hashes next to the modulus and next to 2^130, with s that carries and s that doesn't.
    for blocks in (2, 5, 8, 9):
        for residue in range(P - 3, P + 8):
            for s in (0, 1, ONES):
                yield f"sum-p{residue - P:+d}-{blocks}-blocks-s{s % 7}", key(1, s), b"", sum_to(residue, blocks)
    # What clamping leaves at most and at least; bits that it must remove; one bit in each limb.
    extremes = [0, 1, 2, 4, 5, ONES, CLAMP, CLAMP - 1, CLAMP ^ 0x0FFFFFFF, 0x0FFFFFFC << 96, 0xF0000003F0000003F0000003F0000000]
    extremes += [1 << bit for bit in (43, 44, 45, 67, 87, 90, 100, 123)]
    for index, r in enumerate(extremes):
        for size in (0, 1, 16, 63, 64, 65, 128, 255, 272):
            for fill in (0, 0xFF):
                aad = bytes([fill]) * ((0, 4, 8, 16)[(index + size) % 4])
                yield f"r{index}-{size}-bytes-of-{fill}", key(r, ONES - index), aad, bytes([fill]) * size
    source = random.Random(8439)
    for size in range(0, 300, 7):
        yield f"random-{size}", source.randbytes(32), source.randbytes(source.choice((0, 4, 8, 16))), source.randbytes(size)


def main():
    example = bytes.fromhex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b")
    assert poly1305(example, b"Cryptographic Forum Research Group").hex() == "a8061dc1305136c6c22b8baf0c0127a9"
    lines = [f"{name} {k.hex()} {aad.hex() or '-'} {text.hex() or '-'} {tag(k, aad, text).hex()}\n" for name, k, aad, text in cases()]
    (Path(__file__).parent / "tags.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
