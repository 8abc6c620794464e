"""A network with a gateway and clients on it, and its end: everything that a test starts goes through here."""

from pathlib import Path
from typing import List, Optional, Sequence, Tuple

from harness.certificates import Certificates
from harness.client import Client
from harness.gateway import start_gateway
from harness.network import Network
from harness.server_conf import ServerConf

_alive: List["Stage"] = []


class Stage:
    def __init__(self, folder: Path, certificates: Certificates):
        self.folder = folder
        self.certificates = certificates
        self.network = Network()
        self.gateways: list = []
        self.clients: List[Client] = []
        _alive.append(self)

    def gateway(self, **conf):
        """Starts the gateway with a ServerConf of these fields and waits until it serves."""
        gateway = start_gateway(self.network.gateway, ServerConf(self.certificates, **conf),
                                self.folder / f"gateway{len(self.gateways)}")
        return self.add(gateway)

    def add(self, gateway):
        """A gateway made by the test itself: stopped and shown with the others."""
        self.gateways.append(gateway)
        return gateway

    def client(self, name: str = "alice", options: Sequence[str] = (), host=None, **fields) -> Client:
        """A client on a host of its own (or on `host`), not started yet."""
        client = Client(host or self.network.add_host(), self.folder, self.certificates, name, options=options, **fields)
        self.clients.append(client)
        return client

    def connected(self, name: str = "alice", **fields) -> Client:
        return self.client(name, **fields).connect()

    @staticmethod
    def alive() -> List["Stage"]:
        return list(_alive)

    def logs(self) -> List[Tuple[str, str]]:
        shown = [(f"gateway: {gateway.folder}", _end(gateway.log())) for gateway in self.gateways]
        shown += [(f"client {client.name}: {client.folder}", _end(client.log()))
                  for client in self.clients[:3] if client.process]
        return shown

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_exception) -> Optional[bool]:
        _alive.remove(self)
        try:
            for client in self.clients:
                if client.process is not None and client.process.running():
                    client.kill()
            for gateway in self.gateways:
                if gateway.process is not None:
                    gateway.stop()
        finally:
            self.network.close()
        return None


def _end(text: str, lines: int = 60) -> str:
    return "\n".join(text.splitlines()[-lines:])
