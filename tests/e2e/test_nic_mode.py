"""NIC mode on virtual Ethernet: the gateway's interfaces belong to DPDK, the kernel has a twin of each."""

import json

import pytest

from harness.download import Download, RandomFile, serving
from harness.nic_network import DEVICES, FAR4, FAR6, NicNetwork, packets
from harness.server_conf import INNER4, INNER6
from harness.waiting import wait_until

pytestmark = pytest.mark.culvert_only
kinds = pytest.mark.parametrize("kind", DEVICES)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    made = RandomFile(tmp_path_factory.mktemp("nic"), 20_000_000)
    yield made
    made.path.unlink()


@kinds
@pytest.mark.parametrize("remote", ["192.0.2.1", "2001:db8::1"], ids=["outer IPv4", "outer IPv6"])
def test_a_client_reaches_the_host_behind_the_second_port(stage, file, kind, remote):
    network = NicNetwork(stage, kind)
    gateway = network.start()
    client = stage.client(remote=remote).connect()
    for address in (INNER4, INNER6, FAR4, FAR6):
        assert client.ping(address, 20), address
    before = packets(gateway)
    with serving(network.far, file):
        for address in (FAR4, FAR6):
            Download(client.namespace, address).finish(file)
    after = packets(gateway)
    went = {name: after[name] - before[name] for name in after}
    assert went["outer_rx_packets"] > 3000, went
    # The kernel's part: neighbours, and what was on its way before they were known.
    assert went["twin_rx_packets"] + went["twin_tx_packets"] < went["outer_rx_packets"] / 20, went
    assert "nic_malformed" not in _dropped(gateway) and "nic_bad_checksum" not in _dropped(gateway), gateway.drops()


@kinds
def test_the_far_host_reaches_a_client(stage, file, kind):
    network = NicNetwork(stage, kind)
    network.start()
    client = stage.connected()
    for address in (client.inner4, client.inner6):
        assert network.far.ping(address, 20), address
    with serving(client.namespace, file):
        Download(network.far, client.inner4).finish(file)


@kinds
def test_the_gateway_answers_for_itself_through_the_twin(stage, file, kind):
    network = NicNetwork(stage, kind)
    network.start()
    outside = stage.network.add_host("outside").namespace
    for address in ("192.0.2.1", "2001:db8::1"):
        assert outside.ping(address, 20), address
        # DPDK's AF_PACKET driver has the kernel put fragments together before, into buffers of 2 KiB.
        assert outside.ping(address, 5, size=4000 if kind == "AF_XDP" else 1800), f"fragments to {address}"
    with serving(network.gateway_namespace, file):
        for address in ("192.0.2.1", "2001:db8::1"):
            Download(outside, address).finish(file)


@kinds
@pytest.mark.parametrize("remote", ["192.0.2.1", "2001:db8::1"], ids=["outer IPv4", "outer IPv6"])
def test_outer_fragments_arrive_both_ways(stage, kind, remote):
    """Packets that fill the tunnel are too long for the link with their headers: both ends must put them together."""
    network = NicNetwork(stage, kind)
    network.start(extra=["mssfix 0"])
    client = stage.client(remote=remote, options=["mssfix 0"]).connect()
    for size in (1400, 1472):
        assert client.ping(FAR4, 20, size=size), size


@kinds
def test_tcp_clients_connect_through_the_twin(stage, file, kind):
    network = NicNetwork(stage, kind)
    network.start(protocol="tcp6-server")
    client = stage.client(protocol="tcp").connect()
    assert client.ping(FAR4, 20)
    with serving(network.far, file):
        Download(client.namespace, FAR4).finish(file)


def test_expired_and_oversized_packets_are_answered(stage):
    """The kernel says what the fast path does not: time exceeded, fragmentation needed."""
    network = NicNetwork(stage, "AF_PACKET")
    network.start()
    client = stage.connected()
    expired = client.namespace.try_run("ping", "-n", "-c", "1", "-W", "2", "-t", "1", FAR4)
    assert f"From {INNER4}" in expired.stdout and "Time to live exceeded" in expired.stdout, expired.stdout
    expired = network.far.try_run("ping", "-n", "-c", "1", "-W", "2", "-t", "1", client.inner4)
    assert "Time to live exceeded" in expired.stdout, expired.stdout
    assert network.far.ping(client.inner4, 3)
    oversized = network.far.try_run("ping", "-n", "-c", "1", "-W", "2", "-M", "do", "-s", "1473", client.inner4)
    assert "message too long" in oversized.stdout + oversized.stderr, oversized.stdout


def test_nothing_is_left_behind(stage):
    network = NicNetwork(stage, "AF_XDP")
    gateway = network.start()
    assert gateway.stop() == 0
    links = network.gateway_namespace.run("ip", "-d", "link")
    assert "wan0" not in links and "prog/xdp" not in links, links
    assert "lan0" not in links


def mtus(network) -> tuple:
    """Of the interfaces below: the one towards clients and the one towards the far host."""
    return tuple(json.loads(network.gateway_namespace.run("ip", "-json", "link", "show", name))[0]["mtu"]
                 for name in ("eth0", "eth1"))


@kinds
def test_the_interfaces_below_get_their_mtu_back(stage, kind):
    """At an orderly end, and where nobody has changed it since."""
    network = NicNetwork(stage, kind)
    gateway = network.start(mtu=1400)
    assert mtus(network) == (1400, 1400)
    assert stage.connected().ping(FAR4, 5)
    network.gateway_namespace.ip("link set eth1 mtu 1300")
    assert gateway.stop() == 0
    assert mtus(network) == (1500, 1300)


def test_a_port_that_is_not_there_is_named(stage):
    network = NicNetwork(stage, "AF_PACKET")
    network.gateway_namespace.ip("link delete eth1")
    gateway = network.start(ready=False)
    wait_until(lambda: gateway.process.exit_status() is not None, "the end of a gateway without its interface")
    assert gateway.process.exit_status() != 0
    assert "there is no interface eth1 here" in gateway.log()


def _dropped(gateway):
    return [name for name, count in gateway.drops().items() if count]
