"""NIC mode and what Ethernet may carry besides plain packets of 1500 bytes: VLAN tags, larger frames."""

import socket
import struct

import pytest

from harness.download import RandomFile, download
from harness.nic_network import DEVICES, FAR4, LAN, LAN4, NicNetwork, packets
from harness.waiting import wait_until

pytestmark = pytest.mark.culvert_only
kinds = pytest.mark.parametrize("kind", DEVICES)
ETH_P_ALL, SOL_PACKET, PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 3, 263, 8, 1 << 4
TAGGED, TAGGED_GATEWAY = "203.0.113.7", "203.0.113.1"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    made = RandomFile(tmp_path_factory.mktemp("vlan"), 5_000_000)
    yield made
    made.path.unlink()


def raw_socket(namespace, interface: str) -> socket.socket:
    """Sends and receives whole frames there."""
    made = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    with namespace.entered():
        made.bind((interface, ETH_P_ALL))
    made.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    made.settimeout(5)
    return made


def arrives(receiver: socket.socket, marker: bytes) -> int:
    """The VLAN tag of the next frame with this marker: from the frame, or from beside it, where the kernel puts it."""
    while True:
        frame, more, _, _ = receiver.recvmsg(2048, 256)
        if marker not in frame:
            continue
        if frame[12:14] == b"\x81\x00":
            return struct.unpack(">H", frame[14:16])[0]
        for level, kind, data in more:
            if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                status, *_, tag, _ = struct.unpack("IIIHHHH", data[:20])
                return tag if status & TP_STATUS_VLAN_VALID else -1


@kinds
def test_tags_go_through_the_twin_as_they_are(stage, kind):
    """The kernel's part of VLANs begins at the twin: frames keep their tags, both ways."""
    network = NicNetwork(stage, kind)
    gateway = network.start()
    outside, twin = raw_socket(network.far, "eth0"), raw_socket(network.gateway_namespace, LAN)
    with outside, twin:
        before = gateway.drops()
        for tag in (7, 0xE064):  # the other has a priority
            marker = f"inwards {tag}".encode()
            header = bytes.fromhex("ffffffffffff 02005e005301") + struct.pack(">HHH", 0x8100, tag, 0x88B5)
            outside.send(header + marker.ljust(64, b"\0"))
            assert arrives(twin, marker) == tag
            marker = f"outwards {tag}".encode()
            header = bytes.fromhex("ffffffffffff 02005e005302") + struct.pack(">HHH", 0x8100, tag, 0x88B5)
            twin.send(header + marker.ljust(64, b"\0"))
            assert arrives(outside, marker) == tag
        assert gateway.drops()["nic_malformed"] == before["nic_malformed"]


@kinds
def test_a_vlan_interface_on_the_twin_carries_inner_packets(stage, file, kind):
    """Tagged frames are the kernel's: what `ip link add … type vlan` makes on a twin works as on any interface."""
    network = NicNetwork(stage, kind)
    if network.far.try_run("ip", "link", "add", "link", "eth0", "name", "tagged", "type", "vlan", "id", "7").returncode != 0:
        pytest.skip("this kernel has no VLAN interfaces (8021q)")
    gateway = network.start(extra=['push "route 203.0.113.0 255.255.255.0"'])
    if kind == "AF_XDP":
        # A virtual neighbour leaves the tag beside the frame, for a device to put in, where XDP programs don't see it.
        network.far.run("ethtool", "-K", "eth0", "txvlan", "off")
    network.far.ip(f"address add {TAGGED}/24 dev tagged",
                   "link set tagged up", f"route add 10.8.0.0/24 via {TAGGED_GATEWAY}")
    network.gateway_namespace.ip(f"link add link {LAN} name tagged type vlan id 7",
                                 f"address add {TAGGED_GATEWAY}/24 dev tagged", "link set tagged up")
    client = stage.connected()
    assert network.far.ping(TAGGED_GATEWAY, 5)
    assert client.ping(TAGGED, 20)
    assert network.far.ping(client.inner4, 20)
    download(file, network.far, client.namespace, TAGGED)
    # Another tag is another network: nobody there.
    network.gateway_namespace.ip("link set tagged down", "link delete tagged")
    assert not client.ping(TAGGED, seconds=0.5)
    assert gateway.drops()["nic_malformed"] == 0, gateway.drops()
    # What carries no tag is not disturbed by all that: `far` answers by its other route.
    network.far.ip("route del 10.8.0.0/24")
    assert client.ping(FAR4, 20)


def whole(namespace, size: int, address: str, count: int = 5) -> bool:
    """Pings that nobody may fragment. Behind the last one ping waits for its interval, or twice the time that others took."""
    done = namespace.try_run("ping", "-n", "-q", "-c", str(count), "-i", "0.05", "-W", "2", "-M", "do", "-s", str(size), address)
    return " 0% packet loss" in done.stdout


def goes_past_the_kernel(gateway, client, size: int) -> None:
    """Packets of this size pass in one piece, and hardly anything takes the twin's way meanwhile."""
    before = packets(gateway)
    assert whole(client.namespace, size, FAR4, 60)
    wait_until(lambda: packets(gateway)["inner_tx_packets"] - before["inner_tx_packets"] >= 60, "all packets to be counted")
    went = {name: count - before[name] for name, count in packets(gateway).items()}
    assert went["twin_rx_packets"] + went["twin_tx_packets"] < 20, f"took the kernel's way: {went}"


@pytest.mark.parametrize("kind,mtu", [("AF_PACKET", 9000), ("AF_XDP", 3000)])
def test_larger_frames_than_1500_bytes(stage, file, kind, mtu):
    """Tunnel packets of nearly 2,000 bytes in one frame, past the kernel. AF_XDP has a page of memory for each packet."""
    network = NicNetwork(stage, kind)
    host = network.widen(mtu)
    gateway = network.start(mtu=mtu, extra=["tun-mtu 1900", "mssfix 0"])
    assert whole(network.far, mtu - 28, LAN4) and not whole(network.far, mtu - 27, LAN4, 1)
    client = stage.client(host=host, options=["tun-mtu 1900", "mssfix 0"]).connect()
    assert whole(client.namespace, 1872, FAR4)
    goes_past_the_kernel(gateway, client, 1872)
    download(file, network.far, client.namespace, FAR4)
    assert gateway.drops()["nic_malformed"] == 0, gateway.drops()


JUMBO = ["tun-mtu 8900", "mssfix 0"]


@pytest.mark.parametrize("cipher", ["AES-256-GCM", "CHACHA20-POLY1305", "AES-256-CBC"])
def test_jumbo_packets_inside_and_outside(stage, file, cipher):
    """A tunnel of 8,900 bytes between wires of 9,000: in one frame each, past the kernel, with every kind of cipher."""
    network = NicNetwork(stage, "AF_PACKET")
    host = network.widen(9000)
    gateway = network.start(mtu=9000, extra=JUMBO, data_ciphers=cipher)
    client = stage.client(host=host, options=[*JUMBO, f"data-ciphers {cipher}"]).connect()
    assert whole(client.namespace, 8872, FAR4) and not whole(client.namespace, 8873, FAR4, 1)
    goes_past_the_kernel(gateway, client, 8872)
    download(file, network.far, client.namespace, FAR4)
    download(file, client.namespace, network.far, client.inner4)
    for reason in ("nic_malformed", "inner_too_big", "outer_too_long"):
        assert gateway.drops()[reason] == 0, gateway.drops()
