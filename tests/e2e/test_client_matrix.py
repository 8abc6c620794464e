"""What clients of the last ten years are set to: all pairs of settings occur, each case by its name, e.g.
`test_client[udp-v4-tls_crypt_v2-aes256gcm-subnet-nocomp-cert-tls13]`. Which combinations: harness/pairwise.py."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List

import pytest

from harness.client import Client
from harness.download import Download, RandomFile, serving
from harness.pairwise import pairwise
from harness.server_conf import INNER4, INNER6
from harness.upload import upload
from harness.waiting import wait_until

OUTER = {"v4": "192.0.2.1", "v6": "2001:db8::1"}
PROTOCOLS = {"udp": "udp6", "tcp": "tcp6-server"}
WRAPS = {"tls_crypt_v2": "tls-crypt-v2", "tls_crypt": "tls-crypt", "tls_auth": "tls-auth", "nowrap": "none"}
TLS = {"tls12": "1.2", "tls13": "1.3"}


@dataclass
class Setting:
    """Lines for either end, and what must stand in the client's log."""

    server: List[str] = field(default_factory=list)
    client: List[str] = field(default_factory=list)
    server_without: List[str] = field(default_factory=list)
    client_without: List[str] = field(default_factory=list)
    logged: str = ""


def cbc(cipher: str, digest: str) -> Setting:
    """As clients before 2.4 were set: no AEAD. The digest is not negotiated."""
    return Setting(server=[f"data-ciphers {cipher}:AES-256-GCM", f"auth {digest}"], server_without=["data-ciphers"],
                   client=[f"data-ciphers {cipher}", f"auth {digest}"],
                   logged=f"Data Channel: cipher '{cipher}', auth '{digest}'")


CIPHERS = {
    "aes128gcm": Setting(client=["data-ciphers AES-128-GCM"], logged="Data Channel: cipher 'AES-128-GCM'"),
    "aes256gcm": Setting(client=["data-ciphers AES-256-GCM"], logged="Data Channel: cipher 'AES-256-GCM'"),
    "chacha20": Setting(client=["data-ciphers CHACHA20-POLY1305"], logged="Data Channel: cipher 'CHACHA20-POLY1305'"),
    "aes256cbc_sha256": cbc("AES-256-CBC", "SHA256"),
    "aes128cbc_sha1": cbc("AES-128-CBC", "SHA1"),
}
# What the server's file says, what the client's says, and which framing they end up with.
COMPRESSION = {
    "nocomp": Setting(),
    "stub": Setting(server=["compress stub"], client=["compress stub"], logged="compression: 'stub'"),
    "stub_v2": Setting(server=["compress stub-v2", 'push "compress stub-v2"'], logged="compression: 'stubv2'"),
    "lzo_no": Setting(server=["comp-lzo no"], client=["comp-lzo no"], logged="compression: 'stub'"),
    "migrate": Setting(server=["compress migrate"], client=["comp-lzo no"], logged="compression: 'stubv2'"),
}
CREDENTIALS = {
    "cert": Setting(),
    "userpass": Setting(
        server=["verify-client-cert none", "username-as-common-name", "script-security 2",
                "auth-user-pass-verify {verify} via-file"],
        server_without=["remote-cert-tls"], client=["auth-user-pass {login}"], client_without=["cert", "key"]),
    "both": Setting(server=["script-security 2", "auth-user-pass-verify {verify} via-file"],
                    client=["auth-user-pass {login}"]),
    "token": Setting(server=["script-security 2", "auth-user-pass-verify {verify} via-file", "auth-gen-token 600"],
                     client=["auth-user-pass {login}"]),
}
TOPOLOGIES = ["subnet", "net30", "p2p"]

DIMENSIONS = [list(values) for values in (PROTOCOLS, OUTER, WRAPS, CIPHERS, TOPOLOGIES, COMPRESSION, CREDENTIALS, TLS)]
CASES = pairwise(DIMENSIONS)

# What the stock client says about settings that are old, and about a password that it keeps.
EXPECTED_WARNINGS = re.compile(r"may cache passwords in memory")


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> RandomFile:
    return RandomFile(tmp_path_factory.mktemp("files"), 3_000_000)


def _logins(folder: Path) -> Dict[str, Path]:
    """A script that knows one password and counts who asks; the client's file."""
    verify, login, asked = folder / "verify", folder / "login", folder / "asked"
    verify.write_text(f'#!/bin/sh\n{{ read user; read password; }} < "$1"\necho "$user" >> {asked}\n'
                      '[ "$user/$password" = "matrix/the right one" ]\n')
    verify.chmod(0o755)
    login.write_text("matrix\nthe right one\n")
    login.chmod(0o600)
    return {"verify": verify, "login": login, "asked": asked}


@pytest.mark.parametrize("case", CASES, ids=["-".join(case) for case in CASES])
def test_client(stage, file, case):
    protocol, family, wrap, cipher, topology, compression, credentials, tls = case
    settings = [CIPHERS[cipher], COMPRESSION[compression], CREDENTIALS[credentials]]
    names = _logins(stage.folder)
    lines = {end: [line.format(**names) for setting in settings for line in getattr(setting, end)]
             for end in ("server", "client")}
    gateway = stage.gateway(
        protocol=PROTOCOLS[protocol], wrap=WRAPS[wrap], topology=topology, extra=lines["server"],
        without=[word for setting in settings for word in setting.server_without])
    client = stage.connected(
        "matrix", protocol=protocol, remote=OUTER[family], wrap=WRAPS[wrap],
        options=[*lines["client"], f"tls-version-min {TLS[tls]}", f"tls-version-max {TLS[tls]}"],
        without=[word for setting in settings for word in setting.client_without])

    assert client.tls_version() == f"TLSv{TLS[tls]}"
    assert client.pushed_option("topology") == [topology]
    wait_until(lambda: all(setting.logged in client.log() for setting in settings), "what the client logs of its settings")
    _passes_traffic(gateway, client, file)
    assert client.connects() == 1 and client.warnings(EXPECTED_WARNINGS) == []
    assert ("compression:" in client.log()) == (compression != "nocomp")
    assert gateway.session_of("matrix")["ip4"] == client.inner4
    if credentials == "token":
        _comes_back_with_its_token(client, names["asked"])


def _comes_back_with_its_token(client: Client, asked: Path) -> None:
    """Who was given a token shows that instead of the password: the script is not asked again."""
    assert "auth-token" in client.log()  # the log hides what follows
    client.restart_softly()
    client.wait_connected(times=2)
    assert client.ping(INNER4) and asked.read_text() == "matrix\n"


def _passes_traffic(gateway, client: Client, file: RandomFile) -> None:
    """Both inner families, both directions, small and large packets, a file each way."""
    for address in (INNER4, INNER6):
        assert client.ping(address, count=2) and client.ping(address, size=1400), f"no answer from {address}"
    for address in (client.inner4, client.inner6):
        assert gateway.namespace.ping(address), f"no answer from the client at {address}"
    with serving(gateway.namespace, file):
        Download(client.namespace, INNER4).finish(file)
    upload(client.namespace, gateway.namespace, INNER6, file)
