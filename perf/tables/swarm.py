"""The gateway and Debian's openvpn in turn under the same swarm: goodput per core of server CPU, latency, handshakes.

The swarm and both servers run on this machine, in two network namespaces joined by a veth pair. What counts is Gb of inner
bytes per CPU second of the server's processes, and the ratio of the two within a pair of runs that follow each other. Root.
"""

import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List

from tables import SOURCES, Table, TableError

sys.path.insert(0, str(SOURCES / "tests" / "e2e"))

from harness import namespace  # noqa: E402
from harness.certificates import Certificates  # noqa: E402
from harness.swarm import SwarmStage  # noqa: E402
from harness.waiting import Timeout  # noqa: E402

HELP = "culvert and stock openvpn under many clients: goodput per core, latency, handshakes"
KINDS = ("culvert", "stock")
FAULTS = ("lost", "doubled", "reordered", "damaged", "forged", "replayed")
DATA = ("in", "out", "both")


def add_options(parser) -> None:
    parser.add_argument("--proto", default="udp,tcp", help="default udp,tcp")
    parser.add_argument("--clients", default="1,100", help="default 1,100")
    parser.add_argument("--phase", default="in,out,latency", help="phases of the swarm (default in,out,latency; also both, idle, storm)")
    parser.add_argument("--pairs", type=int, default=3, help="runs of each server, in turn (default 3)")
    parser.add_argument("--seconds", type=float, default=2, help="length of a phase (default 2)")
    parser.add_argument("--size", type=int, default=1400, help="bytes of an inner packet (default 1400)")
    parser.add_argument("--window", type=int, default=256, help="packets on the way per direction at most (default 256)")
    parser.add_argument("--burst", type=int, default=16, help="packets of one client that go together (default 16)")
    parser.add_argument("--concurrency", type=int, default=16, help="handshakes at once (default 16)")
    parser.add_argument("--servers", default=",".join(KINDS), help="default culvert,stock; one alone gives no ratios")
    parser.add_argument("--most-seconds", type=float, default=120, help="of one run of the swarm, then it is ended (default 120)")


def run(options) -> Iterator[Table]:
    if os.geteuid() != 0:
        raise TableError("makes network namespaces: run it as root")
    kinds = options.servers.split(",")
    if not set(kinds) <= set(KINDS):
        raise TableError(f"--servers {options.servers}: only {' and '.join(KINDS)}")
    namespace.sweep()
    command = "perf/compare swarm " + " ".join(f"--{name} {getattr(options, name)}" for name in
                                               ("servers", "proto", "clients", "phase", "pairs", "seconds", "size", "window",
                                                "burst", "concurrency"))
    results: List[Dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="culvert-swarm-") as folder:
        Path(folder).chmod(0o755)
        certificates = Certificates(Path(folder) / "certificates")
        with SwarmStage(Path(folder), certificates) as stage:
            for protocol in options.proto.split(","):
                for clients in options.clients.split(","):
                    for pair in range(options.pairs):
                        for kind in kinds:
                            results += _one(stage, options, kind, protocol, clients, pair)
    yield Table(command, ["phase", "transport", "clients", "server", "in Gb/s", "out Gb/s", "server's cores", "Gb per CPU s", "faults",
                          "p50 µs", "p99 µs", "server's p50 µs", "server's p99 µs", "handshakes/s", "÷ stock"], list(_rows(results)))


def _one(stage: SwarmStage, options, kind: str, protocol: str, clients: str, pair: int) -> List[Dict[str, Any]]:
    print(f"compare swarm: {kind}, {protocol}, {clients} clients, run {pair + 1} of {options.pairs}", file=sys.stderr, flush=True)
    try:
        stage.serve(kind, protocol)
        found = stage.run("--proto", protocol, "--clients", clients, "--phase", options.phase, "--seconds", str(options.seconds),
                          "--size", str(options.size), "--window", str(options.window), "--burst", str(options.burst),
                          "--concurrency", str(options.concurrency), seconds=options.most_seconds)
    except (AssertionError, Timeout) as failure:
        raise TableError(f"{kind}, {protocol}, {clients} clients: {failure}") from None
    finally:
        stage.stop()
    return [{**phase, "kind": kind, "protocol": protocol, "clients": clients, "pair": pair} for phase in found["phases"]]


def _rows(results: List[Dict[str, Any]]) -> Iterator[List[str]]:
    cases = list(dict.fromkeys((row["phase"], row["protocol"], row["clients"]) for row in results))
    for case in cases:
        mine = [row for row in results if (row["phase"], row["protocol"], row["clients"]) == case]
        for kind in dict.fromkeys(row["kind"] for row in mine):
            runs = [row for row in mine if row["kind"] == kind]
            yield [*case, kind, *_figures(runs), _ratio(mine) if kind == "culvert" else ""]


def _figures(runs: List[Dict[str, Any]]) -> List[str]:
    def middle(value) -> float:
        return statistics.median(value(row) for row in runs)

    def times(what: str, name: str) -> str:
        return f"{middle(lambda row: row[what][name]):.0f}" if runs[0][what]["count"] else ""
    faults = sum(row[way][fault] for row in runs for way in ("in", "out") for fault in FAULTS)
    sent = sum(row[way]["sent"] for row in runs for way in ("in", "out"))
    data = runs[0]["phase"] in DATA
    return [f"{middle(lambda row: row['in_gbps']):.2f}" if data else "", f"{middle(lambda row: row['out_gbps']):.2f}" if data else "",
            f"{middle(lambda row: row['cpu_cores']):.3f}",
            f"{middle(lambda row: row['gbit_per_cpu_second']):.2f}" if data else "",
            f"{faults} of {sent}" if data else "", times("rtt_us", "p50"), times("rtt_us", "p99"),
            times("server_us", "p50"), times("server_us", "p99"),
            f"{middle(lambda row: row['storm']['per_second']):.0f}" if "storm" in runs[0] else ""]


def _measure(row: Dict[str, Any]) -> float:
    """What the ratio is made of: more is better."""
    if row["phase"] in DATA:
        return row["gbit_per_cpu_second"]
    if row["phase"] == "storm":
        return row["storm"]["per_second"] / max(row["cpu_cores"], 1e-3)
    if row["phase"] == "latency":
        return 1 / row["rtt_us"]["p50"]
    return 1 / max(row["cpu_cores"], 1e-4)


def _ratio(rows: List[Dict[str, Any]]) -> str:
    """Median of the pairs' ratios, and the smallest and largest one."""
    by_pair: Dict[int, Dict[str, float]] = {}
    for row in rows:
        by_pair.setdefault(row["pair"], {})[row["kind"]] = _measure(row)
    found = [pair["culvert"] / pair["stock"] for pair in by_pair.values() if len(pair) == 2 and pair["stock"] > 0]
    if not found:
        return ""
    return f"{statistics.median(found):.1f} ({min(found):.1f} to {max(found):.1f})"
