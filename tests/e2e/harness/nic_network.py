"""A gateway in NIC mode: its two interfaces belong to DPDK ports, their addresses are on the twins.

    clients ── bridge ── eth0 = port wan0 (192.0.2.1, 2001:db8::1)
                             gateway
                         eth1 = port lan0 (198.51.100.1, 2001:db8:51::1) ── far host (198.51.100.7, 2001:db8:51::7)
"""

from typing import Dict, List

from harness.gateway import Gateway
from harness.namespace import Namespace
from harness.server_conf import ServerConf

DEVICES = {"AF_PACKET": "net_af_packet{number},iface={interface}", "AF_XDP": "net_af_xdp{number},iface={interface}"}
WAN, LAN = "wan0", "lan0"
FAR4, FAR6 = "198.51.100.7", "2001:db8:51::7"
LAN4, LAN6 = "198.51.100.1", "2001:db8:51::1"
ROUTES = ['push "route 198.51.100.0 255.255.255.0"', 'push "route-ipv6 2001:db8:51::/64"']


class NicNetwork:
    """Adds the far host to a stage's network and starts the gateway on ports of `kind` (a key of DEVICES)."""

    def __init__(self, stage, kind: str):
        self.stage = stage
        self.kind = kind
        self.gateway_namespace: Namespace = stage.network.gateway.namespace
        self.far = Namespace("far")
        stage.network.hosts.append(_Only(self.far))
        gateway = self.gateway_namespace
        gateway.ip("address flush dev eth0", f"link add eth1 type veth peer name eth0 netns {self.far.name}",
                   "link set eth1 up")
        self.far.ip(f"address add {FAR4}/24 dev eth0", f"address add {FAR6}/64 dev eth0 nodad", "link set eth0 up",
                    f"route add default via {LAN4}", f"route add ::/0 via {LAN6}")
        if kind == "AF_PACKET":
            # A packet socket gets the 64 KiB packets that a virtual neighbour leaves to its device to cut.
            self.far.run("ethtool", "-K", "eth0", "tso", "off", "gso", "off")
        gateway.write_sysctl("net/ipv4/ip_forward", "1")
        gateway.write_sysctl("net/ipv6/conf/all/forwarding", "1")

    def host_behind_router(self, mtu: int) -> "_Only":
        """A host whose only way to the gateway is a router with a link of `mtu` bytes. start() first."""
        router = self.stage.network.add_host("router")
        behind = _Only(Namespace("behind"), 250)
        self.stage.network.hosts.append(behind)
        router.namespace.write_sysctl("net/ipv4/ip_forward", "1")
        router.namespace.ip(f"link add eth1 mtu {mtu} type veth peer name eth0 mtu {mtu} netns {behind.namespace.name}",
                            "address add 203.0.113.1/24 dev eth1", "link set eth1 up")
        behind.namespace.ip("address add 203.0.113.2/24 dev eth0", "link set eth0 up", "route add default via 203.0.113.1")
        self.gateway_namespace.ip(f"route add 203.0.113.0/24 via {router.ip4} dev {WAN}")
        return behind

    def widen(self, mtu: int):
        """Makes room for frames of `mtu` bytes on all wires but the gateway's own ends, which are start()'s to widen. Returns
        a host for a client on such a wire."""
        self.far.ip(f"link set eth0 mtu {mtu}")
        host = self.stage.network.add_host("large")
        for number in (self.stage.network.gateway.number, host.number):
            self.stage.network.wire.ip(f"link set p{number} mtu {mtu}")
        host.namespace.ip(f"link set eth0 mtu {mtu}")
        return host

    def port(self, number: int, interface: str, name: str, addresses: List[str], mtu: int) -> str:
        device = DEVICES[self.kind].format(number=number, interface=interface)
        listed = ", ".join(f'"{address}"' for address in addresses)
        return f'[[port]]\ndevice = "{device}"\nname = "{name}"\nmtu = {mtu}\naddresses = [{listed}]\n'

    def start(self, ready: bool = True, toml: str = "", mtu: int = 1500, **conf) -> Gateway:
        """`mtu`: of both ports; what is at their other ends is the test's to change."""
        extra = ROUTES + conf.pop("extra", [])
        conf = {"protocol": "udp6", **conf}
        settings = ServerConf(self.stage.certificates, extra=extra, **conf)
        ports = self.port(0, "eth0", WAN, ["192.0.2.1/24", "2001:db8::1/64"], mtu)
        ports += self.port(1, "eth1", LAN, [f"{LAN4}/24", f"{LAN6}/64"], mtu)
        folder = self.stage.folder / f"gateway{len(self.stage.gateways)}"
        gateway = Gateway(self.stage.network.gateway, settings, folder, toml=toml + ports)
        return self.stage.add(gateway).start(ready)


class _Only:
    """A namespace among a network's hosts, so that it goes away with them."""

    def __init__(self, namespace: Namespace, number: int = 0):
        self.namespace = namespace
        self.number = number


def packets(gateway: Gateway) -> Dict[str, int]:
    """What went past the kernel, and what through it."""
    return {name: gateway.counter(name)
            for name in ("outer_rx_packets", "inner_tx_packets", "twin_rx_packets", "twin_tx_packets")}
