"""Either process may be killed at any moment: no data packet waits for control, no client has to connect again."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from harness import builds
from harness.download import Download, serving
from harness.gateway import Gateway, rows
from harness.process import exists
from harness.relay import ADDRESS, Relay
from harness.scripts import write
from harness.server_conf import INNER4, INNER6, ServerConf
from harness.udp_stream import streaming
from harness.waiting import wait_until

pytestmark = pytest.mark.culvert_only


def kill_and_wait_for_next(gateway, program: str, seconds: float = 10.0) -> None:
    """SIGKILL to one of culvert's processes; returns when `culvert up` has started it anew and the operator is answered."""
    old = gateway.pid_of(program)
    assert old, f"{program} does not run"
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: not exists(old), f"{program} {old} to be gone", 5)
    wait_until(lambda: gateway.pid_of(program) not in (0, old), f"another {program}", seconds)
    wait_until(lambda: gateway.try_cli("sessions", "--json").returncode == 0, "the operator to be answered", seconds)


def wait_between_renegotiations(clients, period: float) -> None:
    """Returns when each client has renegotiated, and none does again for a third of `period`, which is all clients' (in seconds)."""
    counts = {client: client.renegotiations() for client in clients}
    at = {client: 0.0 for client in clients}

    def are_between() -> bool:
        for client in clients:
            if client.renegotiations() != counts[client]:
                counts[client], at[client] = client.renegotiations(), time.monotonic()
        return all(time.monotonic() - each < period * 2 / 3 for each in at.values())
    wait_until(are_between, "all clients to have renegotiated", 4 * period)


