"""A sequence-numbered UDP stream in both directions between two namespaces (tools/udp_stream.cc at either end)."""

import contextlib
import json
import subprocess
from pathlib import Path
from typing import Iterator, NamedTuple

from harness.builds import tool
from harness.namespace import Namespace
from harness.process import Process
from harness.waiting import Timeout, wait_until

STREAM_PORT = 9000


class Account(NamedTuple):
    """What became of the packets of one direction."""

    sent: int
    received: int
    lost: int
    duplicated: int
    reordered: int
    corrupted: int
    longest_silence_ms: int

    @property
    def perfect(self) -> bool:
        return self.sent > 0 and not (self.lost or self.duplicated or self.corrupted)


class _End:
    def __init__(self, namespace: Namespace, own: str, peer: str, port: int, rate: float, size: int, log: Path):
        self.process = namespace.start([tool("udp_stream"), own, str(port), peer, str(port), str(rate), str(size)], log,
                                       stdin=subprocess.PIPE)

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word.encode() + b"\n")
        self.process.stdin.flush()

    def report(self) -> dict:
        before = self.process.log().count("\n")
        self.say("report")
        wait_until(lambda: self.process.log().count("\n") > before, "a report of udp_stream", 10)
        return json.loads(self.process.log().splitlines()[before])


class Stream:
    """Ends: a at `a_address` in `a`, b at `b_address` in `b`; `rate` packets per second each way, `size` payload bytes."""

    def __init__(self, folder: Path, a: Namespace, a_address: str, b: Namespace, b_address: str, rate: float = 1000,
                 size: int = 400, port: int = STREAM_PORT):
        self.a = _End(a, a_address, b_address, port, rate, size, folder / f"stream-{port}-{a.name}.log")
        self.b = _End(b, b_address, a_address, port, rate, size, folder / f"stream-{port}-{b.name}.log")
        for end in (self.a, self.b):
            end.report()  # an end that answers has its socket: nothing is sent before both have
        for end in (self.a, self.b):
            end.say("start")

    def received(self) -> int:
        """Packets that have arrived so far, the smaller of both directions."""
        return min(self.a.report()["received"], self.b.report()["received"])

    def finish(self, seconds: float = 5.0) -> "tuple[Account, Account]":
        """Stops sending, waits until everything has arrived (or `seconds` are over), and accounts: (a to b, b to a)."""
        self.a.say("stop")
        self.b.say("stop")

        def all_there() -> bool:
            a, b = self.a.report(), self.b.report()
            return a["received"] >= b["sent"] and b["received"] >= a["sent"]

        with contextlib.suppress(Timeout):  # what is missing then is lost, and reported so
            wait_until(all_there, "all packets of the stream", seconds)
        a, b = self.a.report(), self.b.report()
        return self._account(a, b), self._account(b, a)

    def close(self) -> None:
        self.a.process.stop()
        self.b.process.stop()

    @staticmethod
    def _account(sender: dict, receiver: dict) -> Account:
        return Account(sender["sent"], receiver["received"], sender["sent"] - receiver["received"], receiver["duplicated"],
                       receiver["reordered"], receiver["corrupted"], receiver["longest_silence_ms"])


@contextlib.contextmanager
def streaming(*arguments, **options) -> Iterator[Stream]:
    stream = Stream(*arguments, **options)
    try:
        yield stream
    finally:
        stream.close()
