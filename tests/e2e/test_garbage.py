"""Packets that no honest peer sends, at both ports, while a real client works: nothing breaks, everything is accounted for.

CULVERT_E2E_GARBAGE is the number of packets per port (200,000 when not set; tools/check sends the full
million to a sanitizer build)."""

import contextlib
import os

import pytest

from harness import builds
from harness.attacker import Capture, flood_inner, flood_outer, udp_receive_errors
from harness.download import Download, RandomFile, serving
from harness.process import resident_kib
from harness.server_conf import INNER4, INNER6
from harness.udp_stream import streaming
from harness.waiting import Timeout, wait_until

pytestmark = pytest.mark.culvert_only

PACKETS = int(os.environ.get("CULVERT_E2E_GARBAGE", "200000"))
RATE = int(os.environ.get("CULVERT_E2E_GARBAGE_RATE", "10000" if builds.is_sanitized() else "25000"))
VICTIM_PORT = 40000
# Before counting begins. Meanwhile whatever memory a first meeting takes is taken, and the victim's own first packet is replayed
# under its address: no session has seen that replay ID yet, because the stateless answer kept nothing, so it is acknowledged
# again, once, like the repetition that it is.
WARM_UP = max(PACKETS // 10, 20000)
WINDOW = 65536  # bytes: the download must not drop the stream's packets by itself
# What may come in besides the flood's packets and be dropped: the kernel's own multicast on a TUN (router solicitations),
# counted as inner_multicast.
KERNELS_OWN = 40


@pytest.fixture
def small_file(tmp_path):
    return RandomFile(tmp_path, 20_000_000)


class Scene:
    """A gateway, a client with a stream that counts its packets, and what the gateway counted before the attack."""

    def __init__(self, stage):
        self.stage = stage
        self.gateway = stage.gateway()
        self.capture = Capture(self.gateway.namespace, stage.folder / "capture")
        self.client = stage.client("victim", options=["bind", f"lport {VICTIM_PORT}"], without=["nobind"]).connect()
        assert self.client.ping(INNER4, count=30) and self.client.ping(INNER6, count=30)
        self.capture.take(60)

    def begin(self) -> None:
        self.pids = self.gateway.pids()
        self.memory = {program: resident_kib(pid) for program, pid in self.pids.items()}
        self.drops = self.gateway.drops()
        self.answered = self.resets_answered()
        self.overflows = udp_receive_errors(self.gateway.namespace)

    def resets_answered(self) -> int:
        return self.gateway.counter("resets_answered")

    def dropped_since(self) -> dict:
        """Without what the kernel lost in front: the tests look at that by themselves, in the kernel's own figures."""
        return {reason: count - self.drops.get(reason, 0) for reason, count in self.gateway.drops().items()
                if count > self.drops.get(reason, 0) and reason not in ("udp_rx_missed", "tun_rx_missed")}

    def accounted(self) -> int:
        """Packets from outside that were dropped under a reason, or, first packets replayed, answered by a cookie."""
        dropped = sum(count for reason, count in self.dropped_since().items() if reason != "inner_multicast")
        return dropped + self.resets_answered() - self.answered

    def assert_unharmed(self, accounts) -> None:
        assert self.gateway.pids() == self.pids, "a process was replaced"
        assert all(account.perfect for account in accounts), accounts
        assert self.client.connects() == 1 and self.client.warnings() == []
        assert self.client.ping(INNER4, count=3) and self.client.ping(INNER6, count=3)
        assert self.gateway.session_of("victim")["remote"].endswith(f":{VICTIM_PORT}"), "garbage moved the session"
        assert self.gateway.session_names() == ["victim"]
        if not builds.is_sanitized():
            for program, pid in self.pids.items():
                growth = resident_kib(pid) - self.memory[program]
                assert growth < 2048, f"{program} grew by {growth} KiB"


@pytest.mark.long
def test_outer_port(stage, small_file):
    scene = Scene(stage)
    attacker = stage.network.add_host("attacker")
    client, gateway = scene.client, scene.gateway

    def flood(count: int, seed: int):
        return flood_outer(attacker.namespace, stage.folder / f"garbage-{seed}.log", "192.0.2.1", count, RATE,
                           scene.capture.path, client.host.ip4, VICTIM_PORT, seed)

    flood(WARM_UP, 1).finish(60)
    with serving(gateway.namespace, small_file), \
            streaming(stage.folder, gateway.namespace, INNER6, client.namespace, client.inner6, 500) as stream:
        wait_until(lambda: stream.received() > 100, "the stream to flow")
        scene.begin()
        attack = flood(PACKETS, 2)
        while attack.running():
            Download(client.namespace, INNER4, window=WINDOW).finish(small_file)
        sent = attack.finish(600)
        assert sent["sent"] >= PACKETS * 0.99
        with contextlib.suppress(Timeout):  # said below, with all figures
            wait_until(lambda: scene.accounted() >= sent["sent"], "all packets to be accounted for", 15)
        accounts = stream.finish()
    dropped = scene.dropped_since()
    print(f"\nsent {sent}\ndropped {dropped}\nresets answered {scene.resets_answered() - scene.answered}")
    assert udp_receive_errors(gateway.namespace) == scene.overflows, "the kernel dropped packets: lower the rate"
    assert scene.accounted() == sent["sent"], f"sent {sent}, dropped {dropped}"
    for reason in ("outer_too_short", "outer_unknown_opcode", "session_unknown_peer_id", "aead_bad_tag", "replay_too_old",
                   "control_bad_wrap"):
        assert dropped.get(reason, 0) > 0, f"nothing was dropped as {reason}"
    scene.assert_unharmed(accounts)


@pytest.mark.long
def test_inner_port(stage, small_file):
    scene = Scene(stage)
    client, gateway = scene.client, scene.gateway
    device = gateway.conf.device

    def flood(count: int, seed: int):
        return flood_inner(gateway.namespace, stage.folder / f"garbage-{seed}.log", device, count, RATE, seed)

    flood(WARM_UP, 1).finish(60)
    with serving(gateway.namespace, small_file), \
            streaming(stage.folder, gateway.namespace, INNER6, client.namespace, client.inner6, 500) as stream:
        wait_until(lambda: stream.received() > 100, "the stream to flow")
        scene.begin()
        lost_by_tun = _tun_drops(gateway.namespace, device)
        attack = flood(PACKETS, 2)
        while attack.running():
            Download(client.namespace, INNER4, window=WINDOW).finish(small_file)
        sent = attack.finish(600)
        wait_until(lambda: sum(scene.dropped_since().values()) >= sent["sent"],
                   f"all of {sent['sent']} packets to be accounted for", 15)
        accounts = stream.finish()
    dropped = scene.dropped_since()
    print(f"\nsent {sent}\ndropped {dropped}")
    assert _tun_drops(gateway.namespace, device) == lost_by_tun, "the TUN's queue overflowed: lower the rate"
    assert 0 <= sum(dropped.values()) - sent["sent"] <= KERNELS_OWN
    for reason in ("inner_malformed", "inner_no_route", "inner_multicast"):
        assert dropped.get(reason, 0) > 0, f"nothing was dropped as {reason}"
    scene.assert_unharmed(accounts)


def _tun_drops(namespace, device: str) -> int:
    with namespace.entered():
        with open("/proc/thread-self/net/dev", encoding="ascii") as lines:
            for line in lines:
                if line.strip().startswith(device + ":"):
                    return int(line.split(":")[1].split()[11])
    raise AssertionError(f"no {device}")
