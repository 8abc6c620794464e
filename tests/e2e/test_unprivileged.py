"""Control as another user: it has no privilege left, and still survives its own death and the dataplane's."""

import os
import signal
from pathlib import Path

import pytest

from harness.process import exists
from harness.server_conf import INNER4
from harness.waiting import wait_until
from test_restart import kill_and_wait_for_next

pytestmark = pytest.mark.culvert_only


def status_of(pid: int) -> dict:
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


def test_control_runs_as_nobody(stage):
    gateway = stage.gateway(extra=["user nobody", "group nogroup"])
    client = stage.connected("alice")
    status = status_of(gateway.pid_of("culvert-control"))
    assert set(status["Uid"].split()) == set(status["Gid"].split()) == {"65534"} and status["Groups"].strip() == ""
    assert int(status["CapPrm"], 16) == int(status["CapEff"], 16) == 0 and status["NoNewPrivs"] == "1"

    kill_and_wait_for_next(gateway, "culvert-dataplane")
    wait_until(lambda: client.ping(INNER4), "traffic through the new dataplane", 10)
    kill_and_wait_for_next(gateway, "culvert-control")
    wait_until(lambda: gateway.session_names() == ["alice"], "the session to be listed again", 5)
    assert client.ping(INNER4) and client.connects() == 1


def test_nothing_outlives_up(stage):
    """`culvert up` itself is killed: both processes end, although one of them has changed its user since."""
    gateway = stage.gateway(extra=["user nobody", "group nogroup"])
    pids = gateway.pids()
    os.kill(gateway.process.pid, signal.SIGKILL)
    wait_until(lambda: not any(exists(pid) for pid in pids.values()), "control and dataplane to end", 10)
