"""`culvert trace` and `culvert capture`: what an operator sees of packets, with stock clients."""

import ipaddress
import json
import stat
import time

import pytest

from harness import builds, pcapng
from harness.server_conf import INNER4
from harness.waiting import wait_until

pytestmark = pytest.mark.culvert_only
SOMEBODY_ELSES = "10.77.0.9"


class Watching:
    """A `culvert trace` or `culvert capture` that has begun."""

    def __init__(self, stage, gateway, *words: str):
        self.gateway = gateway
        begun = gateway.log().count(": begun by ")
        path = stage.folder / f"watch{begun}.log"
        self.process = gateway.namespace.start([builds.culvert(), "--run-dir", gateway.run_dir, *words], path)
        wait_until(lambda: gateway.log().count(": begun by ") > begun or not self.process.running(), "the trace to begin")
        assert self.process.running() or self.process.exit_status() == 0, self.process.log()

    def rows(self, seconds: float = 15.0):
        """Waits for its end; the JSON lines it printed."""
        assert self.process.wait(seconds) == 0, self.process.log()
        return [json.loads(line) for line in self.process.log().splitlines()]

    def summary(self, seconds: float = 15.0):
        assert self.process.wait(seconds) == 0, self.process.log()
        return json.loads(self.process.log())


def source_is(client, address: str) -> None:
    """The client may send from an address that the gateway has not given it."""
    client.namespace.ip(f"address add {address}/32 dev tun0")


def test_trace_says_why_packets_do_not_arrive(stage):
    gateway = stage.gateway()
    client = stage.connected("alice")
    other = stage.connected("bob")
    source_is(client, SOMEBODY_ELSES)
    watching = Watching(stage, gateway, "trace", "--session", "alice", "--drops", "--count", "2", "--json")
    assert other.ping(INNER4, 3) and client.ping(INNER4, 3)  # neither is dropped
    client.namespace.try_run("ping", "-n", "-c", "2", "-i", "0.05", "-W", "0.1", "-I", SOMEBODY_ELSES, INNER4)
    rows = watching.rows()
    assert len(rows) == 2
    for row in rows:
        assert (row["step"], row["result"], row["reason"]) == ("check_source", "dropped", "inner_source_not_allowed"), row
        assert (row["common_name"], row["direction"], row["protocol"]) == ("alice", "from_client", "icmp"), row
        assert (row["inner_source"], row["inner_destination"]) == (SOMEBODY_ELSES, INNER4), row
        assert row["session"] == gateway.session_of("alice")["id"] and row["inner_bytes"] == 84
        assert row["remote"] == gateway.session_of("alice")["remote"]
    assert gateway.drops()["inner_source_not_allowed"] == 2
    assert "trace of packets, of session" in gateway.log() and "uid 0" in gateway.log()


def test_trace_shows_both_ways_of_a_ping(stage):
    gateway = stage.gateway()
    client = stage.connected("alice")
    stage.connected("bob").ping(INNER4, 1)
    watching = Watching(stage, gateway, "trace", "--session", client.inner4, "--count", "2", "--json")
    assert client.ping(INNER4, 1)
    came, went = watching.rows()
    assert (came["direction"], came["step"], came["result"], came["reason"]) == ("from_client", "route", "taken", None)
    assert (went["direction"], went["step"], went["result"]) == ("to_client", "send_outer", "taken")
    assert (came["inner_source"], came["inner_destination"]) == (client.inner4, INNER4)
    assert (went["inner_source"], went["inner_destination"]) == (INNER4, client.inner4)
    assert came["outer_bytes"] > came["inner_bytes"] == went["inner_bytes"] == 84
    assert came["remote"] == went["remote"] == gateway.session_of("alice")["remote"]


def test_trace_of_an_address_that_never_gets_a_session(stage):
    gateway = stage.gateway()
    stage.connected("alice")
    stranger = stage.network.add_host("stranger")
    watching = Watching(stage, gateway, "trace", "--remote", str(stranger.ip4), "--reason", "session_unknown_peer_id",
                        "--count", "1", "--json")
    with stranger.namespace.entered():
        import socket
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(bytes([9 << 3, 0, 9, 9]) + bytes(60), ("192.0.2.1", 1194))
    row, = watching.rows()
    assert (row["reason"], row["session"]) == ("session_unknown_peer_id", None)
    assert row["step"] == "find_session" and row["outer_bytes"] == 64 and row["remote"].startswith(f"{stranger.ip4}:")


