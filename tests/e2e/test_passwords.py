"""Username and password, judged by an operator's script: auth-user-pass-verify."""

import os
from pathlib import Path

import pytest

from harness.scripts import write
from harness.server_conf import INNER4
from harness.waiting import wait_until
from test_restart import kill_and_wait_for_next

# Knows alice's password; says in a file who asked and what it was told.
VIA_FILE = """#!/bin/sh
{ read -r user; read -r password; } < "$1"
printf '%%s\\n' "$script_type|$user|$common_name|$untrusted_ip|$PROFILE_ID|$X509_0_CN|${password:+set}" >> %(notes)s
[ "$user/$password" = "alice/right one" ] && exit 0
echo "no such user" > "$auth_failed_reason_file"
exit 1
"""
VIA_ENV = """#!/bin/sh
echo "$script_type|$username|$common_name" >> %(notes)s
[ "$username/$password" = "alice/right one" ]
"""
DEFERRED = """#!/bin/sh
( while [ ! -e %(gate)s ]; do read -t 1 line < %(never)s; done; cat %(gate)s > "$auth_control_file" ) &
exit 2
"""


def credentials(folder: Path, name: str, password: str) -> str:
    path = folder / f"{name}-{len(list(folder.iterdir()))}.pass"
    path.write_text(f"{name}\n{password}\n")
    return f"auth-user-pass {path}"


@pytest.mark.parametrize("method", ["via-file", "via-env"])
def test_right_and_wrong_password(stage, tmp_path, method):
    notes = tmp_path / "notes"
    text = VIA_FILE if method == "via-file" else VIA_ENV
    script = write(tmp_path / "verify", text % {"notes": notes})
    passed_in = tmp_path / "passed-in"
    passed_in.mkdir()
    gateway = stage.gateway(extra=[f"script-security {2 if method == 'via-file' else 3}", "setenv PROFILE_ID office",
                                   f"auth-user-pass-verify {script} {method}", f"tmp-dir {passed_in}"])
    alice = stage.connected("alice", options=[credentials(tmp_path, "alice", "right one")])
    assert alice.ping(INNER4)
    expected = ("user-pass-verify|alice|alice|192.0.2.10|office|alice|set" if method == "via-file"
                else "user-pass-verify|alice|alice")
    assert notes.read_text().splitlines() == [expected]

    wrong = stage.client("mallory", options=[credentials(tmp_path, "alice", "wrong")]).start()
    wait_until(lambda: "AUTH_FAILED" in wrong.log(), "the refusal at the client", 20)
    if method == "via-file":
        assert "AUTH_FAILED,no such user" in wrong.log()
    none = stage.client("nobody", options=["hand-window 5"]).start()
    wait_until(lambda: "AUTH_FAILED" in none.log(), "the refusal of who sends no password", 20)
    assert wrong.connects() == none.connects() == 0
    assert gateway.session_names() == ["alice"]
    assert not list(passed_in.iterdir()), "a file with a password was left behind"


@pytest.mark.culvert_only
def test_a_killed_control_leaves_no_password_behind(stage, tmp_path):
    passed_in, asked, gate = tmp_path / "passed-in", tmp_path / "asked", tmp_path / "gate"
    passed_in.mkdir()
    os.mkfifo(gate)
    script = write(tmp_path / "verify", f"#!/bin/sh\n: > {asked}\nread -r line < {gate}\n")
    gateway = stage.gateway(extra=["script-security 2", f"auth-user-pass-verify {script} via-file", f"tmp-dir {passed_in}"])
    stage.client("alice", options=[credentials(tmp_path, "alice", "right one")]).start()
    wait_until(asked.exists, "the script to be asked", 20)
    left = [file for file in passed_in.iterdir() if "right one" in file.read_text()]
    assert len(left) == 1
    kill_and_wait_for_next(gateway, "culvert-control")
    wait_until(lambda: not left[0].exists(), "the next control to clear up")
    assert f"removed 1 file(s) with passwords from {passed_in}" in gateway.log()
    with open(os.open(gate, os.O_RDWR), "w") as waiting:  # the script, which nobody asks any more
        waiting.write("end\n" * 9)



def test_password_alone_names_the_session(stage, tmp_path):
    """verify-client-cert none with username-as-common-name: no certificate at all."""
    script = write(tmp_path / "verify", VIA_FILE % {"notes": tmp_path / "notes"})
    gateway = stage.gateway(without=["remote-cert-tls"], extra=[
        "script-security 2", f"auth-user-pass-verify {script} via-file", "verify-client-cert none",
        "username-as-common-name"])
    alice = stage.client("alice", without=["cert", "key"], options=[credentials(tmp_path, "alice", "right one")]).connect()
    assert alice.ping(INNER4)
    assert gateway.session_names() == ["alice"]
    assert (tmp_path / "notes").read_text().startswith("user-pass-verify|alice||192.0.2.10|||set")


