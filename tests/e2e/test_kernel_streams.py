"""Super-packets at both ends: perf/compare kernel as it is run by hand, but short. What is measured is not judged."""

import json
import os
import subprocess

from harness.builds import SOURCES, build_folder

PROGRAM = SOURCES / "perf" / "compare"


def compare(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(PROGRAM), "kernel", *words], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "CULVERT_BUILD": str(build_folder())})


def test_a_stream_flows_through_every_kind_of_tunnel_in_both_directions(tmp_path):
    for direction in ([], ["--reverse"]):
        found = tmp_path / "rounds.json"
        done = compare("--rounds", "1", "--seconds", "1", "--json", str(found), *direction)
        assert done.returncode == 0, done.stderr
        rounds = json.loads(found.read_text())["rounds"]
        assert list(rounds[0]) == ["relay", "culvert", "openvpn"]
        for name, measured in rounds[0].items():
            assert measured["gbps"] > 0, name
            assert len(measured["cpu_seconds_per_gigabit"]) == 2
            assert f"| {name} | {measured['gbps']:.2f} |" in done.stdout


def test_a_peer_that_nobody_knows_is_wrong_use():
    done = compare("--peers", "ipsec")
    assert done.returncode == 2
    assert "ipsec" in done.stderr
