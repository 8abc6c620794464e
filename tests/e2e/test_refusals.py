"""Who must not get in gets in nowhere, and the operator sees why."""

import re

import pytest

from harness.server_conf import INNER4, WRAPS
from harness.waiting import wait_until

# certificate of Certificates → what the gateway's log must say, in whatever words.
CERTIFICATES = {
    "revoked": r"revoked",
    "expired": r"expired",
    "not_yet_valid": r"not yet valid|valid only from",
    "foreign": r"issuer|issued by|unknown ca|not signed by|self.signed",
    "wrong_usage": r"usage|purpose|EKU",
}


def _refused(gateway, client, reason: str) -> None:
    """The client tries twice, gets in neither time, and the log gives the reason."""
    client.start()
    wait_until(lambda: re.search(reason, gateway.log(), re.I), f"{reason!r} in the gateway's log", 15)
    wait_until(lambda: client.log().count("link remote:") >= 2 or not client.process.running(), "a second try", 30)
    assert client.connects() == 0 and "PUSH_REPLY" not in client.log()
    assert gateway.session_names() == []


@pytest.mark.parametrize("tls", ["1.2", "1.3"], ids=["TLS1.2", "TLS1.3"])
@pytest.mark.parametrize("which", CERTIFICATES)
def test_bad_certificate(stage, certificates, which, tls):
    gateway = stage.gateway(crl=True)
    client = stage.client(which, pair=getattr(certificates, which), options=["hand-window 3", f"tls-version-max {tls}"])
    _refused(gateway, client, CERTIFICATES[which])
    assert stage.connected("honest").ping(INNER4)


@pytest.mark.culvert_only
def test_operator_sees_who_was_refused(stage, certificates):
    """Name and address of the refused client stand in the same line as the reason."""
    gateway = stage.gateway(crl=True)
    client = stage.client("revoked", pair=certificates.revoked, options=["hand-window 3"])
    client.start()
    wait_until(lambda: "revoked" in gateway.log(), "the refusal in the log")
    lines = [line for line in gateway.log().splitlines() if "revoked" in line]
    assert any("192.0.2.10" in line for line in lines), lines


@pytest.mark.culvert_only
@pytest.mark.parametrize("wrap", WRAPS)
def test_wrong_wrap_key_is_counted_and_not_answered(stage, certificates, tmp_path, wrap):
    """Without the shared key not even TLS begins: no answer, and a counter that says so."""
    gateway = stage.gateway(wrap=wrap)
    if wrap == "tls-crypt-v2":
        server_key, wrong = tmp_path / "other-server.key", tmp_path / "other-client.key"
        certificates.genkey("tls-crypt-v2-server", server_key)
        certificates.genkey("tls-crypt-v2-client", wrong, "--tls-crypt-v2", str(server_key))
    else:
        wrong = certificates.other_static_key
    before = sum(gateway.drops().values())
    client = stage.client("stranger", wrap=wrap, wrap_key=wrong, options=["hand-window 3"]).start()
    wait_until(lambda: client.log().count("link remote:") >= 2, "a second try", 30)
    assert "Initial packet from" not in client.log(), "the gateway answered"
    wait_until(lambda: f"{client.host.ip4}" in gateway.log() and "refused the first packet of a client: " in gateway.log(),
               "the log to name the stranger", 20)
    reason = "control_bad_client_key" if wrap == "tls-crypt-v2" else "control_bad_wrap"
    drops = gateway.drops()
    assert drops[reason] >= 2, drops
    assert sum(drops.values()) - before == drops[reason]
    assert gateway.session_names() == []


@pytest.mark.culvert_only
def test_client_without_common_cipher(stage):
    """A client that only speaks what we don't offer is told so and refused, and the log says which cipher it wanted."""
    gateway = stage.gateway(data_ciphers="AES-256-GCM")
    client = stage.client("old", options=["data-ciphers AES-128-GCM"]).start()
    wait_until(lambda: "AUTH_FAILED" in client.log(), "the refusal at the client")
    wait_until(lambda: re.search("cipher", gateway.log(), re.I), "the reason in the gateway's log")
    assert client.connects() == 0 and gateway.session_names() == []


@pytest.mark.culvert_only  # the reference lets it in without an address
def test_client_that_finds_no_address_tries_again(stage):
    """Full is full for now only: the client goes on asking, and gets the place of one that leaves."""
    gateway = stage.gateway(without=["server", "server-ipv6"],
                            extra=["server 10.8.0.0 255.255.255.0 nopool", "ifconfig-pool 10.8.0.2 10.8.0.2"])
    alice = stage.connected("alice", options=["explicit-exit-notify 1"])
    bob = stage.client("bob", options=["connect-retry 1 1"]).start()
    wait_until(lambda: "AUTH_FAILED,TEMP" in bob.log(), "the refusal at the client")
    wait_until(lambda: "no address is left of 1" in gateway.log(), "the reason in the gateway's log")
    alice.stop()
    bob.wait_connected(60)
    assert bob.inner4 == "10.8.0.2"
