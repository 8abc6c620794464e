"""A gateway in NIC mode with pktgen at the other ends of its two ports. Configured as an operator would.

    pktgen: clients 198.18.0.0/15 ── 192.0.2.2 ── wire 0 ── wan0 192.0.2.1   gateway, in a namespace of its own
            host 10.77.0.2 ─────────────────────── wire 1 ── lan0 10.77.0.1  tunnel 10.8.0.0/16

The wires are memif (pktgen then needs no namespace), or veth pairs under AF_XDP or AF_PACKET at both ends.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import List, Optional, Sequence

from harness import builds
from harness.gateway import Gateway
from harness.namespace import Namespace
from harness.network import Host
from harness.nic_network import DEVICES
from harness.process import die_with_parent

WAN, WAN_ROUTER = "192.0.2.1", "192.0.2.2"
LAN, LAN_HOST = "10.77.0.1", "10.77.0.2"
CLIENT_NETWORK = "198.18.0.0"


def memif_device(folder: Path, number: int, role: str, ring: int) -> str:
    """As DPDK names it. `ring`: log2 of the slots in each direction."""
    return f"net_memif{number},role={role},id={number},socket-abstract=no,socket={folder}/{number}.sock,rsize={ring}"


def run_program(argv: Sequence[str]) -> int:
    """Runs it to its end, its output is ours; it dies with us. Returns its exit status."""
    with subprocess.Popen(argv, preexec_fn=die_with_parent) as running:
        try:
            return running.wait()
        except BaseException:
            running.terminate()
            raise


class PktgenGateway:
    def __init__(self, folder: Path, clients: int, core: str = "any", ring: int = 10, huge: bool = True,
                 wire: str = "memif", extra: str = ""):
        """Sockets, configuration and logs lie in `folder`. `core` is the worker's, `ring` the log2 of a memif ring's slots,
        `wire` "memif" or a key of nic_network.DEVICES, `extra` more of server.conf."""
        self.folder = folder
        self.wire = wire
        self.extra = extra
        self.outside: Optional[Namespace] = None if wire == "memif" else Namespace("pktgen")
        self.clients = clients
        self.ring = ring
        self.huge = huge
        self.namespace = Namespace("gateway")
        try:
            self._start(core)
        except BaseException:
            self._delete_namespaces()
            raise

    def _start(self, core: str) -> None:
        self.namespace.write_sysctl("net/ipv4/ip_forward", "1")
        if self.outside:
            for number in (0, 1):
                self.namespace.ip(f"link add w{number} type veth peer name w{number} netns {self.outside.name}",
                                  f"link set w{number} up")
                self.outside.ip(f"link set w{number} up")
        config = self.folder / "config"
        self._culvert("init", str(config), "--host", WAN, "--pool4", "10.8.0.0/16")
        self._culvert("client", "add", "pktgen", "--dir", str(config))
        self.profile = config / "clients" / "pktgen.ovpn"
        with open(config / "server.conf", "a") as conf:
            conf.write(f"\nduplicate-cn\nmax-clients {self.clients + 64}\n{self.extra}\n")
        worker = "" if core == "any" else f"workers = [{core}]\n"
        with open(config / "culvert.toml", "a") as toml:
            toml.write(f'\n[dataplane]\n{worker}sessions = {self.clients + 64}\nhuge = "{"auto" if self.huge else "off"}"\n')
            for number, (name, address) in enumerate([("wan0", WAN), ("lan0", LAN)]):
                toml.write(f'\n[[port]]\ndevice = "{self._device(number, "server")}"\nname = "{name}"\n'
                           f'addresses = ["{address}/24"]\n')
        self.gateway = Gateway(_InNamespace(self.namespace), None, self.folder / "gateway", config / "culvert.toml")
        try:
            self.gateway.start()
            self.namespace.ip(f"route add {CLIENT_NETWORK}/15 via {WAN_ROUTER} dev wan0")
        except BaseException:
            print(self.gateway.log(), file=sys.stderr)
            self.gateway.stop()
            raise

    def isolate_worker(self, others: int) -> None:
        """The worker's core for the worker: it runs before everything else there, and the gateway's other threads stay on
        core `others`. What an operator does with isolcpus, as far as it goes without a reboot."""
        for program in ("culvert-dataplane", "culvert-control"):
            for task in Path(f"/proc/{self.gateway.pid_of(program)}/task").iterdir():
                if (task / "comm").read_text().startswith("rte-worker"):
                    os.setpriority(os.PRIO_PROCESS, int(task.name), -20)
                else:
                    os.sched_setaffinity(int(task.name), {others})

    def _device(self, number: int, role: str) -> str:
        if self.wire != "memif":
            return DEVICES[self.wire].format(number=number, interface=f"w{number}")
        return memif_device(self.folder, number, role, self.ring)

    @staticmethod
    def _culvert(*words: str) -> None:
        done = subprocess.run([builds.culvert(), *words], capture_output=True, text=True)
        assert done.returncode == 0, f"culvert {' '.join(words)}: {done.stderr or done.stdout}"

    def pktgen_argv(self, more: Sequence[str]) -> List[str]:
        words = ["--outer", self._device(0, "client"), "--inner", self._device(1, "client"),
                 "--profile", str(self.profile), "--outer-address", WAN_ROUTER, "--inner-address", LAN_HOST,
                 "--inner-gateway", LAN, "--client-network", CLIENT_NETWORK, "--clients", str(self.clients)]
        argv = [builds.program("perf", "pktgen", "pktgen"), *words, *([] if self.huge else ["--no-huge"]), *more]
        return self.outside.inside(argv) if self.outside else argv

    def pktgen(self, more: Sequence[str]) -> int:
        """Runs pktgen to its end; its output is ours. Returns its exit status."""
        return run_program(self.pktgen_argv(more))

    def drops_text(self) -> str:
        return self.gateway.cli("drops")

    def __enter__(self) -> "PktgenGateway":
        return self

    def __exit__(self, *_exception) -> None:
        self.gateway.stop()
        self._delete_namespaces()

    def _delete_namespaces(self) -> None:
        self.namespace.delete()
        if self.outside:
            self.outside.delete()


class _InNamespace(Host):
    """What Gateway wants to know of a host."""

    def __init__(self, namespace: Namespace):
        self.namespace = namespace
