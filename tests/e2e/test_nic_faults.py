"""NIC mode when its surroundings change: links, addresses, neighbours, routes of a routing daemon, a killed dataplane."""

import json
from typing import Dict, Optional

import pytest
from test_restart import kill_and_wait_for_next

from harness.download import Download, RandomFile, serving
from harness.gateway import Gateway, rows
from harness.nic_network import DEVICES, FAR4, LAN, LAN4, WAN, NicNetwork, packets
from harness.server_conf import INNER4, ServerConf
from harness.waiting import wait_until

pytestmark = pytest.mark.culvert_only
kinds = pytest.mark.parametrize("kind", DEVICES)


# A kernel that soon wants to hear of its neighbours again.
SOON_ASKED_AGAIN = {"base_reachable_time_ms": 500, "delay_first_probe_time": 1, "retrans_time_ms": 100}


def forwarding(stage, kind: str = "AF_XDP", neighbours: Optional[Dict[str, int]] = None):
    """A network, its gateway, and a client whose packets reach the far host. `neighbours`: the kernel's settings for those at
    the far host's port."""
    network = NicNetwork(stage, kind)
    gateway = network.start()
    for name, value in (neighbours or {}).items():
        network.gateway_namespace.write_sysctl(f"net/ipv4/neigh/{LAN}/{name}", str(value))
    client = stage.connected()
    assert client.ping(FAR4, 5)
    return network, gateway, client


def link_state(gateway, twin: str) -> str:
    return next(row["state"] for row in rows(gateway.ask("ports")) if row["address"].startswith(twin + " "))


def answers(client, address: str) -> bool:
    return client.ping(address, seconds=0.5)


@kinds
def test_the_link_goes_down_and_up(stage, kind):
    network, gateway, client = forwarding(stage, kind)
    for interface, twin in (("eth0", LAN), (f"p{stage.network.gateway.number}", WAN)):
        peer = network.far if twin == LAN else stage.network.wire
        peer.ip(f"link set {interface} down")
        wait_until(lambda: "NO-CARRIER" in network.gateway_namespace.run("ip", "link", "show", twin),
                   f"{twin} to show that its link is down")
        assert link_state(gateway, twin) == "link down"
        assert not answers(client, FAR4)
        peer.ip(f"link set {interface} up")
        if twin == LAN:  # the kernel took it away with the link
            peer.ip(f"route replace default via {LAN4}")
        wait_until(lambda: answers(client, FAR4), f"packets through {twin} again", 10)
        assert link_state(gateway, twin) == "link up"
    assert client.connects() == 1 and gateway.session_names() == ["alice"]
    assert f"port {LAN}: link down" in gateway.log() and f"port {WAN}: link up" in gateway.log()


@kinds
def test_a_download_outlives_a_link_flap_on_either_side(stage, kind, tmp_path):
    file = RandomFile(tmp_path, 100_000_000)
    network, gateway, client = forwarding(stage, kind)
    with serving(network.far, file, lasting=True) as server:
        download = Download(client.namespace, FAR4)
        for interface, twin in (("eth0", LAN), (f"p{stage.network.gateway.number}", WAN)):
            peer = network.far if twin == LAN else stage.network.wire
            before = download.received
            wait_until(lambda: download.received > before, "the download to flow", 20)
            peer.ip(f"link set {interface} down")
            wait_until(lambda: link_state(gateway, twin) == "link down", f"{twin} to be down")
            peer.ip(f"link set {interface} up")
            if twin == LAN:  # the kernel took it away with the link
                peer.ip(f"route replace default via {LAN4}")
        before = download.received
        wait_until(lambda: download.received > before, "the download to flow again", 20)
        server.finish(download)
    file.path.unlink()
    assert client.connects() == 1


