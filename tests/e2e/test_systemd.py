"""The units of conf/ under the real systemd: sandboxed as they say, and what is restarted there loses nothing."""

import json
import re

import pytest

from harness import builds, systemd
from harness.client import Client
from harness.server_conf import LONG_QUEUE
from harness.systemd import Machine
from harness.udp_stream import streaming
from harness.waiting import wait_until

pytestmark = [pytest.mark.culvert_only, pytest.mark.skipif(bool(systemd.why_not()), reason=systemd.why_not() or "-")]

UNITS = ("culvert-dataplane", "culvert-control")
TCP_PORT = 443
DROP_IN = builds.SOURCES / "conf" / "culvert-control-scripts.conf"


@pytest.fixture
def machine(stage):
    """With a configuration of `culvert init`, and a TCP listener in it."""
    made = Machine(stage.network.gateway.namespace, stage.folder / "machine")
    try:
        made.start()
        made.run("culvert", "init", "/etc/culvert", "--host", "192.0.2.1")
        made.run("sh", "-c", "printf '%s\\n' \"$@\" >>/etc/culvert/server.conf", "-",
                 "local * 1194 udp", f"local * {TCP_PORT} tcp-server", LONG_QUEUE)
        made.run("systemctl", "start", *UNITS)
        wait_until(lambda: ready(made), "the gateway", 20)
        yield made
    finally:
        made.stop()


def ready(machine) -> bool:
    return machine.try_run("culvert", "status").returncode == 0


def ask(machine, *words: str):
    return json.loads(machine.run("culvert", *words, "--json"))


def pid_of(machine, unit: str) -> int:
    return int(machine.shown(unit, "MainPID"))


def connected(stage, machine, name: str, port: int, protocol: str) -> Client:
    """A stock client with the profile that `client add` makes; of its servers, it takes this one."""
    said = machine.run("culvert", "client", "add", name, "--dir", "/etc/culvert")
    profile = machine.run("cat", re.search(r"\S+\.ovpn", said).group(0))
    profile = re.sub(r"(?m)^remote .*\n", "", profile) + f"remote 192.0.2.1 {port} {protocol}\n"
    path = stage.folder / f"{name}.ovpn"
    path.write_text(profile)
    client = Client(stage.network.add_host(), stage.folder, name=name, profile=path)
    stage.clients.append(client)
    return client.connect()


def inner4(machine) -> str:
    return re.search(r"(\d+\.\d+\.\d+\.\d+)/", ask(machine, "status")["tun"]).group(1)


def restart(machine, unit: str) -> None:
    before = pid_of(machine, unit)
    machine.run("systemctl", "restart", unit)
    wait_until(lambda: pid_of(machine, unit) not in (0, before) and ready(machine), f"the next {unit}", 20)


@pytest.mark.long
def test_restarts_lose_nothing(stage, machine):
    """Sockets, TUN and TCP connections wait in systemd's file descriptor store, sessions in the process that stays."""
    laptop = connected(stage, machine, "laptop", 1194, "udp")
    phone = connected(stage, machine, "phone", TCP_PORT, "tcp")
    inner = inner4(machine)
    with streaming(stage.folder, machine.namespace, inner, laptop.namespace, laptop.inner4, 200) as first, \
            streaming(stage.folder, machine.namespace, inner, phone.namespace, phone.inner4, 200, port=5601) as second:
        def flow_on(packets: int) -> None:
            before = first.received(), second.received()
            wait_until(lambda: first.received() > before[0] + packets and second.received() > before[1] + packets,
                       "the streams to flow", 30)
        flow_on(100)
        # Both in one command, as an update of packages does it. Then control has to make keys of its own, for the next dataplane.
        before = [pid_of(machine, unit) for unit in UNITS]
        machine.run("systemctl", "restart", *UNITS)
        wait_until(lambda: ready(machine), "both to be there", 20)
        assert not {pid_of(machine, unit) for unit in UNITS} & {0, *before}
        wait_until(lambda: laptop.renegotiations() > 0 and phone.renegotiations() > 0, "new keys", 30)
        flow_on(200)
        for unit in UNITS:
            restart(machine, unit)
            flow_on(200)
        account = json.loads(machine.run("culvert", "upgrade", "--dataplane", "--json", timeout=120))
        flow_on(200)
        accounts = [account for stream in (first, second) for account in stream.finish()]
    assert all(account.perfect for account in accounts), accounts
    assert account["sessions_left"] == account["sessions_kept"] == 2 and account["tcp_sessions_ended"] == 0
    assert laptop.connects() == phone.connects() == 1 and laptop.warnings() == phone.warnings() == []
    restart(machine, "culvert-control")
    assert sorted(row["common_name"] for row in ask(machine, "sessions")) == ["laptop", "phone"]
    machine.run("systemctl", "reload", "culvert-control")
    assert ready(machine)


