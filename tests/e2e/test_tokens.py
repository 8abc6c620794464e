"""auth-gen-token: a token stands in for the password, also at a server of the reference with the same secret."""

import os
import signal
from pathlib import Path

import pytest

from harness.gateway import Gateway
from harness.scripts import write
from harness.server_conf import INNER4, ServerConf
from harness.stock_gateway import StockGateway
from harness.waiting import wait_until

# Notes whom it is asked about, and lets in who has the password, or (external-auth) a good token.
VERIFY = """#!/bin/sh
{ read user; read password; } < "$1"
echo "$user $session_state $session_id" >> %(notes)s
[ "$password" = "right one" ] || [ "$session_state" = Authenticated ]
"""


@pytest.fixture
def login(tmp_path):
    """Options of a client with the right password; lines of a server.conf that asks for it; what the script noted."""
    script = write(tmp_path / "verify", VERIFY % {"notes": tmp_path / "notes"})
    (tmp_path / "login").write_text("alice\nright one\n")

    class Login:
        client = [f"auth-user-pass {tmp_path / 'login'}"]
        server = ["script-security 2", f"auth-user-pass-verify {script} via-file"]

        @staticmethod
        def noted():
            notes = tmp_path / "notes"
            return [line.split() for line in notes.read_text().splitlines()] if notes.exists() else []

    return Login


def test_renegotiations_and_reconnects_need_no_password(stage, login):
    stage.gateway(extra=[*login.server, "auth-gen-token", "reneg-sec 5 5"])
    alice = stage.connected("alice", options=login.client)
    wait_until(lambda: alice.renegotiations() >= 2, "two renegotiations", 25)
    alice.restart_softly()
    alice.wait_connected(times=2)
    assert alice.ping(INNER4)
    assert len(login.noted()) == 1 and login.noted()[0][:2] == ["alice", "Initial"]
    assert "AUTH_FAILED" not in alice.log()


def test_an_expired_token_brings_the_password_back(stage, login):
    stage.gateway(extra=[*login.server, "auth-gen-token 3", "reneg-sec 5 5"])
    alice = stage.connected("alice", options=login.client)
    wait_until(lambda: "AUTH_FAILED,SESSION: token expired" in alice.log(), "the token's end", 15)
    alice.wait_connected(times=2)
    assert alice.ping(INNER4)
    assert [note[1] for note in login.noted()] == ["Initial", "Initial"]
    assert login.noted()[0][2] != login.noted()[1][2]


def test_external_auth_is_told_what_the_token_is_worth(stage, login):
    stage.gateway(extra=[*login.server, "auth-gen-token 0 external-auth", "reneg-sec 5 5"])
    alice = stage.connected("alice", options=login.client)
    wait_until(lambda: len(login.noted()) >= 2, "the script to be asked again", 15)
    assert alice.ping(INNER4) and alice.connects() == 1
    assert [note[1] for note in login.noted()[:2]] == ["Initial", "Authenticated"]
    assert login.noted()[0][2] == login.noted()[1][2]


@pytest.mark.culvert_only
def test_a_newer_token_by_time_and_after_a_restart_of_control(stage, login):
    """Renewed more often than renegotiations come; still good when control was killed, without a secret file."""
    gateway = stage.gateway(extra=[*login.server, "auth-gen-token 0 4", "hand-window 2", "reneg-sec 3000"])
    alice = stage.connected("alice", options=login.client)
    wait_until(lambda: alice.log().count("PUSH: Received control message: 'PUSH_REPLY,auth-token") >= 2,
               "two tokens in between", 15)
    control = gateway.pid_of("culvert-control")
    os.kill(control, signal.SIGKILL)
    wait_until(lambda: gateway.pid_of("culvert-control") not in (0, control), "another control")
    gateway.wait_ready()
    wait_until(lambda: alice.renegotiations() >= 1, "control to take the session over", 20)
    assert alice.connects() == 1 and "AUTH_FAILED" not in alice.log()
    assert [note[1] for note in login.noted()] == ["Initial"]


@pytest.mark.culvert_only
@pytest.mark.parametrize("first, second", [(Gateway, StockGateway), (StockGateway, Gateway)], ids=["to-stock", "from-stock"])
def test_the_reference_takes_our_tokens_and_we_take_its(stage, login, first, second):
    secret = stage.folder / "token.key"
    Gateway(stage.network.gateway, ServerConf(stage.certificates), stage.folder / "cli").cli("genkey", "auth-token", str(secret))
    assert secret.stat().st_mode & 0o777 == 0o600
    conf = ServerConf(stage.certificates,
                      extra=[*login.server, "auth-gen-token", f"auth-gen-token-secret {secret}"])
    before = stage.add(first(stage.network.gateway, conf, stage.folder / "first")).start()
    alice = stage.connected("alice", options=login.client)
    before.stop()
    stage.add(second(stage.network.gateway, conf, stage.folder / "second")).start()
    alice.restart_softly()
    alice.wait_connected(times=2)
    assert alice.ping(INNER4)
    assert [note[1] for note in login.noted()] == ["Initial"], "the second server asked for the password"
    assert "AUTH_FAILED" not in alice.log()