def test_a_link_that_is_up_again_waits_for_no_old_question(stage):
    """While the link is down the kernel asks for its neighbour in vain, and then only now and then: here, once a minute."""
    network, _, client = forwarding(stage, neighbours={"retrans_time_ms": 60000})
    network.far.ip("link set eth0 down")
    wait_until(lambda: "NO-CARRIER" in network.gateway_namespace.run("ip", "link", "show", LAN), "the link to be down")

    def sought_in_vain() -> bool:
        assert not answers(client, FAR4)
        neighbours = network.gateway_namespace.run("ip", "neighbour", "show", "dev", LAN)
        return FAR4 in neighbours and "lladdr" not in neighbours

    # Not at once: some time after a link has gone down the kernel forgets all neighbours behind it once more.
    wait_until(sought_in_vain, "the kernel to seek its neighbour in vain", 20)
    network.far.ip("link set eth0 up", f"route replace default via {LAN4}")
    wait_until(lambda: answers(client, FAR4), "packets again", 10)


def go_past_the_kernel(gateway, client, host: str, counter: str, most: int) -> None:
    """100 pings of the client to `host` are in `counter`, and fewer than `most` packets meanwhile took the kernel's way."""
    before = packets(gateway)
    assert client.ping(host, 100)
    # Counters are published now and then, so the last packet may not be in them yet.
    wait_until(lambda: packets(gateway)[counter] - before[counter] >= 100, "all packets to be counted")
    assert packets(gateway)["twin_tx_packets"] - before["twin_tx_packets"] < most, "took the kernel's way"


def test_addresses_change(stage):
    network, gateway, client = forwarding(stage)
    # Another address towards the far host.
    network.gateway_namespace.ip(f"address del {LAN4}/24 dev {LAN}", f"address add 198.51.100.2/24 dev {LAN}")
    network.far.ip("route replace default via 198.51.100.2")
    wait_until(lambda: answers(client, FAR4), "the far host by the gateway's new address", 10)
    assert not network.far.ping(LAN4, seconds=0.5) and network.far.ping("198.51.100.2")
    # One more towards the clients, which the listener's wildcard covers at once.
    network.gateway_namespace.ip(f"address add 192.0.2.200/24 dev {WAN}")
    second = stage.client("bob", remote="192.0.2.200").connect()
    go_past_the_kernel(gateway, second, FAR4, "outer_rx_packets", 30)


def test_a_neighbour_moves_and_is_forgotten(stage):
    network, _, client = forwarding(stage, neighbours=SOON_ASKED_AGAIN)
    network.gateway_namespace.ip(f"neighbour flush dev {LAN}")
    wait_until(lambda: answers(client, FAR4), "a neighbour that was forgotten", 5)
    network.far.ip("link set eth0 address 02:00:5e:00:53:07")
    wait_until(lambda: answers(client, FAR4), "a neighbour with another MAC address", 20)
    assert client.ping(FAR4, 5)


def test_a_neighbour_that_is_gone_is_said_to_be(stage):
    """Packets for a host that no longer answers go to the kernel, which tells their sender."""
    network, _, client = forwarding(stage, neighbours=SOON_ASKED_AGAIN)
    network.far.ip(f"address del {FAR4}/24 dev eth0")
    said = "Destination Host Unreachable"
    wait_until(lambda: said in client.namespace.try_run("ping", "-n", "-c", "1", "-W", "1", FAR4).stdout,
               "the kernel to say that the host is gone", 20)
    network.far.ip(f"address add {FAR4}/24 dev eth0", f"route replace default via {LAN4}")
    wait_until(lambda: answers(client, FAR4), "the host that is back", 10)
    assert client.ping(FAR4, 20) and client.connects() == 1


def test_a_path_with_a_small_mtu_is_no_black_hole(stage):
    """A router between gateway and client refuses long packets: the kernel learns of it and fragments."""
    network = NicNetwork(stage, "AF_XDP")
    network.start(extra=["mssfix 0"])
    client = stage.client(host=network.host_behind_router(1300), options=["mssfix 0"]).connect()
    assert client.ping(FAR4, 5)
    wait_until(lambda: client.ping(FAR4, size=1400, seconds=0.5), "an answer that is too long for the path", 5)
    assert client.ping(FAR4, 20, size=1400)


