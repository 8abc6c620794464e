"""Every wrap, TLS version and cipher: a stock client connects, pings and downloads 100 MB undamaged."""

import itertools

import pytest

from harness.download import Download, serving
from harness.server_conf import INNER4, INNER6, WRAPS
from harness.stage import Stage

TLS = {"TLS1.2": "1.2", "TLS1.3": "1.3"}
CIPHERS = ("AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305")
CASES = list(itertools.product(TLS, CIPHERS))


@pytest.fixture(scope="module", params=WRAPS)
def served(request, tmp_path_factory, certificates, big_file):
    """One gateway per wrap, which all its cases share, over IPv4 and IPv6."""
    with Stage(tmp_path_factory.mktemp(request.param), certificates) as stage:
        gateway = stage.gateway(wrap=request.param, protocol="udp6")
        with serving(gateway.namespace, big_file):
            yield stage


def _check(stage: Stage, file, tls: str, cipher: str, remote: str) -> None:
    wrap = stage.gateways[0].conf.wrap
    name = f"{tls}-{cipher}-{'v6' if ':' in remote else 'v4'}".replace(".", "-").lower()
    client = stage.connected(name, wrap=wrap, remote=remote,
                             options=[f"data-ciphers {cipher}", f"tls-version-min {TLS[tls]}",
                                      f"tls-version-max {TLS[tls]}", "explicit-exit-notify 1"])
    assert client.data_cipher() == cipher
    assert client.tls_version() == f"TLSv{TLS[tls]}"
    for address in (INNER4, INNER6):
        assert client.ping(address, count=3), f"no answer from {address} through the tunnel"
        assert client.ping(address, count=2, size=1400), f"no answer from {address} to large packets"
    Download(client.namespace, INNER4).finish(file)
    assert client.warnings() == []
    client.stop()


@pytest.mark.parametrize("tls, cipher", CASES, ids=["-".join(case) for case in CASES])
def test_over_ipv4(served, big_file, tls, cipher):
    _check(served, big_file, tls, cipher, remote="192.0.2.1")


def test_over_ipv6(served, big_file):
    _check(served, big_file, "TLS1.3", "AES-256-GCM", remote="2001:db8::1")


def test_download_over_inner_ipv6(served, big_file):
    wrap = served.gateways[0].conf.wrap
    client = served.connected("inner-ipv6", wrap=wrap)
    Download(client.namespace, INNER6).finish(big_file)
