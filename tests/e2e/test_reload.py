"""A new configuration under way: nobody is disconnected who need not be, a broken one changes nothing, revoked certificates
end their sessions."""

import json
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness import builds
from harness.gateway import Gateway
from harness.server_conf import INNER4, ServerConf
from harness.udp_stream import streaming
from harness.waiting import seconds_until, stays_true, wait_until

pytestmark = pytest.mark.culvert_only


def conf_of(gateway):
    return gateway.folder / "server.conf"


def append(gateway, line: str) -> None:
    path = conf_of(gateway)
    path.write_text(path.read_text() + line + "\n")


def test_reload_applies_pushes_and_disconnects_nobody(stage):
    gateway = stage.gateway(extra=['push "dhcp-option DNS 10.8.0.1"'])
    alice = stage.connected("alice")
    assert gateway.ask("reload")["applied"] == []
    conf_of(gateway).write_text(conf_of(gateway).read_text().replace("DNS 10.8.0.1", "DNS 10.8.0.53"))
    append(gateway, "txqueuelen 500")
    with streaming(stage.folder, gateway.namespace, INNER4, alice.namespace, alice.inner4) as stream:
        said = gateway.ask("reload")
        assert said["applied"] == ["push"]
        assert said["needs_restart"] == ["txqueuelen"]
        assert said["sessions_ended"] == 0
        append(gateway, "max-clients 20")
        gateway.process.signal(signal.SIGHUP)
        wait_until(lambda: "reloaded: changed max-clients" in gateway.log(), "SIGHUP to be obeyed")
        before = stream.received()
        wait_until(lambda: stream.received() > before + 200, "the stream to flow after both reloads")
        accounts = stream.finish()
    assert all(account.perfect for account in accounts), accounts
    bob = stage.connected("bob")
    assert "dhcp-option DNS 10.8.0.53" in bob.pushed()
    assert "dhcp-option DNS 10.8.0.1" in alice.pushed() and alice.connects() == 1


def test_broken_configuration_changes_nothing(stage):
    gateway = stage.gateway()
    alice = stage.connected("alice")
    good = conf_of(gateway).read_text()
    append(gateway, "keepalvie 10 60")
    line = len(good.splitlines()) + 1
    done = gateway.try_cli("reload")
    assert done.returncode == 1
    assert f"server.conf:{line}: error: keepalvie" in done.stderr and "did you mean keepalive" in done.stderr
    for times in (1, 2):  # the first by the command above
        wait_until(lambda: gateway.log().count(f"server.conf:{line}: error") == times, "the error in the log", 20)
        if times == 1:
            gateway.process.signal(signal.SIGHUP)
    assert alice.ping(INNER4) and alice.connects() == 1
    bob = stage.connected("bob")
    assert bob.ping(INNER4), "the configuration in force still serves"
    conf_of(gateway).write_text(good)
    assert gateway.ask("reload")["applied"] == []


def test_certificate_changed_by_reload(stage, certificates):
    """A renewed server certificate is shown to the next client; the one that is there stays."""
    gateway = stage.gateway()
    alice = stage.connected("alice")
    pair = certificates.authority.issue("renewed-server", usage="server")
    text = conf_of(gateway).read_text()
    text = text.replace(f"cert {certificates.server.certificate}", f"cert {pair.certificate}")
    conf_of(gateway).write_text(text.replace(f"key {certificates.server.key}", f"key {pair.key}"))
    assert gateway.ask("reload")["applied"] == ["cert", "key"]
    bob = stage.connected("bob")
    assert "CN=renewed-server" in bob.log() and "CN=renewed-server" not in alice.log()
    assert alice.ping(INNER4) and alice.connects() == 1


@pytest.mark.parametrize("protocol, form", [("udp", "file"), ("udp", "dir"), ("tcp", "file"), ("tcp", "dir")])
def test_revoked_client_ends_within_two_seconds(stage, certificates, protocol, form):
    """The list gains the certificate of a client that is connected: that session ends, and no other."""
    authority = certificates.authority
    name = f"revoked-{protocol}-{form}"
    pair = authority.issue(name)
    folder = stage.folder / "revoked"
    folder.mkdir()
    listed = stage.folder / "crl.pem"
    listed.write_bytes(authority.crl().read_bytes())
    gateway = stage.gateway(protocol={"udp": "udp", "tcp": "tcp-server"}[protocol],
                            extra=[f"crl-verify {listed}" if form == "file" else f"crl-verify {folder} dir"])
    bad = stage.connected(name, pair=pair, protocol=protocol)
    bob = stage.connected("bob", protocol=protocol)
    if form == "file":
        authority.revoke(pair)
        listed.write_bytes(authority.crl().read_bytes())
    else:
        serial = subprocess.run(["openssl", "x509", "-noout", "-serial", "-in", pair.certificate], check=True,
                                capture_output=True, text=True).stdout
        (folder / str(int(serial.split("=")[1], 16))).touch()
    assert seconds_until(lambda: gateway.session_names() == ["bob"], "the revoked session to end") < 2.0
    wait_until(lambda: "command was pushed by server" in bad.log(), "the client to hear of it")
    again = stage.client(name, pair=pair, protocol=protocol)
    again.start()
    stays_true(lambda: gateway.session_names() == ["bob"] and again.connects() == 0, "nobody but bob connected", 3)
    assert bob.ping(INNER4) and bob.connects() == 1