def test_the_mtu_of_a_twin_is_lowered(stage):
    network, _, client = forwarding(stage)
    assert client.ping(FAR4, 5, size=1400)
    network.gateway_namespace.ip(f"link set {LAN} mtu 1300")
    refused = "Frag needed and DF set (mtu = 1300)"
    wait_until(lambda: refused in client.namespace.try_run(
        "ping", "-n", "-c", "1", "-W", "0.5", "-M", "do", "-s", "1400", FAR4).stdout, "the new MTU to be said", 5)
    assert client.ping(FAR4, 5, size=1400)


@kinds
def test_the_mtu_of_the_interface_below_changes(stage, kind):
    """What it no longer takes it would throw away in silence: the twin follows it, and the kernel says so or fragments."""
    network = NicNetwork(stage, kind)
    gateway = network.start()
    client = stage.connected()

    def says_mtu(size: int) -> bool:
        done = client.namespace.try_run("ping", "-n", "-c", "1", "-W", "0.5", "-M", "do", "-s", "1400", FAR4)
        return f"Frag needed and DF set (mtu = {size})" in done.stdout

    assert client.ping(FAR4, 5, size=1400)
    network.gateway_namespace.ip("link set eth1 mtu 1300")
    network.far.ip("link set eth0 mtu 1300")
    wait_until(lambda: says_mtu(1300), "the new MTU to be said", 10)
    assert client.ping(FAR4, 5, size=1400)
    wait_until(lambda: f"port {LAN}: MTU 1300 now, because eth1 has 1300" in gateway.log(), "the log to say so")
    network.gateway_namespace.ip("link set eth1 mtu 1500")
    network.far.ip("link set eth0 mtu 1500")
    client.namespace.ip("route flush cache")
    wait_until(lambda: "mtu 1500" in network.gateway_namespace.run("ip", "link", "show", LAN), "the twin to follow", 10)
    wait_until(lambda: client.namespace.try_run("ping", "-n", "-c", "1", "-W", "0.5", "-M", "do", "-s", "1400", FAR4).returncode == 0,
               "long packets in one piece", 10)


@kinds
def test_the_interface_below_is_set_down_and_up(stage, kind):
    """By an operator, or by a network manager that does not know whose it is."""
    network, gateway, client = forwarding(stage, kind)
    network.gateway_namespace.ip("link set eth1 down")
    wait_until(lambda: link_state(gateway, LAN) == "link down", "the port's link to be down")
    assert not answers(client, FAR4)
    network.gateway_namespace.ip("link set eth1 up")
    network.far.ip(f"route replace default via {LAN4}")  # the kernel took it away with the link
    wait_until(lambda: answers(client, FAR4), "packets again", 10)
    wait_until(lambda: link_state(gateway, LAN) == "link up", "the port's link to be up")
    assert client.connects() == 1


@kinds
def test_an_interface_that_goes_away_takes_only_its_port_with_it(stage, kind):
    network, gateway, client = forwarding(stage, kind)
    network.gateway_namespace.ip("link delete eth1")
    wait_until(lambda: link_state(gateway, LAN) == "link down", "the port's link to be down")
    wait_until(lambda: f"port {LAN}: interface eth1 is gone; restart culvert-dataplane when it is back" in gateway.log(),
               "the log to say so")
    assert not answers(client, FAR4)
    assert client.ping(INNER4, 20) and client.connects() == 1
    # A new one of the same name, as a driver makes it that is loaded again.
    network.gateway_namespace.ip(f"link add eth1 type veth peer name eth0 netns {network.far.name}", "link set eth1 up")
    network.far.ip(f"address add {FAR4}/24 dev eth0", "link set eth0 up", f"route add default via {LAN4}")
    if kind == "AF_PACKET":
        network.far.run("ethtool", "-K", "eth0", "tso", "off", "gso", "off")
    kill_and_wait_for_next(gateway, "culvert-dataplane", 20)
    wait_until(lambda: answers(client, FAR4), "packets through the new interface", 15)
    assert client.connects() == 1


