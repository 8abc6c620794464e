"""Two workers: clients are spread over them, reach each other across them, and survive what they survive with one."""

import os
import signal
import socket

import pytest

from harness.download import Download, RandomFile, serving
from harness.gateway import Gateway
from harness.nic_network import FAR4, NicNetwork
from harness.server_conf import INNER4, LONG_QUEUE, ServerConf
from harness.udp_stream import streaming
from harness.waiting import wait_until
from test_restart import kill_and_wait_for_next, wait_between_renegotiations
from test_session_life import OWN_PORT, move_source_port

pytestmark = pytest.mark.culvert_only

WORKERS = "[dataplane]\nworkers = [0, 1]\n"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    made = RandomFile(tmp_path_factory.mktemp("workers"), 20_000_000)
    yield made
    made.path.unlink()


def start(stage, **conf) -> Gateway:
    settings = ServerConf(stage.certificates, client_to_client=True, **conf)
    gateway = Gateway(stage.network.gateway, settings, stage.folder / "gateway", toml=WORKERS)
    return stage.add(gateway).start()


def one_of_each_worker(stage, gateway, **fields):
    """Two clients whose sessions are owned by different workers: as many connect as it takes."""
    clients = {}
    for number in range(16):
        client = stage.connected(f"client{number}", **fields)
        clients.setdefault(gateway.ask("session", "show", client.name)["worker"], client)
        if len(clients) == 2:
            return clients[0], clients[1]
    raise AssertionError("sixteen clients, and all are on one worker")


@pytest.mark.parametrize("protocol", ["udp", "tcp-server"])
def test_clients_of_both_workers_and_between_them(stage, file, protocol):
    gateway = start(stage, protocol=protocol)
    assert "worker 0 on core 0, worker 1 on core 1" in gateway.log()
    assert [row["worker"] for row in gateway.ask("workers")] == [0, 1]
    alice, bob = one_of_each_worker(stage, gateway, protocol="udp" if protocol == "udp" else "tcp")
    with serving(gateway.namespace, file):
        for client in (alice, bob):
            Download(client.namespace, INNER4).finish(file)
    assert alice.ping(bob.inner4, 5) and bob.ping(alice.inner6, 5)
    with serving(bob.namespace, file):
        Download(alice.namespace, bob.inner4).finish(file)
    assert gateway.counter("handed_over_packets") > 1000
    # Each worker publishes its counters when it has a moment.
    wait_until(lambda: gateway.counter("handed_over_packets") == gateway.counter("taken_over_packets"),
               "all that was handed over to be taken")
    for reason in ("handoff_stale", "replay_duplicate", "replay_too_old", "replay_gap", "session_unknown_peer_id"):
        assert gateway.drops()[reason] == 0, gateway.drops()
    for client in (alice, bob):
        assert client.connects() == 1
        gateway.kill_session(client.name)
        wait_until(lambda: client.name not in gateway.session_names(), "the session to end", 5)


def where_packets_went(gateway, *clients) -> dict:
    """Every place in which one of a stream may have been dropped."""
    drops = {reason: count for reason, count in gateway.drops().items() if count}
    sockets = {end.name: (end.namespace.udp_losses(), end.counters()) for end in clients}
    return {"gateway": drops, "its sockets": gateway.namespace.udp_losses(), **sockets}


def test_either_process_killed(stage):
    gateway = start(stage, extra=["reneg-sec 8 8"])
    alice, bob = one_of_each_worker(stage, gateway)
    with streaming(stage.folder, gateway.namespace, INNER4, alice.namespace, alice.inner4) as first, \
            streaming(stage.folder, gateway.namespace, INNER4, bob.namespace, bob.inner4, port=5601) as second:
        wait_between_renegotiations([alice, bob], 8)
        kill_and_wait_for_next(gateway, "culvert-control")
        before = alice.renegotiations(), bob.renegotiations()
        wait_until(lambda: alice.renegotiations() > before[0] and bob.renegotiations() > before[1],
                   "a renegotiation of both", 20)
        at_rekey = first.received(), second.received()
        wait_until(lambda: first.received() > at_rekey[0] + 500 and second.received() > at_rekey[1] + 500,
                   "the streams to flow on")
        accounts = [account for stream in (first, second) for account in stream.finish()]
        assert all(account.perfect for account in accounts), f"{accounts} {where_packets_went(gateway, alice, bob)}"
    kill_and_wait_for_next(gateway, "culvert-dataplane")
    for client in (alice, bob):
        wait_until(lambda: client.ping(INNER4), "the tunnel to be back", 10)
        assert client.connects() == 1


@pytest.mark.parametrize("protocol", ["udp", "tcp-server"])
def test_dataplane_restarted_in_order(stage, protocol):
    """As `systemctl restart` does it: what comes meanwhile waits in each worker's socket and queue, what was handed over is sent."""
    gateway = start(stage, protocol=protocol, extra=[LONG_QUEUE])
    alice, bob = one_of_each_worker(stage, gateway, protocol="udp" if protocol == "udp" else "tcp")
    with streaming(stage.folder, gateway.namespace, INNER4, alice.namespace, alice.inner4, 200) as first, \
            streaming(stage.folder, gateway.namespace, INNER4, bob.namespace, bob.inner4, 200, port=5601) as second:
        wait_until(lambda: first.received() > 200 and second.received() > 200, "the streams to flow", 20)
        before = gateway.pid_of("culvert-dataplane")
        os.kill(before, signal.SIGTERM)
        wait_until(lambda: gateway.pid_of("culvert-dataplane") not in (0, before), "the next dataplane", 20)
        at_restart = first.received(), second.received()
        wait_until(lambda: first.received() > at_restart[0] + 500 and second.received() > at_restart[1] + 500,
                   "the streams to flow on", 30)
        accounts = [account for stream in (first, second) for account in stream.finish()]
    assert all(account.perfect for account in accounts), accounts
    assert alice.connects() == bob.connects() == 1


