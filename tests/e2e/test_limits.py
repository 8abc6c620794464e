"""Limits of sessions and of who gets in, as directives of the server.conf set them."""

import pytest

from harness.server_conf import INNER4
from harness.waiting import wait_until


def wait_end(gateway, reason: str, seconds: float = 20.0) -> None:
    wait_until(lambda: reason in gateway.log(), f"'{reason}' in the gateway's log", seconds)


@pytest.mark.culvert_only
def test_inactive_ends_only_the_idle(stage):
    """Keepalives are no activity: bob, who pings, stays."""
    gateway = stage.gateway(extra=["inactive 4"], keepalive="1 60")
    stage.connected("alice")
    bob = stage.connected("bob")
    wait_until(lambda: bob.ping(INNER4) and "carried too little for too long (inactive)" in gateway.log(), "alice's end")
    assert bob.connects() == 1 and bob.ping(INNER4)


@pytest.mark.culvert_only
def test_session_timeout_of_one_client(stage, tmp_path):
    """In a file of client-config-dir; the client is told, connects again at once and may stay as long again."""
    (tmp_path / "alice").write_text("session-timeout 3\n")
    gateway = stage.gateway(extra=[f"client-config-dir {tmp_path}"])
    alice, bob = stage.connected("alice"), stage.connected("bob")
    alice.wait_connected(times=2, seconds=20)
    wait_end(gateway, "reached its session-timeout")
    assert bob.connects() == 1 and bob.ping(INNER4)


@pytest.mark.parametrize("line", ["verify-x509-name staff- name-prefix", "verify-x509-name staff-alice name",
                                  'verify-x509-name "CN=staff-alice" subject', "verify-x509-name CN=staff-alice"])
def test_verify_x509_name(stage, line):
    gateway = stage.gateway(extra=[line])
    assert stage.connected("staff-alice").ping(INNER4)
    stage.client("guest").start()
    if hasattr(gateway, "sessions"):
        wait_end(gateway, "is not named as verify-x509-name asks for")
        assert gateway.session_names() == ["staff-alice"]


def test_tls_version_min(stage):
    """1.3 at least: a client that can do 1.2 only stays out, and both sides can see why."""
    gateway = stage.gateway(extra=["tls-version-min 1.3"])
    assert stage.connected("alice").tls_version() == "TLSv1.3"
    old = stage.client("bob", options=["tls-version-max 1.2"]).start()
    wait_until(lambda: "TLS handshake failed" in old.log() or "TLS error" in old.log(), "the client's failure", 20)
    if hasattr(gateway, "sessions"):
        wait_end(gateway, "no TLS version in common")


@pytest.mark.culvert_only
def test_reneg_pkts(stage):
    """New keys after 50 packets, and no packet of the ping is lost."""
    stage.gateway(extra=["reneg-pkts 50", "reneg-sec 0"])
    alice = stage.connected("alice", options=["reneg-sec 0"])
    assert alice.ping(INNER4, 60)
    wait_until(lambda: alice.renegotiations() >= 1, "new keys")
    assert alice.ping(INNER4, 60)
    wait_until(lambda: alice.renegotiations() >= 2, "new keys again")


@pytest.mark.culvert_only
def test_pkcs12_and_fingerprint(stage, tmp_path):
    """Own certificate from a PKCS #12 file; clients known by their fingerprint, without a CA of theirs."""
    certificates = stage.certificates
    import subprocess
    pair, alice = certificates.server, certificates.client("alice")
    subprocess.run(["openssl", "pkcs12", "-export", "-inkey", pair.key, "-in", pair.certificate, "-certfile",
                    certificates.ca, "-passout", "pass:", "-out", tmp_path / "server.p12"], check=True)
    (tmp_path / "server.p12").chmod(0o600)
    shown = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", alice.certificate], check=True,
                           capture_output=True, text=True).stdout
    gateway = stage.gateway(without=["ca", "cert", "key"], extra=[
        f"pkcs12 {tmp_path / 'server.p12'}", "<peer-fingerprint>", shown.split("=")[1].strip(), "</peer-fingerprint>"])
    assert stage.connected("alice").ping(INNER4)
    stage.client("bob").start()
    wait_end(gateway, "is none of those whose fingerprints peer-fingerprint lists")