def described(namespace, twin: str) -> tuple:
    """What a port's twin has of its port: MAC address, MTU, addresses that its [[port]] gives, whether it is up; and its index."""
    found = json.loads(namespace.run("ip", "-json", "address", "show", "dev", twin))[0]
    addresses = sorted(one["local"] for one in found["addr_info"] if one["scope"] == "global")
    return (found["address"], found["mtu"], addresses, "UP" in found["flags"]), found["ifindex"]


@kinds
def test_a_deleted_twin_is_made_again(stage, kind):
    network, gateway, client = forwarding(stage, kind)
    here = network.gateway_namespace
    here.ip("link set eth1 mtu 1400")  # lower than what the port began with
    wait_until(lambda: "mtu 1400" in here.run("ip", "link", "show", LAN), "the twin to follow the interface below", 10)
    for twin in (LAN, WAN):
        before, index = described(here, twin)
        here.ip(f"link delete {twin}")
        wait_until(lambda: here.try_run("ip", "link", "show", twin).returncode == 0 and described(here, twin)[0] == before,
                   f"{twin} as it was: {before}", 10)
        assert described(here, twin)[1] != index, "it was never deleted"
        wait_until(lambda: answers(client, FAR4), f"packets with the new {twin}", 15)
        assert network.far.ping(LAN4, 3), "the kernel is reached through the new twin"
        wait_until(lambda: f"port {twin}: its twin was deleted, and is made again" in gateway.log(), "the log to say so")
    assert client.ping(FAR4, 20) and client.connects() == 1 and gateway.session_names() == ["alice"]
    # What goes past the kernel does so again.
    go_past_the_kernel(gateway, client, FAR4, "inner_tx_packets", 30)


def test_a_twin_that_is_deleted_without_a_link_shows_none(stage):
    network, _, client = forwarding(stage)
    here = network.gateway_namespace
    network.far.ip("link set eth0 down")
    wait_until(lambda: "NO-CARRIER" in here.run("ip", "link", "show", LAN), "the twin to show no link")
    here.ip(f"link delete {LAN}")
    wait_until(lambda: "NO-CARRIER" in here.try_run("ip", "link", "show", LAN).stdout, "the next twin to show no link", 10)
    network.far.ip("link set eth0 up", f"route replace default via {LAN4}")
    wait_until(lambda: answers(client, FAR4), "packets again", 15)
    assert client.connects() == 1


def test_a_twin_whose_name_was_taken_waits_for_it(stage):
    network, gateway, client = forwarding(stage)
    here = network.gateway_namespace
    here.ip(f"link set {LAN} down")  # its name is changed only then
    here.ip(f"link set {LAN} name other0", f"link add {LAN} type veth peer name other1", "link delete other0")
    trouble = f"port {LAN}: cannot make its twin again yet: twin {LAN}: there is an interface of this name that is no TAP device"
    wait_until(lambda: trouble in gateway.log(), "the log to say what is in the way", 10)
    assert client.ping(INNER4, 5)
    here.ip(f"link delete {LAN}")
    wait_until(lambda: answers(client, FAR4), "packets with the new twin", 15)
    assert gateway.log().count(trouble) == 1 and client.connects() == 1


def try_second_gateway(stage, network) -> str:
    """Starts another gateway in the first one's namespace, on the same interface; returns what it says."""
    conf = ServerConf(stage.certificates, port=1195, device="tun1")
    port = network.port(0, "eth1", "other0", [], 1500)
    second = Gateway(stage.network.gateway, conf, stage.folder / "second", toml=port)
    stage.add(second).start(ready=False)
    wait_until(lambda: second.process.exit_status() is not None, "the end of a gateway whose interface is taken")
    assert second.process.exit_status() == 1
    return second.log()


@pytest.mark.parametrize("other", DEVICES)
@kinds
def test_a_second_gateway_on_the_same_interface_is_refused_and_harms_nobody(stage, kind, other):
    network, gateway, client = forwarding(stage, kind)
    network.kind = other
    assert "another port has eth1, of this or another culvert-dataplane: stop that one" in try_second_gateway(stage, network)
    assert client.ping(FAR4, 20) and client.connects() == 1
    assert link_state(gateway, LAN) == "link up"