def test_a_killed_dataplane_comes_back(stage, machine):
    laptop = connected(stage, machine, "laptop", 1194, "udp")
    phone = connected(stage, machine, "phone", TCP_PORT, "tcp")
    before = pid_of(machine, "culvert-dataplane")
    machine.run("systemctl", "kill", "--signal=KILL", "culvert-dataplane")
    wait_until(lambda: pid_of(machine, "culvert-dataplane") not in (0, before) and ready(machine), "the next dataplane", 20)
    wait_until(lambda: laptop.ping(inner4(machine)), "the tunnel to be back", 10)
    assert laptop.connects() == 1
    phone.wait_connected(30, times=2)
    assert phone.ping(inner4(machine))


def test_what_is_stopped_leaves_nothing(stage, machine):
    machine.run("sh", "-c", "echo 'explicit-exit-notify 1' >>/etc/culvert/server.conf")
    restart(machine, "culvert-control")
    laptop = connected(stage, machine, "laptop", 1194, "udp")
    phone = connected(stage, machine, "phone", TCP_PORT, "tcp")
    assert int(machine.shown("culvert-dataplane", "NFileDescriptorStore")) >= 3, "two listeners and the TUN"
    machine.run("systemctl", "stop", *UNITS)
    for unit in UNITS:
        assert machine.shown(unit, "ActiveState") == "inactive" and machine.shown(unit, "Result") == "success"
    assert machine.shown("culvert-dataplane", "NFileDescriptorStore") == "0"
    assert "culvert0" not in machine.run("ip", "link")
    assert machine.run("ss", "-Hlntu") == ""
    for client in (laptop, phone):  # told through a dataplane that was told to end at the same moment
        client.process.wait_for_log("Connection reset command was pushed by server")


def test_metrics_are_served(machine):
    machine.run("systemctl", "start", "culvert-metrics")
    ask_for_them = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9194/metrics', timeout=10).read().decode())"
    wait_until(lambda: "culvert_" in machine.try_run("/usr/bin/python3", "-c", ask_for_them).stdout, "the figures", 20)
    machine.run("systemctl", "stop", "culvert-metrics")
    assert machine.shown("culvert-metrics", "Result") == "success"


def test_scripts_in_the_sandbox(stage, machine):
    """With the drop-in of conf/, a script may set rules and write where that says."""
    went = "/run/openvpn/went"
    machine.run("sh", "-c", f"mkdir /run/openvpn; printf '#!/bin/sh\\nnft list ruleset && ip route >{went}\\n' >/etc/culvert/script; "
                            "chmod 755 /etc/culvert/script; printf 'script-security 2\\nclient-connect /etc/culvert/script\\n' >>/etc/culvert/server.conf")
    machine.run("sh", "-c", "cat >>/run/units/culvert-control.service.d/scripts.conf", input=DROP_IN.read_text())
    machine.run("systemctl", "daemon-reload")
    restart(machine, "culvert-control")
    connected(stage, machine, "laptop", 1194, "udp")
    assert "culvert0" in machine.run("cat", went)
