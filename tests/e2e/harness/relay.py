"""A UDP relay in a client's namespace, before the gateway: it passes data packets on, and control packets until it is told to
hold them. So a test can stand still in the middle of a handshake."""

import select
import socket
import threading
from typing import List, Tuple

from harness.namespace import Namespace
from harness.server_conf import PORT

ADDRESS = "127.0.0.1"
_CONTROL = (3, 4, 5, 7, 8, 10, 11)  # opcodes: soft reset, control, acknowledgement, hard resets, control with a key
_P_CONTROL_V1 = 4


class Relay:
    """Listens at ADDRESS:PORT of `namespace`. `hold_after`: once as many P_CONTROL_V1 of one renegotiation (key-id above 0) have
    been passed to the gateway, control packets of both directions are lost, until release()."""

    def __init__(self, namespace: Namespace, gateway: str, hold_after: int):
        self.holding = threading.Event()
        self._released = threading.Event()
        self._hold_after = hold_after
        self._passed = 0
        self._inner = namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._inner.bind((ADDRESS, PORT))
        self._outer = namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._outer.connect((gateway, PORT))
        self._end, self._wake = socket.socketpair()
        self._client: Tuple[str, int] = ("", 0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def release(self) -> None:
        self._released.set()

    def _passes(self, packet: bytes, to_gateway: bool) -> bool:
        if not packet or self._released.is_set() or packet[0] >> 3 not in _CONTROL:
            return True
        if self.holding.is_set():
            return False
        if to_gateway and packet[0] >> 3 == _P_CONTROL_V1 and packet[0] & 7 > 0:
            self._passed += 1
            if self._passed == self._hold_after:
                self.holding.set()
        return True

    def _run(self) -> None:
        sockets: List[socket.socket] = [self._inner, self._outer, self._end]
        while True:
            ready, _, _ = select.select(sockets, [], [])
            if self._end in ready:
                return
            try:
                if self._inner in ready:
                    packet, self._client = self._inner.recvfrom(65536)
                    if self._passes(packet, True):
                        self._outer.send(packet)
                if self._outer in ready:
                    packet = self._outer.recv(65536)
                    if self._passes(packet, False):
                        self._inner.sendto(packet, self._client)
            except OSError:
                continue  # an ICMP error of a packet before

    def close(self) -> None:
        self._wake.close()
        self._thread.join()
        for each in (self._inner, self._outer, self._end):
            each.close()

    def __enter__(self) -> "Relay":
        return self

    def __exit__(self, *_exception) -> None:
        self.close()
