"""One worker of the packet path against two (bench_workers)."""

import json

import tables
from tables import Table, program, shown

HELP = "one worker of the packet path against two"


def add_options(parser) -> None:
    parser.add_argument("--cores", default="0,1", help="one worker on each (default 0,1)")
    parser.add_argument("--size", default="64,1400", help="bytes of inner packet (default 64,1400)")
    parser.add_argument("--elsewhere", default="0,50", help="per cent of packets to hand over (default 0,50)")


def run(options):
    argv = [program("perf", "bench_workers", "bench_workers"), "--cores", options.cores, "--size", options.size,
            "--elsewhere", options.elsewhere]
    rows = json.loads(tables.run([*argv, "--json"]).stdout)
    head = ["size", "handed over", "one worker, Mpps", f"{rows[0]['workers']} workers, Mpps", "ratio"]
    yield Table(shown(argv), head, [
        [str(row["size"]), f"{row['elsewhere_percent']} %", f"{row['one_mpps']:.2f}", f"{row['all_mpps']:.2f}",
         f"{row['ratio']:.2f}"] for row in rows])
