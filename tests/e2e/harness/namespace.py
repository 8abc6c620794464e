"""One network namespace: commands in it, and sockets that live in it though this process does not."""

import contextlib
import ctypes
import itertools
import os
import re
import socket
import subprocess
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence

from harness.process import Process

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count(1)
_NAME = re.compile(r"^cve(\d+)-\d+-")
_FOLDER = Path("/run/netns")


def _check(argv: Sequence[str], stdin: Optional[str] = None) -> str:
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}"
    return done.stdout


def sweep() -> None:
    """Deletes namespaces of runs that were killed: their names hold the pid of a process that is gone."""
    for entry in _FOLDER.glob("cve*") if _FOLDER.is_dir() else []:
        match = _NAME.match(entry.name)
        if match and not Path("/proc", match.group(1)).exists():
            subprocess.run(["ip", "netns", "del", entry.name], check=False)


class Namespace:
    """Named `cve<pid of the run>-<number>-<role>`, so that runs side by side never meet."""

    def __init__(self, role: str):
        self.role = role
        self.name = f"cve{os.getpid()}-{next(_numbers)}-{role}"
        _check(["ip", "netns", "add", self.name])
        # Addresses are usable at once: no duplicate address detection, no waiting for it.
        self.write_sysctl("net/ipv6/conf/all/accept_dad", "0")
        self.write_sysctl("net/ipv6/conf/default/accept_dad", "0")
        self.ip("link set lo up")

    def delete(self) -> None:
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)

    def inside(self, argv: Sequence[str]) -> list:
        """`argv` as it runs in this namespace. nsenter replaces itself by the command: the pid is the command's."""
        return ["nsenter", f"--net={_FOLDER / self.name}", "--", *[str(word) for word in argv]]

    def run(self, *argv: str) -> str:
        """Runs a command to its end; fails with its error text. Returns its stdout."""
        return _check(self.inside(argv))

    def try_run(self, *argv: str, timeout: float = 30.0) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(self.inside(argv), capture_output=True, text=True, timeout=timeout)

    def ip(self, *commands: str) -> None:
        """One or more commands of `ip`, in one process."""
        _check(["ip", "-n", self.name, "-batch", "-"], "\n".join(commands) + "\n")

    def nft(self, rules: str) -> None:
        _check(self.inside(["nft", "-f", "-"]), rules)

    def start(self, argv: Sequence[str], log: Path, env: Optional[Dict[str, str]] = None, **options) -> Process:
        return Process(self.inside(argv), log, env, **options)

    def write_sysctl(self, path: str, value: str) -> None:
        with self.entered():
            # /proc/sys/net shows the namespace of the thread that opens the file.
            Path("/proc/sys", path).write_text(value)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """The calling thread is in this namespace; sockets made meanwhile stay in it for good."""
        with open("/proc/thread-self/ns/net") as home, open(_FOLDER / self.name) as there:
            _setns(there.fileno())
            try:
                yield
            finally:
                _setns(home.fileno())

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        with self.entered():
            return socket.socket(family, kind, protocol)

    def udp_losses(self) -> Dict[str, int]:
        """Datagrams that its sockets had no room for, in and out."""
        with self.entered():
            names, values = [line.split() for line in Path("/proc/thread-self/net/snmp").read_text().splitlines()
                             if line.startswith("Udp:")]
        counts = dict(zip(names, values))
        return {name: int(counts[name]) for name in ("RcvbufErrors", "SndbufErrors")}

    def ping(self, address: str, count: int = 1, size: int = 56, seconds: float = 3.0) -> bool:
        """True when every one of `count` echo requests was answered."""
        done = self.try_run("ping", "-n", "-q", "-i", "0.05", "-c", str(count), "-W", f"{seconds:g}", "-s", str(size),
                            address)
        return done.returncode == 0 and " 0% packet loss" in done.stdout


    def round_trips(self, address: str, count: int = 50) -> List[float]:
        """Milliseconds of `count` echo requests, 20 ms apart, sorted; those that got no answer are missing."""
        done = self.try_run("ping", "-n", "-i", "0.02", "-c", str(count), "-W", "3", address)
        return sorted(float(time) for time in re.findall(r" time=([0-9.]+) ms", done.stdout))


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"setns: {os.strerror(code)}")
