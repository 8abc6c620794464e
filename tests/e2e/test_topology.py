"""Topologies subnet, p2p and net30: what the client is given, both families, client to client, networks behind clients,
and addresses that outlive the gateway."""

import pytest

from harness.server_conf import INNER4, INNER6
from harness.waiting import wait_until

PLAIN = ["topology", "server"]  # of ServerConf, left out here
GIVEN = {
    # topology: what stands behind `ifconfig ADDRESS` for the client with 10.8.0.6 (or the first address)
    "subnet": ("10.8.0.2", "255.255.255.0"),
    "p2p": ("10.8.0.4", "10.8.0.1"),
    "net30": ("10.8.0.6", "10.8.0.5"),
}
NETWORK = "server 10.8.0.0 255.255.255.0"


@pytest.mark.parametrize("topology", sorted(GIVEN))
def test_addresses_and_client_to_client(stage, topology):
    stage.gateway(client_to_client=True, without=PLAIN, extra=[f"topology {topology}", NETWORK])
    alice, bob = stage.connected("alice"), stage.connected("bob")
    assert tuple(alice.pushed_option("ifconfig")) == GIVEN[topology]
    assert alice.pushed_option("topology") == [topology]
    for client in (alice, bob):
        assert client.ping(INNER4, 3) and client.ping(INNER6, 3)
    assert alice.ping(bob.inner4, 3) and bob.ping(alice.inner4, 3)
    assert alice.ping(bob.inner6, 3)


@pytest.mark.parametrize("topology", ["net30", "p2p"])
def test_the_gateway_reaches_its_clients(stage, topology):
    gateway = stage.gateway(without=PLAIN, extra=[f"topology {topology}", NETWORK])
    alice = stage.connected("alice")
    assert gateway.namespace.ping(alice.inner4, 3)
    assert ("route 10.8.0.1" in alice.pushed()) == (topology == "net30")
    assert "route-gateway" not in " ".join(alice.pushed())


def test_fixed_pairs_in_net30(stage, tmp_path):
    (tmp_path / "alice").write_text("ifconfig-push 10.8.0.21 10.8.0.22\nifconfig-ipv6-push fd00:8::77/64 fd00:8::1\n")
    stage.gateway(without=PLAIN, extra=["topology net30", NETWORK, f"client-config-dir {tmp_path}"])
    alice = stage.connected("alice")
    assert alice.pushed_option("ifconfig") == ["10.8.0.21", "10.8.0.22"]
    assert alice.inner6 == "fd00:8::77"
    assert alice.ping(INNER4, 3) and alice.ping(INNER6, 3)


def test_explicit_pool_and_ends(stage):
    """Without the helper `server`: own address, pool and routes one by one."""
    stage.gateway(without=[*PLAIN, "server-ipv6"], extra=[
        "topology net30", "mode server", "tls-server", f"ifconfig {INNER4} 10.8.0.2", "ifconfig-pool 10.9.0.4 10.9.0.255",
        "route 10.9.0.0 255.255.255.0", f'push "route {INNER4}"', 'push "topology net30"'])
    alice = stage.connected("alice")
    assert alice.pushed_option("ifconfig") == ["10.9.0.6", "10.9.0.5"]
    assert alice.ping(INNER4, 3)


def test_network_behind_a_client(stage, tmp_path):
    """route on the gateway, iroute for the client: the gateway's kernel reaches an address behind it."""
    (tmp_path / "alice").write_text("iroute 192.168.44.0 255.255.255.0\niroute-ipv6 fd44::/64\n")
    gateway = stage.gateway(extra=[f"client-config-dir {tmp_path}", "route 192.168.44.0 255.255.255.0 default 55",
                                   "route-ipv6 fd44::/64"])
    alice = stage.connected("alice")
    alice.namespace.ip("address add 192.168.44.1/24 dev lo", "address add fd44::1/64 dev lo")
    assert gateway.namespace.ping("192.168.44.1", 3) and gateway.namespace.ping("fd44::1", 3)
    assert "metric 55" in gateway.namespace.run("ip", "route", "show", "192.168.44.0/24")


def test_a_network_behind_a_client_is_not_pushed_to_that_client(stage, tmp_path):
    """It would send what is for its own network into the tunnel."""
    (tmp_path / "alice").write_text("iroute 192.168.44.0 255.255.255.0\niroute-ipv6 fd44::/64\n")
    routes = ["route 192.168.44.0 255.255.255.0", "route-ipv6 fd44::/64"]
    stage.gateway(extra=[f"client-config-dir {tmp_path}", *routes, *[f'push "{route}"' for route in routes]])
    assert not set(routes) & set(stage.connected("alice").pushed())
    assert set(routes) <= set(stage.connected("bob").pushed())


def test_routes_that_the_kernel_has_already(stage):
    """Its own network, and its own address as a gateway: usual in server.conf files, and no reason not to start."""
    gateway = stage.gateway(extra=["route 10.8.0.0 255.255.255.0", f"route-gateway {INNER4}", "route 192.168.44.0 255.255.255.0"],
                            without=["server-ipv6"])
    assert stage.connected("alice").ping(INNER4)
    if gateway.kind == "culvert":  # the reference goes on without the second one
        assert "dev tun0" in gateway.namespace.run("ip", "route", "get", "192.168.44.1")


@pytest.mark.culvert_only
def test_routes_follow_a_reload(stage):
    gateway = stage.gateway(extra=["route 192.168.44.0 255.255.255.0"])
    alice = stage.connected("alice")
    conf = gateway.folder / "server.conf"
    conf.write_text(conf.read_text().replace("route 192.168.44.0", "route 192.168.55.0"))
    gateway.cli("reload")
    wait_until(lambda: "192.168.55.0/24" in gateway.namespace.run("ip", "route"), "the new route")
    routes = gateway.namespace.run("ip", "route")
    assert "192.168.44.0" not in routes and "10.8.0.0/24" in routes
    assert alice.ping(INNER4, 3)


@pytest.mark.parametrize("topology", ["subnet", "net30"])
def test_addresses_outlive_the_gateway(stage, tmp_path, topology):
    """ifconfig-pool-persist: read at start, written at the end; with 0 seconds it is only read, and binds."""
    file = tmp_path / "ipp.txt"
    base = {"subnet": "10.8.0.60", "net30": "10.8.0.60"}[topology]
    mine = {"subnet": "10.8.0.60", "net30": "10.8.0.62"}[topology]
    file.write_text(f"bob,{base}\n")
    gateway = stage.gateway(without=PLAIN,
                            extra=[f"topology {topology}", NETWORK, f"ifconfig-pool-persist {file} 1"])
    alice, bob = stage.connected("alice"), stage.connected("bob")
    assert bob.inner4 == mine and alice.inner4 != mine
    wait_until(lambda: "alice," in file.read_text(), "the file to name alice")
    alice4 = alice.inner4
    gateway.stop()
    lines = file.read_text().splitlines()
    assert sorted(line.split(",")[0] for line in lines) == ["alice", "bob"]
    assert f"bob,{base}," in file.read_text()
    gateway.start()
    alice.restart_softly()
    alice.wait_connected(times=2)
    assert alice.inner4 == alice4
