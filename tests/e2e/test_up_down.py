"""Scripts about the TUN: up, route-up, down, and who is let in meanwhile."""

import os
import signal
from pathlib import Path

import pytest

from harness.gateway import Gateway
from harness.scripts import lines, write
from harness.server_conf import INNER4, ServerConf
from harness.waiting import wait_until

NOTE = """#!/bin/sh
echo "$script_type $* $script_context $dev $ifconfig_local ${signal:-none}" >> %(notes)s
ip -o link show "$dev" > /dev/null || exit 1
"""


UP = "up tun0 1500 0 10.8.0.1 255.255.255.0 init init tun0 10.8.0.1 none"
DOWN = "down tun0 1500 0 10.8.0.1 255.255.255.0 init init tun0 10.8.0.1 sigterm"


@pytest.mark.culvert_only
def test_up_and_down_around_the_gateways_life(stage, tmp_path):
    notes = tmp_path / "notes"
    script = write(tmp_path / "note", NOTE % {"notes": notes})
    gateway = stage.gateway(extra=["script-security 2", f"up {script}", f"down {script}", f"route-up {script}",
                                   "explicit-exit-notify 1"])
    alice = stage.connected("alice")
    assert alice.ping(INNER4)
    assert lines(notes) == [UP, "route-up  init tun0 10.8.0.1 none"]
    # The TUN outlives either process: another one finds it up.
    for program in ("culvert-control", "culvert-dataplane"):
        process = gateway.pid_of(program)
        os.kill(process, signal.SIGKILL)
        wait_until(lambda: gateway.pid_of(program) not in (0, process), f"another {program}")
        gateway.wait_ready()
        wait_until(lambda: alice.ping(INNER4), "packets to flow")
        assert len(lines(notes)) == 2
    # Unless somebody deletes it meanwhile: then the next dataplane makes another one.
    dataplane = gateway.pid_of("culvert-dataplane")
    os.kill(dataplane, signal.SIGSTOP)
    gateway.namespace.run("ip", "link", "delete", "tun0")
    os.kill(dataplane, signal.SIGKILL)
    wait_until(lambda: len(lines(notes)) == 4, "up to be run for the new TUN", 20)
    gateway.wait_ready()
    gateway.stop()
    assert lines(notes) == [UP, "route-up  init tun0 10.8.0.1 none", UP, "route-up  init tun0 10.8.0.1 none", DOWN]


@pytest.mark.culvert_only
def test_nobody_gets_in_before_up_has_ended(stage, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    script = write(tmp_path / "up", f"#!/bin/sh\nread line < {gate}\n")
    gateway = stage.add(Gateway(stage.network.gateway, ServerConf(stage.certificates, extra=["script-security 2", f"up {script}"]),
                                tmp_path / "gateway"))
    gateway.start(ready=False)
    alice = stage.client("alice")
    wait_until(lambda: "running up" in gateway.try_cli("status").stdout + gateway.try_cli("status").stderr, "up to be run")
    alice.start()
    wait_until(lambda: gateway.drops().get("control_starting", 0) >= 1, "alice's first packet to be dropped")
    assert alice.connects() == 0
    gate.write_text("go\n")
    gateway.wait_ready()
    alice.wait_connected()
    assert alice.ping(INNER4)


@pytest.mark.culvert_only
def test_up_that_fails_ends_the_start(stage, tmp_path):
    script = write(tmp_path / "up", "#!/bin/sh\necho no route today\nexit 3\n")
    gateway = stage.add(Gateway(stage.network.gateway, ServerConf(stage.certificates, extra=["script-security 2", f"up {script}"]),
                                tmp_path / "gateway"))
    gateway.start(ready=False)
    wait_until(lambda: not gateway.process.running(), "the gateway to end")
    assert gateway.process.exit_status() == 1
    assert "no route today" in gateway.log() and "exit status 3" in gateway.log()
