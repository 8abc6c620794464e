"""Every wrap, TLS version and cipher: a stock client connects, pings and downloads 100 MB undamaged. The outer and the inner IP
version take turns, so that each wrap, TLS version and cipher meets both."""

import itertools

import pytest

from harness.download import Download, serving
from harness.server_conf import INNER4, INNER6, WRAPS
from harness.stage import Stage

TLS = {"TLS1.2": "1.2", "TLS1.3": "1.3"}
CIPHERS = ("AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305")
OUTER = {"outer4": "192.0.2.1", "outer6": "2001:db8::1"}
INNER = {"inner4": INNER4, "inner6": INNER6}


def _cases():
    for w, t, c in itertools.product(range(len(WRAPS)), range(len(TLS)), range(len(CIPHERS))):
        yield WRAPS[w], list(TLS)[t], CIPHERS[c], list(OUTER)[(w + t + c) % 2], list(INNER)[(w + c) % 2]


CASES = list(_cases())


@pytest.fixture(scope="module")
def served(request, tmp_path_factory, certificates, big_file):
    """One gateway per wrap, which all its cases share, over IPv4 and IPv6."""
    with Stage(tmp_path_factory.mktemp(request.param), certificates) as stage:
        gateway = stage.gateway(wrap=request.param, protocol="udp6")
        with serving(gateway.namespace, big_file):
            yield stage


@pytest.mark.parametrize("served, tls, cipher, outer, inner", CASES, ids=["-".join(case) for case in CASES],
                         indirect=["served"])
def test_downloads(served, big_file, tls, cipher, outer, inner):
    wrap = served.gateways[0].conf.wrap
    client = served.connected(f"{tls}-{cipher}".replace(".", "-").lower(), wrap=wrap, remote=OUTER[outer],
                              options=[f"data-ciphers {cipher}", f"tls-version-min {TLS[tls]}",
                                       f"tls-version-max {TLS[tls]}"])
    assert client.data_cipher() == cipher
    assert client.tls_version() == f"TLSv{TLS[tls]}"
    for address in (INNER4, INNER6):
        assert client.ping(address, count=3), f"no answer from {address} through the tunnel"
        assert client.ping(address, count=2, size=1400), f"no answer from {address} to large packets"
    Download(client.namespace, INNER[inner]).finish(big_file)
    assert client.warnings() == []
    client.stop()
