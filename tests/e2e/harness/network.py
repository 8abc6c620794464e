"""A bridge in a namespace of its own, and hosts on it. See the drawing in harness/__init__.py."""

from typing import List

from harness.namespace import Namespace

GATEWAY_HOST = 1
FIRST_CLIENT_HOST = 10


class Host:
    """A namespace with `eth0` on the bridge."""

    def __init__(self, network: "Network", role: str, number: int):
        self.namespace = Namespace(role)
        self.number = number
        self.ip4 = f"192.0.2.{number}"
        self.ip6 = f"2001:db8::{number}"
        wire = network.wire
        wire.ip(f"link add p{number} type veth peer name eth0 netns {self.namespace.name}",
                f"link set p{number} master bridge up")
        self.namespace.ip(f"address add {self.ip4}/24 dev eth0", f"address add {self.ip6}/64 dev eth0 nodad",
                          "link set eth0 up")


class Network:
    """One test's world. close() takes all of it away."""

    def __init__(self) -> None:
        self.wire = Namespace("wire")
        self.hosts: List[Host] = []
        try:
            self.wire.ip("link add bridge type bridge mcast_snooping 0 forward_delay 0", "link set bridge up")
            self.gateway = self._host("gateway", GATEWAY_HOST)
        except BaseException:
            self.close()
            raise

    def add_host(self, role: str = "client") -> Host:
        return self._host(role, FIRST_CLIENT_HOST + len(self.hosts) - 1)

    def _host(self, role: str, number: int) -> Host:
        host = Host(self, role, number)
        self.hosts.append(host)
        return host

    def close(self) -> None:
        for host in self.hosts:
            host.namespace.delete()
        self.wire.delete()