def test_reload_as_another_user(stage):
    """Control has become nobody: the configuration must be readable for it, keys need not be."""
    folder = Path(tempfile.mkdtemp(prefix="culvert-e2e-"))
    try:
        conf = ServerConf(stage.certificates, extra=["user nobody", "group nogroup"])
        gateway = stage.add(Gateway(stage.network.gateway, conf, folder)).start()
        alice = stage.connected("alice")
        append(gateway, "max-clients 20")
        done = gateway.try_cli("reload")  # mkdtemp has closed the folder to others
        assert done.returncode == 1 and "not readable for this user" in done.stderr, done.stderr
        folder.chmod(0o755)
        said = gateway.ask("reload")
        assert said["applied"] == ["max-clients"]
        assert any("server.key" in line or "gateway.test.key" in line for line in said["warnings"]), said
        assert alice.ping(INNER4) and alice.connects() == 1
        assert stage.connected("bob").ping(INNER4)
    finally:
        stage.gateways[-1].stop()
        shutil.rmtree(folder)


def check(path):
    return subprocess.run([builds.culvert(), "config", "check", str(path), "--json"], capture_output=True, text=True,
                          timeout=30)


def test_config_check_says_what_would_be_honoured(stage):
    gateway = stage.gateway()
    done = check(conf_of(gateway))
    answer = json.loads(done.stdout)
    assert done.returncode == 0 and answer["ok"], done.stdout
    verdicts = {row["directive"]: row["verdict"] for row in answer["directives"]}
    assert verdicts["server"] == verdicts["keepalive"] == "honoured"
    append(gateway, "server-bridge")
    done = check(gateway.config)
    answer = json.loads(done.stdout)
    assert done.returncode == 1 and not answer["ok"]
    assert [row["verdict"] for row in answer["directives"] if row["directive"] == "server-bridge"] == ["refused"]


def test_config_check_reads_the_files_of_clients(stage, tmp_path):
    """A client whose file holds what can't be applied gets in without it, which is better known beforehand."""
    (tmp_path / "alice").write_text("push \"route 10.1.0.0 255.255.0.0\"\nifconfig-push 10.8.0.5 10.8.0.6\n")
    (tmp_path / "DEFAULT").write_text("inactive 600\nnonsense\n")
    (tmp_path / "bob smith").write_text("nonsense\n")  # no client's name leads to it, so DEFAULT is bob smith's file
    (tmp_path / "alice~").write_text("ifconfig-push\n")
    gateway = stage.gateway(extra=[f"client-config-dir {tmp_path}"])
    for path in (conf_of(gateway), gateway.config):
        answer = json.loads(check(path).stdout)
        found = [(row["file"], row["line"], row["severity"]) for row in answer["findings"]
                 if row["file"].startswith(f"{tmp_path}/alice")]
        assert answer["ok"] and found == [(str(tmp_path / "alice"), 2, "warning")], answer["findings"]
        assert [row["line"] for row in answer["findings"] if row["file"] == f"{tmp_path}/DEFAULT"] == [2]
        assert any("left out: ifconfig-push: takes an IPv4 address and a netmask" in row["text"]
                   and "topology net30" in row["text"] for row in answer["findings"])


def test_config_check_tells_files_apart(stage):
    gateway = stage.gateway()
    other = gateway.folder / "other.conf"
    other.write_text(conf_of(gateway).read_text().replace("10.8.0.0", "10.9.0.0").replace("fd00:8::", "fd00:9::") + "port 1195\n")
    gateway.config.write_text(gateway.config.read_text() + '\n[[openvpn]]\nconfig = "other.conf"\n')
    said = gateway.cli("config", "check", str(gateway.config)).splitlines()
    lines = [line.split() for line in said if " server  " in line]
    assert [line[0] for line in lines] == [str(conf_of(gateway)), str(other)], said


def test_config_check_asks_for_users_and_groups(stage):
    """`culvert up` would not start with them."""
    gateway = stage.gateway()
    for line, missing in (("user nobody-of-this-name", 'user "nobody-of-this-name"'),
                          ("group nobody-of-this-name", 'group "nobody-of-this-name"')):
        text = conf_of(gateway).read_text()
        append(gateway, line)
        for path in (conf_of(gateway), gateway.config):
            done = check(path)
            assert done.returncode == 1 and not json.loads(done.stdout)["ok"], (line, path)
            finding = json.loads(done.stdout)["findings"][-1]
            assert missing in finding["text"] and finding["file"] == str(conf_of(gateway)) and finding["line"] > 0, finding
        conf_of(gateway).write_text(text)
