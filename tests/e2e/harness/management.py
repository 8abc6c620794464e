"""A program that talks to the management interface, as eduVPN's daemon and others do."""

import socket
from pathlib import Path
from typing import Dict, List, Optional

from harness.waiting import wait_until


class Management:
    def __init__(self, path: Path, seconds: float = 10.0):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(seconds)
        wait_until(lambda: self._connected(path), "the management socket", seconds)
        self.buffer = b""

    def _connected(self, path: Path) -> bool:
        try:
            self.socket.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def say(self, line: str) -> None:
        self.socket.sendall(line.encode() + b"\n")

    def line(self) -> str:
        """The next line, without its end; raises when the gateway closes."""
        while b"\r\n" not in self.buffer:
            part = self.socket.recv(65536)
            if not part:
                raise EOFError("management connection closed")
            self.buffer += part
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode()

    def lines_until(self, *ends: str) -> List[str]:
        """Lines up to and with one that begins with one of `ends`."""
        lines = [self.line()]
        while not lines[-1].startswith(ends):
            lines.append(self.line())
        return lines

    def ask(self, command: str) -> str:
        """The answer in one line (SUCCESS or ERROR); real-time lines before it are skipped."""
        self.say(command)
        return self.lines_until("SUCCESS", "ERROR")[-1]

    def clients(self) -> Dict[str, List[str]]:
        """`status 2`, read by position: the fields of each CLIENT_LIST line, by common name."""
        self.say("status 2")
        found = {}
        for line in self.lines_until("END"):
            fields = line.split(",")
            if fields[0] == "CLIENT_LIST":
                found[fields[1]] = fields
        return found

    def close(self) -> None:
        self.socket.close()


def connect(path: Path, password: Optional[str] = None) -> Management:
    management = Management(path)
    if password is None:
        assert management.line().startswith(">INFO:OpenVPN Management Interface Version")
    return management
