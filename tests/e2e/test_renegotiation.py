"""Keys change every few seconds, started by either side, under streams that count every packet."""

import contextlib
import os
from typing import List

import pytest

from harness.client import Client
from harness.server_conf import INNER4, INNER6
from harness.stage import Stage
from harness.udp_stream import Account, streaming
from harness.waiting import wait_until

RATE = 500  # packets per second, per direction and stream; all cases run at the same time
RENEGOTIATIONS = int(os.environ.get("CULVERT_E2E_RENEGOTIATIONS", "5"))

# name → (lines of the server, lines of the client). The transition window is how long the old key stays valid.
CASES = {
    "both-sides": (["reneg-sec 7 7"], ["reneg-sec 5 5"]),
    "client-alone": (["reneg-sec 0"], ["reneg-sec 4 4"]),
    "server-alone": (["reneg-sec 4 4"], ["reneg-sec 0"]),
    "same-second": (["reneg-sec 5 5"], ["reneg-sec 5 5"]),
    "short-transition": (["reneg-sec 7 7", "tran-window 2"], ["reneg-sec 5 5", "tran-window 2"]),
}


class Run:
    """One case: a gateway, and two clients (TLS 1.3 with AES, TLS 1.2 with ChaCha20), each with a stream both ways."""

    def __init__(self, stage: Stage, case: str, leave: contextlib.ExitStack):
        server, client_lines = CASES[case]
        self.gateway = stage.gateway(extra=server)
        aes = stage.connected("aes", options=client_lines)
        chacha = stage.connected("chacha", options=[*client_lines, "data-ciphers CHACHA20-POLY1305", "tls-version-max 1.2"])
        self.clients: List[Client] = [aes, chacha]
        self.streams = [
            leave.enter_context(streaming(stage.folder, self.gateway.namespace, INNER4, aes.namespace, aes.inner4, RATE)),
            leave.enter_context(streaming(stage.folder, self.gateway.namespace, INNER6, chacha.namespace, chacha.inner6,
                                          RATE, port=9001))]
        self.accounts: List[Account] = []

    def fewest_renegotiations(self) -> int:
        return min(client.renegotiations() for client in self.clients)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, certificates):
    """All cases side by side: each takes half a minute, most of it waiting."""
    with contextlib.ExitStack() as leave:
        made = {}
        for case in CASES:
            stage = leave.enter_context(Stage(tmp_path_factory.mktemp(case), certificates))
            made[case] = Run(stage, case, leave)
        with contextlib.suppress(AssertionError):  # the tests say which case did not get there
            wait_until(lambda: all(run.fewest_renegotiations() >= RENEGOTIATIONS for run in made.values()),
                       f"{RENEGOTIATIONS} renegotiations of every client", RENEGOTIATIONS * 8 + 20)
        for run in made.values():
            for stream in run.streams:
                run.accounts += stream.finish()
        yield made


@pytest.mark.long
@pytest.mark.xdist_group("renegotiation")
@pytest.mark.culvert_only  # the stock server loses a packet or two at some renegotiations
@pytest.mark.parametrize("case", CASES)
def test_no_packet_is_lost_or_doubled(runs, case):
    run = runs[case]
    assert run.fewest_renegotiations() >= RENEGOTIATIONS
    assert all(account.perfect for account in run.accounts), run.accounts
    for client in run.clients:
        assert client.connects() == 1
        assert client.warnings() == []
    assert sorted(run.gateway.session_names()) == ["aes", "chacha"]


@pytest.mark.long
@pytest.mark.culvert_only
def test_client_that_was_away_while_the_gateway_asked(stage):
    """A laptop sleeps through a renegotiation that the gateway begins, and takes part in the next one when it is back."""
    gateway = stage.gateway(extra=["reneg-sec 4 4", "hand-window 8"])
    client = stage.client("laptop", options=["reneg-sec 0", "hand-window 60"])
    plug = f"link set p{client.host.number}"
    client.connect()
    stage.network.wire.ip(f"{plug} nomaster")
    wait_until(lambda: "renegotiation failed" in gateway.log(), "an attempt to fail", 40)
    stage.network.wire.ip(f"{plug} master bridge up")
    wait_until(lambda: client.renegotiations() > 0, "the next attempt to succeed", 40)
    assert client.ping(INNER4, 3)
    assert client.connects() == 1
    assert "out of sync" not in client.log()
