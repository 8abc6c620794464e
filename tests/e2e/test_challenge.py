"""Asking a user for more than a password: challenge and response while a verdict is pending, static and dynamic challenges, and
refusals that are for now only."""

import base64
from pathlib import Path

import pytest

from harness.management import Management, connect
from harness.scripts import write
from harness.server_conf import INNER4
from harness.waiting import wait_until

# Right password: the client is asked for a code.
ASK_FOR_CODE = """#!/bin/sh
{ read user; read password; } < "$1"
[ "$password" = "right one" ] || exit 1
printf '60\\ncrtext\\nCR_TEXT:R,E:Enter the code\\n' > "$auth_pending_file"
exit 2
"""
JUDGE_CODE = """#!/bin/sh
[ "$script_type" = client-crresponse ] || exit 1
if [ "$(base64 -d "$1")" = 123456 ]; then echo 1 > "$auth_control_file"; exit 0; fi
echo "wrong code, $username" > "$auth_failed_reason_file"
echo 0 > "$auth_control_file"
"""
# The code behind the password, as the client's own configuration asks for it.
STATIC = """#!/bin/sh
{ read user; read password; } < "$1"
[ "$user/$password" = "alice/SCRV1:%(password)s:%(code)s" ]
"""
# First the password, then in a connection of its own the code.
DYNAMIC = """#!/bin/sh
{ read user; read password; } < "$1"
[ "$user/$password" = "alice/CRV1::state-77::123456" ] && exit 0
[ "$user/$password" = "alice/right one" ] && echo "CRV1:R,E:state-77:$(printf alice | base64):Enter the code" > "$auth_failed_reason_file"
exit 1
"""
BUSY_AT_FIRST = """#!/bin/sh
[ -e %(seen)s ] && exit 0
touch %(seen)s
echo "TEMP[backoff 2,advance no]:come back later" > "$auth_failed_reason_file"
exit 1
"""


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def asked_client(stage, *options: str, name: str = "alice"):
    """A client whose user is the test: started, with the program that speaks for the user."""
    socket = stage.folder / f"user-{len(stage.clients)}.sock"
    client = stage.client(name, options=["auth-user-pass", f"management {socket} unix", "management-query-passwords",
                                         "setenv IV_SSO crtext", "push-peer-info", "auth-retry interact", *options]).start()
    return client, connect(socket)


def log_in(user: Management, password: str, name: str = "alice") -> str:
    """Answers when the client asks for name and password; returns what it asked."""
    question = user.lines_until(">PASSWORD:Need 'Auth'")[-1]
    assert user.ask(f'username "Auth" "{name}"').startswith("SUCCESS")
    assert user.ask(f'password "Auth" "{password}"').startswith("SUCCESS")
    return question


def test_a_code_while_the_verdict_is_pending(stage, tmp_path):
    verify, judge = write(tmp_path / "verify", ASK_FOR_CODE), write(tmp_path / "judge", JUDGE_CODE)
    gateway = stage.gateway(extra=["script-security 2", f"auth-user-pass-verify {verify} via-file", f"client-crresponse {judge}"])
    alice, user = asked_client(stage)
    log_in(user, "right one")
    assert user.lines_until(">INFOMSG:")[-1] == ">INFOMSG:CR_TEXT:R,E:Enter the code"
    assert stage.gateways[0].session_names() == []
    assert user.ask(f"cr-response {b64('123456')}").startswith("SUCCESS")
    alice.wait_connected()
    assert alice.ping(INNER4)

    bob, user = asked_client(stage, name="bob")
    log_in(user, "right one", "bob")
    user.lines_until(">INFOMSG:")
    assert user.ask(f"cr-response {b64('654321')}").startswith("SUCCESS")
    wait_until(lambda: "AUTH_FAILED,wrong code, bob" in bob.log(), "the refusal at the client")
    assert gateway.session_names() == ["alice"]
    assert not list(Path("/tmp").glob("culvert_cr_*")), "a file with a response was left behind"


def test_a_static_challenge_reaches_the_script(stage, tmp_path):
    verify = write(tmp_path / "verify", STATIC % {"password": b64("right one"), "code": b64("123456")})
    stage.gateway(extra=["script-security 2", f"auth-user-pass-verify {verify} via-file"])
    alice, user = asked_client(stage, 'static-challenge "Enter the code" 1')
    question = log_in(user, f"SCRV1:{b64('right one')}:{b64('123456')}")
    assert question.endswith("SC:1,Enter the code")
    alice.wait_connected()
    assert alice.ping(INNER4)


def test_a_dynamic_challenge_takes_two_connections(stage, tmp_path):
    verify = write(tmp_path / "verify", DYNAMIC)
    stage.gateway(extra=["script-security 2", f"auth-user-pass-verify {verify} via-file"])
    alice, user = asked_client(stage)
    log_in(user, "right one")
    failed = user.lines_until(">PASSWORD:Verification Failed")[-1]
    assert f"CRV1:R,E:state-77:{b64('alice')}:Enter the code" in failed
    log_in(user, "CRV1::state-77::123456")
    alice.wait_connected()
    assert alice.ping(INNER4)


def test_refused_for_now_only(stage, tmp_path):
    verify = write(tmp_path / "verify", BUSY_AT_FIRST % {"seen": tmp_path / "seen"})
    stage.gateway(extra=["script-security 2", f"auth-user-pass-verify {verify} via-file"])
    (tmp_path / "login").write_text("alice\nx\n")
    alice = stage.client("alice", options=[f"auth-user-pass {tmp_path / 'login'}"]).start()
    wait_until(lambda: "AUTH_FAILED,TEMP[backoff 2,advance no]:come back later" in alice.log(), "the refusal at the client")
    alice.wait_connected()
    assert alice.ping(INNER4)


@pytest.mark.culvert_only
def test_refused_for_now_by_a_program(stage, tmp_path):
    path = tmp_path / "management.sock"
    stage.gateway(extra=[f"management {path} unix", "management-client-auth"])
    program = connect(path)
    (tmp_path / "login").write_text("alice\nx\n")
    alice = stage.client("alice", options=[f"auth-user-pass {tmp_path / 'login'}"]).start()
    cid, kid = program.lines_until(">CLIENT:CONNECT")[-1].split(",")[1:]
    assert program.ask(f'client-deny {cid} {kid} busy "TEMP[backoff 1]:later"') == "SUCCESS: client-deny command succeeded"
    wait_until(lambda: "AUTH_FAILED,TEMP[backoff 1]:later" in alice.log(), "the refusal at the client")
    cid, kid = program.lines_until(">CLIENT:CONNECT")[-1].split(",")[1:]
    assert program.ask(f"client-auth-nt {cid} {kid}") == "SUCCESS: client-auth command succeeded"
    alice.wait_connected()
    assert alice.ping(INNER4)
