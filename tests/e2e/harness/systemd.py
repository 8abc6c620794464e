"""A machine that systemd has started, in namespaces of its own: the real systemd as process 1, with the units of conf/ and no others,
over a copy of this machine's file system that is thrown away at the end. Its network is that of a host of the stage."""

import functools
import itertools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Optional

from harness import builds
from harness.namespace import Namespace
from harness.process import Process
from harness.waiting import Timeout, wait_until

SYSTEMD = Path("/lib/systemd/systemd")
_numbers = itertools.count(1)

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# What units name as being before or behind them. All are reached at once: a machine without any other service.
_TARGETS = ("basic", "machine", "multi-user", "network", "network-pre", "shutdown", "sysinit")

_BEGIN = """
set -e
echo $$ >{cgroup}/cgroup.procs
exec unshare --mount --pid --fork --uts --ipc --cgroup --kill-child bash -c '{inside}'
"""

# A tmpfs, since what an overlay changes may not lie below what it covers.
_MOUNTS = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs {folder}
cd {folder}
mkdir root work up
mount -t overlay overlay -o lowerdir=/,upperdir=up,workdir=work root
mount -t proc proc root/proc
mount -t sysfs sysfs root/sys
mount -t cgroup2 cgroup2 root/sys/fs/cgroup
mount --rbind /dev root/dev
for own in run tmp var/tmp; do mount -t tmpfs tmpfs root/$own; done
"""

_BOOT = """
mkdir -p root/run/units root/run/generators root/usr/local/bin root/usr/local/sbin
cp {culvert} root/usr/local/bin/
cp {control} {dataplane} root/usr/local/sbin/
cp -r {units}/* root/run/units/
exec env -i container=test PATH={path} \\
  SYSTEMD_UNIT_PATH=/run/units SYSTEMD_GENERATOR_PATH=/run/generators \\
  chroot root {systemd} --system --unit=machine.target --log-target=console --show-status=0
"""


def _cgroups() -> Optional[Path]:
    """Where the unified hierarchy is mounted."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind = line.split()[:3]
        if kind == "cgroup2":
            return Path(where)
    return None


@functools.cache
def why_not() -> str:
    """What this machine lacks for it; empty: nothing."""
    if not SYSTEMD.exists():
        return "systemd is not installed"
    if _cgroups() is None:
        return "no cgroup2 is mounted"
    with tempfile.TemporaryDirectory() as folder:
        tried = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--cgroup", "bash", "-c",
                                _MOUNTS.format(folder=folder)], capture_output=True, text=True)
    return f"no machine can be made here: {tried.stderr.strip()}" if tried.returncode != 0 else ""


class Machine:
    """Booted by start(). `folder` is the test's."""

    def __init__(self, namespace: Namespace, folder: Path):
        self.namespace = namespace
        self.folder = folder
        (folder / "machine").mkdir(parents=True)
        units = folder / "units"
        units.mkdir()
        for unit in (builds.SOURCES / "conf").glob("*.service"):
            shutil.copy(unit, units)
            # There is no journal here.
            (units / f"{unit.name}.d").mkdir()
            (units / f"{unit.name}.d" / "log.conf").write_text("[Service]\nStandardError=append:/run/units.log\n")
        for target in _TARGETS:
            (units / f"{target}.target").write_text(f"[Unit]\nDescription={target}\nDefaultDependencies=no\n")
        self._cgroup = _cgroups() / f"cve{os.getpid()}-{next(_numbers)}"
        self._process: Optional[Process] = None

    def start(self) -> "Machine":
        self._cgroup.mkdir()
        inside = _MOUNTS.format(folder=self.folder / "machine")
        inside += _BOOT.format(units=self.folder / "units", systemd=SYSTEMD, path=_PATH, culvert=builds.culvert(),
                               control=builds.program("control", "culvert-control"),
                               dataplane=builds.program("dataplane", "culvert-dataplane"))
        self._process = self.namespace.start(["bash", "-c", _BEGIN.format(cgroup=self._cgroup, inside=inside)],
                                             self.folder / "systemd.log")

        def alive() -> None:
            if not self._process.running():
                raise Timeout(f"systemd ended:\n{self._process.tail()}")
        wait_until(lambda: self._first() and self.try_run("systemctl", "is-active", "machine.target").returncode == 0,
                   "systemd to have started", 20, alive)
        return self

    def stop(self) -> None:
        """The power is cut."""
        if self._process is not None:
            self._process.kill()
        if self._cgroup.exists():
            wait_until(self._remove_cgroup, "its processes to be gone", 10)

    def log(self) -> str:
        """What the units have said."""
        return self.try_run("cat", "/run/units.log").stdout if self._process and self._process.running() else ""

    def try_run(self, *words, timeout: float = 60.0, input: str = "") -> "subprocess.CompletedProcess[str]":
        """Runs a command on the machine to its end."""
        return subprocess.run(["nsenter", "-t", str(self._first()), "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup",
                               "--root", "--wd", "--", *[str(word) for word in words]],
                              input=input, capture_output=True, text=True, timeout=timeout, env={**os.environ, "PATH": _PATH})

    def run(self, *words, timeout: float = 60.0, input: str = "") -> str:
        done = self.try_run(*words, timeout=timeout, input=input)
        assert done.returncode == 0, f"{' '.join(str(word) for word in words)}: {done.stderr or done.stdout}\n{self.log()[-4000:]}"
        return done.stdout

    def shown(self, unit: str, what: str) -> str:
        """One of the properties of a unit that `systemctl show` knows."""
        return self.run("systemctl", "show", "--value", f"--property={what}", unit).strip()

    def _first(self) -> int:
        """The pid of its process 1, as this machine sees it; 0: not there yet."""
        pid = self._process.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return int(children[0]) if children and Path(f"/proc/{pid}/comm").read_text() == "unshare\n" else 0
        except FileNotFoundError:
            return 0

    def _remove_cgroup(self) -> bool:
        try:
            for folder, _, _ in os.walk(self._cgroup, topdown=False):
                os.rmdir(folder)
        except OSError:
            return False
        return True
