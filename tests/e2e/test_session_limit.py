"""Limits of sessions, by `culvert session limit` and by the configuration: what is over one is dropped and counted, and it lives
as long as its session."""

import socket

import pytest

from harness import scripts
from harness.gateway import Gateway
from harness.server_conf import INNER4, ServerConf
from harness.waiting import wait_until
from test_restart import kill_and_wait_for_next

pytestmark = pytest.mark.culvert_only

PORT = 9000
PACKETS = 60
SIZE = 1000  # bytes of payload: a low limit lets 11 of them through at once, and one a second after that
LOW = "8K"


class Sink:
    """A UDP socket at one end of the tunnel, and packets sent to it from the other."""

    def __init__(self, receiver, address: str, sender):
        self.to = (address, PORT)
        self.receiver = receiver.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.receiver.bind(self.to)
        self.receiver.setblocking(False)
        self.sender = sender.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.arrived = 0

    def send(self) -> None:
        for _ in range(PACKETS):
            self.sender.sendto(bytes(SIZE), self.to)

    def received(self) -> int:
        """Packets that have arrived so far."""
        try:
            while self.receiver.recv(2 * SIZE):
                self.arrived += 1
        except BlockingIOError:
            return self.arrived

    def close(self) -> None:
        self.receiver.close()
        self.sender.close()


@pytest.fixture
def sink():
    made = []

    def make(*arguments) -> Sink:
        made.append(Sink(*arguments))
        return made[-1]

    yield make
    for one in made:
        one.close()


def dropped_since(gateway, before) -> dict:
    """By reason; without what every client's system sends by itself (router solicitations, multicast DNS)."""
    return {name: count - before[name] for name, count in gateway.drops().items()
            if count != before[name] and name != "inner_multicast"}


def check_strays(drops: dict) -> None:
    """What clients' systems send by themselves may meet the limit of another direction or client."""
    assert set(drops) <= {"limit_from_client", "limit_to_client"} and sum(drops.values()) < PACKETS // 10, drops


def check_limited(gateway, sink: Sink, reason: str) -> None:
    """Each packet of a burst arrives or is dropped for `reason`, and most are."""
    before, arrived = gateway.drops(), sink.received()
    sink.send()
    wait_until(lambda: sink.received() - arrived + dropped_since(gateway, before).get(reason, 0) >= PACKETS,
               "every packet to have arrived or be counted", 20)
    drops = dropped_since(gateway, before)
    assert drops.pop(reason) > PACKETS // 2, drops
    check_strays(drops)


def check_free(gateway, sink: Sink) -> None:
    before, arrived = gateway.drops(), sink.received()
    sink.send()
    wait_until(lambda: sink.received() - arrived >= PACKETS, "every packet to arrive", 20)
    check_strays(dropped_since(gateway, before))


def test_each_direction_and_lifted(stage, sink):
    gateway = stage.gateway()
    alice = stage.connected("alice")
    up = sink(gateway.namespace, INNER4, alice.namespace)
    down = sink(alice.namespace, alice.inner4, gateway.namespace)
    check_free(gateway, up)
    said = gateway.cli("session", "limit", "alice", "--in", LOW)
    assert said.endswith(" of alice: 8 kbit/s from the client, no limit to it\n"), said
    check_limited(gateway, up, "limit_from_client")
    check_free(gateway, down)
    row = gateway.ask("session", "limit", alice.inner4, "--in", "1.5G", "--out", LOW)
    assert (row["limit_in"], row["limit_out"]) == (1_500_000_000, 8000)
    assert "limit out           8 kbit/s" in gateway.cli("session", "show", "alice")
    check_free(gateway, up)
    check_limited(gateway, down, "limit_to_client")
    gateway.cli("session", "limit", "alice", "--none")
    assert gateway.session_of("alice")["limit_out"] is None
    check_free(gateway, up)
    check_free(gateway, down)


@pytest.mark.parametrize("program", ["culvert-control", "culvert-dataplane"])
def test_survives_a_restart(stage, sink, program):
    gateway = stage.gateway()
    alice = stage.connected("alice", options=["reneg-sec 8 8"])
    gateway.cli("session", "limit", "alice", "--in", LOW, "--out", "20M")
    kill_and_wait_for_next(gateway, program)
    wait_until(lambda: gateway.session_names() == ["alice"], "the session to be listed again", 20)
    row = gateway.session_of("alice")
    assert (row["limit_in"], row["limit_out"]) == (8000, 20_000_000)
    wait_until(lambda: alice.ping(INNER4), "packets to flow again", 20)  # a new dataplane's TUN has its address then
    up = sink(gateway.namespace, INNER4, alice.namespace)
    check_limited(gateway, up, "limit_from_client")
    before = alice.renegotiations()
    wait_until(lambda: alice.renegotiations() > before, "a renegotiation", 30)
    check_limited(gateway, up, "limit_from_client")
    gateway.cli("session", "limit", "alice", "--in", "none")
    check_free(gateway, up)
    assert alice.connects() == 1


def test_ends_with_the_session(stage):
    gateway = stage.gateway()
    alice = stage.connected("alice")
    gateway.cli("session", "limit", "alice", "--in", "20M")
    gateway.cli("session", "kill", "alice", "--restart")
    alice.wait_connected(times=2)
    wait_until(lambda: gateway.session_names() == ["alice"], "the next session", 20)
    assert gateway.session_of("alice")["limit_in"] is None


@pytest.mark.parametrize("words, status, says", [
    (["alice"], 2, "nothing to do: give --in RATE"),
    (["alice", "--in", "20Q"], 2, '--in: "20Q" is no limit: give bits per second, such as 800K'),
    (["bob", "--in", "20M"], 1, 'no session "bob": give an ID, a common name or an address of `culvert sessions`')])
