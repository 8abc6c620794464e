"""Scripts and settings per client: client-connect, client-disconnect, client-config-dir."""

from pathlib import Path
from typing import Dict

import pytest

from harness.gateway import Gateway
from harness.scripts import lines, write
from harness.server_conf import INNER4, ServerConf
from harness.waiting import wait_until
from test_restart import kill_and_wait_for_next

# Writes its whole environment into a folder, one file per kind of script and client.
NOTE = """#!/bin/sh
env > %(folder)s/.$script_type.$common_name && mv %(folder)s/.$script_type.$common_name %(folder)s/$script_type.$common_name
"""


def environment(path: Path) -> Dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)


def hooks(script: Path, *more: str) -> list:
    return ["script-security 2", f"client-connect {script}", f"client-disconnect {script}", *more]


def test_environment_of_connect_and_disconnect(stage, tmp_path):
    script = write(tmp_path / "note", NOTE % {"folder": tmp_path})
    stage.gateway(extra=hooks(script, "setenv PROFILE_ID office"))
    alice = stage.connected("alice", options=["explicit-exit-notify 1"])
    assert alice.ping(INNER4, 3)
    came = environment(tmp_path / "client-connect.alice")
    inner4, inner6 = alice.inner4, alice.inner6
    expected = {"PROFILE_ID": "office", "common_name": "alice", "X509_0_CN": "alice", "trusted_ip": "192.0.2.10",
                "ifconfig_pool_remote_ip": inner4, "ifconfig_pool_remote_ip6": inner6,
                "ifconfig_pool_netmask": "255.255.255.0", "script_type": "client-connect", "dev": "tun0",
                "IV_PLAT": "linux"}
    assert {name: came.get(name) for name in expected} == expected
    assert "bytes_sent" not in came and int(came["time_unix"]) > 0 and "X509_1_CN" in came
    alice.stop()
    left = tmp_path / "client-disconnect.alice"
    wait_until(left.exists, "client-disconnect")
    went = environment(left)
    expected["script_type"] = "client-disconnect"
    assert {name: went.get(name) for name in expected} == expected
    assert int(went["bytes_received"]) >= 3 * 84 and int(went["bytes_sent"]) >= 3 * 84
    assert 0 <= int(went["time_duration"]) < 60


def test_scripts_start_in_the_folder_of_their_configuration(stage):
    """Relative paths among their arguments count from there, as they do with `cd` or in the unit that Debian has."""
    folder = stage.folder / "gateway0"
    folder.mkdir()
    (folder / "note").write_text('echo "$script_type $(pwd)" >> notes\n')
    (folder / "login").write_text("alice\nsecret\n")
    kinds = ["up", "route-up", "tls-verify", "client-connect", "learn-address", "client-disconnect", "down"]
    gateway = stage.gateway(extra=["script-security 2", "auth-user-pass-verify \"/bin/sh note\" via-file",
                                   *[f"{kind} \"/bin/sh note\"" for kind in kinds]])
    alice = stage.connected("alice", options=["explicit-exit-notify 1", f"auth-user-pass {folder / 'login'}"])
    alice.stop()
    wait_until(lambda: f"client-disconnect {folder}" in lines(folder / "notes"), "client-disconnect")
    gateway.stop()
    assert set(lines(folder / "notes")) == {f"{kind} {folder}" for kind in [*kinds, "user-pass-verify"]}


@pytest.mark.culvert_only  # the stock gateway runs with duplicate-cn
def test_a_client_that_comes_back_is_taken_leave_of_first(stage, tmp_path):
    """Whoever keeps books by name would take the end of the session before for that of the new one."""
    notes = tmp_path / "notes"
    script = write(tmp_path / "note", f"#!/bin/sh\necho $script_type begins >> {notes}\n"
                                      f"[ $script_type = client-disconnect ] && sleep 1\necho $script_type ends >> {notes}\n")
    stage.gateway(extra=hooks(script))
    alice = stage.connected("alice")
    alice.restart_softly()
    alice.wait_connected(times=2)
    kinds = [f"{kind} {what}" for kind in ("client-connect", "client-disconnect", "client-connect")
             for what in ("begins", "ends")]
    assert lines(notes) == kinds


@pytest.mark.culvert_only
def test_who_waits_for_a_script_that_a_reload_takes_away_gets_in(stage, tmp_path):
    gate, notes = tmp_path / "gate", tmp_path / "notes"
    left = write(tmp_path / "left", f"#!/bin/sh\necho $script_type >> {notes}\nuntil [ -e {gate} ]; do sleep 0.1; done\n")
    came = write(tmp_path / "came", f"#!/bin/sh\necho $script_type >> {notes}\n")
    gateway = stage.gateway(extra=["script-security 2", f"client-connect {came}", f"client-disconnect {left}"])
    stage.connected("alice", options=["explicit-exit-notify 1"]).stop()
    wait_until(lambda: "client-disconnect" in lines(notes), "client-disconnect to run")
    again = stage.client("alice").start()
    wait_until(lambda: "Control Channel: TLSv" in again.log(), "the client to be back")
    conf = gateway.folder / "server.conf"
    conf.write_text(conf.read_text().replace(f"client-connect {came}\n", ""))
    assert gateway.ask("reload")["applied"] == ["client-connect"]
    gate.touch()
    again.wait_connected()
    assert again.ping(INNER4, 3)
    assert lines(notes) == ["client-connect", "client-disconnect"]


