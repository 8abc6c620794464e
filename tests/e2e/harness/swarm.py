"""The swarm (perf/swarm) against a gateway: a veth pair between two namespaces, clients with addresses of 198.18.0.0/15."""

import json
import subprocess
from pathlib import Path
from typing import Any, Dict, List, Sequence

from harness import builds
from harness.certificates import Certificates
from harness.gateway import Gateway
from harness.namespace import Namespace
from harness.server_conf import PORT, ServerConf
from harness.stock_gateway import StockGateway

SERVER = "198.51.100.1"
CLIENTS = "198.51.100.2"
SOURCES = "198.18.0.1"
KINDS = {"culvert": Gateway, "stock": StockGateway}
_LINES = ["server 10.8.0.0 255.255.0.0", "max-clients 20000", "duplicate-cn", "connect-freq-initial 1000000 10"]


class _Host:
    """What a gateway wants of a host of harness/network.py."""

    def __init__(self, namespace: Namespace):
        self.namespace = namespace


class SwarmStage:
    """Two namespaces joined by a veth pair; one gateway at a time. A context manager: it takes everything away again."""

    def __init__(self, folder: Path, certificates: Certificates):
        self.folder = folder
        self.certificates = certificates
        self.server = Namespace("server")
        self.clients = Namespace("clients")
        self.gateway: Any = None
        self.clients.ip(f"link add wire type veth peer name wire netns {self.server.name}",
                        f"address add {CLIENTS}/30 dev wire", "link set wire up",
                        "route add local 198.18.0.0/15 dev lo")
        self.server.ip(f"address add {SERVER}/30 dev wire", "link set wire up", f"route add 198.18.0.0/15 via {CLIENTS}")
        self.profile = folder / "swarm.ovpn"
        self.profile.write_text(self._profile())

    def __enter__(self) -> "SwarmStage":
        return self

    def __exit__(self, *_exception) -> None:
        try:
            self.stop()
        finally:
            self.clients.delete()
            self.server.delete()

    def serve(self, kind: str, protocol: str = "udp", extra: Sequence[str] = ()) -> None:
        """Starts a gateway ("culvert" or "stock") in place of the one before, and waits until it serves."""
        self.stop()
        conf = ServerConf(self.certificates, protocol="tcp-server" if protocol == "tcp" else "udp", without=["server", "server-ipv6", "verb"],
                          extra=[*_LINES, "verb 1" if kind == "culvert" else "verb 3", *extra])
        number = len(list(self.folder.glob("gateway*")))
        self.gateway = KINDS[kind](_Host(self.server), conf, self.folder / f"gateway{number}").start()

    def stop(self) -> None:
        if self.gateway is not None:
            self.gateway.stop()
        self.gateway = None

    def pids(self) -> List[int]:
        """The gateway's processes: culvert has two."""
        return list(self.gateway.pids().values()) if self.gateway.kind == "culvert" else [self.gateway.process.pid]

    def argv(self, *options: str) -> List[str]:
        """The swarm as it runs in the clients' namespace."""
        pids = [word for pid in self.pids() for word in ("--pid", str(pid))]
        return [str(word) for word in self.clients.inside(
            [_program(), "--profile", self.profile, "--sources", SOURCES, "--server-netns", f"/run/netns/{self.server.name}",
             *pids, *options])]

    def run(self, *options: str, seconds: float = 120.0) -> Dict[str, Any]:
        """Runs the swarm to its end; its result as parsed JSON. Fails with what it said."""
        path = self.folder / "swarm.json"
        done = subprocess.run(self.argv("--json", str(path), *options), capture_output=True, text=True, timeout=seconds)
        assert done.returncode == 0, f"swarm: status {done.returncode}: {done.stderr[-2000:]}"
        return json.loads(path.read_text())

    def _profile(self) -> str:
        pair = self.certificates.client("swarm")
        parts = {"ca": self.certificates.ca, "cert": pair.certificate, "key": pair.key,
                 "tls-crypt-v2": self.certificates.v2_client_key}
        return f"client\ndev tun\nremote {SERVER} {PORT}\nremote-cert-tls server\n" + "".join(
            f"<{name}>\n{Path(path).read_text().rstrip()}\n</{name}>\n" for name, path in parts.items())


def _program() -> str:
    return builds.program("perf", "swarm", "swarm")
