"""Debian's openvpn as the gateway. A test that passes against it and fails against culvert has found a bug in culvert."""

import os
import socket
from pathlib import Path
from typing import List, Optional

from harness.network import Host
from harness.process import Process
from harness.server_conf import ServerConf
from harness.waiting import wait_until


class StockGateway:
    kind = "stock"

    def __init__(self, host: Host, conf: ServerConf, folder: Path, password: Optional[Path] = None):
        """`password`: the file that holds the management interface's."""
        self.host = host
        self.namespace = host.namespace
        self.conf = conf
        self.folder = folder
        self.management = folder / "management.sock"
        self._password = [password] if password else []
        self.process: Optional[Process] = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "server.conf").write_text(conf.text() + "disable-dco\nduplicate-cn\n")

    def start(self, ready: bool = True) -> "StockGateway":
        self.process = self.namespace.start(
            ["openvpn", "--config", self.folder / "server.conf", "--management", self.management, "unix", *self._password],
            self.folder / "gateway.log", cwd=self.folder)
        if ready:
            self.process.wait_for_log("Initialization Sequence Completed")
        return self

    def stop(self) -> int:
        return self.process.stop() if self.process else 0

    def log(self) -> str:
        return self.process.log() if self.process else ""

    def session_names(self) -> List[str]:
        """Common names of the connected clients."""
        rows = [line.split(",") for line in self._ask("status 2").splitlines() if line.startswith("CLIENT_LIST,")]
        return [row[1] for row in rows if row[3]]

    def session_of(self, name: str) -> dict:
        for line in self._ask("status 2").splitlines():
            row = line.split(",")
            if row[0] == "CLIENT_LIST" and row[1] == name:
                return {"common_name": row[1], "remote": row[2], "ip4": row[3], "ip6": row[4], "peer_id": row[11]}
        raise AssertionError(f"no session of {name}")

    def kill_session(self, name: str) -> None:
        assert "SUCCESS" in self._ask(f"kill {name}", until="\n")

    def _ask(self, command: str, until: str = "END") -> str:
        with socket.socket(socket.AF_UNIX) as asker:
            asker.settimeout(5)
            wait_until(lambda: os.path.exists(self.management), "management socket")
            asker.connect(str(self.management))
            asker.sendall(command.encode() + b"\n")
            answer = ""
            while not any(line == until or (until == "\n" and line.startswith(("SUCCESS", "ERROR")))
                          for line in answer.splitlines()):
                answer += asker.recv(65536).decode()
            return answer