def test_control_killed_in_the_middle_of_a_download(stage, big_file):
    gateway = stage.gateway()
    client = stage.connected("alice", options=["reneg-sec 8 8"])
    with serving(gateway.namespace, big_file, lasting=True) as server, \
            streaming(stage.folder, gateway.namespace, INNER6, client.namespace, client.inner6) as stream:
        # Without a window the download fills the client's queues until it drops packets of the stream, killed or not.
        download = Download(client.namespace, INNER4, window=65536)
        wait_until(lambda: download.received > big_file.size // 10, "a part of the download")
        dataplane = gateway.pid_of("culvert-dataplane")
        kill_and_wait_for_next(gateway, "culvert-control")
        assert gateway.pid_of("culvert-dataplane") == dataplane, "the dataplane did not live on"
        wait_until(lambda: gateway.session_names() == ["alice"], "the session to be listed again", 5)
        server.finish(download)
        before = client.renegotiations()
        wait_until(lambda: client.renegotiations() > before, "a renegotiation with the new control", 20)
        at_rekey = stream.received()
        wait_until(lambda: stream.received() > at_rekey + 500, "the stream to flow under the new key")
        down, up = stream.finish()
    assert down.perfect and up.perfect, (down, up)
    assert client.connects() == 1 and client.warnings() == []


def test_a_port_that_is_opened_anew_leaves_no_session_behind(stage):
    """A control that starts with another buffer size for its sockets: connections end with theirs, and sessions with them."""
    gateway = stage.gateway(protocol="tcp-server", extra=["duplicate-cn"])
    client = stage.connected("alice", protocol="tcp")
    configuration = gateway.folder / "server.conf"
    configuration.write_text(configuration.read_text() + "sndbuf 262144\n")
    kill_and_wait_for_next(gateway, "culvert-control")
    wait_until(lambda: client.connects() == 2, "the client to come back", 30)
    # By itself it would be gone after two minutes of silence.
    wait_until(lambda: gateway.session_names() == ["alice"], "the session of before to be gone", 20)


PIDS = Path("/sys/fs/cgroup/pids")


@pytest.mark.skipif(not (PIDS / "cgroup.procs").exists(), reason="no cgroup hierarchy with the pids controller alone")
def test_no_process_to_spare_ends_nothing(stage):
    """fork(2) fails when control is to be started again: data goes on, and so does control as soon as it may."""
    gateway = stage.gateway()
    client = stage.connected("alice")
    group = PIDS / f"cve{os.getpid()}-restart"
    group.mkdir()
    try:
        (group / "cgroup.procs").write_text(str(gateway.process.pid))
        (group / "pids.max").write_text("1")
        os.kill(gateway.pid_of("culvert-control"), signal.SIGKILL)
        gateway.process.wait_for_log("can't start culvert-control: Resource temporarily unavailable")
        assert client.ping(INNER4)
        (group / "pids.max").write_text("max")
        gateway.wait_ready(30)
        assert gateway.session_names() == ["alice"] and client.ping(INNER4) and client.connects() == 1
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            (PIDS / "cgroup.procs").write_text(pid)
        group.rmdir()


@pytest.mark.parametrize("told", [True, False])
def test_an_orderly_stop_says_what_becomes_of_sessions(stage, told):
    """SIGTERM to control alone, as by systemd, and to all of the gateway: the log says that sessions end, not that they go on."""
    gateway = stage.gateway(extra=["explicit-exit-notify 1"] if told else [])
    client = stage.connected("alice")
    old = gateway.pid_of("culvert-control")
    os.kill(old, signal.SIGTERM)
    wait_until(lambda: gateway.pid_of("culvert-control") not in (0, old), "the next control", 20)
    gateway.wait_ready()
    ends = "ending: all sessions end, and clients are told" if told else "ending: all sessions end; no server.conf has explicit-exit-notify"
    assert gateway.log().count(ends) == 1
    assert "sessions that it has not ended go on, new clients and renegotiations wait for the next control" in gateway.log()
    if told:
        wait_until(lambda: client.connects() == 2, "the client to come back at once", 20)
    else:
        assert gateway.sessions() == [] and client.connects() == 1
    assert gateway.stop() == 0
    assert gateway.log().count(ends) == 2 and "sessions go on, new" not in gateway.log()


def ports_of(gateway) -> dict:
    """The number of each listener, by what it is."""
    return {(row["kind"], row["address"]): row["port"] for row in rows(gateway.ask("ports")) if row["kind"] in ("udp", "tcp")}


@pytest.mark.parametrize("restart", ["the same listeners", "one more and one less"])
def test_listeners_in_another_order_keep_their_sessions(stage, restart):
    """The dataplane lives on with its sockets and sessions: they are found again by what they are, not by their place in the
    configuration."""
    folder = stage.folder / "several"
    folder.mkdir()
    text = ServerConf(stage.certificates).text() + "reneg-sec 8 8\n"
    listeners = {"udp": ("8", "udp", 1194), "other": ("9", "udp", 1195), "tcp": ("10", "tcp-server", 1194), "new": ("11", "udp", 1196)}
    for name, (network, protocol, port) in listeners.items():
        (folder / f"{name}.conf").write_text(
            text.replace("10.8.0.0", f"10.{network}.0.0").replace("fd00:8::/64", f"fd00:{network}::/64")
            .replace("proto udp", f"proto {protocol}").replace("port 1194", f"port {port}"))

    def configure(*names: str) -> None:
        (folder / "culvert.toml").write_text("".join(f'[[openvpn]]\nconfig = "{name}.conf"\n' for name in names))
    configure("other", "udp", "tcp")
    gateway = stage.add(Gateway(stage.network.gateway, None, folder, config=folder / "culvert.toml")).start()
    clients = {"alice": stage.connected("alice"), "bob": stage.connected("bob", protocol="tcp")}
    if restart == "the same listeners":
        clients["carol"] = stage.connected("carol", port=1195)
    before = ports_of(gateway)

    configure(*(("tcp", "udp", "other") if restart == "the same listeners" else ("tcp", "new", "udp")))
    dataplane = gateway.pid_of("culvert-dataplane")
    kill_and_wait_for_next(gateway, "culvert-control")
    gateway.wait_ready()
    assert gateway.pid_of("culvert-dataplane") == dataplane, "the dataplane did not live on"
    after = ports_of(gateway)
    assert all(after[listener] == before[listener] for listener in after if listener in before), (before, after)
    assert len(after) == 3 and len(set(after.values())) == 3
    assert sorted(gateway.session_names()) == sorted(clients)
    renegotiated = {name: client.renegotiations() for name, client in clients.items()}
    for name, client in clients.items():
        wait_until(lambda: client.renegotiations() > renegotiated[name], f"a renegotiation of {name}", 30)
        assert client.ping(client.inner4.rsplit(".", 1)[0] + ".1", 3)
    late = stage.connected("dave", port=1195 if restart == "the same listeners" else 1196)
    assert late.inner4.startswith("10.9." if restart == "the same listeners" else "10.11.")
    assert all(client.connects() == 1 and client.warnings() == [] for client in clients.values())


@pytest.mark.long
def test_control_killed_again_and_again(stage):
    """Three times in a row, a renegotiation by either side in between; then goodbye and kill still work."""
    gateway = stage.gateway(extra=["reneg-sec 6 6"])
    alice = stage.connected("alice", options=["explicit-exit-notify 1"])
    bob = stage.connected("bob")
    with streaming(stage.folder, gateway.namespace, INNER4, alice.namespace, alice.inner4) as stream:
        for _ in range(3):
            # A client whose renegotiation is interrupted waits for its end until hand-window is over.
            wait_between_renegotiations([alice, bob], 6)
            kill_and_wait_for_next(gateway, "culvert-control")
            before = alice.renegotiations(), bob.renegotiations()
            wait_until(lambda: alice.renegotiations() > before[0] and bob.renegotiations() > before[1],
                       "a renegotiation of both clients", 20)
        accounts = stream.finish()
    assert all(account.perfect for account in accounts), accounts
    assert alice.connects() == bob.connects() == 1
    alice.stop()
    wait_until(lambda: gateway.session_names() == ["bob"], "alice's goodbye to be heard", 3)
    gateway.kill_session("bob")
    wait_until(lambda: "command was pushed by server" in bob.log(), "bob to hear of the kill", 3)


def test_new_clients_get_in_after_control_came_back(stage):
    """Addresses and peer-ids of the old sessions are not given out again."""
    gateway = stage.gateway()
    first = stage.connected("first")
    kill_and_wait_for_next(gateway, "culvert-control")
    second = stage.connected("second")
    assert first.inner4 != second.inner4 and first.inner6 != second.inner6 and first.peer_id != second.peer_id
    assert first.ping(INNER4) and second.ping(INNER4)
    assert sorted(gateway.session_names()) == ["first", "second"]


def test_watching_goes_on_behind_a_restart(stage):
    """`--watch` shows what happens, and does not end just then: it says that control is away, and goes on."""
    gateway = stage.gateway()
    watching = gateway.namespace.start([builds.culvert(), "--run-dir", gateway.run_dir, "status", "--watch", "0.1", "--json"],
                                       stage.folder / "watch.log")

    def seen(pid: int) -> bool:
        lines = [line for line in watching.log().splitlines(keepends=True) if line.startswith("{") and line.endswith("\n")]
        return any(json.loads(line)["control_pid"] == pid for line in lines)
    wait_until(lambda: seen(gateway.pid_of("culvert-control")), "the first look", 20)
    gateway.process.signal(signal.SIGSTOP)  # so that nobody starts it again before it is missed
    try:
        os.kill(gateway.pid_of("culvert-control"), signal.SIGKILL)
        wait_until(lambda: "does not run" in watching.log() or not watching.running(), "the look to find nobody", 20)
    finally:
        gateway.process.signal(signal.SIGCONT)
    gateway.wait_ready()
    wait_until(lambda: seen(gateway.pid_of("culvert-control")) or not watching.running(), "a look at the next control", 20)
    assert watching.running(), watching.log()
    watching.stop()


@pytest.mark.parametrize("program", ["culvert-control", "culvert-dataplane"])
def test_killed_while_the_gateway_starts(stage, program):
    """`culvert up` may not have noticed yet that all is ready: a process that is killed then is no failed start either."""
    gateway = stage.add(Gateway(stage.network.gateway, ServerConf(stage.certificates), stage.folder / "gateway")).start(ready=False)
    wait_until(lambda: gateway.pid_of(program), f"{program} to run", 5)
    kill_and_wait_for_next(gateway, program)
    gateway.wait_ready()
    assert stage.connected("alice").ping(INNER4)


@pytest.mark.long
@pytest.mark.parametrize("given_by", ["client-config-dir", "client-connect"])
def test_network_behind_a_client_outlives_both(stage, tmp_path, given_by):
    """A control that took a session over knows of its iroute, and has a new dataplane route it again."""
    folder = tmp_path / "ccd"
    folder.mkdir()
    (folder / "router").write_text("iroute 198.51.100.0 255.255.255.0\n")
    script = tmp_path / "connect"
    script.write_text(f'#!/bin/sh\ncat {folder}/router > "$1"\n')
    script.chmod(0o755)
    said = [f"client-config-dir {folder}"] if given_by == "client-config-dir" else ["script-security 2", f"client-connect {script}"]
    gateway = stage.gateway(extra=[*said, "route 198.51.100.0 255.255.255.0"])
    router = stage.connected("router")
    router.namespace.ip("addr add 198.51.100.1/24 dev lo")
    assert gateway.namespace.ping("198.51.100.1")
    kill_and_wait_for_next(gateway, "culvert-control")
    wait_until(lambda: gateway.session_names() == ["router"], "the session to be listed again", 5)
    kill_and_wait_for_next(gateway, "culvert-dataplane")
    wait_until(lambda: gateway.namespace.ping(router.inner4), "the router's own address to answer", 20)
    assert gateway.namespace.ping("198.51.100.1", 3)
    assert router.connects() == 1


def test_dataplane_killed(stage):
    """Traffic is back within a bounded time, with the same sessions: nobody connects again, no packet-id is used twice."""
    gateway = stage.gateway()
    client = stage.connected("alice", options=["reneg-sec 8 8"])
    with streaming(stage.folder, gateway.namespace, INNER4, client.namespace, client.inner4) as stream:
        wait_until(lambda: stream.received() > 1000, "the stream to flow")
        kill_and_wait_for_next(gateway, "culvert-dataplane")
        resumed = stream.received()
        wait_until(lambda: stream.received() > resumed + 1000, "the stream to flow again", 10)
        assert client.ping(INNER4, count=3) and client.ping(INNER6, count=3)
        before = client.renegotiations()
        wait_until(lambda: client.renegotiations() > before, "a renegotiation after the restart", 20)
        down, up = stream.finish()
    assert client.connects() == 1
    assert gateway.session_names() == ["alice"]
    assert down.duplicated == up.duplicated == 0
    # A repeated packet-id shows as a replay at the client, which then warns.
    assert client.warnings() == []
    print(f"\ndataplane killed: longest silence {down.longest_silence_ms} ms to the client, {up.longest_silence_ms} ms from it")
    assert max(down.longest_silence_ms, up.longest_silence_ms) < 3000


@pytest.mark.long
@pytest.mark.parametrize("renegotiated", [True, False], ids=["with new keys", "without"])
def test_dataplane_killed_soon_after_control(stage, renegotiated):
    """A client goes on with a key as old as its hand-window for as long again after it has negotiated another one, and that key
    was the old dataplane's alone: it has to negotiate twice, of which the first time may be behind it."""
    gateway = stage.gateway()
    client = stage.connected("alice", options=["hand-window 8"])
    with streaming(stage.folder, gateway.namespace, INNER4, client.namespace, client.inner4, 200) as stream:
        wait_until(lambda: stream.received() > 200 * 9, "the first key to be old", 20)
        kill_and_wait_for_next(gateway, "culvert-control")
        if renegotiated:
            wait_until(lambda: client.renegotiations() == 1, "the next control to renegotiate", 20)
            flowing = stream.received()
            wait_until(lambda: stream.received() > flowing + 100, "the stream to flow on")
            assert gateway.drops()["key_unknown"] == 0
        kill_and_wait_for_next(gateway, "culvert-dataplane")
        resumed = stream.received()
        wait_until(lambda: stream.received() > resumed + 500, "the stream to flow again", 20)
    assert client.connects() == 1 and client.renegotiations() == 2


@pytest.mark.long
def test_both_ended_in_order_soon_after_control(stage):
    """As `systemctl restart` of both does it. Nobody has the client's key then: the control that leaves negotiates another one first,
    or the next one does, whichever sees the old dataplane go."""
    gateway = stage.gateway()
    client = stage.connected("alice", options=["hand-window 8"])
    with streaming(stage.folder, gateway.namespace, INNER4, client.namespace, client.inner4, 200) as stream:
        wait_until(lambda: stream.received() > 200 * 9, "the first key to be old", 20)
        kill_and_wait_for_next(gateway, "culvert-control")
        before = gateway.pids()
        os.kill(before["culvert-dataplane"], signal.SIGTERM)
        os.kill(before["culvert-control"], signal.SIGQUIT)
        wait_until(lambda: not set(before.values()) & set(gateway.pids().values()), "both to be others", 20)
        gateway.wait_ready(30)
        wait_until(lambda: client.renegotiations() >= 2, "the lost key to be forgotten", 20)
        resumed = stream.received()
        wait_until(lambda: stream.received() > resumed + 500, "the stream to flow again", 20)
    assert client.connects() == 1 and gateway.session_names() == ["alice"]


@pytest.mark.long
@pytest.mark.parametrize("passed, window, connects", [
    # Nothing of the server's TLS has reached the client: the next control can answer what the client began with.
    (1, 60, 1),
    # It has: the client gives up at the end of its hand-window, and begins a new session in the place of the old one.
    (2, 10, 2),
])
def test_control_killed_in_the_middle_of_a_renegotiation(stage, passed, window, connects):
    gateway = stage.gateway(extra=["reneg-sec 0"])
    client = stage.client("alice", options=["reneg-sec 6 6", f"hand-window {window}"], remote=ADDRESS)
    with Relay(client.namespace, "192.0.2.1", hold_after=passed) as relay:
        client.connect()
        with streaming(stage.folder, gateway.namespace, INNER4, client.namespace, client.inner4, 200) as stream:
            wait_until(relay.holding.is_set, "a renegotiation to be half done", 30)
            kill_and_wait_for_next(gateway, "culvert-control")
            relay.release()
            wait_until(lambda: client.connects() == connects and client.renegotiations() >= 2, "renegotiations to go on", 90)
            before = stream.received()
            wait_until(lambda: stream.received() > before + 500, "the stream to flow both ways", 20)
            down, up = stream.finish()
    assert client.connects() == connects and gateway.session_names() == ["alice"]
    assert down.duplicated == up.duplicated == 0
    if connects == 1:
        assert down.perfect and up.perfect, (down, up)


@pytest.mark.long
@pytest.mark.parametrize("named", [True, False], ids=["username-as-common-name", "without a name"])
def test_control_killed_in_the_middle_of_a_renegotiation_without_certificates(stage, named):
    """Such a client begins anew at its address as well, with the peer-id and the addresses that it was given first; only its
    username says that it is the same."""
    script = write(stage.folder / "verify", '#!/bin/sh\ngrep -qx "right one" "$1"\n')
    (stage.folder / "login").write_text("alice\nright one\n")
    (stage.folder / "other").write_text("bob\nright one\n")
    gateway = stage.gateway(without=["remote-cert-tls"], extra=[
        "script-security 2", f"auth-user-pass-verify {script} via-file", "verify-client-cert none", "reneg-sec 0",
        *(["username-as-common-name"] if named else [])])
    client = stage.client("alice", without=["cert", "key"], remote=ADDRESS, options=[
        f"auth-user-pass {stage.folder / 'login'}", "reneg-sec 6 6", "hand-window 10"])
    with Relay(client.namespace, "192.0.2.1", hold_after=2) as relay:
        client.connect()
        first = client.inner4, client.peer_id
        # The last one without a name: not his addresses, nor the next ones, are hers.
        bob = stage.client("bob", without=["cert", "key"], options=[f"auth-user-pass {stage.folder / 'other'}"]).connect()
        with streaming(stage.folder, gateway.namespace, INNER4, client.namespace, client.inner4, 200) as stream:
            wait_until(relay.holding.is_set, "a renegotiation to be half done", 30)
            kill_and_wait_for_next(gateway, "culvert-control")
            relay.release()
            wait_until(lambda: client.connects() == 2 and client.renegotiations() >= 2, "renegotiations to go on", 90)
            before = stream.received()
            wait_until(lambda: stream.received() > before + 500, "the stream to flow both ways", 20)
            down, up = stream.finish()
    assert (client.inner4, client.peer_id) == first
    assert bob.connects() == 1 and bob.ping(INNER4)
    assert client.connects() == 2 and len(gateway.sessions()) == 2
    assert down.duplicated == up.duplicated == 0