def flows_on_after_a_move(stream, client, before: int, after: int) -> None:
    """The client's source port changes once `before` packets have come; `after` more come, none lost, doubled or late."""
    wait_until(lambda: stream.received() > before, "the stream to flow")
    move_source_port(client)
    at_move = stream.received()
    wait_until(lambda: stream.received() > at_move + after, "the stream to flow on")
    assert all(account.perfect for account in stream.finish())
    assert client.connects() == 1


def test_a_client_that_moves_keeps_its_owner(stage):
    gateway = start(stage)
    clients = [stage.client(f"roamer{number}", options=["bind", f"lport {OWN_PORT}"], without=["nobind"]).connect()
               for number in range(4)]
    owners = {row["common_name"]: gateway.ask("session", "show", row["common_name"])["worker"] for row in gateway.sessions()}
    for number, client in enumerate(clients):
        with streaming(stage.folder, gateway.namespace, INNER4, client.namespace, client.inner4, port=5600 + number) as stream:
            flows_on_after_a_move(stream, client, 300, 500)
    assert owners == {row["common_name"]: gateway.ask("session", "show", row["common_name"])["worker"]
                      for row in gateway.sessions()}
    assert gateway.counter("floats") == len(clients)


def test_nic_mode(stage, file):
    network = NicNetwork(stage, "AF_PACKET")
    gateway = network.start(toml=WORKERS)
    assert "worker 1 on core 1 polls" in gateway.log()
    alice, bob = stage.connected("alice"), stage.connected("bob")
    for client in (alice, bob):
        assert client.ping(FAR4, 20)
        with serving(network.far, file):
            Download(client.namespace, FAR4).finish(file)
    outside = stage.network.add_host("outside").namespace
    assert outside.ping("192.0.2.1", 20)
    busy = [row for row in gateway.ask("workers") if row["polls"] > 0]
    assert len(busy) == 2, busy


def one_way(client, far, count: int) -> None:
    """`count` datagrams from the client to the far host, which answers none: no packet for the client's session comes back."""
    with far.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink, client.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
        sink.bind((FAR4, 9))
        sink.settimeout(10)
        for number in range(count):
            source.sendto(b"%d" % number, (FAR4, 9))
            assert sink.recv(100) == b"%d" % number


@pytest.mark.parametrize("remote", ["192.0.2.1", "2001:db8::1"], ids=["outer IPv4", "outer IPv6"])
def test_a_nic_sends_a_clients_packets_to_the_worker_that_owns_it(stage, remote):
    """The owner is the worker whose queue the handshake came through, and the device keeps a flow on its queue."""
    network = NicNetwork(stage, "AF_PACKET")
    gateway = network.start(toml=WORKERS)
    for client in one_of_each_worker(stage, gateway, remote=remote):
        assert client.ping(FAR4, 3)  # neighbours are known from here on
        opened, handed = gateway.counter("outer_rx_packets"), gateway.counter("handed_over_packets")
        one_way(client, network.far, 300)
        wait_until(lambda: gateway.counter("outer_rx_packets") - opened >= 300, "all packets to be counted")
        assert gateway.counter("handed_over_packets") - handed < 30, "a client's packets arrive where its session is not"


def test_a_client_that_moves_to_another_queue_of_a_nic_loses_nothing(stage):
    """Its packets may arrive at the other worker from then on: they are handed over, in order."""
    network = NicNetwork(stage, "AF_PACKET")
    gateway = network.start(toml=WORKERS)
    clients = [stage.client(f"roamer{number}", options=["bind", f"lport {OWN_PORT}"], without=["nobind"]).connect()
               for number in range(3)]
    owners = {client.name: gateway.ask("session", "show", client.name)["worker"] for client in clients}
    for number, client in enumerate(clients):
        with streaming(stage.folder, network.far, FAR4, client.namespace, client.inner4, port=5600 + number, rate=400) as stream:
            flows_on_after_a_move(stream, client, 100, 200)
    assert owners == {client.name: gateway.ask("session", "show", client.name)["worker"] for client in clients}
    wait_until(lambda: gateway.counter("floats") == len(clients), "all moves to be counted")
    for reason in ("handoff_stale", "replay_duplicate", "replay_too_old"):
        assert gateway.drops()[reason] == 0, gateway.drops()


def test_an_interface_without_a_queue_for_each_worker_is_refused(stage):
    # DPDK 22.11 asks for combined channels, which virtual Ethernet does not name: it takes one queue of it.
    gateway = NicNetwork(stage, "AF_XDP").start(ready=False, toml=WORKERS)
    wait_until(lambda: gateway.process.exit_status() is not None, "the end of a gateway without enough queues")
    assert gateway.process.exit_status() != 0
    assert "give the interface a queue for each worker (ethtool -L; virtual Ethernet counts as one queue)" in gateway.log()
