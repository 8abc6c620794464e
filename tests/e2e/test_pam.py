"""Usernames and passwords judged by PAM, through culvert-auth-pam."""

import os
from pathlib import Path

import pytest

from harness.scripts import write
from harness.server_conf import INNER4
from harness.waiting import wait_until
from test_passwords import credentials

HELPER = Path(os.environ.get("CULVERT_BUILD", "build")).resolve() / "tools/auth_pam/culvert-auth-pam"

# As pam_exec with expose_authtok calls it: the password comes on stdin, with a NUL behind it.
JUDGE = """#!/bin/sh
password=$(tr -d '\\000')
echo "$PAM_TYPE|$PAM_USER|$PAM_RHOST" >> %(notes)s
[ "$PAM_USER/$password" = "alice/right one" ] || [ "$PAM_USER/$password" = "bob/right two" ]
"""
ACCOUNT = """#!/bin/sh
echo "$PAM_TYPE|$PAM_USER|$PAM_RHOST" >> %(notes)s
[ "$PAM_USER" = alice ]
"""


@pytest.fixture
def service(tmp_path):
    """A PAM service of this test's own: alice and bob have passwords, only alice has an account. Returns the script's command."""
    notes = {"notes": tmp_path / "notes"}
    folder = tmp_path / "pam.d"
    folder.mkdir()
    (folder / "vpn").write_text(
        f"auth required pam_exec.so quiet expose_authtok {write(tmp_path / 'judge', JUDGE % notes)}\n"
        f"account required pam_exec.so quiet {write(tmp_path / 'account', ACCOUNT % notes)}\n")
    return f'"{HELPER} --confdir {folder} vpn"'


def test_pam_judges_password_and_account(stage, tmp_path, service):
    gateway = stage.gateway(extra=["script-security 2", f"auth-user-pass-verify {service} via-file"])
    alice = stage.connected("alice", options=[credentials(tmp_path, "alice", "right one")])
    assert alice.ping(INNER4)
    assert (tmp_path / "notes").read_text().splitlines() == ["auth|alice|192.0.2.10", "account|alice|192.0.2.10"]

    for name, password in (("mallory", "right one"), ("alice", "wrong"), ("bob", "right two")):
        refused = stage.client(f"not-{name}", options=[credentials(tmp_path, name, password)]).start()
        wait_until(lambda: "AUTH_FAILED" in refused.log(), f"the refusal of {name}", 20)
        assert refused.connects() == 0
    assert (tmp_path / "notes").read_text().splitlines()[-1].startswith("account|bob|"), "bob proved himself"
    assert gateway.session_names() == ["alice"]