def test_every_nth_packet(stage):
    gateway = stage.gateway()
    client = stage.connected("alice")
    watching = Watching(stage, gateway, "trace", "--every", "10", "--direction", "from-client", "--count", "5", "--json")
    assert client.ping(INNER4, 60)
    assert len(watching.rows()) == 5


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_capture_of_a_ping_has_request_and_reply(stage, protocol):
    gateway = stage.gateway(protocol=protocol)
    client = stage.client("alice", protocol=protocol).connect()
    other = stage.client("bob", protocol=protocol).connect()
    file = stage.folder / "alice.pcapng"
    watching = Watching(stage, gateway, "capture", file, "--session", "alice", "--count", "10", "--json")
    before = time.time()
    assert other.ping(INNER4, 3) and client.ping(INNER4, 5, size=1000)
    summary = watching.summary()
    after = time.time()
    assert (summary["packets"], summary["lost"], summary["ended"]) == (10, 0, "count")
    assert summary["bytes"] == file.stat().st_size and stat.S_IMODE(file.stat().st_mode) == 0o600
    capture = pcapng.read(file)
    assert (capture.link_type, capture.received, capture.lost) == (pcapng.LINKTYPE_RAW, 10, 0)
    pings = [(packet.inbound, packet.payload[0]) for packet in capture.packets]  # ICMP: 8 asks, 0 answers
    assert sorted(pings) == [(False, 0)] * 5 + [(True, 8)] * 5
    inner, gateways = (ipaddress.ip_address(text).packed for text in (client.inner4, INNER4))
    for packet in capture.packets:
        assert packet.addresses() == ((inner, gateways) if packet.inbound else (gateways, inner))
        assert len(packet.data) == packet.length == 1028
        assert before - 1 < packet.seconds < after + 1
    assert f"capture of decrypted packets, first 2048 bytes each, of session {client.peer_id}: begun by pid " in gateway.log()


def test_capture_of_tunnel_packets_is_cut_and_shows_no_plaintext(stage):
    gateway = stage.gateway()
    client = stage.connected("alice")
    file = stage.folder / "outer.pcapng"
    watching = Watching(stage, gateway, "capture", file, "--outer", "--session", "alice", "--snap", "64", "--count", "8",
                        "--json")
    assert client.ping(INNER4, 4, size=1000)
    watching.summary()
    capture = pcapng.read(file)
    remote = gateway.session_of("alice")["remote"]
    host, port = remote.rsplit(":", 1)
    assert len(capture.packets) == 8
    for packet in capture.packets:
        theirs = packet.addresses()[0 if packet.inbound else 1]
        assert str(ipaddress.ip_address(theirs)) == host and packet.protocol == 17
        assert int.from_bytes(packet.payload[0:2] if packet.inbound else packet.payload[2:4], "big") == int(port)
        assert len(packet.data) == 28 + 64 and packet.length == 28 + 1028 + 24  # header, packet-id and tag of AES-GCM
        assert packet.payload[8] >> 3 == 9  # P_DATA_V2


def test_capture_of_what_is_dropped_says_why(stage):
    gateway = stage.gateway()
    client = stage.connected("alice")
    source_is(client, SOMEBODY_ELSES)
    file = stage.folder / "dropped.pcapng"
    watching = Watching(stage, gateway, "capture", file, "--drops", "--count", "1", "--json")
    client.namespace.try_run("ping", "-n", "-c", "1", "-W", "0.1", "-I", SOMEBODY_ELSES, INNER4)
    watching.summary()
    packet, = pcapng.read(file).packets
    assert packet.comment == "dropped: inner_source_not_allowed"
    assert str(ipaddress.ip_address(packet.addresses()[0])) == SOMEBODY_ELSES


def test_who_may_and_what_is_refused(stage):
    gateway = stage.gateway()
    stage.connected("alice")
    watching = Watching(stage, gateway, "trace", "--reason", "mempool_empty", "--json")
    for words, part in ((["trace"], "somebody else is looking at packets"),
                        (["trace", "--session", "carol"], 'no session "carol"'),
                        (["trace", "--reason", "nothing"], "no drop reason"),
                        (["trace", "--reason", "control_bad_wrap"], "culvert-control")):
        done = gateway.try_cli(*words)
        assert done.returncode == 1 and part in done.stderr, done.stderr
    assert gateway.try_cli("trace", "--direction", "sideways").returncode == 2
    nobody = gateway.namespace.try_run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", builds.culvert(),
                                       "--run-dir", str(gateway.run_dir), "trace")
    assert nobody.returncode == 1 and "root" in nobody.stderr, nobody.stderr
    taken = stage.folder / "taken"
    taken.write_text("mine")
    done = gateway.try_cli("capture", str(taken))
    assert done.returncode == 1 and "exists" in done.stderr and taken.read_text() == "mine"
    # One that is killed leaves the place to the next.
    watching.process.kill()
    wait_until(lambda: " ended: " in gateway.log(), "the trace to end")
    Watching(stage, gateway, "trace", "--seconds", "0.1", "--json").rows()
    assert (gateway.run_dir / "trace.sock").exists()
    assert gateway.stop() == 0 and not (gateway.run_dir / "trace.sock").exists()
