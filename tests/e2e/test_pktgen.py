"""pktgen against a gateway in NIC mode: memif between the two processes, and veth pairs. No figure is asserted, only that it
adds up."""

import json
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from harness import builds
from harness.pktgen_gateway import PktgenGateway

pytestmark = pytest.mark.culvert_only
CLIENTS = 5
# A busy machine may take the gateway's core away for a while: what is late then is not lost.
SMALL = ["--trial", "0.3", "--patience", "2", "--quiet"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with PktgenGateway(tmp_path_factory.mktemp("memif"), CLIENTS, huge=False) as made:
        yield made


def pktgen(gateway, *more):
    return subprocess.run(gateway.pktgen_argv([*SMALL, *more]), capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("cipher", ["AES-256-GCM", "CHACHA20-POLY1305"])
def test_packets_come_through_whole_and_in_order(gateway, tmp_path, cipher):
    result, plot = tmp_path / "result.json", tmp_path / "result.svg"
    # A rate that a busy machine keeps: the rings hold half a second of it.
    done = pktgen(gateway, "--rate", "0.002", "--direction", "decrypt,encrypt,both", "--size", "64,1448,imix",
                  "--cipher", cipher, "--json", result, "--svg", plot)
    assert done.returncode == 0, done.stderr + done.stdout
    report = json.loads(result.read_text())
    assert report["cipher"] == cipher
    assert len(report["cases"]) == 9
    for case in report["cases"]:
        trial = case["fixed"]
        ways = [trial["decrypt"], trial["encrypt"]]
        wanted = ways if case["direction"] == "both" else [trial[case["direction"]]]
        assert all(way["offered"] > 0 for way in wanted), case
        for way in ways:
            assert way["received"] == way["offered"], (case, gateway.drops_text())
            assert way["lost"] == way["damaged"] == way["doubled"] == way["reordered"] == way["too_late"] == 0, case
        assert trial["latency_ns"]["count"] == sum(way["received"] for way in ways)
        assert 0 < trial["latency_ns"]["p50"] <= trial["latency_ns"]["max"]
    text = " ".join(ElementTree.parse(plot).getroot().itertext())
    assert "latency (us)" in text and "decrypt imix" in text


@pytest.mark.parametrize("wire", ["AF_XDP", "AF_PACKET"])
def test_other_wires_carry_them_too(tmp_path, wire):
    result = tmp_path / "result.json"
    with PktgenGateway(tmp_path, CLIENTS, huge=False, wire=wire) as gateway:
        done = pktgen(gateway, "--rate", "0.001", "--direction", "both", "--size", "64,1400", "--json", result)
    assert done.returncode == 0, done.stderr + done.stdout
    for case in json.loads(result.read_text())["cases"]:
        for way in (case["fixed"]["decrypt"], case["fixed"]["encrypt"]):
            assert way["received"] == way["offered"] > 0, case


@pytest.mark.long
def test_new_keys_while_packets_run_cost_none(tmp_path):
    result = tmp_path / "result.json"
    with PktgenGateway(tmp_path, CLIENTS, huge=False, extra="reneg-sec 3") as gateway:
        done = pktgen(gateway, "--rate", "0.002", "--direction", "both", "--size", "64", "--trial", "8", "--json", result)
        renegotiations = gateway.gateway.counter("renegotiations")
    assert done.returncode == 0, done.stderr + done.stdout
    case = json.loads(result.read_text())["cases"][0]
    for way in (case["fixed"]["decrypt"], case["fixed"]["encrypt"]):
        assert way["received"] == way["offered"] > 0, case
    assert renegotiations >= CLIENTS


def test_clients_say_goodbye(gateway):
    done = pktgen(gateway, "--rate", "0.002", "--size", "64", "--direction", "both")
    assert done.returncode == 0, done.stderr + done.stdout
    assert gateway.gateway.sessions() == []


def test_a_search_ends_with_a_table(gateway, tmp_path):
    result = tmp_path / "result.json"
    done = pktgen(gateway, "--max-rate", "0.002", "--size", "64", "--direction", "decrypt", "--json", result)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "NDR (no loss)" in done.stdout and "% of PDR" in done.stdout
    case = json.loads(result.read_text())["cases"][0]
    assert case["pdr"]["mpps"] > 0
    assert [row["percent_of_pdr"] for row in case["latency"]] == [10, 50, 90]


def test_compare_makes_the_table_of_the_readme_and_leaves_nothing_behind():
    before = _namespaces()
    done = subprocess.run([builds.SOURCES / "perf" / "compare", "nic", "--size", "64", "--direction", "decrypt", "--trial",
                           "0.02", "--tries", "1", "--clients", "3", "--core", "any", "--gateway-core", "any"],
                          capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "| direction | size | NDR Mpps |" in done.stdout and "\n| decrypt | 64 |" in done.stdout, done.stdout
    new = _namespaces() - before
    assert not [name for name in new if not _is_alive(name)], new


def _namespaces():
    folder = Path("/run/netns")
    return {entry.name for entry in folder.glob("cve*")} if folder.is_dir() else set()


def _is_alive(namespace):
    """Does the run that made it still go on? (cve<pid>-…)"""
    return Path("/proc", namespace.split("-")[0].removeprefix("cve")).exists()


def test_what_is_missing_is_named(gateway, tmp_path):
    done = pktgen(gateway, "--profile", tmp_path / "nobody.ovpn")
    assert done.returncode == 1 and "nobody.ovpn: no such file" in done.stderr, done.stderr
    done = subprocess.run([builds.program("perf", "pktgen", "pktgen"), "--size", "64"], capture_output=True, text=True)
    assert done.returncode == 2 and "--outer DEVICE is missing" in done.stderr, done.stderr


def test_files_that_can_not_be_written_are_named_before_anything_is_measured(gateway):
    done = pktgen(gateway, "--json", "/nowhere/result.json")
    assert done.returncode == 1 and "/nowhere/result.json: cannot be written" in done.stderr, done.stderr
    assert "handshakes" not in done.stdout, done.stdout


def test_a_gateway_that_is_not_there_is_named(gateway):
    words = gateway.pktgen_argv(SMALL)
    words[words.index("--inner-gateway") + 1] = "10.77.0.9"
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "nobody answers ARP for 10.77.0.9" in done.stderr, done.stderr
