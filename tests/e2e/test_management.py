"""OpenVPN's management interface with programs that read it by position, and the status file."""

import os
import re
import signal
import socket

import pytest

from harness.gateway import Gateway
from harness.management import Management, connect
from harness.server_conf import INNER4, ServerConf
from harness.waiting import wait_until

pytestmark = pytest.mark.culvert_only


def managed(stage, *extra: str):
    path = stage.folder / "management.sock"
    return stage.gateway(extra=[f"management {path} unix", *extra]), path


def test_status_and_kill_as_eduvpn_uses_them(stage):
    gateway, path = managed(stage)
    alice, bob = stage.connected("alice"), stage.connected("bob")
    assert alice.ping(INNER4, count=3)
    program = connect(path)
    wait_until(lambda: min(int(field) for field in program.clients()["alice"][5:7]) > 0, "traffic to be counted", 5)
    clients = program.clients()
    assert sorted(clients) == ["alice", "bob"]
    fields = clients["alice"]
    assert len(fields) == 13
    assert re.fullmatch(r"192\.0\.2\.\d+:\d+", fields[2])
    assert (fields[3], fields[4]) == (alice.inner4, alice.inner6)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", fields[7]) and int(fields[8]) > 1_600_000_000
    assert fields[9] == "UNDEF" and fields[10].isdigit()
    assert (int(fields[11]), fields[12]) == (alice.peer_id, "AES-256-GCM")

    assert program.ask("kill nobody") == "ERROR: common name 'nobody' not found"
    assert program.ask("kill bob") == "SUCCESS: common name 'bob' found, 1 client(s) killed"
    wait_until(lambda: bob.connects() == 2, "bob to connect again, as RESTART tells it", 15)
    assert program.clients()["bob"][10] != clients["bob"][10], "a new session has a new client ID"
    remote = program.clients()["alice"][2]
    assert program.ask(f"kill {remote}") == f"SUCCESS: 1 client(s) at address {remote} killed"
    cid = program.clients()["bob"][10]
    assert program.ask(f"client-kill {cid} RESTART,[N]") == "SUCCESS: client-kill command succeeded"
    wait_until(lambda: bob.connects() == 3, "bob to connect again", 15)
    assert "Connection reset command was pushed by server ('[N]')" in bob.log(), "it goes to its next remote"
    cid = program.clients()["bob"][10]
    assert program.ask(f'client-kill {cid} "HALT,account is closed"') == "SUCCESS: client-kill command succeeded"
    wait_until(lambda: not bob.process.running(), "bob to give up, as HALT tells it")
    assert "Halt command was pushed by server ('account is closed')" in bob.log()
    assert program.ask("load-stats").startswith("SUCCESS: nclients=")


def test_programs_one_after_another_and_real_time_lines(stage):
    gateway, path = managed(stage)
    first = connect(path)
    waiting = Management(path)  # in the queue until the first has gone
    first.say("state on all")
    said = first.lines_until("END")
    assert any(re.fullmatch(r"\d+,CONNECTED,SUCCESS,10\.8\.0\.1,,,,,fd00:8::1", line) for line in said), said
    assert first.ask("log on") == "SUCCESS: real-time log notification set to ON"
    assert first.ask("bytecount 1") == "SUCCESS: bytecount interval changed"
    alice = stage.connected("alice")
    assert any("alice" in line for line in first.lines_until(">BYTECOUNT_CLI:"))
    assert alice.ping(INNER4)

    def counted() -> bool:
        cid, received, sent = first.lines_until(">BYTECOUNT_CLI:")[-1].split(":")[1].split(",")
        return cid.isdigit() and int(received) > 0 and int(sent) > 0
    wait_until(counted, "alice's bytes", 10)
    first.close()
    assert waiting.line().startswith(">INFO:")
    assert list(waiting.clients()) == ["alice"]
    gateway.stop()
    with pytest.raises((EOFError, ConnectionResetError)):
        waiting.lines_until("nothing begins like this")


def test_password_and_silent_program(stage):
    password = stage.folder / "password"
    password.write_text("open sesame\n")
    password.chmod(0o600)
    path = stage.folder / "management.sock"
    stage.gateway(extra=[f"management {path} unix {password}"])
    program = connect(path, password="asked for")
    assert program.socket.recv(100) == b"ENTER PASSWORD:"
    program.say("wrong")
    program.say("open sesame")
    assert program.line() == "ENTER PASSWORD:SUCCESS: password is correct"
    assert program.line().startswith(">INFO:")
    assert program.ask("pid").startswith("SUCCESS: pid=")
    alice = stage.connected("alice")  # a program that says nothing holds up nobody
    assert alice.ping(INNER4)