def test_a_client_connect_that_removes_its_file_has_nothing_to_say(stage, tmp_path):
    script = write(tmp_path / "rm", '#!/bin/sh\nrm "$1"\n')
    stage.gateway(extra=["script-security 2", f"client-connect {script}"])
    assert stage.connected("alice").ping(INNER4, 3)


@pytest.mark.culvert_only
def test_taken_leave_of_first_also_when_a_reload_ends_duplicate_cn(stage, tmp_path):
    notes, gate = tmp_path / "notes", tmp_path / "gate"
    script = write(tmp_path / "note", f"#!/bin/sh\necho $script_type begins >> {notes}\n"
                                      f"[ $script_type = client-disconnect ] && until [ -e {gate} ]; do sleep 0.1; done\n"
                                      f"echo $script_type ends >> {notes}\n")
    gateway = stage.gateway(extra=hooks(script, "duplicate-cn"))
    stage.connected("alice", options=["explicit-exit-notify 1"]).stop()
    wait_until(lambda: "client-disconnect begins" in lines(notes), "client-disconnect to run")
    conf = gateway.folder / "server.conf"
    conf.write_text(conf.read_text().replace("duplicate-cn\n", ""))
    assert gateway.ask("reload")["applied"] == ["duplicate-cn"]
    again = stage.client("alice").start()
    wait_until(lambda: "Control Channel: TLSv" in again.log(), "the client to be back")
    gate.touch()
    again.wait_connected()
    kinds = [f"{kind} {what}" for kind in ("client-connect", "client-disconnect", "client-connect")
             for what in ("begins", "ends")]
    assert lines(notes) == kinds


def test_exit_1_refuses(stage, tmp_path):
    script = write(tmp_path / "refuse", "#!/bin/sh\n[ $common_name != mallory ]\n")
    gateway = stage.gateway(extra=["script-security 2", f"client-connect {script}"])
    mallory = stage.client("mallory").start()
    wait_until(lambda: "AUTH_FAILED" in mallory.log(), "the refusal at the client")
    assert stage.connected("alice").ping(INNER4)
    assert gateway.session_names() == ["alice"]
    assert "client-connect: exit status 1" in gateway.log()


@pytest.mark.long
def test_one_that_sleeps_delays_nobody_else(stage, tmp_path):
    """30 s of one client's script: others connect and ping as ever, and the slow one gets in at last."""
    script = write(tmp_path / "slow", "#!/bin/sh\n[ $common_name = slow ] && exec sleep 30\nexit 0\n")
    gateway = stage.gateway(extra=["script-security 2", f"client-connect {script}"])
    first = stage.connected("first")
    before = first.namespace.round_trips(INNER4)
    slow = stage.client("slow").start()
    wait_until(lambda: "Peer Connection Initiated" in slow.log(), "slow's handshake")
    second = stage.client("second").connect(10)
    for client in (first, second):
        during = client.namespace.round_trips(INNER4)
        assert len(during) == len(before) == 50, "an echo request without an answer"
        # Medians; other tests run on this machine.
        assert during[25] < 3 * before[25] + 5, (before, during)
    assert slow.connects() == 0 and sorted(gateway.session_names()) == ["first", "second"]
    slow.wait_connected(45)
    assert slow.ping(INNER4)


@pytest.mark.culvert_only
def test_one_that_hangs_is_killed(stage, certificates, tmp_path):
    script = write(tmp_path / "hang", "#!/bin/sh\nexec sleep 1000\n")
    conf = ServerConf(certificates, extra=["script-security 2", f"client-connect {script}"])
    gateway = stage.add(Gateway(stage.network.gateway, conf, tmp_path / "gateway", toml="\n[control]\nhook_timeout = 2\n"))
    gateway.start()
    client = stage.client("alice").start()
    wait_until(lambda: "AUTH_FAILED,TEMP:server could not decide" in client.log(), "the refusal at the client", 20)
    assert "not done within 2 s" in gateway.log()