def test_wrong_uses_say_the_way_out(stage, words, status, says):
    gateway = stage.gateway()
    stage.connected("alice")
    done = gateway.try_cli("session", "limit", *words)
    assert done.returncode == status and says in done.stderr
    both = gateway.try_cli("session", "limit", "alice", "--none", "--in", "20M")
    assert both.returncode == 2 and "excludes" in both.stderr
    assert gateway.session_of("alice")["limit_in"] is None


def limits(gateway, name: str) -> tuple:
    row = gateway.session_of(name)
    return row["limit_in"], row["limit_out"]


@pytest.fixture
def configured(stage):
    """Starts a gateway with these lines of [clients] in its culvert.toml, these files of client-config-dir, and more lines in
    its server.conf; the second value changes the first."""
    folder = stage.folder / "ccd"

    def clients(lines: str) -> str:
        return f"[clients]\n{lines}"

    def make(lines: str, extra=(), **files: str):
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
        conf = ServerConf(stage.certificates, extra=[f"client-config-dir {folder}", *extra])
        gateway = Gateway(stage.network.gateway, conf, stage.folder / "configured", toml=clients(lines))
        before = gateway.config.read_text().removesuffix(clients(lines))
        return stage.add(gateway).start(), lambda now: gateway.config.write_text(before + clients(now))

    return make


def test_of_the_configuration(stage, sink, configured):
    gateway, write = configured(f'limit_in = "{LOW}"\n', bob=f"limit-in none\nlimit-out {LOW}\n")
    alice, bob = stage.connected("alice"), stage.connected("bob")
    assert (limits(gateway, "alice"), limits(gateway, "bob")) == ((8000, None), (None, 8000))
    up = sink(gateway.namespace, INNER4, alice.namespace)
    down = sink(alice.namespace, alice.inner4, gateway.namespace)
    bobs_down = sink(bob.namespace, bob.inner4, gateway.namespace)
    check_limited(gateway, up, "limit_from_client")
    check_limited(gateway, bobs_down, "limit_to_client")
    check_free(gateway, down)

    gateway.cli("session", "limit", "bob", "--out", "none")
    write(f'limit_out = "{LOW}"\n')
    assert gateway.ask("reload")["applied"] == ["[clients] limit_in", "[clients] limit_out"]
    assert (limits(gateway, "alice"), limits(gateway, "bob")) == ((None, 8000), (None, None))
    check_free(gateway, up)
    check_limited(gateway, down, "limit_to_client")
    check_free(gateway, bobs_down)

    gateway.kill_session("bob")
    wait_until(lambda: gateway.session_names() == ["alice"], "bob's session to end", 20)
    stage.connected("bob")
    assert limits(gateway, "bob") == (None, 8000), "a new session begins with what its file says"
    assert alice.connects() == 1


def test_of_the_configuration_after_a_restart(stage, configured):
    """The next control knows the limits it finds for the configuration's own, and a reload changes them."""
    gateway, write = configured('limit_in = "20M"\n')
    alice = stage.connected("alice")
    gateway.cli("session", "limit", "alice", "--out", "30M")
    kill_and_wait_for_next(gateway, "culvert-control")
    wait_until(lambda: gateway.session_names() == ["alice"], "the session to be listed again", 20)
    assert limits(gateway, "alice") == (20_000_000, 30_000_000)
    write('limit_in = "40M"\nlimit_out = "40M"\n')
    gateway.cli("reload")
    assert limits(gateway, "alice") == (40_000_000, 30_000_000)
    assert alice.connects() == 1


def test_a_reload_while_a_client_comes_in(stage, configured, tmp_path):
    """It was granted the limits of before, and gets those of now; what its script said stays."""
    asked, answered = tmp_path / "asked", tmp_path / "answered"
    script = scripts.write(tmp_path / "connect", f"""#!/bin/sh
touch {asked}
until [ -e {answered} ]; do sleep 0.05; done
echo limit-out 5M > "$1"
""")
    gateway, write = configured('limit_in = "20M"\n', extra=["script-security 2", f"client-connect {script}"])
    alice = stage.client("alice")
    alice.start()
    wait_until(asked.exists, "client-connect to be run", 30)
    write('limit_in = "40M"\nlimit_out = "50M"\n')
    gateway.cli("reload")
    answered.touch()
    alice.wait_connected()
    wait_until(lambda: gateway.session_names() == ["alice"] and limits(gateway, "alice") == (40_000_000, 5_000_000),
               "the limits of now", 20)


def test_wrong_ones_of_the_configuration(stage, configured):
    gateway, write = configured('limit_in = "20M"\n', bob="# slow\nlimit-in 20Q\n")
    says = 'is no limit: give bits per second, such as 800K, 20M or 1.5G (1 to 400G), or none'
    stage.connected("bob")
    assert limits(gateway, "bob") == (20_000_000, None), "a line that makes no sense is left out"
    wait_until(lambda: f'ccd/bob:2: limit-in: "20Q" {says}' in gateway.log(), "the log to say so", 20)
    write('limit_in = "1T"\n')
    line = gateway.config.read_text().splitlines().index('limit_in = "1T"') + 1
    for words in (["reload"], ["config", "check", str(gateway.config)]):
        done = gateway.try_cli(*words)
        assert done.returncode == 1
        assert f'culvert.toml:{line}: error: [clients] limit_in: "1T" {says}' in done.stderr + done.stdout
    assert limits(gateway, "bob") == (20_000_000, None)