def test_over_tcp(stage):
    password = stage.folder / "password"
    password.write_text("open sesame\n")
    password.chmod(0o600)
    gateway = stage.gateway(extra=[f"management 127.0.0.1 7505 {password}"])
    stage.connected("alice")
    with gateway.namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as program, \
            stage.clients[0].namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as stranger:
        stranger.settimeout(5)
        with pytest.raises(OSError):
            stranger.connect(("192.0.2.1", 7505))
        program.settimeout(5)
        program.connect(("127.0.0.1", 7505))
        program.sendall(b"open sesame\r\nkill alice\r\nexit\r\n")
        said = b""
        while piece := program.recv(4096):
            said += piece
    assert said.startswith(b"ENTER PASSWORD:SUCCESS: password is correct\r\n>INFO:")
    assert said.endswith(b"SUCCESS: common name 'alice' found, 1 client(s) killed\r\n")


def test_signals_reload_and_end(stage):
    gateway, path = managed(stage)
    alice = stage.connected("alice")
    conf = gateway.folder / "server.conf"
    conf.write_text(conf.read_text() + "max-clients 9\n")
    program = connect(path)
    assert program.ask("signal SIGHUP") == "SUCCESS: signal SIGHUP thrown"
    wait_until(lambda: "reloaded: changed max-clients" in gateway.log(), "the reload")
    assert alice.connects() == 1
    assert program.ask("signal SIGTERM") == "SUCCESS: signal SIGTERM thrown"
    wait_until(lambda: not gateway.process.running(), "culvert up to end with its control")
    assert gateway.process.exit_status() == 0


@pytest.mark.parametrize("receiver", ["culvert up", "control"])
def test_sigusr1_and_sigusr2_as_with_the_reference(stage, receiver):
    """SIGUSR2 writes the status into the log and the status file, SIGUSR1 has all clients connect again; no process ends."""
    status = stage.folder / "openvpn-status.log"
    gateway = stage.gateway(extra=[f"status {status} 3600"])
    alice = stage.connected("alice")
    pids = gateway.pids()

    def send(number: int) -> None:
        os.kill(gateway.process.pid if receiver == "culvert up" else gateway.pid_of("culvert-control"), number)
    assert "alice," not in status.read_text()
    send(signal.SIGUSR2)
    wait_until(lambda: "info: alice,192.0.2." in gateway.log() and "info: END" in gateway.log(), "the status in the log")
    wait_until(lambda: "alice,192.0.2." in status.read_text(), "the status in its file")
    assert alice.connects() == 1
    send(signal.SIGUSR1)
    wait_until(lambda: alice.connects() == 2, "alice to connect again, as RESTART tells her", 20)
    assert alice.ping(INNER4)
    assert gateway.pids() == pids and gateway.session_names() == ["alice"]


def test_hold(stage):
    path = stage.folder / "management.sock"
    gateway = stage.add(Gateway(stage.network.gateway, ServerConf(stage.certificates, extra=[
        f"management {path} unix", "management-hold"]), stage.folder / "gateway"))
    gateway.start(ready=False)
    program = connect(path)
    assert program.line() == ">HOLD:Waiting for hold release:0"
    assert program.ask("hold") == "SUCCESS: hold=1"
    wait_until(lambda: "held" in gateway.log(), "the gateway to say so")
    assert gateway.try_cli("status").returncode == 1
    assert program.ask("hold release") == "SUCCESS: hold release succeeded"
    gateway.wait_ready()
    assert stage.connected("alice").ping(INNER4)


def test_status_file(stage):
    path = stage.folder / "openvpn-status.log"
    stage.gateway(extra=[f"status {path} 1", "status-version 3"])
    assert path.read_text().startswith("TITLE\t")
    alice = stage.connected("alice")
    wait_until(lambda: f"ROUTING_TABLE\t{alice.inner4}\talice\t" in path.read_text(), "alice in the status file", 5)
    lines = path.read_text().splitlines()
    assert [line.split("\t")[1] for line in lines if line.startswith("CLIENT_LIST\t")] == ["alice"]
    assert lines[-1] == "END"


