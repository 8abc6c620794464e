"""Two gateways on one machine, each in its own namespace, never notice each other."""

import pytest

from harness.process import exists
from harness.server_conf import INNER4
from harness.stage import Stage

pytestmark = pytest.mark.culvert_only


def test_two_gateways(tmp_path, certificates):
    with Stage(tmp_path / "left", certificates) as left, Stage(tmp_path / "right", certificates) as right:
        gateways = [left.gateway(), right.gateway()]
        clients = [left.connected("left-client"), right.connected("right-client")]
        assert [gateway.session_names() for gateway in gateways] == [["left-client"], ["right-client"]]
        assert all(client.ping(INNER4, count=3) for client in clients)
        assert gateways[0].stop() == 0
        assert clients[1].ping(INNER4, count=3)
        assert gateways[1].session_names() == ["right-client"]
        left.gateway()  # a third one takes the first one's place
        assert clients[1].ping(INNER4, count=3) and clients[1].connects() == 1


def test_stop_leaves_nothing_behind(stage):
    """SIGTERM: the clients are told, and processes, TUN, sockets and run-dir files are gone."""
    gateway = stage.gateway()
    client = stage.connected("alice")
    pids = list(gateway.pids().values())
    assert all(pids)
    assert gateway.stop() == 0
    assert [pid for pid in pids if exists(pid)] == []
    assert "tun0" not in gateway.namespace.run("ip", "-o", "link")
    assert gateway.namespace.run("ss", "-Hlun") == ""
    left = [str(path) for path in gateway.run_dir.rglob("*")] if gateway.run_dir.exists() else []
    assert left == []
    assert client.process.running()

