"""Data formats other than AEAD: what old clients need."""

import os

import pytest

from harness.download import Download, RandomFile, serving
from harness.server_conf import INNER4, INNER6
from harness.udp_stream import streaming
from harness.waiting import wait_until

STOCK = os.environ.get("CULVERT_E2E_GATEWAY", "culvert") == "stock"
CBC = "AES-256-GCM:AES-256-CBC:AES-192-CBC:AES-128-CBC"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """10 MB of random data."""
    return RandomFile(tmp_path_factory.mktemp("files"), 10_000_000)


def carries_traffic(gateway, client, file) -> None:
    for address in (INNER4, INNER6):
        assert client.ping(address, count=3) and client.ping(address, count=2, size=1400)
    with serving(gateway.namespace, file):
        Download(client.namespace, INNER4).finish(file)
    drops = gateway.drops()
    assert drops["aead_bad_tag"] == drops["cbc_bad_padding"] == drops["inner_malformed"] == 0, drops


@pytest.mark.parametrize("protocol", ("udp", "tcp"))
@pytest.mark.parametrize("cipher, digest", [("AES-256-CBC", "SHA256"), ("AES-128-CBC", "SHA1"), ("AES-192-CBC", "SHA224"),
                                            ("AES-256-CBC", "SHA384"), ("AES-256-CBC", "SHA512")])
def test_client_that_has_only_cbc(stage, file, protocol, cipher, digest):
    server = "tcp-server" if protocol == "tcp" else "udp"
    gateway = stage.gateway(protocol=server, data_ciphers=CBC, extra=[f"auth {digest}"])
    client = stage.connected("alice", protocol=protocol, options=[f"data-ciphers {cipher}", f"auth {digest}"])
    assert client.data_cipher() == cipher
    carries_traffic(gateway, client, file)
    assert client.connects() == 1 and client.warnings() == []


STUBS = {"compress": "compress stub", "compress-stub": "compress stub", "compress-stub-v2": "compress stub-v2",
         "comp-lzo-no": "comp-lzo no"}


@pytest.mark.parametrize("cipher", ("AES-256-GCM", "AES-128-CBC"))
@pytest.mark.parametrize("kind", STUBS)
def test_compression_stub_on_both_ends(stage, file, kind, cipher):
    directive = "compress" if kind == "compress" else STUBS[kind]
    gateway = stage.gateway(data_ciphers=CBC, extra=[directive])
    client = stage.connected("alice", options=[STUBS[kind], f"data-ciphers {cipher}"])
    carries_traffic(gateway, client, file)


def test_compression_stub_pushed(stage, file):
    gateway = stage.gateway(extra=["compress stub-v2", 'push "compress stub-v2"'])
    client = stage.connected("alice")
    assert client.pushed_option("compress") == ["stub-v2"]
    carries_traffic(gateway, client, file)


@pytest.mark.parametrize("server", ("compress migrate", "comp-lzo", "compress lz4-v2"))
@pytest.mark.parametrize("client", ("comp-lzo", "comp-lzo adaptive", "compress lz4", "compress lz4-v2", "comp-lzo no"))
def test_client_is_pushed_off_compression(stage, file, client, server):
    if STOCK and server != "compress migrate":
        pytest.skip("the stock server compresses then")
    gateway = stage.gateway(extra=[server])
    peer = stage.connected("alice", options=[client, "allow-compression asym"])
    assert peer.pushed_option("compress") == ["stub-v2"]
    carries_traffic(gateway, peer, file)
    plain = stage.connected("bob")
    assert not [option for option in plain.pushed() if option.startswith("comp")]
    carries_traffic(gateway, plain, file)


@pytest.mark.culvert_only
def test_renegotiation_with_cbc_loses_nothing(stage):
    gateway = stage.gateway(data_ciphers=CBC, extra=["auth SHA256", "reneg-sec 3 3"])
    client = stage.connected("alice", options=["data-ciphers AES-256-CBC", "auth SHA256"])
    with streaming(stage.folder, gateway.namespace, INNER4, client.namespace, client.inner4) as stream:
        wait_until(lambda: client.renegotiations() >= 3, "three renegotiations", 30)
        accounts = stream.finish()
    assert all(account.perfect for account in accounts), accounts


@pytest.mark.culvert_only
def test_other_digest_is_named_in_the_log(stage):
    gateway = stage.gateway(data_ciphers=CBC, extra=["auth SHA256"])
    stage.connected("alice", options=["data-ciphers AES-256-CBC", "cipher AES-256-CBC", "auth SHA1"])
    assert "client has auth SHA1, this server auth SHA256: with AES-256-CBC no packet will pass" in gateway.log()
