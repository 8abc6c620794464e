"""What the kernel has no room for in front of the dataplane: each packet of a burst that a stopped dataplane could not take has
gone on or stands in `culvert drops`, which names the way out."""

import os
import signal
import socket
from contextlib import contextmanager

import pytest

from harness.attacker import udp_receive_errors
from harness.gateway import Gateway, rows
from harness.server_conf import PORT, ServerConf
from harness.waiting import wait_until

pytestmark = pytest.mark.culvert_only

PACKETS = 400
SIZE = 1000  # bytes of payload
RCVBUF = 20_000  # bytes
TXQUEUELEN = 20  # packets


def losing_gateway(stage, workers: str):
    """A gateway with little room in front of it."""
    conf = ServerConf(stage.certificates, extra=[f"rcvbuf {RCVBUF}", f"txqueuelen {TXQUEUELEN}"])
    gateway = Gateway(stage.network.gateway, conf, stage.folder / "gateway", toml=f"[dataplane]\nworkers = {workers}\n")
    return stage.add(gateway).start()


@contextmanager
def held(gateway):
    """The dataplane does not run meanwhile."""
    pid = gateway.pid_of("culvert-dataplane")
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: _state(pid) == "T", "the dataplane to be stopped")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _state(pid: int) -> str:
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0]


def tun_drops(gateway) -> int:
    """Of the interface's statistics, as `ip -s link` has them."""
    with gateway.namespace.entered(), open("/proc/thread-self/net/dev", encoding="ascii") as lines:
        found = [line.split(":")[1].split() for line in lines if line.strip().startswith(gateway.conf.device + ":")]
    return int(found[0][11])


def check_told(gateway, reason: str, way_out: str) -> None:
    """`culvert drops` and `culvert status` say what happened, and what to do."""
    [row] = [row for row in rows(gateway.ask("drops")) if row["name"] == reason]
    assert way_out in row["text"], row
    warnings = gateway.ask("status")["warnings"]
    assert f"{row['count']} packets were lost within 10 minutes ({reason}): {row['text']}" in warnings, warnings


@pytest.mark.parametrize("workers", ["[0]", "[0, 1]"])
def test_datagrams_that_the_socket_had_no_room_for(stage, workers):
    gateway = losing_gateway(stage, workers)
    sender = stage.network.add_host("sender")
    before, errors = gateway.drops(), udp_receive_errors(gateway.namespace)
    assert before["udp_rx_missed"] == 0

    def grown(reason: str) -> int:
        return gateway.drops()[reason] - before[reason]

    for sent in (PACKETS, 2 * PACKETS):
        with held(gateway), sender.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for _ in range(PACKETS):
                client.sendto(bytes(SIZE), ("192.0.2.1", PORT))  # opcode 0, which there is not
        wait_until(lambda: grown("udp_rx_missed") + grown("outer_unknown_opcode") >= sent,
                   "every datagram to be received or counted", 20)
        assert grown("udp_rx_missed") + grown("outer_unknown_opcode") == sent
        assert grown("udp_rx_missed") == udp_receive_errors(gateway.namespace) - errors
        assert {row["kind"]: row["rx_missed"] for row in rows(gateway.ask("ports"))} == {
            "udp": grown("udp_rx_missed"), "tun": None}
        assert grown("outer_unknown_opcode") * SIZE <= 2 * RCVBUF * sent // PACKETS
    check_told(gateway, "udp_rx_missed", "rcvbuf")


@pytest.mark.parametrize("workers", ["[0]", "[0, 1]"])
def test_packets_that_the_tun_had_no_room_for(stage, workers):
    gateway = losing_gateway(stage, workers)
    alice = stage.connected("alice")
    before, drops = gateway.drops(), tun_drops(gateway)
    assert before["tun_rx_missed"] == 0
    with alice.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind((alice.inner4, 9000))
        receiver.setblocking(False)
        arrived = 0

        def received() -> int:
            nonlocal arrived
            try:
                while receiver.recv(2 * SIZE):
                    arrived += 1
            except BlockingIOError:
                return arrived

        for sent in (PACKETS, 2 * PACKETS):
            with held(gateway), gateway.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
                for _ in range(PACKETS):
                    server.sendto(bytes(SIZE), (alice.inner4, 9000))
            wait_until(lambda: received() + gateway.drops()["tun_rx_missed"] >= sent, "every packet to arrive or be counted",
                       20)
            missed = gateway.drops()["tun_rx_missed"]
            assert missed == tun_drops(gateway) - drops
            assert missed >= sent - sent // PACKETS * 2 * TXQUEUELEN
    check_told(gateway, "tun_rx_missed", "txqueuelen")
