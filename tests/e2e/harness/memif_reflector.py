"""In a gateway's place: a process that sends back what two memif ports bring. What memif and pktgen do by themselves."""

from pathlib import Path
from typing import Sequence

from harness import builds
from harness.pktgen_gateway import memif_device, run_program
from harness.process import Process
from harness.waiting import wait_until


class MemifReflector:
    def __init__(self, folder: Path, clients: int, core: str = "any", ring: int = 10, huge: bool = True):
        self.folder = folder
        self.clients = clients
        self.ring = ring
        self.memory = [] if huge else ["--no-huge"]
        words = [] if core == "any" else ["--core", core]
        self.process = Process([self._program(), "--reflect", *self._ports("server"), *words, *self.memory],
                               folder / "reflector.log")

        def alive() -> None:
            assert self.process.running(), self.process.tail()
        wait_until(lambda: all((folder / f"{number}.sock").exists() for number in (0, 1)), "the reflector's ports", 15.0,
                   alive)

    @staticmethod
    def _program() -> str:
        return builds.program("perf", "pktgen", "pktgen")

    def _ports(self, role: str) -> list:
        return ["--outer", memif_device(self.folder, 0, role, self.ring),
                "--inner", memif_device(self.folder, 1, role, self.ring)]

    def pktgen(self, more: Sequence[str]) -> int:
        """Runs pktgen --loopback to its end; its output is ours. Returns its exit status."""
        return run_program([self._program(), "--loopback", *self._ports("client"), "--clients", str(self.clients),
                            *self.memory, *more])

    def __enter__(self) -> "MemifReflector":
        return self

    def __exit__(self, *_exception) -> None:
        self.process.stop()
