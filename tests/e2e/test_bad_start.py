"""A gateway that can't start says what is wrong, where, and the way out; within two seconds, with exit status 1."""

import os
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Sequence

import pytest

from harness import builds
from harness.gateway import Gateway, sanitizer_options
from harness.server_conf import INNER4, PORT, ServerConf

pytestmark = pytest.mark.culvert_only

LIMIT = 20.0 if builds.is_sanitized() else 2.0


def start(stage, gateway: Gateway, wrapper: Sequence[str] = ()) -> str:
    """Starts `culvert up` behind `wrapper`, expects it to give up in time with status 1, and returns what it said."""
    argv = [*wrapper, builds.culvert(), "up", "--config", str(gateway.config), "--run-dir", str(gateway.run_dir)]
    begin = time.monotonic()
    done = subprocess.run(stage.network.gateway.namespace.inside(argv), capture_output=True, text=True, timeout=30,
                          env={**os.environ, **sanitizer_options()})
    took = time.monotonic() - begin
    said = done.stdout + done.stderr
    assert done.returncode == 1, f"exit status {done.returncode}, said: {said}"
    assert took < LIMIT, f"took {took:.2f} s, said: {said}"
    assert not (gateway.run_dir.exists() and list(gateway.run_dir.iterdir())), "left files in the run dir"
    return said


def unstarted(stage, **conf) -> Gateway:
    return Gateway(stage.network.gateway, ServerConf(stage.certificates, **conf), stage.folder / "gateway")


def says(said: str, *patterns: str) -> None:
    for pattern in patterns:
        assert re.search(pattern, said, re.I), f"no {pattern!r} in: {said}"


def test_without_root(stage, tmp_path):
    gateway = unstarted(stage)
    os.chmod(gateway.folder, 0o777)  # only the missing rights may stand in the way, not a folder
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to("/tmp"):
            os.chmod(folder, os.stat(folder).st_mode | 0o711)
    said = start(stage, gateway, ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"])
    says(said, r"root|CAP_NET_ADMIN|privilege", r"sudo|as root|setcap|CAP_")


def test_without_tun_device(stage):
    said = start(stage, unstarted(stage), ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh"])
    says(said, r"/dev/net/tun", r"modprobe tun|--device")


def test_port_taken(stage):
    with stage.network.gateway.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("0.0.0.0", PORT))
        said = start(stage, unstarted(stage))
    says(said, rf"\b{PORT}\b", r"in use|taken", r"ss |port|stop")


def test_reason_is_told_although_the_log_is_a_file(stage, tmp_path):
    """Whoever starts it looks at the terminal, whatever file `log-append` names."""
    log = tmp_path / "control.log"
    with stage.network.gateway.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("0.0.0.0", PORT))
        said = start(stage, unstarted(stage, extra=[f"log-append {log}"]))
    says(said, rf"culvert-control: udp \S+:{PORT}: port {PORT} is taken", r"ss ")
    says(log.read_text(), rf"error: udp \S+:{PORT}: port {PORT} is taken")


def test_broken_key_file(stage, tmp_path):
    broken = tmp_path / "broken.key"
    broken.write_text("-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5\n-----END PRIVATE KEY-----\n")
    broken.chmod(0o600)
    said = start(stage, unstarted(stage, without=["key"], extra=[f"key {broken}"]))
    says(said, r"broken\.key", r"server\.conf")


def test_missing_key_file(stage):
    said = start(stage, unstarted(stage, without=["key"], extra=["key not-there.key"]))
    says(said, r"not-there\.key", r"server\.conf:\d+", r"no such file|does not exist|not found")


def test_broken_static_key(stage, tmp_path):
    broken = tmp_path / "half.key"
    broken.write_text("\n".join(stage.certificates.static_key.read_text().splitlines()[:8]) + "\n")
    broken.chmod(0o600)
    said = start(stage, unstarted(stage, wrap="none", extra=[f"tls-crypt {broken}"]))
    says(said, r"half\.key|server\.conf:\d+", r"tls-crypt", r"genkey|openvpn|key file")


def test_key_of_another_certificate(stage):
    other = stage.certificates.client("alice").key
    said = start(stage, unstarted(stage, without=["key"], extra=[f"key {other}"]))
    says(said, r"key", r"match|belong")


def test_unknown_directive(stage):
    gateway = unstarted(stage, extra=["keepalife 10 60"])
    line = (gateway.folder / "server.conf").read_text().splitlines().index("keepalife 10 60") + 1
    said = start(stage, gateway)
    says(said, rf"server\.conf:{line}\b", r"keepalife", r"\bkeepalive\b")


