"""Kernel mode against its ceiling and its peers: one TCP stream (iperf3) through a tunnel between two namespaces.

    relay      the gateway's drivers with no protocol between them (perf/tunnel/relay.cc): what the kernel leaves to have
    culvert    culvert up at one end, perf/tunnel's client at the other, AES-256-GCM
    mixed      culvert up at one end, Debian's openvpn as the client, AES-256-GCM
    openvpn    Debian's openvpn at both ends, AES-256-GCM
    wireguard  wireguard-go at both ends (Debian's is of 2022, before its offloads)

All over UDP, outer MTU 1500. They take turns, --rounds times; a ratio is of two runs of the same round, and the median of
the rounds is printed. Root; needs iperf3, and wireguard-go for its row.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tables import SOURCES, Table, TableError

sys.path.insert(0, str(SOURCES / "tests" / "e2e"))

from harness import builds, namespace  # noqa: E402
from harness.certificates import Certificates  # noqa: E402
from harness.client import Client  # noqa: E402
from harness.gateway import Gateway  # noqa: E402
from harness.process import cpu_seconds  # noqa: E402
from harness.server_conf import ServerConf  # noqa: E402
from harness.stock_gateway import StockGateway  # noqa: E402
from harness.waiting import Timeout, wait_until  # noqa: E402

HELP = "kernel mode against a relay without crypto, stock openvpn and wireguard-go: one TCP stream"

SERVER, CLIENT = "10.8.0.1", "10.8.0.2"
PORT = 1194
RELAY_MTU = 1440  # what an OpenVPN client's TCP segments make of an outer MTU of 1500 (mssfix)


class End:
    """One of the two namespaces, with `eth0`."""

    def __init__(self, role: str, number: int):
        self.namespace = namespace.Namespace(role)
        self.number = number
        self.ip4 = f"192.0.2.{number}"


class Wire:
    """Two namespaces and a veth pair between them."""

    def __init__(self) -> None:
        self.gateway, self.client = End("gateway", 1), End("client", 2)
        self.gateway.namespace.ip(f"link add eth0 type veth peer name eth0 netns {self.client.namespace.name}")
        for end in (self.gateway, self.client):
            end.namespace.ip(f"address add {end.ip4}/24 dev eth0", "link set eth0 up")

    def close(self) -> None:
        for end in (self.gateway, self.client):
            end.namespace.delete()


class Tunnel:
    """What is between the two namespaces while it is measured."""

    def __init__(self, server, client, pids):
        self.server, self.client, self.pids = server, client, pids


def tunnel_program(name: str) -> Path:
    return builds.build_folder() / "perf" / "tunnel" / name


@contextmanager
def relay(network, client, folder, _certificates):
    ends = []
    for host, address, other in ((network.gateway, SERVER, client), (client, CLIENT, network.gateway)):
        ends.append(host.namespace.start(
            [tunnel_program("relay"), "--address", f"{address}/24", "--mtu", str(RELAY_MTU), "--local", f"{host.ip4}:{PORT}",
             "--remote", f"{other.ip4}:{PORT}"], folder / f"relay-{host.number}.log"))
    for end in ends:
        end.wait_for_log("ready")
    try:
        yield Tunnel(network.gateway, client, [end.pid for end in ends])
    finally:
        for end in ends:
            end.stop()


def server_conf(certificates):
    return ServerConf(certificates, wrap="none", data_ciphers="AES-256-GCM", without=["verb"])


@contextmanager
def culvert(network, client, folder, certificates):
    gateway = Gateway(network.gateway, server_conf(certificates), folder / "gateway").start()
    pair = certificates.client("alice")
    end = client.namespace.start(
        [tunnel_program("tunnel_client"), "--address", f"{CLIENT}/24", "--remote", f"{network.gateway.ip4}:{PORT}",
         "--ca", certificates.ca, "--cert", pair.certificate, "--key", pair.key, "--route", f"{SERVER}/32"],
        folder / "client.log")
    try:
        end.wait_for_log("connected")
        yield Tunnel(network.gateway, client, [gateway.pid_of("culvert-dataplane"), end.pid])
    finally:
        end.stop()
        gateway.stop()


@contextmanager
def mixed(network, client, folder, certificates):
    gateway = Gateway(network.gateway, server_conf(certificates), folder / "gateway").start()
    end = Client(client, folder, certificates, wrap="none").connect()
    try:
        yield Tunnel(network.gateway, client, [gateway.pid_of("culvert-dataplane"), end.process.pid])
    finally:
        end.stop()
        gateway.stop()


@contextmanager
def openvpn(network, client, folder, certificates):
    gateway = StockGateway(network.gateway, server_conf(certificates), folder / "gateway").start()
    end = Client(client, folder, certificates, wrap="none").connect()
    try:
        yield Tunnel(network.gateway, client, [gateway.process.pid, end.process.pid])
    finally:
        end.stop()
        gateway.stop()


def x25519_pair():
    """Private and public key, as hex."""
    private = subprocess.run(["openssl", "genpkey", "-algorithm", "X25519", "-outform", "DER"], check=True,
                             capture_output=True).stdout
    public = subprocess.run(["openssl", "pkey", "-inform", "DER", "-pubout", "-outform", "DER"], input=private, check=True,
                            capture_output=True).stdout
    return private[-32:].hex(), public[-32:].hex()


@contextmanager
def wireguard(network, client, folder, _certificates):
    keys = [x25519_pair(), x25519_pair()]
    hosts = [(network.gateway, SERVER), (client, CLIENT)]
    ends = []
    try:
        for i, (host, address) in enumerate(hosts):
            device = f"cvwg{i}"
            ends.append(host.namespace.start(["wireguard-go", "--foreground", device], folder / f"wireguard-{i}.log"))
            control = Path("/var/run/wireguard") / f"{device}.sock"
            wait_until(control.exists, f"{control}")
            other, other_address = hosts[1 - i]
            configure(control, f"set=1\nprivate_key={keys[i][0]}\nlisten_port={PORT}\npublic_key={keys[1 - i][1]}\n"
                               f"endpoint={other.ip4}:{PORT}\nallowed_ip={other_address}/32\n\n")
            host.namespace.ip(f"address add {address}/24 dev {device}", f"link set {device} mtu {RELAY_MTU - 20} up")
        yield Tunnel(network.gateway, client, [end.pid for end in ends])
    finally:
        for end in ends:
            end.stop()


def configure(control: Path, text: str) -> None:
    import socket
    with socket.socket(socket.AF_UNIX) as asker:
        asker.settimeout(5)
        asker.connect(str(control))
        asker.sendall(text.encode())
        answer = asker.recv(4096).decode()
        assert "errno=0" in answer, answer


PEERS = {"relay": relay, "culvert": culvert, "mixed": mixed, "openvpn": openvpn, "wireguard": wireguard}


def stream(tunnel: Tunnel, folder: Path, seconds: int, reverse: bool) -> dict:
    """One TCP stream: goodput in Gb/s, and the CPU time of both ends per gigabit."""
    server = tunnel.server.namespace.start(["iperf3", "-s", "-1", "-B", SERVER, "--forceflush"], folder / "iperf3-server.log")
    server.wait_for_log("Server listening")
    before = [cpu_seconds(pid) for pid in tunnel.pids]
    done = tunnel.client.namespace.try_run("iperf3", "-c", SERVER, "-t", str(seconds), "-O", "1", "-J", *(["-R"] if reverse else []),
                                           timeout=seconds + 30)
    used = [cpu_seconds(pid) - start for pid, start in zip(tunnel.pids, before)]
    server.stop()
    answer = json.loads(done.stdout)
    assert done.returncode == 0, answer.get("error", done.stderr)
    sent, received = answer["end"]["sum_sent"], answer["end"]["sum_received"]
    gigabits = received["bits_per_second"] / 1e9
    return {"gbps": gigabits, "retransmits": sent.get("retransmits", 0),
            "cpu_seconds_per_gigabit": [value / (gigabits * (seconds + 1)) for value in used]}


def measure(name: str, seconds: int, reverse: bool, folder: Path, certificates) -> dict:
    network = Wire()
    try:
        client = network.client
        with PEERS[name](network, client, folder, certificates) as tunnel:
            assert client.namespace.ping(SERVER), f"{name}: no answer through the tunnel"
            return stream(tunnel, folder, seconds, reverse)
    finally:
        network.close()


def add_options(parser) -> None:
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=["relay", "culvert", "openvpn"], help="who takes part")
    parser.add_argument("--rounds", type=int, default=5, help="default 5")
    parser.add_argument("--seconds", type=int, default=5, help="length of each stream, after a second that does not count (default 5)")
    parser.add_argument("--reverse", action="store_true", help="from the gateway to the client")
    parser.add_argument("--json", metavar="FILE", help="write every round there as well")


def run(options):
    if os.geteuid() != 0:
        raise TableError("makes network namespaces: run it as root")
    tools = ["iperf3", *(["wireguard-go"] if "wireguard" in options.peers else [])]
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        raise TableError(f"missing: {', '.join(missing)} (apt-get install {' '.join(missing)})")
    namespace.sweep()
    try:
        rounds = _take_turns(options)
    except (AssertionError, Timeout, OSError) as failure:
        raise TableError(str(failure)) from None
    if options.json:
        Path(options.json).write_text(json.dumps({"rounds": rounds}, indent=2))
    command = f"perf/compare kernel --rounds {options.rounds} --seconds {options.seconds} --peers {' '.join(options.peers)}"
    yield Table(command + (" --reverse" if options.reverse else ""),
                ["tunnel", "Gb/s (median)", "gateway's CPU s/Gb", "client's", "culvert ÷ it (median)", "each round"], [_row(name, rounds) for name in options.peers])


def _take_turns(options) -> list:
    rounds = []
    with tempfile.TemporaryDirectory(prefix="culvert-compare-") as top:
        certificates = Certificates(Path(top) / "certificates")
        for number in range(options.rounds):
            found = {}
            for name in options.peers:
                folder = Path(top) / f"{number}-{name}"
                folder.mkdir()
                found[name] = measure(name, options.seconds, options.reverse, folder, certificates)
                print(f"round {number + 1}: {name}: {found[name]['gbps']:.2f} Gb/s, {found[name]['retransmits']} sent again, "
                      "CPU s/Gb " + " + ".join(f"{value:.2f}" for value in found[name]["cpu_seconds_per_gigabit"]),
                      file=sys.stderr, flush=True)
            rounds.append(found)
    return rounds


def _row(name: str, rounds: list) -> list:
    goodput = statistics.median(one[name]["gbps"] for one in rounds)
    ratios = [one["culvert"]["gbps"] / one[name]["gbps"] for one in rounds if "culvert" in one]
    gateway, client = (statistics.median(one[name]["cpu_seconds_per_gigabit"][end] for one in rounds) for end in (0, 1))
    return [name, f"{goodput:.2f}", f"{gateway:.3f}", f"{client:.3f}", f"{statistics.median(ratios):.2f}" if ratios else "",
            ", ".join(f"{ratio:.2f}" for ratio in ratios)]
