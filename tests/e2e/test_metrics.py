"""Prometheus's view of a gateway: `culvert metrics`, printed and served."""

import os
import re
import signal

import pytest

from harness import builds
from harness.server_conf import INNER4
from harness.waiting import wait_until

pytestmark = pytest.mark.culvert_only

ADDRESS = "127.0.0.1:9194"


def samples(text: str) -> dict:
    """The value of each series of a text of Prometheus's format, by name and labels as they stand there."""
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
            for line in text.splitlines() if line and not line.startswith("#")}


def scraped(namespace, path: str = "metrics") -> dict:
    """What http://ADDRESS/PATH says in `namespace`; nothing where nobody listens."""
    program = f"import urllib.request as r; print(r.urlopen('http://{ADDRESS}/{path}', timeout=10).read().decode())"
    answer = namespace.try_run("/usr/bin/python3", "-c", program)
    return samples(answer.stdout) if answer.returncode == 0 else {}


def test_what_is_printed_agrees_with_the_lists(stage):
    gateway = stage.gateway()
    client = stage.connected("alice")
    assert client.ping(INNER4, count=3)
    wait_until(lambda: gateway.session_of("alice")["rx_packets"] >= 3, "the session's packets to be published")
    before = gateway.counters()
    text = gateway.cli("metrics", "--sessions")
    got, after = samples(text), gateway.counters()
    assert got["culvert_up"] == got["culvert_ready"] == got["culvert_sessions"] == 1
    for name, count in before.items():
        assert count <= got[f"culvert_{name}_total"] <= after[name], name
    assert {match[1] for match in re.finditer(r'culvert_drops_total\{reason="(\w+)"', text)} == set(gateway.drops())
    assert [value for series, value in got.items() if series.startswith("culvert_port_up{")] == [1] * len(gateway.ask("ports"))
    session = next(series for series in got if series.startswith("culvert_session_rx_packets_total{"))
    assert 'common_name="alice"' in session and got[session] >= 3


def test_they_are_served_and_control_may_be_killed_meanwhile(stage, tmp_path):
    gateway = stage.gateway()
    namespace = gateway.namespace
    command = [builds.culvert(), "--run-dir", str(gateway.run_dir), "metrics", "--listen", ADDRESS]
    server = namespace.start(command, tmp_path / "metrics.log")
    server.wait_for_log(f"serving http://{ADDRESS}/metrics")
    assert scraped(namespace)["culvert_sessions"] == 0
    stage.connected("alice")
    assert scraped(namespace)["culvert_sessions"] == 1
    second = namespace.try_run(*command)
    assert second.returncode == 1 and "another program has the port" in second.stderr
    os.kill(gateway.pid_of("culvert-control"), signal.SIGKILL)
    wait_until(lambda: scraped(namespace).get("culvert_sessions") == 1, "the next control to be asked", 20)
    assert gateway.stop() == 0
    assert scraped(namespace)["culvert_up"] == 0
    assert server.stop() == 0
    assert scraped(namespace) == {}, "nobody listens any more"