def test_every_error_at_once(stage):
    """The operator does not have to start it once per mistake."""
    said = start(stage, unstarted(stage, extra=["keepalife 10 60", "port 70000", "cipher"]))
    says(said, r"keepalife", r"70000")


def test_missing_configuration(stage):
    gateway = unstarted(stage)
    gateway.config = Path(stage.folder / "nowhere.toml")
    says(start(stage, gateway), r"nowhere\.toml", r"no such file|not exist|culvert init")


def test_broken_toml(stage):
    gateway = unstarted(stage)
    gateway.config.write_text("[[openvpn]\nconfig = 1\n")
    says(start(stage, gateway), r"culvert\.toml:1")


def test_tun_name_taken(stage):
    stage.network.gateway.namespace.ip("link add tun0 type bridge")
    said = start(stage, unstarted(stage))
    says(said, r"tun0", r"name|another|exists|in use|not a TUN")


def test_second_gateway_with_the_same_run_dir(stage):
    first = stage.gateway()
    second = Gateway(stage.network.gateway, ServerConf(stage.certificates, port=1195, device="tun1"), first.folder / "second")
    second.run_dir = first.run_dir
    argv = [builds.culvert(), "up", "--config", str(second.config), "--run-dir", str(second.run_dir)]
    done = subprocess.run(first.namespace.inside(argv), capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    says(done.stdout + done.stderr, r"run", r"already|in use|another")
    assert stage.connected("alice").ping(INNER4), "the first gateway suffered"


def test_starts_after_the_cause_is_gone(stage):
    """A failed start leaves nothing that stands in the way of the next."""
    broken = unstarted(stage, extra=["keepalife 10 60"])
    start(stage, broken)
    gateway = stage.add(Gateway(stage.network.gateway, ServerConf(stage.certificates), broken.folder))
    gateway.start()
    assert stage.connected("alice").ping(INNER4)
    assert stage.clients[0].warnings() == []


def test_wrong_use_of_the_command_line():
    for argv in (["up", "--no-such-option"], ["no-such-command"], ["no-such-command", "--help"], ["help", "no-such"],
                 ["session", "kill"], ["session"], ["sessions", "--watch", "0"]):
        done = subprocess.run([builds.culvert(), *argv], capture_output=True, text=True, timeout=30)
        assert done.returncode == 2, (argv, done.returncode, done.stderr)
        assert done.stderr.strip(), f"{argv}: said nothing"
    for argv in (["help"], ["help", "session", "limit"], ["session", "limit", "--help"]):
        done = subprocess.run([builds.culvert(), *argv], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0 and "usage: culvert" in done.stdout, (argv, done.stderr)


def test_asking_a_gateway_that_does_not_run(tmp_path):
    done = subprocess.run([builds.culvert(), "--run-dir", str(tmp_path), "status"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    says(done.stderr, re.escape(str(tmp_path)), r"culvert up|not run|no gateway")


def test_a_word_that_is_no_command(stage):
    for words, said in {("sesions",): "no command 'sesions': there are .*, sessions",
                        ("--run-dir", "/nowhere", "client", "delete"): "no command 'client delete': there are add, .*revoke",
                        ("session",): "a command is missing"}.items():
        done = subprocess.run([builds.culvert(), *words], capture_output=True, text=True, timeout=30)
        assert done.returncode == 2
        says(done.stderr, said)


def test_a_capture_that_does_not_begin_leaves_no_file(tmp_path):
    """Else the next try, with a gateway, finds the name taken."""
    file = tmp_path / "alice.pcapng"
    done = subprocess.run([builds.culvert(), "--run-dir", str(tmp_path / "none"), "capture", str(file)],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    says(done.stderr, r"no dataplane runs")
    assert not file.exists()


def test_what_can_not_be_written_is_no_success(tmp_path):
    """`culvert client list --json > FILE` on a full disk."""
    folder = str(tmp_path / "etc")
    subprocess.run([builds.culvert(), "init", folder, "--host", "192.0.2.1"], check=True, capture_output=True, timeout=30)
    for words in (["client", "list", "--dir", folder], ["client", "list", "--dir", folder, "--json"], ["--help"],
                  ["config", "check", f"{folder}/culvert.toml"], ["client", "add", "laptop", "--dir", folder]):
        with open("/dev/full", "w") as full:
            done = subprocess.run([builds.culvert(), *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30)
        assert done.returncode == 1, words
        says(done.stderr, r"standard output")
