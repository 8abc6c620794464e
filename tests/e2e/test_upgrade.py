"""`culvert upgrade`: a new control, or a new dataplane, in the place of the running one while clients stay connected; and what
it refuses before anything has changed."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from harness import builds
from harness.download import Download, serving
from harness.gateway import Gateway
from harness.process import exists
from harness.relay import ADDRESS, Relay
from harness.scripts import write
from harness.server_conf import INNER4, LONG_QUEUE, ServerConf
from harness.udp_stream import streaming
from harness.waiting import wait_until

pytestmark = pytest.mark.culvert_only

NOTHING = {"handshakes": 0, "renegotiations": 0, "messages": 0, "scripts": 0}


def begin_upgrade(stage, gateway, *words: str):
    """`culvert upgrade` that goes on beside the test; its log has what it prints."""
    return gateway.namespace.start([gateway.culvert, "--run-dir", gateway.run_dir, "upgrade", *words], stage.folder / "upgrade.log")


def upgrade(gateway, *words: str):
    """The finished command: much time, since the machine may be busy; the command itself knows when to give up."""
    return gateway.namespace.try_run(gateway.culvert, "--run-dir", str(gateway.run_dir), "upgrade", *words, timeout=120)


def upgraded(gateway, *words: str) -> dict:
    """The account of an upgrade that has to succeed."""
    done = upgrade(gateway, "--json", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(gateway, *words: str) -> str:
    """Why it is refused, and that everybody is still there."""
    before = gateway.pids()
    done = upgrade(gateway, *words)
    assert done.returncode == 1 and done.stdout == "", (done.returncode, done.stdout, done.stderr)
    assert gateway.pids() == before and gateway.try_cli("status").returncode == 0
    return done.stderr


def renegotiates(client, before: int | None = None) -> None:
    """Once more from now on, or more often than `before`: a control renegotiates with whom it took over at any moment of 10 s."""
    known = client.renegotiations() if before is None else before
    wait_until(lambda: client.renegotiations() > known, f"a renegotiation of {client.name}", 30)


@pytest.fixture
def installed(stage, tmp_path):
    """A gateway whose programs are copies, which the test may replace."""
    folder = tmp_path / "installed"
    folder.mkdir()
    for program in (builds.culvert(), builds.program("control", "culvert-control"), builds.program("dataplane", "culvert-dataplane")):
        shutil.copy(program, folder)
    conf = ServerConf(stage.certificates, extra=[LONG_QUEUE])
    gateway = Gateway(stage.network.gateway, conf, stage.folder / "gateway")
    gateway.culvert = str(folder / "culvert")
    gateway.installed = folder
    return stage.add(gateway).start()


def replace(gateway, name: str, make) -> None:
    """As an installation does it: another file under the name, while the one before may run."""
    new = gateway.installed / f"{name}.new"
    make(new)
    new.chmod(0o755)
    new.replace(gateway.installed / name)


def another_build_of(program: Path):
    return lambda new: new.write_bytes(program.read_bytes() + b"\n")


def test_control_upgraded_in_the_middle_of_a_download(stage, big_file):
    gateway = stage.gateway(extra=[f"ifconfig-pool-persist {stage.folder}/pool 600"])
    client = stage.connected("alice", options=["reneg-sec 12 12"])
    before = gateway.pids()
    with serving(gateway.namespace, big_file, lasting=True) as server:
        download = Download(client.namespace, INNER4, window=65536)
        wait_until(lambda: download.received > big_file.size // 10, "a part of the download")
        account = upgraded(gateway)
        after_it = download.received
        wait_until(lambda: download.received > after_it, "the download to flow on")
        server.finish(download)
    after = gateway.pids()
    assert after["culvert-dataplane"] == before["culvert-dataplane"] and after["culvert-control"] != before["culvert-control"]
    assert (account["control_pid_before"], account["control_pid_after"]) == (before["culvert-control"], after["culvert-control"])
    assert account["sessions_left"] == account["sessions_kept"] == 1 and account["cut_off"] == NOTHING
    assert account["control_replaced"] is False and account["dataplane_before"] is account["no_traffic_ms"] is None
    assert gateway.session_names() == ["alice"]
    renegotiates(client)
    assert client.ping(INNER4) and client.connects() == 1 and client.warnings() == []
    log = gateway.log()
    assert "left 1 session(s) to the next control" in log and "took over 1 session(s)" in log
    assert "all sessions end" not in log and "starting it again" not in log
    assert "alice" in (stage.folder / "pool").read_text()


def test_sessions_over_tcp_stay_and_newcomers_get_in(stage):
    gateway = stage.gateway(protocol="tcp-server")
    alice = stage.connected("alice", protocol="tcp")
    for _ in range(2):
        done = upgrade(gateway)
        assert done.returncode == 0 and "sessions   1 of 1 kept" in done.stdout, (done.stdout, done.stderr)
    bob = stage.connected("bob", protocol="tcp")
    renegotiates(alice, before=0)
    assert alice.ping(INNER4) and bob.ping(INNER4) and alice.connects() == 1 and alice.warnings() == []


@pytest.mark.long
def test_what_is_in_the_middle_is_waited_for(stage):
    """A renegotiation, whose client would else wait for its hand-window; who comes meanwhile waits for the next control."""
    gateway = stage.gateway(extra=["reneg-sec 0"])
    client = stage.client("alice", options=["reneg-sec 8 8"], remote=ADDRESS)
    with Relay(client.namespace, "192.0.2.1", hold_after=2) as relay:
        client.connect()
        with streaming(stage.folder, gateway.namespace, INNER4, client.namespace, client.inner4, 200) as stream:
            wait_until(relay.holding.is_set, "a renegotiation to be half done", 30)
            old = gateway.pid_of("culvert-control")
            leaving = begin_upgrade(stage, gateway, "--json", "--wait", "60")
            wait_until(lambda: "leaving: waiting for 1 renegotiation" in gateway.cli("status"), "control to wait for it", 20)
            bob = stage.client("bob").start()
            wait_until(lambda: "UDPv4 link remote" in bob.log(), "another client to knock", 20)
            assert gateway.pid_of("culvert-control") == old and bob.connects() == 0
            relay.release()
            wait_until(lambda: not leaving.running(), "the upgrade to end", 90)
            assert leaving.exit_status() == 0, leaving.log()
            bob.wait_connected(60)
            renegotiates(client)
            down, up = stream.finish()
    account = json.loads(leaving.log())
    assert account["waited_for"]["renegotiations"] == 1 and account["cut_off"] == NOTHING
    assert account["sessions_left"] == account["sessions_kept"] == 1
    assert down.perfect and up.perfect, (down, up)
    assert client.connects() == bob.connects() == 1 and sorted(gateway.session_names()) == ["alice", "bob"]


@pytest.mark.long
def test_a_control_that_hangs_is_not_waited_for_for_ever(stage):
    gateway = stage.gateway(extra=["reneg-sec 0"])
    client = stage.client("alice", options=["reneg-sec 8 8"], remote=ADDRESS)
    with Relay(client.namespace, "192.0.2.1", hold_after=1) as relay:
        client.connect()
        wait_until(relay.holding.is_set, "a renegotiation to be half done", 30)
        old = gateway.pid_of("culvert-control")
        leaving = begin_upgrade(stage, gateway, "--wait", "2")
        wait_until(lambda: "leaving: sessions stay" in gateway.log(), "control to begin to leave", 20)
        os.kill(old, signal.SIGSTOP)
        wait_until(lambda: not leaving.running(), "the command to give up", 60)
        assert leaving.exit_status() == 1
        assert f"is still there: `kill -KILL {old}` puts the next one in its place, and loses no session either" in leaving.log()
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: not exists(old), "it to be gone", 10)
        gateway.wait_ready(30)
        relay.release()
        renegotiates(client)
        assert gateway.session_names() == ["alice"] and client.connects() == 1


def test_a_stopped_control_is_named_at_once(stage):
    gateway = stage.gateway()
    old = gateway.pid_of("culvert-control")
    os.kill(old, signal.SIGSTOP)
    try:
        done = upgrade(gateway)
    finally:
        os.kill(old, signal.SIGCONT)
    assert done.returncode == 1 and "does not answer: is culvert-control stopped" in done.stderr


def test_programs_that_do_not_fit_are_refused(stage, installed):
    gateway = installed
    client = stage.connected("alice")
    replace(gateway, "culvert-control", lambda new: new.write_text("#!/bin/sh\necho 99\n"))
    said = refused(gateway)
    assert "speaks version 99 of the link" in said and "nothing was changed" in said and "end `culvert up` and start it again" in said
    replace(gateway, "culvert-control", lambda new: new.write_text("#!/bin/sh\necho no such option\nexit 2\n"))
    assert "does not say which version of the link it speaks" in refused(gateway)
    replace(gateway, "culvert-control", another_build_of(Path(builds.program("control", "culvert-control"))))
    replace(gateway, "culvert-dataplane", lambda new: new.write_text("#!/bin/sh\necho 99\n"))
    assert "culvert-dataplane speaks version 99 of the link" in refused(gateway, "--dataplane")
    account = upgraded(gateway)
    assert account["control_replaced"] is True and account["sessions_kept"] == 1
    assert account["dataplane_replaced"] is True and account["no_traffic_ms"] is None
    assert upgraded(gateway)["control_replaced"] is False
    assert client.ping(INNER4) and client.connects() == 1


def test_a_configuration_that_the_next_one_refuses_is_refused_before(stage):
    gateway = stage.gateway()
    client = stage.connected("alice")
    configuration = gateway.folder / "server.conf"
    sound = configuration.read_text()
    configuration.write_text(sound + "cipher NO-SUCH-CIPHER\nno-such-directive\n")
    said = refused(gateway)
    assert "would not start with this configuration; nothing was changed" in said and "no-such-directive" in said
    configuration.write_text(sound)
    assert upgraded(gateway)["sessions_kept"] == 1
    assert client.ping(INNER4) and client.connects() == 1


@pytest.fixture
def by_hand(stage, tmp_path):
    """A dataplane that the test has started itself, for a control that it starts."""
    gateway = Gateway(stage.network.gateway, ServerConf(stage.certificates), stage.folder / "gateway")
    gateway.run_dir.mkdir()
    gateway.control = [builds.program("control", "culvert-control"), "--config", str(gateway.config), "--run-dir", str(gateway.run_dir)]
    dataplane = gateway.namespace.start([builds.program("dataplane", "culvert-dataplane"), "--run-dir", gateway.run_dir],
                                        tmp_path / "dataplane.log")
    yield gateway
    assert dataplane.stop(30) == 0


def is_ready(gateway) -> bool:
    return gateway.try_cli("status").returncode == 0


def test_a_control_started_by_hand(stage, by_hand, tmp_path):
    """Nothing would start the next one: refused. The signal has it leave, and whoever is started then takes over."""
    gateway = by_hand
    first = gateway.namespace.start(gateway.control, tmp_path / "first.log")
    wait_until(lambda: is_ready(gateway), "the first control", 30)
    client = stage.connected("alice")
    done = upgrade(gateway)
    assert done.returncode == 1 and f"`kill -QUIT {first.pid}` has it leave" in done.stderr and first.running()
    first.signal(signal.SIGQUIT)
    wait_until(lambda: not first.running(), "the first control to leave", 30)
    assert first.exit_status() == 4 and "does not run" in gateway.try_cli("status").stderr
    assert client.ping(INNER4)
    second = gateway.namespace.start(gateway.control, tmp_path / "second.log")
    wait_until(lambda: is_ready(gateway), "the second control", 30)
    assert gateway.session_names() == ["alice"]
    renegotiates(client, before=0)
    assert client.connects() == 1 and client.warnings() == []
    assert second.stop(30) == 0


def test_a_control_that_systemd_started(stage, by_hand, tmp_path):
    """What it is known by, and that the unit has systemd take the exit status and the signal as they are meant."""
    gateway = by_hand
    unit = (builds.SOURCES / "conf" / "culvert-control.service").read_text().splitlines()
    assert {"Restart=always", "SuccessExitStatus=4", "RestartKillSignal=SIGQUIT", "KillSignal=SIGTERM"} <= set(unit)
    like_systemd = write(tmp_path / "like-systemd", """#!/bin/sh
