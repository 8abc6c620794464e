"""An operator's first day: init, add a client, up, look, revoke. Nothing here is made by the tests themselves."""

import datetime
import json
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from harness import builds
from harness.client import Client
from harness.gateway import Gateway, rows
from harness.waiting import seconds_until, wait_until

pytestmark = pytest.mark.culvert_only


def culvert(*words: str) -> str:
    done = subprocess.run([builds.culvert(), *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"culvert {' '.join(words)}: {done.returncode}: {done.stderr or done.stdout}"
    return done.stdout


class FirstDay:
    """`culvert init` and a gateway from what it made."""

    def __init__(self, stage):
        self.stage = stage
        self.folder = stage.folder / "etc"
        self.said = culvert("init", str(self.folder), "--host", stage.network.gateway.ip4)
        self.gateway = stage.add(Gateway(stage.network.gateway, None, stage.folder / "gateway",
                                         config=self.folder / "culvert.toml"))
        self.inner4 = ""

    def up(self) -> Gateway:
        self.gateway.start()
        self.inner4 = re.search(r"(\d+\.\d+\.\d+\.\d+)/", self.gateway.ask("status")["tun"]).group(1)
        return self.gateway

    def add(self, name: str) -> Path:
        """Returns the profile whose path `client add` prints."""
        said = culvert("client", "add", name, "--dir", str(self.folder))
        found = [word for word in re.findall(r"\S+\.ovpn", said) if Path(word).exists()]
        assert found, f"no profile in: {said}"
        return Path(found[0])

    def client(self, profile: Path) -> Client:
        client = Client(self.stage.network.add_host(), self.stage.folder, name=profile.stem, profile=profile)
        self.stage.clients.append(client)
        return client

    def revoke(self, name: str, *more: str) -> str:
        done = self.gateway.try_cli("client", "revoke", name, "--dir", str(self.folder), *more)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def day(stage) -> FirstDay:
    return FirstDay(stage)


def test_from_init_to_traffic(day):
    """The two commands that `init` and `client add` print are all it takes."""
    assert "culvert.toml" in day.said and "client add" in day.said, day.said
    gateway = day.up()
    client = day.client(day.add("laptop")).connect()
    assert client.ping(day.inner4, count=3)
    assert client.warnings() == []

    status = gateway.ask("status")
    assert status["ready"] is True and status["sessions"] == 1
    assert status["control_pid"] == gateway.pid_of("culvert-control")
    assert status["dataplane_pid"] == gateway.pid_of("culvert-dataplane")
    assert any(entry.endswith(":1194") for entry in status["listening"])

    session = gateway.session_of("laptop")
    assert session["ip4"] == client.inner4
    assert session["remote"].startswith("192.0.2.10:")
    assert session["cipher"] == client.data_cipher()
    assert session["tls_version"] == client.tls_version()
    assert session["wrap"].startswith("tls-crypt-v2")
    wait_until(lambda: gateway.session_of("laptop")["tx_packets"] >= 3, "the answers to be counted", 3)
    session = gateway.session_of("laptop")
    assert session["rx_packets"] >= 3 and session["rx_bytes"] >= 3 * 84 and session["tx_bytes"] >= 3 * 84
    since = datetime.datetime.fromisoformat(session["connected_since"].replace("Z", "+00:00"))
    assert abs((datetime.datetime.now(datetime.timezone.utc) - since).total_seconds()) < 60

    shown = gateway.ask("session", "show", "laptop")
    for key in ("id", "common_name", "ip4", "remote", "cipher", "client_version", "platform", "worker"):
        assert key in shown, f"session show lacks {key}"
    assert shown["client_version"].startswith("2.6") and shown["platform"] == "linux"
    # By number as well as by name.
    assert gateway.ask("session", "show", str(shown["id"]))["common_name"] == "laptop"

    drops = rows(gateway.ask("drops", "--all"))
    assert len(drops) > 40 and all(row["name"] and row["text"] and row["count"] >= 0 for row in drops)
    for words in (["status"], ["sessions"], ["session", "show", "laptop"], ["drops"]):
        text = gateway.cli(*words)
        assert text.strip() and not text.lstrip().startswith(("{", "["))
    assert "laptop" in gateway.cli("sessions")


def test_forwarding_that_pushed_routes_need_is_told(day):
    """A machine that forwards nothing is the usual reason why clients get no further than the gateway."""
    with open(day.folder / "server.conf", "a", encoding="utf-8") as conf:
        conf.write('push "redirect-gateway def1"\n')
    day.gateway.config = Path(os.path.relpath(day.gateway.config))
    day.gateway.namespace.write_sysctl("net/ipv4/ip_forward", "0")
    gateway = day.up()
    status = gateway.ask("status")
    assert status["config"] == str(day.folder / "culvert.toml"), "must make sense from any folder"
    [warning] = status["warnings"]
    assert 'push "redirect-gateway def1"' in warning and "sysctl -w net.ipv4.ip_forward=1" in warning
    wait_until(lambda: f"control warning: {warning}" in gateway.log(), "the log to say so", 20)
    assert warning in gateway.cli("status")
    day.gateway.namespace.write_sysctl("net/ipv4/ip_forward", "1")
    assert gateway.ask("status")["warnings"] == []


def test_revoke_ends_the_live_session_and_keeps_it_out(day):
    gateway = day.up()
    laptop = day.client(day.add("laptop")).connect()
    phone = day.client(day.add("phone")).connect()
    assert sorted(gateway.session_names()) == ["laptop", "phone"]

    day.revoke("laptop")
    took = seconds_until(lambda: gateway.session_names() == ["phone"], "the revoked client's session to end", 10)
    assert took < 2.0
    wait_until(lambda: re.search(r"revoked", gateway.log(), re.I), "the reason in the log", 20)
    laptop.kill()
    again = Client(laptop.host, day.stage.folder, name="laptop", profile=laptop.profile)
    day.stage.clients.append(again)
    again.start("--hand-window", "3")
    wait_until(lambda: again.log().count("link remote:") >= 2 or not again.process.running(), "a second try", 30)
    assert again.connects() == 0 and gateway.session_names() == ["phone"]
    refused = [line for line in gateway.log().splitlines() if re.search("revoked", line, re.I)]
    assert any("192.0.2.10" in line for line in refused), refused
    assert phone.ping(day.inner4) and phone.connects() == 1
    listed = {row["name"]: row["state"] for row in rows(json.loads(culvert("client", "list", "--dir", str(day.folder),
                                                                          "--json")))}
    assert listed == {"laptop": "revoked", "phone": "valid"}


def test_revoke_while_the_gateway_is_down_counts_when_it_is_up(day):
    profile = day.add("laptop")
    culvert("--run-dir", str(day.gateway.run_dir), "client", "revoke", "laptop", "--dir", str(day.folder))
    gateway = day.up()
    client = day.client(profile)
    client.start("--hand-window", "3")
    wait_until(lambda: re.search(r"revoked", gateway.log(), re.I), "the refusal in the log", 20)
    assert client.connects() == 0 and gateway.session_names() == []


def test_a_second_init_destroys_nothing(day):
    before = {path: path.read_bytes() for path in day.folder.rglob("*") if path.is_file()}
    done = subprocess.run([builds.culvert(), "init", str(day.folder), "--host", "192.0.2.1"], capture_output=True, text=True)
    assert done.returncode == 1 and str(day.folder) in done.stderr
    assert {path: path.read_bytes() for path in day.folder.rglob("*") if path.is_file()} == before
    again = subprocess.run([builds.culvert(), "client", "add", "laptop", "--dir", str(day.folder)], capture_output=True)
    assert again.returncode == 0
    twice = subprocess.run([builds.culvert(), "client", "add", "laptop", "--dir", str(day.folder)], capture_output=True,
                           text=True)
    assert twice.returncode == 1 and "laptop" in twice.stderr


def test_secrets_are_for_root_only(day):
    day.add("laptop")
    for path in [day.folder, *day.folder.rglob("*")]:
        mode = stat.S_IMODE(os.stat(path).st_mode)
        if path.is_dir():
            assert mode & 0o077 == 0, f"{path} has mode {mode:o}"
        elif b"PRIVATE KEY" in path.read_bytes() or b"tls-crypt-v2 server key" in path.read_bytes():
            assert mode & 0o077 == 0, f"{path} holds a secret and has mode {mode:o}"


def test_client_comes_back_after_down_and_up(day):
    """Stopped in the evening, started in the morning: the client comes back by itself."""
    gateway = day.up()
    client = day.client(day.add("laptop")).connect()
    assert gateway.stop() == 0
    gateway.start()
    client.wait_connected(60, times=2)
    assert client.ping(day.inner4)


def test_tools_up_again_behind_a_profile_that_was_taken_to_its_client(day):
    """`tools/up` may be run at any time, and then goes on with what comes behind the profile."""
    def make_profile() -> str:
        script = 'program=up; . "$1/common.sh"; . "$1/profile.sh"; make_profile "$2" "$3" laptop; echo "profile: $profile"'
        lib = Path(__file__).resolve().parents[2] / "tools" / "lib"
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", script, "test", lib, builds.culvert(), day.folder],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    profile = day.folder / "clients" / "laptop.ovpn"
    assert f"profile: {profile}" in make_profile() and profile.exists()
    assert f"profile: {profile}" in make_profile()
    first = profile.read_text()
    profile.rename(day.stage.folder / "laptop.ovpn")
    assert "not here any more" in make_profile()
    assert not profile.exists()
    culvert("client", "revoke", "laptop", "--dir", str(day.folder), "--run-dir", str(day.stage.folder / "none"))
    assert f"profile: {profile}" in make_profile() and profile.read_text() != first
