"""The swarm of perf/swarm against the gateway: 50 clients, data both ways, nothing lost, results that can be read."""

import xml.etree.ElementTree as ElementTree

import pytest

from harness.swarm import SwarmStage

CLIENTS = 50
FAULTS = ("lost", "doubled", "reordered", "damaged", "forged", "replayed")


@pytest.fixture
def swarm(tmp_path, certificates):
    with SwarmStage(tmp_path, certificates) as stage:
        yield stage


@pytest.mark.culvert_only
@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_fifty_clients_lose_nothing(swarm, tmp_path, protocol):
    swarm.serve("culvert", protocol)
    plot = tmp_path / "swarm.svg"
    result = swarm.run("--proto", protocol, "--clients", str(CLIENTS), "--phase", "both,latency", "--seconds", "1",
                       "--rate", "20", "--window", "64", "--burst", "4", "--svg", str(plot))
    assert result["clients"] == CLIENTS and result["connect"]["took_us"]["count"] == CLIENTS
    both, latency = result["phases"]
    for way in ("in", "out"):
        assert both[way]["sent"] == both[way]["received"] > CLIENTS, both
        assert {fault: both[way][fault] for fault in FAULTS} == dict.fromkeys(FAULTS, 0)
        assert both[f"{way}_gbps"] > 0
    assert latency["rtt_us"]["count"] == latency["echoes_sent"] > 0
    assert 0 < latency["rtt_us"]["p50"] <= latency["rtt_us"]["p99"] <= latency["rtt_us"]["max"]
    # The kernel says when datagrams came; a stream has no such times.
    server = latency["server_us"]
    assert 0 < server["count"] <= latency["rtt_us"]["count"] if protocol == "udp" else server["count"] == 0
    assert server["max"] <= latency["rtt_us"]["max"]
    assert len(both["cpu_seconds"]) == 2
    assert ElementTree.parse(plot).getroot().tag.endswith("svg")


@pytest.mark.culvert_only
def test_storm_connects_and_leaves(swarm):
    swarm.serve("culvert")
    result = swarm.run("--clients", "2", "--phase", "storm", "--seconds", "1", "--concurrency", "8")
    storm = result["phases"][0]["storm"]
    assert storm["connected"] > 8 and storm["failed"] == 0, storm


def test_says_what_is_wrong(swarm):
    swarm.serve("culvert")
    for options, word in ((["--phase", "nonsense"], "nonsense"), (["--burst", "64", "--size", "1400"], "--burst"),
                          (["--remote", "nowhere"], "ADDRESS:PORT")):
        done = swarm.clients.try_run(*swarm.argv(*options)[3:])
        assert done.returncode == 2 and word in done.stderr, done.stderr