def test_client_config_dir(stage, tmp_path):
    """Fixed addresses, a network behind a client, options of its own; DEFAULT for everybody else."""
    folder = tmp_path / "ccd"
    folder.mkdir()
    (folder / "alice").write_text('ifconfig-push 10.8.0.77 255.255.255.0\niroute 198.51.100.0 255.255.255.0\n'
                                  'push-remove route\npush "route 203.0.113.0 255.255.255.0"\n')
    (folder / "mallory").write_text("disable\n")
    (folder / "DEFAULT").write_text('push "dhcp-option DOMAIN example.org"\n')
    gateway = stage.gateway(client_to_client=True,
                            extra=[f"client-config-dir {folder}", 'push "route 192.168.77.0 255.255.255.0"'])
    alice, bob = stage.connected("alice"), stage.connected("bob")
    assert alice.inner4 == "10.8.0.77"
    assert "route 203.0.113.0 255.255.255.0" in alice.pushed()
    assert "route 192.168.77.0 255.255.255.0" not in alice.pushed()
    assert "route 192.168.77.0 255.255.255.0" in bob.pushed() and "dhcp-option DOMAIN example.org" in bob.pushed()
    # A host of the network behind alice answers the gateway and the other client.
    alice.namespace.ip("addr add 198.51.100.1/24 dev lo")
    gateway.namespace.ip("route add 198.51.100.0/24 dev tun0")
    bob.namespace.ip("route add 198.51.100.0/24 dev tun0")
    assert gateway.namespace.ping("198.51.100.1") and bob.ping("198.51.100.1")
    mallory = stage.client("mallory").start()
    wait_until(lambda: "AUTH_FAILED" in mallory.log(), "the refusal at the client")
    assert sorted(gateway.session_names()) == ["alice", "bob"]


def test_two_clients_with_the_same_iroute(stage, tmp_path):
    """A standby router takes over from one that fell silent, and keeps the network when that one times out."""
    folder = tmp_path / "ccd"
    folder.mkdir()
    for name in ("router", "standby"):
        (folder / name).write_text("iroute 198.51.100.0 255.255.255.0\n")
    gateway = stage.gateway(keepalive="1 5", extra=[f"client-config-dir {folder}"])
    gateway.namespace.ip("route add 198.51.100.0/24 dev tun0")
    router, standby = stage.client("router"), stage.client("standby")
    for client in (router, standby):
        client.namespace.ip("addr add 198.51.100.1/24 dev lo")
    router.connect()
    assert gateway.namespace.ping("198.51.100.1")
    router.kill()
    standby.connect()
    assert gateway.namespace.ping("198.51.100.1", 3)
    wait_until(lambda: gateway.session_names() == ["standby"], "the end of the silent one", 40)
    assert gateway.namespace.ping("198.51.100.1", 3)


@pytest.mark.culvert_only  # the stock gateway takes the address from the first one
def test_two_clients_with_the_same_address(stage, tmp_path):
    """Outside the pool, too, and behind a kill of control, the second one waits until the first has gone."""
    folder = tmp_path / "ccd"
    folder.mkdir()
    for name in ("alice", "bob"):
        (folder / name).write_text("ifconfig-push 10.9.0.5 255.255.255.0\n")
    gateway = stage.gateway(extra=[f"client-config-dir {folder}"])
    alice = stage.connected("alice")
    kill_and_wait_for_next(gateway, "culvert-control")
    bob = stage.client("bob").start()
    wait_until(lambda: "AUTH_FAILED,TEMP:address is in use" in bob.log(), "the refusal at the client")
    assert "10.9.0.5" in gateway.log() and "belongs to alice (id 0)" in gateway.log()
    assert bob.connects() == 0 and gateway.session_names() == ["alice"]
    alice.stop()
    gateway.kill_session("alice")  # she says no goodbye
    bob.wait_connected(30)
    assert bob.inner4 == "10.9.0.5"


def test_ccd_exclusive(stage, tmp_path):
    folder = tmp_path / "ccd"
    folder.mkdir()
    (folder / "alice").write_text("")
    (folder / "DEFAULT").write_text("")
    gateway = stage.gateway(extra=[f"client-config-dir {folder}", "ccd-exclusive"])
    bob = stage.client("bob").start()
    wait_until(lambda: "AUTH_FAILED" in bob.log(), "the refusal at the client")
    assert stage.connected("alice").ping(INNER4)
    assert gateway.session_names() == ["alice"]


def test_what_client_connect_writes(stage, tmp_path):
    """Its file sets address, options and networks; a deferred answer comes from a background process."""
    script = write(tmp_path / "connect", """#!/bin/sh
if [ $common_name = later ]; then
  printf 2 > "$client_connect_deferred_file"
  (echo 'push "route 203.0.113.0 255.255.255.0"' > "$client_connect_config_file"
   printf 1 > "$client_connect_deferred_file") &
  exit 0
fi
cat > "$1" <<END
ifconfig-push 10.8.0.99 255.255.255.0
push "dhcp-option DNS 192.0.2.53"
iroute 198.51.100.0 255.255.255.0
nonsense
END
""")
    gateway = stage.gateway(extra=["script-security 2", f"client-connect {script}"])
    alice, later = stage.connected("alice"), stage.connected("later")
    assert alice.inner4 == "10.8.0.99" and "dhcp-option DNS 192.0.2.53" in alice.pushed()
    assert "route 203.0.113.0 255.255.255.0" in later.pushed()
    assert "client-connect of alice:4: nonsense" in gateway.log()
    alice.namespace.ip("addr add 198.51.100.1/24 dev lo")
    gateway.namespace.ip("route add 198.51.100.0/24 dev tun0")
    assert gateway.namespace.ping("198.51.100.1") and later.ping(INNER4)
