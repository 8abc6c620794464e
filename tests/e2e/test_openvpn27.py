"""Clients of OpenVPN 2.7 and later: epoch data keys and a peer-id of their own. Debian 12 has no such client, so these tests
run only with CULVERT_OPENVPN27=/path/to/openvpn."""

import os

import pytest

from harness.download import Download, RandomFile, serving
from harness.server_conf import INNER4, INNER6
from harness.udp_stream import streaming
from harness.waiting import wait_until

PROGRAM = os.environ.get("CULVERT_OPENVPN27")
pytestmark = [pytest.mark.culvert_only,
              pytest.mark.skipif(not PROGRAM, reason="needs a client of 2.7: set CULVERT_OPENVPN27=/path/to/openvpn")]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """10 MB of random data."""
    return RandomFile(tmp_path_factory.mktemp("files"), 10_000_000)


def connected(stage, name="alice", **arguments):
    return stage.connected(name, program=PROGRAM, **arguments)


def carries_traffic(gateway, client, file) -> None:
    for address in (INNER4, INNER6):
        assert client.ping(address, count=3) and client.ping(address, count=2, size=1400)
    with serving(gateway.namespace, file):
        Download(client.namespace, INNER4).finish(file)


@pytest.mark.parametrize("protocol", ("udp", "tcp"))
@pytest.mark.parametrize("cipher", ("AES-256-GCM", "AES-128-GCM", "CHACHA20-POLY1305"))
def test_epoch_keys(stage, file, protocol, cipher):
    gateway = stage.gateway(protocol="tcp-server" if protocol == "tcp" else "udp")
    client = connected(stage, protocol=protocol, options=[f"data-ciphers {cipher}"])
    assert "aead-epoch" in client.pushed_option("protocol-flags")
    assert client.said("Epoch Data key 1")
    assert "peer-id" not in [option.split()[0] for option in client.pushed()], "both chose their own"
    carries_traffic(gateway, client, file)
    assert client.connects() == 1


def test_old_ciphers_have_no_epochs(stage, file):
    gateway = stage.gateway(data_ciphers="AES-256-GCM:AES-256-CBC", extra=["auth SHA256"])
    client = connected(stage, options=["data-ciphers AES-256-CBC", "auth SHA256"])
    assert "aead-epoch" not in client.pushed_option("protocol-flags")
    carries_traffic(gateway, client, file)


def test_renegotiates_without_loss(stage):
    gateway = stage.gateway(extra=["reneg-sec 4 4"])
    client = connected(stage, options=["reneg-sec 5 5"])
    with streaming(stage.folder, gateway.namespace, INNER4, client.namespace, client.inner4) as stream:
        wait_until(lambda: client.renegotiations() >= 4, "four renegotiations", 40)
        accounts = stream.finish()
    assert all(account.perfect for account in accounts), accounts
    assert client.connects() == 1


def test_talks_to_a_client_of_2_6(stage):
    stage.gateway(client_to_client=True)
    new, old = connected(stage, "new"), stage.connected("old")
    assert new.ping(old.inner4, count=3) and old.ping(new.inner6, count=3)


def test_restart_of_either_process(stage):
    from test_restart import kill_and_wait_for_next
    gateway = stage.gateway()
    client = connected(stage)
    for process in ("culvert-control", "culvert-dataplane", "culvert-control"):
        kill_and_wait_for_next(gateway, process)
        wait_until(lambda: client.ping(INNER4), f"an answer after {process} was killed", 30)
    assert client.connects() == 1