def test_what_an_operator_may_have_forgotten_is_said(stage):
    network = NicNetwork(stage, "AF_XDP")
    network.gateway_namespace.write_sysctl("net/ipv4/ip_forward", "0")
    network.gateway_namespace.ip("address add 198.51.100.99/24 dev eth1")
    gateway = network.start(toml="[dataplane]\nsessions = 100\n")  # and no workers, whatever this run wants of others
    assert f"warning: port {LAN}: eth1 has addresses of its own (198.51.100.99)" in gateway.log()
    assert "ip address flush dev eth1" in gateway.log()
    assert "does not forward IPv4" in gateway.log() and "sysctl -w net.ipv4.ip_forward=1" in gateway.log()
    assert "does not forward IPv6" not in gateway.log()
    assert "no core of its own" in gateway.log() and "workers = [1]" in gateway.log()
    assert f"warning: port {WAN}" not in gateway.log()


BIRD_GATEWAY = """
router id 198.51.100.1;
protocol device {{ }}
protocol kernel {{ ipv4 {{ import none; export all; }}; }}
protocol bgp far {{
  local 198.51.100.1 as 65001; neighbor 198.51.100.7 as 65002;
  connect delay time 1; error wait time 1, 2;
  ipv4 {{ import all; export none; }};
}}
"""
BIRD_FAR = """
router id 198.51.100.7;
protocol device {{ }}
protocol static {{ ipv4; route 203.0.113.0/24 blackhole; }}
protocol bgp near {{
  local 198.51.100.7 as 65002; neighbor 198.51.100.1 as 65001;
  connect delay time 1; error wait time 1, 2;
  ipv4 {{ import none; export all; }};
}}
"""
BEHIND_FAR = "203.0.113.1"


def start_bird(namespace, folder, name: str, text: str):
    config = folder / f"{name}.conf"
    config.write_text(text.format())
    return namespace.start(["bird", "-f", "-c", config, "-s", folder / f"{name}.ctl"], folder / f"{name}.log")


@kinds
def test_a_route_of_bird_forwards_and_goes(stage, kind):
    network = NicNetwork(stage, kind)
    gateway = network.start(extra=['push "route 203.0.113.0 255.255.255.0"'])
    network.far.ip(f"address add {BEHIND_FAR}/32 dev lo")
    client = stage.connected()
    assert not answers(client, BEHIND_FAR)
    birds = [start_bird(network.gateway_namespace, stage.folder, "gateway", BIRD_GATEWAY),
             start_bird(network.far, stage.folder, "far", BIRD_FAR)]
    try:
        wait_until(lambda: answers(client, BEHIND_FAR), "a packet over the route that BGP brought", 30)
        assert "proto bird" in network.gateway_namespace.run("ip", "route", "show", "203.0.113.0/24")
        go_past_the_kernel(gateway, client, BEHIND_FAR, "inner_tx_packets", 50)
        birds[1].stop()
        wait_until(lambda: not answers(client, BEHIND_FAR), "the withdrawn route to be gone", 30)
    finally:
        for bird in birds:
            bird.stop()


def test_a_killed_dataplane_finds_its_twins_again(stage):
    """What the operator put on a twin outlives the dataplane: addresses, routes, neighbours."""
    network, gateway, client = forwarding(stage)
    network.gateway_namespace.ip(f"address add 198.51.100.9/24 dev {LAN}", f"route add 203.0.113.0/24 via {FAR4}")
    assert client.ping(FAR4, 3)
    kill_and_wait_for_next(gateway, "culvert-dataplane", 20)
    wait_until(lambda: answers(client, FAR4), "packets through the next dataplane", 15)
    assert client.connects() == 1
    assert f"via {FAR4}" in network.gateway_namespace.run("ip", "route", "show", "203.0.113.0/24")
    assert client.ping(INNER4, 3)
