"""The packet path in memory beside the AEAD alone (bench_path)."""

import json

import tables
from tables import Table, program, shown

HELP = "the packet path in memory beside the AEAD alone"


def add_options(parser) -> None:
    parser.add_argument("--core", default="1", help="core to measure on (default 1)")
    parser.add_argument("--size", default="64,512,1400", help="bytes of inner packet, or imix (default 64,512,1400)")
    parser.add_argument("--sessions", default="1,1000,100000", help="default 1,1000,100000")
    parser.add_argument("--cipher", default="AES-256-GCM,CHACHA20-POLY1305", help="default both")
    parser.add_argument("--order", default="shuffled", choices=("shuffled", "address"),
                        help="how the packet buffers lie (default shuffled)")


def run(options):
    argv = ["taskset", "-c", options.core, program("perf", "bench_path", "bench_path"), "--size", options.size, "--sessions",
            options.sessions, "--cipher", options.cipher, "--order", options.order]
    rows = json.loads(tables.run([*argv, "--json"]).stdout)
    head = ["direction, cipher", "size", "sessions", "AEAD alone", "path alone", "whole", "ns", "ratio"]
    yield Table(shown(argv), head, [_row(row) for row in rows])


def _row(row) -> list:
    return [f"{row['direction']} {row['cipher']}", str(row["size"]), f"{row['sessions']:,}", f"{row['raw_cycles']:.0f}",
            f"{row['path_only_cycles']:.0f}", f"{row['whole_cycles']:.0f}", f"{row['whole_ns']:.0f}", f"{row['ratio']:.2f}"]
