"""Garbage, truncated, replayed and bit-flipped packets against a gateway's UDP port and its TUN (tools/garbage.cc)."""

import json
import socket
import struct
from pathlib import Path
from typing import Dict

from harness import builds
from harness.namespace import Namespace
from harness.process import Process
from harness.server_conf import PORT
from harness.waiting import wait_until

_ETH_P_ALL = 3


class Capture:
    """Collects the UDP payloads that reach a gateway's port, as a wiretap on its `eth0` would."""

    def __init__(self, gateway_namespace: Namespace, path: Path, port: int = PORT):
        self.path = path
        self._port = port
        self._socket = gateway_namespace.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        self._socket.bind(("eth0", _ETH_P_ALL))
        self._socket.setblocking(False)

    def take(self, count: int, seconds: float = 20.0) -> None:
        """Waits for `count` packets and writes them to `path`: length (16 bits, big-endian), payload."""
        with self._socket, open(self.path, "wb") as out:
            taken = 0

            def enough() -> bool:
                nonlocal taken
                while taken < count:
                    try:
                        packet, address = self._socket.recvfrom(65536)
                    except BlockingIOError:
                        return False
                    payload = self._payload(packet) if address[2] != socket.PACKET_OUTGOING else b""
                    if payload:
                        out.write(struct.pack("!H", len(payload)) + payload)
                        taken += 1
                return True

            wait_until(enough, f"{count} packets on the wire", seconds)

    def _payload(self, packet: bytes) -> bytes:
        if len(packet) < 28 or packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_UDP:
            return b""
        header = (packet[0] & 15) * 4
        (destination,) = struct.unpack_from("!H", packet, header + 2)
        (length,) = struct.unpack_from("!H", packet, header + 4)
        return packet[header + 8:header + length] if destination == self._port else b""


class Flood:
    """A running generator."""

    def __init__(self, process: Process):
        self.process = process

    def running(self) -> bool:
        return self.process.running()

    def finish(self, seconds: float) -> Dict[str, int]:
        """Waits for its end; returns the packets that went out by kind, and "sent" in all."""
        assert self.process.wait(seconds) == 0, self.process.log()
        return json.loads(self.process.log().splitlines()[-1])


def flood_outer(attacker: Namespace, log: Path, target: str, count: int, rate: int, capture: Path, spoofed: str,
                spoofed_port: int, seed: int = 1) -> Flood:
    """Half of it claims to come from `spoofed`."""
    return Flood(attacker.start([builds.tool("garbage"), "outer", target, str(PORT), str(count), str(rate), str(seed),
                                 capture, spoofed, str(spoofed_port)], log))


def flood_inner(gateway: Namespace, log: Path, device: str, count: int, rate: int, seed: int = 1) -> Flood:
    return Flood(gateway.start([builds.tool("garbage"), "inner", device, str(count), str(rate), str(seed)], log))


def udp_receive_errors(namespace: Namespace) -> int:
    """Datagrams that the kernel dropped because a socket's buffer was full."""
    with namespace.entered():
        lines = [line.split() for line in Path("/proc/thread-self/net/snmp").read_text().splitlines()
                 if line.startswith("Udp:")]
    return int(dict(zip(lines[0], lines[1]))["RcvbufErrors"])
