"""Sequence-numbered packets between many clients and the network behind the gateway, all from one thread: a few per second and
client, for long. One client at full rate: udp_stream."""

import selectors
import socket
import struct
import threading
import time
from typing import Dict, List, Optional, Sequence

from harness.client import Client
from harness.namespace import Namespace
from harness.waiting import Timeout, wait_until

CROWD_PORT = 9100
_HEADER = struct.Struct("!II")  # number of the client, number of the packet
_PAYLOAD = bytes(200)
_BUFFER = 8 << 20
_SO_RCVBUFFORCE = 33


class Direction:
    """What became of one client's packets in one direction."""

    def __init__(self) -> None:
        self.sent = 0
        self.early: set = set()  # numbers above `contiguous` that have arrived
        self.contiguous = 0  # every number below has arrived
        self.duplicated = 0

    def arrived(self, number: int) -> None:
        if number < self.contiguous or number in self.early:
            self.duplicated += 1
            return
        self.early.add(number)
        while self.contiguous in self.early:
            self.early.remove(self.contiguous)
            self.contiguous += 1

    @property
    def lost(self) -> int:
        return self.sent - self.contiguous - len(self.early)


class Crowd:
    """`rate` packets per second, client and direction, over inner IPv4."""

    def __init__(self, gateway: Namespace, gateway_address: str, clients: Sequence[Client], rate: float):
        self.up = [Direction() for _ in clients]
        self.down = [Direction() for _ in clients]
        self._period = 1 / rate / len(clients)
        self._peers = [(client.inner4, CROWD_PORT) for client in clients]
        self._target = (gateway_address, CROWD_PORT)
        self._center = _bound(gateway, self._target)
        self._ends = [_bound(client.namespace, peer) for client, peer in zip(clients, self._peers)]
        self._sending = threading.Event()
        self._sending.set()
        self._silent = threading.Event()  # the thread has seen that it must not send any more
        self._running = True
        self.error: Optional[BaseException] = None
        self._thread = threading.Thread(target=self._run, name="crowd", daemon=True)
        self._thread.start()

    def packets(self) -> int:
        """Arrived so far, in all."""
        return sum(one.contiguous for one in (*self.up, *self.down))

    def finish(self, seconds: float = 5.0) -> Dict[str, int]:
        """Stops sending, waits for what is under way, and adds up."""
        self._sending.clear()
        wait_until(lambda: self._silent.is_set() or self.error, "the last packet on its way", 10)
        try:
            wait_until(lambda: self._lost() == 0, "the last packets", seconds)
        except Timeout:
            pass  # what is missing then is lost
        self._running = False
        self._thread.join()
        for end in (self._center, *self._ends):
            end.close()
        assert self.error is None, self.error
        every = [*self.up, *self.down]
        return {"sent": sum(one.sent for one in every), "lost": self._lost(),
                "duplicated": sum(one.duplicated for one in every)}

    def losers(self) -> List[str]:
        """Clients that lost or doubled something."""
        return [f"client {number}: {direction} {one.lost} lost, {one.duplicated} doubled of {one.sent}"
                for direction, ones in (("up", self.up), ("down", self.down))
                for number, one in enumerate(ones) if one.lost or one.duplicated]

    def _lost(self) -> int:
        return sum(one.lost for one in (*self.up, *self.down))

    def _run(self) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                for end in (self._center, *self._ends):
                    selector.register(end, selectors.EVENT_READ)
                self._loop(selector)
        except BaseException as error:  # noqa: B902  it is shown by finish()
            self.error = error

    def _loop(self, selector: selectors.BaseSelector) -> None:
        turn, due = 0, time.monotonic()
        while self._running:
            now = time.monotonic()
            while self._sending.is_set() and due <= now:
                self._send(turn)
                turn = (turn + 1) % len(self._ends)
                due += self._period
            if not self._sending.is_set():
                self._silent.set()
            for key, _ in selector.select(max(0.0, min(due - now, 0.05)) if self._sending.is_set() else 0.05):
                self._receive(key.fileobj)  # type: ignore[arg-type]

    def _send(self, client: int) -> None:
        up, down = self.up[client], self.down[client]
        self._ends[client].sendto(_HEADER.pack(client, up.sent) + _PAYLOAD, self._target)
        up.sent += 1
        self._center.sendto(_HEADER.pack(client, down.sent) + _PAYLOAD, self._peers[client])
        down.sent += 1

    def _receive(self, end: socket.socket) -> None:
        accounts = self.up if end is self._center else self.down
        while True:
            try:
                packet = end.recv(2048)
            except BlockingIOError:
                return
            client, number = _HEADER.unpack_from(packet)
            assert packet[_HEADER.size:] == _PAYLOAD, "a packet arrived damaged"
            assert end is self._center or end is self._ends[client], "a packet reached the wrong client"
            accounts[client].arrived(number)


def _bound(namespace: Namespace, address) -> socket.socket:
    made = namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    made.setblocking(False)
    made.bind(address)
    return made