def test_log_file_and_pid_file(stage):
    """`log` takes control's lines away from standard error; the pid file names the process that takes signals."""
    log, pid = stage.folder / "openvpn.log", stage.folder / "openvpn.pid"
    log.write_text("from an earlier run\n")
    gateway = stage.gateway(extra=[f"log {log}", f"writepid {pid}"])
    stage.connected("alice")
    wait_until(lambda: "alice (id 0) connected" in log.read_text(), "alice in the log")
    assert "earlier run" not in log.read_text() and "alice" not in gateway.log()
    assert int(pid.read_text()) == gateway.process.pid


def announced(program) -> "tuple[str, str, dict]":
    """The next CONNECT or REAUTH: client ID, key ID, environment."""
    event = program.lines_until(">CLIENT:CONNECT", ">CLIENT:REAUTH")[-1]
    lines = program.lines_until(">CLIENT:ENV,END")[:-1]
    environment = dict(line.split(",", 1)[1].split("=", 1) for line in lines)
    return event.split(",")[1], event.split(",")[2], environment


def test_a_program_lets_clients_in(stage):
    """management-client-auth: CONNECT, client-auth with lines, ESTABLISHED, ADDRESS; deny with a reason; DISCONNECT."""
    gateway, path = managed(stage, "management-client-auth")
    program = connect(path)
    password = stage.folder / "login"
    password.write_text("alice\nopen sesame\n")
    options = [f"auth-user-pass {password}"]
    alice = stage.client("alice", options=options)
    alice.start()
    cid, kid, environment = announced(program)
    assert (environment["username"], environment["password"]) == ("alice", "open sesame")
    assert environment["common_name"] == "alice" and environment["untrusted_ip"].startswith("192.0.2.")
    assert gateway.session_names() == [], "it waits for the answer"
    program.say(f"client-auth {cid} {kid}")
    program.say('push "route 10.99.0.0 255.255.0.0"')
    program.say("END")
    assert program.lines_until("SUCCESS", "ERROR")[-1] == "SUCCESS: client-auth command succeeded"
    alice.wait_connected()
    assert "route 10.99.0.0 255.255.0.0" in alice.pushed()
    assert program.lines_until(">CLIENT:ADDRESS")[-1] == f">CLIENT:ADDRESS,{cid},{alice.inner4},1"
    assert program.lines_until(">CLIENT:ESTABLISHED")[-1] == f">CLIENT:ESTABLISHED,{cid}"

    bob = stage.client("bob", options=options)
    bob.start()
    cid, kid, environment = announced(program)
    assert program.ask(f'client-deny {cid} {kid} "not on the list" "come back later"') == \
        "SUCCESS: client-deny command succeeded"
    wait_until(lambda: "AUTH_FAILED,come back later" in bob.log(), "bob to hear of it")
    assert program.lines_until(">CLIENT:DISCONNECT")[-1] == f">CLIENT:DISCONNECT,{cid}"
    assert program.ask("kill alice").startswith("SUCCESS")
    assert alice.connects() == 1


def test_a_program_may_kill_a_client_that_waits_for_its_answer(stage):
    gateway, path = managed(stage, "management-client-auth")
    program = connect(path)
    password = stage.folder / "login"
    password.write_text("alice\nopen sesame\n")
    alice = stage.client("alice", options=[f"auth-user-pass {password}"])
    alice.start()
    cid, kid, _ = announced(program)
    assert program.ask(f"client-kill {cid} HALT") == "SUCCESS: client-kill command succeeded"
    assert program.lines_until(">CLIENT:DISCONNECT")[-1] == f">CLIENT:DISCONNECT,{cid}"
    assert program.ask(f"client-auth-nt {cid} {kid}") == "ERROR: client-auth command failed"
    assert gateway.session_names() == []


def test_push_update_leaves_clients_alone_that_do_not_announce_it(stage):
    """Clients of 2.6: the program and the operator are told that nobody was, and the session goes on."""
    gateway, path = managed(stage)
    alice = stage.connected("alice")
    program = connect(path)
    program.say('push-update-broad "route 10.77.0.0 255.255.0.0, -dns"')
    assert program.lines_until("ERROR: push-update command failed")[-2] == "ERROR: no client updated"
    refused = gateway.try_cli("push-update", "route 10.77.0.0 255.255.0.0")
    assert refused.returncode == 1 and "announces PUSH_UPDATE" in refused.stderr
    assert gateway.try_cli("push-update", "--session", "alice", "--", "-ifconfig").returncode == 1
    assert alice.ping("10.8.0.1") and alice.connects() == 1
