"""Reads pcapng files (draft-ietf-opsawg-pcapng), written from the draft and without culvert's code."""

import struct
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

_SECTION, _INTERFACE, _STATISTICS, _PACKET = 0x0A0D0D0A, 1, 5, 6
LINKTYPE_RAW = 101


class Packet(NamedTuple):
    seconds: float  # since 1970
    data: bytes
    length: int  # as it was, before it was cut
    inbound: Optional[bool]
    comment: str

    @property
    def version(self) -> int:
        return self.data[0] >> 4

    def addresses(self):
        """(source, destination), as bytes."""
        at, size = (12, 4) if self.version == 4 else (8, 16)
        return self.data[at:at + size], self.data[at + size:at + 2 * size]

    @property
    def protocol(self) -> int:
        return self.data[9] if self.version == 4 else self.data[6]

    @property
    def payload(self) -> bytes:
        return self.data[(self.data[0] & 15) * 4:] if self.version == 4 else self.data[40:]


class File(NamedTuple):
    link_type: int
    snap: int
    name: str
    packets: List[Packet]
    received: int
    lost: int


def _options(data: bytes) -> Dict[int, bytes]:
    found: Dict[int, bytes] = {}
    while len(data) >= 4:
        code, length = struct.unpack("<HH", data[:4])
        if code == 0:
            assert length == 0
            break
        found[code] = data[4:4 + length]
        data = data[4 + (length + 3) // 4 * 4:]
    return found


def blocks(data: bytes):
    """(type, body) of every block; fails on anything that is not one."""
    while data:
        kind, length = struct.unpack("<II", data[:8])
        assert length % 4 == 0 and 12 <= length <= len(data), f"block of {length} bytes in {len(data)}"
        assert struct.unpack("<I", data[length - 4:length])[0] == length
        yield kind, data[8:length - 4]
        data = data[length:]


def read(path: Path) -> File:
    all_blocks = list(blocks(path.read_bytes()))
    kind, section = all_blocks.pop(0)
    assert kind == _SECTION and struct.unpack("<IHH", section[:8]) == (0x1A2B3C4D, 1, 0)
    kind, interface = all_blocks.pop(0)
    assert kind == _INTERFACE
    link_type, _, snap = struct.unpack("<HHI", interface[:8])
    options = _options(interface[8:])
    assert options[9] == b"\x09", "times in nanoseconds"
    packets, received, lost = [], 0, 0
    for kind, body in all_blocks:
        if kind == _STATISTICS:
            statistics = _options(body[12:])
            received, lost = (struct.unpack("<Q", statistics[code])[0] for code in (4, 5))
            continue
        assert kind == _PACKET, kind
        number, high, low, captured, length = struct.unpack("<IIIII", body[:20])
        assert number == 0 and captured <= length and (captured <= snap or snap == 0)
        more = _options(body[20 + (captured + 3) // 4 * 4:])
        flow = struct.unpack("<I", more[2])[0] & 3
        packets.append(Packet((high << 32 | low) / 1e9, body[20:20 + captured], length, {1: True, 2: False}.get(flow),
                              more.get(1, b"").decode()))
    return File(link_type, snap, options[2].decode(), packets, received, lost)
