"""culvert as the gateway: `culvert up` in the gateway's namespace, asked through the `culvert` command line."""

import json
import os
import subprocess
from pathlib import Path
from typing import Dict, List, Optional

from harness import builds
from harness.network import Host
from harness.process import Process, exists
from harness.server_conf import ServerConf
from harness.stock_gateway import StockGateway
from harness.waiting import Timeout, wait_until

PROGRAMS = ("culvert-control", "culvert-dataplane")


class Gateway:
    kind = "culvert"

    def __init__(self, host: Host, conf: Optional[ServerConf], folder: Path, config: Optional[Path] = None,
                 toml: str = ""):
        """Serves `conf`; or, with `config`, the culvert.toml that is already there. `toml`: more text for culvert.toml."""
        self.host = host
        self.namespace = host.namespace
        self.conf = conf
        self.folder = folder
        self.culvert = builds.culvert()  # a test may run an installation of its own
        self.run_dir = folder / "run"
        folder.mkdir(parents=True, exist_ok=True)
        if config is None:
            assert conf is not None
            (folder / "server.conf").write_text(conf.text())
            config = folder / "culvert.toml"
            config.write_text(f'[[openvpn]]\nconfig = "server.conf"\n\n[tun]\nname = "{conf.device}"\n{workers(toml)}{toml}')
        self.config = config
        self.process: Optional[Process] = None

    # Life.

    def start(self, ready: bool = True) -> "Gateway":
        number = len(list(self.folder.glob("gateway*.log")))
        self.process = self.namespace.start(
            [self.culvert, "up", "--config", self.config, "--run-dir", self.run_dir],
            self.folder / f"gateway{number or ''}.log", {**os.environ, **sanitizer_options()})
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, seconds: float = 15.0) -> None:
        def alive() -> None:
            assert self.process is not None
            if not self.process.running():
                raise Timeout(f"culvert up ended with {self.process.exit_status()}:\n{self.process.tail()}")
        wait_until(lambda: self.try_cli("status", "--json").returncode == 0, "culvert status to answer", seconds, alive)

    def stop(self) -> int:
        """SIGTERM; returns the exit status of `culvert up`."""
        return self.process.stop() if self.process else 0

    def log(self) -> str:
        """All logs of all starts."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("gateway*.log")))

    def pid_of(self, program: str) -> int:
        """The pid of culvert-control or culvert-dataplane: a child of our `culvert up`. 0 when there is none."""
        assert self.process is not None
        for pid in _descendants(self.process.pid):
            # A build that replaces the program while it runs makes the kernel say so.
            try:
                if exists(pid) and os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)").endswith("/" + program):
                    return pid
            except FileNotFoundError:  # it ended while we looked
                continue
        return 0

    def pids(self) -> Dict[str, int]:
        return {program: self.pid_of(program) for program in PROGRAMS}

    # What the operator asks.

    def try_cli(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return self.namespace.try_run(self.culvert, "--run-dir", str(self.run_dir), *words)

    def cli(self, *words: str) -> str:
        done = self.try_cli(*words)
        assert done.returncode == 0, f"culvert {' '.join(words)}: status {done.returncode}: {done.stderr or done.stdout}"
        return done.stdout

    def ask(self, *words: str):
        """The command's --json answer, parsed."""
        return json.loads(self.cli(*words, "--json"))

    def sessions(self) -> List[dict]:
        return rows(self.ask("sessions"))

    def session_names(self) -> List[str]:
        return [row["common_name"] for row in self.sessions()]

    def session_of(self, name: str) -> dict:
        found = [row for row in self.sessions() if row["common_name"] == name]
        assert len(found) == 1, f"{len(found)} sessions of {name}"
        return found[0]

    def kill_session(self, name: str) -> None:
        self.cli("session", "kill", name)

    def drops(self) -> Dict[str, int]:
        """Packets dropped so far, by reason."""
        return {row["name"]: row["count"] for row in rows(self.ask("drops", "--all"))}

    def counters(self) -> Dict[str, int]:
        """The counters of dataplane/abi/counters.def, all workers together."""
        return {row["name"]: row["count"] for row in rows(self.ask("counters"))}

    def counter(self, name: str) -> int:
        """One of them."""
        return self.counters()[name]


def workers(toml: str) -> str:
    """CULVERT_E2E_WORKERS=0,1 runs every gateway with these workers, unless its test says otherwise."""
    cores = os.environ.get("CULVERT_E2E_WORKERS")
    return f"[dataplane]\nworkers = [{cores}]\n" if cores and "[dataplane]" not in toml else ""


def rows(answer) -> List[dict]:
    """The list in a --json answer, whether it stands alone or under a name."""
    if isinstance(answer, list):
        return answer
    lists = [value for value in answer.values() if isinstance(value, list)]
    assert len(lists) == 1, f"expected one list in {answer}"
    return lists[0]


def sanitizer_options() -> Dict[str, str]:
    """A sanitizer's finding ends the process: the tests then see that it died."""
    if not builds.is_sanitized():
        return {}
    return {"ASAN_OPTIONS": "abort_on_error=1:detect_leaks=0:" + os.environ.get("ASAN_OPTIONS", ""),
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:" + os.environ.get("UBSAN_OPTIONS", "")}


def _descendants(pid: int) -> List[int]:
    found: List[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
            continue
        for child in children:
            found += [int(child), *_descendants(int(child))]
    return found


def start_gateway(host: Host, conf: ServerConf, folder: Path):
    """The gateway under test: culvert, or with CULVERT_E2E_GATEWAY=stock Debian's openvpn."""
    kind = {"culvert": Gateway, "stock": StockGateway}[os.environ.get("CULVERT_E2E_GATEWAY", "culvert")]
    return kind(host, conf, folder).start()