trap 'kill -TERM $child; wait $child; exit 0' TERM
while :; do
  sh -c 'SYSTEMD_EXEC_PID=$$ exec "$0" "$@"' "$@" &
  child=$!
  wait $child
  echo "ended with $?"
done
""")
    service = gateway.namespace.start([like_systemd, *gateway.control], tmp_path / "service.log")
    wait_until(lambda: is_ready(gateway), "the first control", 30)
    client = stage.connected("alice")
    assert "does not belong to systemd, as control does; nothing was changed" in upgrade(gateway, "--dataplane").stderr
    assert upgraded(gateway)["sessions_kept"] == 1
    assert service.log().count("ended with 4") == 1 and client.ping(INNER4) and client.connects() == 1
    assert service.stop(30) == 0


def test_signal_to_up(stage):
    """`writepid` names `culvert up`: what is sent there reaches control."""
    gateway = stage.gateway()
    client = stage.connected("alice")
    for _ in range(2):
        old = gateway.pid_of("culvert-control")
        gateway.process.signal(signal.SIGQUIT)
        wait_until(lambda: gateway.pid_of("culvert-control") not in (0, old), "the next control", 30)
        gateway.wait_ready(30)
        assert gateway.session_names() == ["alice"]
    assert client.ping(INNER4) and client.connects() == 1
    assert gateway.stop() == 0


def test_a_script_is_waited_for(stage, tmp_path):
    """client-disconnect, which keeps books, runs to its end before control goes."""
    went = tmp_path / "went"
    script = write(tmp_path / "disconnect", f"#!/bin/sh\nwhile [ ! -e {tmp_path}/go ]; do sleep 0.05; done\necho $common_name >> {went}\n")
    gateway = stage.gateway(extra=["script-security 2", f"client-disconnect {script}"])
    stage.connected("alice")
    gateway.kill_session("alice")
    leaving = begin_upgrade(stage, gateway, "--json", "--wait", "60")
    wait_until(lambda: "leaving: waiting for" in gateway.cli("status"), "control to wait", 20)
    assert leaving.running() and not went.exists()
    (tmp_path / "go").touch()
    wait_until(lambda: not leaving.running(), "the upgrade to end", 60)
    assert leaving.exit_status() == 0, leaving.log()
    assert went.read_text() == "alice\n" and json.loads(leaving.log())["waited_for"]["scripts"] == 1


def test_dataplane_upgraded_under_traffic(stage, installed):
    """Sockets and TUN stay open meanwhile: packets wait, and none is lost."""
    gateway = installed
    client = stage.connected("alice", options=["reneg-sec 12 12"])
    for program in ("control", "dataplane"):
        replace(gateway, f"culvert-{program}", another_build_of(Path(builds.program(program, f"culvert-{program}"))))
    before = gateway.pids()
    with streaming(stage.folder, gateway.namespace, INNER4, client.namespace, client.inner4, 200) as stream:
        wait_until(lambda: stream.received() > 500, "the stream to flow", 20)
        account = upgraded(gateway, "--dataplane")
        resumed = stream.received()
        wait_until(lambda: stream.received() > resumed + 500, "the stream to flow again", 20)
        renegotiates(client)
        down, up = stream.finish()
    assert not set(before.values()) & set(gateway.pids().values()), "both are others now"
    assert account["control_replaced"] is account["dataplane_replaced"] is True
    assert account["sessions_left"] == account["sessions_kept"] == 1
    assert account["tcp_sessions_ended"] == account["waiting_for_new_keys"] == 0
    assert down.perfect and up.perfect, (down, up)
    assert client.connects() == 1 and client.warnings() == []
    print(f"\ndataplane upgraded: at most {account['no_traffic_ms']} ms without traffic says the account; longest silence "
          f"{down.longest_silence_ms} ms to the client, {up.longest_silence_ms} ms from it")


def test_connections_over_tcp_outlive_the_dataplane(stage, big_file):
    """Not their sessions only: connections go on in the middle of frames, whoever asks the dataplane to end."""
    gateway = stage.gateway(protocol="tcp-server", extra=[LONG_QUEUE])
    alice = stage.connected("alice", protocol="tcp", options=["reneg-sec 12 12"])
    bob = stage.connected("bob", protocol="tcp")
    with serving(gateway.namespace, big_file, lasting=True) as server, \
            streaming(stage.folder, gateway.namespace, INNER4, alice.namespace, alice.inner4, 200) as stream:
        download = Download(bob.namespace, INNER4, window=65536)
        wait_until(lambda: stream.received() > 200 and download.received > big_file.size // 20, "both to flow", 20)
        for _ in range(2):
            before = gateway.pid_of("culvert-dataplane")
            os.kill(before, signal.SIGTERM)
            wait_until(lambda: gateway.pid_of("culvert-dataplane") not in (0, before), "the next dataplane", 20)
            resumed = stream.received(), download.received
            wait_until(lambda: stream.received() > resumed[0] + 200 and download.received > resumed[1], "both to flow on", 30)
        account = upgraded(gateway, "--dataplane")
        resumed = stream.received(), download.received
        wait_until(lambda: stream.received() > resumed[0] + 200 and download.received > resumed[1], "both to flow on", 30)
        server.finish(download)
        renegotiates(alice)
        down, up = stream.finish()
    assert account["sessions_left"] == account["sessions_kept"] == 2 and account["tcp_sessions_ended"] == 0
    assert down.perfect and up.perfect, (down, up)
    drops = gateway.drops()
    assert drops["replay_gap"] == drops["replay_duplicate"] == drops["aead_bad_tag"] == drops["tx_stream_closed"] == 0, drops
    for client in (alice, bob):
        assert client.connects() == 1 and client.warnings() == []
    print(f"\ndataplane replaced three times, over TCP: longest silence {down.longest_silence_ms} ms to the client, "
          f"{up.longest_silence_ms} ms from it")


@pytest.mark.long
def test_dataplane_behind_an_upgrade_of_control(stage):
    """Only a control that has made a key can give it to the next dataplane: it is waited until clients need none of before. Stock
    clients send with a key as old as their hand-window until the next one is, unless they negotiate once more."""
    gateway = stage.gateway(extra=[LONG_QUEUE])
    client = stage.connected("alice", options=["hand-window 8"])
    with streaming(stage.folder, gateway.namespace, INNER4, client.namespace, client.inner4, 200) as stream:
        wait_until(lambda: stream.received() > 200 * 9, "the first key to be old", 20)
        assert upgraded(gateway)["sessions_kept"] == 1
        done = upgrade(gateway, "--json", "--dataplane")
        assert done.returncode == 0 and "waiting for 1 session(s) to negotiate" in done.stderr, done.stderr
        account = json.loads(done.stdout)
        resumed = stream.received()
        wait_until(lambda: stream.received() > resumed + 500, "the stream to flow on", 20)
        down, up = stream.finish()
    assert account["waiting_for_new_keys"] == 0 and account["sessions_kept"] == 1
    assert down.perfect and up.perfect, (down, up)
    assert client.connects() == 1 and client.warnings() == []
