"""Child processes with a log file. Each is known by its pid and ended by its pid; none outlives the test run."""

import atexit
import ctypes
import os
import signal
import subprocess
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from harness.waiting import Timeout, wait_until

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_running: List["Process"] = []


def die_with_parent() -> None:
    """Runs in the child: the kernel kills it should the test run itself be killed."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A running program. stdout and stderr go to `log`."""

    def __init__(self, argv: Sequence[str], log: Path, env: Optional[Dict[str, str]] = None,
                 stdin: Optional[int] = subprocess.DEVNULL, cwd: Optional[Path] = None):
        self.argv = [str(word) for word in argv]
        self.log_path = log
        self._log = open(log, "ab")
        self._popen = subprocess.Popen(self.argv, stdin=stdin, stdout=self._log, stderr=subprocess.STDOUT, cwd=cwd,
                                       env={**os.environ, **(env or {})}, preexec_fn=die_with_parent,
                                       start_new_session=True)
        self.stdin = self._popen.stdin
        _running.append(self)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def running(self) -> bool:
        return self._popen.poll() is None

    def exit_status(self) -> Optional[int]:
        """None while it runs; negative: the signal that ended it."""
        return self._popen.poll()

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def signal(self, number: int) -> None:
        if self.running():
            self._popen.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and waits until it is gone."""
        self.signal(signal.SIGKILL)
        self._popen.wait()
        self._forget()

    def stop(self, seconds: float = 10.0) -> int:
        """SIGTERM, SIGKILL when that does not help within `seconds`. Returns the exit status."""
        self.signal(signal.SIGTERM)
        try:
            self.wait(seconds)
        except Timeout:
            self.kill()
        self._forget()
        return self._popen.returncode

    def wait(self, seconds: float) -> int:
        """Waits for its end; returns the exit status."""
        try:
            self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Timeout(f"{self.argv[0]} (pid {self.pid}) did not end within {seconds:g} s") from None
        return self._popen.returncode

    def wait_for_log(self, text: str, seconds: float = 15.0, start: int = 0) -> None:
        """Waits until `text` stands in the log behind character `start`; fails at once when the process ends without it."""
        def still_running() -> None:
            if not self.running() and text not in self.log()[start:]:
                raise Timeout(f"{Path(self.argv[0]).name} ended with {self.exit_status()} before logging {text!r}:\n"
                              + self.tail())
        try:
            wait_until(lambda: text in self.log()[start:], f"{text!r} in {self.log_path}", seconds, still_running)
        except Timeout as timeout:
            raise Timeout(f"{timeout}\n{self.tail()}") from None

    def tail(self, lines: int = 60) -> str:
        return "\n".join(self.log().splitlines()[-lines:])

    def _forget(self) -> None:
        if self.stdin is not None:
            try:
                self.stdin.close()
            except BrokenPipeError:
                pass
        self._log.close()
        if self in _running:
            _running.remove(self)


def end_all() -> None:
    """The last resort when a test was interrupted: ends whatever is still running, by pid."""
    for process in list(_running):
        process.kill()


atexit.register(end_all)


def exists(pid: int) -> bool:
    """Is there a process `pid` that is not a zombie?"""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rsplit(")", 1)[1].split()[0] != "Z"


def resident_kib(pid: int) -> int:
    """Resident memory (VmRSS) in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError(f"no VmRSS for pid {pid}")


def cpu_seconds(pid: int) -> float:
    """User and system time that the process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