@pytest.mark.parametrize("mode", ["none", "optional"])
def test_clients_without_certificates_and_names(stage, tmp_path, mode):
    """Without username-as-common-name a password alone gets several of them in; `optional` looks at certificates that are there."""
    script = write(tmp_path / "verify", VIA_FILE % {"notes": tmp_path / "notes"})
    stage.gateway(without=["remote-cert-tls"], extra=[
        "script-security 2", f"auth-user-pass-verify {script} via-file", f"verify-client-cert {mode}"])
    login = [credentials(tmp_path, "alice", "right one")]
    first, second = (stage.client(name, without=["cert", "key"], options=login).connect() for name in ("first", "second"))
    with_certificate = stage.connected("bob", options=login)
    assert first.ping(INNER4) and second.ping(INNER4) and with_certificate.ping(INNER4)
    assert len({client.inner4 for client in (first, second, with_certificate)}) == 3
    names = [line.split("|")[2] for line in (tmp_path / "notes").read_text().splitlines()]
    assert names == ["", "", "bob" if mode == "optional" else ""]


@pytest.mark.long
def test_asked_again_at_renegotiation(stage, tmp_path):
    """The password is judged at each renegotiation; when it is wrong by then, the session ends."""
    notes, gone = tmp_path / "notes", tmp_path / "gone"
    script = write(tmp_path / "verify", f"#!/bin/sh\necho asked >> {notes}\n[ ! -e {gone} ]\n")
    gateway = stage.gateway(extra=["script-security 2", f"auth-user-pass-verify {script} via-file", "reneg-sec 4 4"])
    alice = stage.connected("alice", options=[credentials(tmp_path, "alice", "x")])
    wait_until(lambda: alice.renegotiations() >= 2, "two renegotiations", 25)
    assert notes.read_text().count("asked") >= 3
    assert alice.ping(INNER4) and alice.connects() == 1
    gone.touch()
    wait_until(lambda: "AUTH_FAILED" in alice.log(), "the refusal at the next renegotiation", 20)
    wait_until(lambda: gateway.session_names() == [], "the session's end")


def test_deferred_verdict(stage, tmp_path):
    """The script leaves the verdict to a background process; others connect meanwhile."""
    gate, never = tmp_path / "gate", tmp_path / "never"
    names = {"gate": gate, "never": never}
    script = write(tmp_path / "verify", (DEFERRED % names).replace(
        "#!/bin/sh\n", "#!/bin/bash\n{ read user; } < \"$1\"\n[ $user = bob ] && exit 0\n", 1))
    os.mkfifo(never)
    keep = os.open(never, os.O_RDWR)  # so that reading from it waits
    try:
        stage.gateway(extra=["script-security 2", f"auth-user-pass-verify {script} via-file"])
        alice = stage.client("alice", options=[credentials(tmp_path, "alice", "x")]).start()
        wait_until(lambda: "Initial packet" in alice.log(), "alice's handshake")
        assert stage.connected("bob", options=[credentials(tmp_path, "bob", "x")]).ping(INNER4)
        assert alice.connects() == 0
        gate.write_text("1")
        alice.wait_connected(25)
        assert alice.ping(INNER4)
    finally:
        os.close(keep)


def test_names_reach_scripts_as_they_are(stage, tmp_path):
    """Spaces, backslashes and UTF-8 in usernames and common names, which directories of people are full of."""
    notes, ccd = tmp_path / "notes", tmp_path / "ccd"
    script = write(tmp_path / "verify", VIA_FILE % {"notes": notes} + "exit 0\n")
    script.write_text(script.read_text().replace("exit 1\n", ""))
    ccd.mkdir()
    (ccd / "Alice Smith").write_text('push "dhcp-option DOMAIN smith.example"\n')
    gateway = stage.gateway(extra=["script-security 2", f"auth-user-pass-verify {script} via-file", f"client-config-dir {ccd}"])
    (tmp_path / "login").write_text("OFFICE\\älice smith;\nright one\n")
    alice = stage.connected("Alice Smith", options=[f"auth-user-pass {tmp_path / 'login'}"])
    assert alice.ping(INNER4)
    assert notes.read_text().startswith("user-pass-verify|OFFICE\\älice smith;|Alice Smith|192.0.2.10||Alice Smith|set")
    assert "dhcp-option DOMAIN smith.example" in alice.pushed()
    assert gateway.session_names() == ["Alice Smith"]
