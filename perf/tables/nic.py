"""The gateway in NIC mode over memif (pktgen): NDR, PDR and latency, with what memif carries without a gateway beside them."""

from tables import SOURCES, Table, run_json, shown

HELP = "the gateway over memif: NDR, PDR, latency"


def add_options(parser) -> None:
    parser.add_argument("--size", default="64,512,1400,imix", help="default 64,512,1400,imix")
    parser.add_argument("--direction", default="decrypt,encrypt", help="default decrypt,encrypt; also both")
    parser.add_argument("--clients", default="100", help="default 100")
    parser.add_argument("--trial", default="1", help="seconds of a trial (default 1)")
    parser.add_argument("--tries", default="3", help="trials that must all fail; of as many the middle one gives the latency (default 3)")
    parser.add_argument("--core", default="0", help="core of the generator (default 0)")
    parser.add_argument("--gateway-core", default="1", help="core of the gateway's worker (default 1)")


def run(options):
    common = ["--clients", options.clients, "--size", options.size, "--trial", options.trial, "--tries", options.tries,
              "--core", options.core, "--gateway-core", options.gateway_core]
    gateway = [SOURCES / "perf" / "pktgen" / "run", *common, "--direction", options.direction]
    # Packets that nobody seals show the ports; the generator is not what limits it then.
    alone = [SOURCES / "perf" / "pktgen" / "run", "--reflector", *common, "--direction", "encrypt", "--load", "50"]
    limits = {case["size"]: case["pdr"] for case in run_json(alone)["cases"]}
    cases = run_json(gateway)["cases"]
    yield Table(shown(gateway), ["direction", "size", "NDR Mpps", "Gb/s", "PDR Mpps", "Gb/s", "memif alone Mpps", "PDR ÷ memif"],
                [_rate_row(case, limits[case["size"]]) for case in cases])
    yield Table(shown(gateway), ["direction", "size", "% of PDR", "Mpps", "p50 µs", "p90", "p99", "p99.9", "max", "pause"],
                [_latency_row(case, row) for case in cases for row in case["latency"]])


def _bound(found) -> str:
    return "> " if found["lower_bound"] else ""


def _rate_row(case, limit) -> list:
    ndr, pdr = case["ndr"], case["pdr"]
    return [case["direction"], str(case["size"]), f"{_bound(ndr)}{ndr['mpps']:.2f}", f"{ndr['gbps']:.2f}",
            f"{_bound(pdr)}{pdr['mpps']:.2f}", f"{pdr['gbps']:.2f}", f"{_bound(limit)}{limit['mpps']:.2f}",
            ("≤ " if limit["lower_bound"] else "") + f"{pdr['mpps'] / limit['mpps']:.2f}" if limit["mpps"] > 0 else "-"]


def _latency_row(case, row) -> list:
    latency = row["latency_ns"]
    return [case["direction"], str(case["size"]), f"{row['percent_of_pdr']:g}", f"{row['offered_mpps']:.2f}",
            *[f"{latency[name] / 1000:.1f}" for name in ("p50", "p90", "p99", "p999", "max")],
            f"{row['longest_pause_ns'] / 1000:.1f}"]
