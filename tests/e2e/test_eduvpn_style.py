"""A server as eduVPN's generator writes it, with its hooks and its management program, unchanged: two server.conf, one for UDP and
one for TCP, both in one gateway."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Dict, List

import pytest

from harness.gateway import Gateway
from harness.management import connect
from harness.waiting import wait_until

pytestmark = pytest.mark.culvert_only

SERVER = """\
dev-type tun
dev tun{number}
user nobody
group nogroup
topology subnet
persist-key
persist-tun
remote-cert-tls client
dh none
tls-version-min 1.3
reneg-sec 36000
data-ciphers AES-256-GCM:CHACHA20-POLY1305
server 10.42.{number}.0 255.255.255.128
server-ipv6 fd42:42:{number}::/112
max-clients 124
keepalive 10 60
script-security 2
setenv PROFILE_ID default
port {port}
local {local}
proto {proto}
management {folder}/{number}.sock unix
client-connect {folder}/client-connect
client-disconnect {folder}/client-disconnect
log {folder}/openvpn-{number}.log
verb 3
{own}
push "explicit-exit-notify 1"
push block-outside-dns
push "dhcp-option DNS 9.9.9.9"
push "dhcp-option DNS 2620:fe::fe"
push "dhcp-option DOMAIN-SEARCH example.org"
push "redirect-gateway def1 ipv6 block-local"
push "route 198.51.100.0 255.255.255.0"
push "route-ipv6 2001:db8:7::/48"
push "route 192.0.2.0 255.255.255.0 net_gateway"
push "route-ipv6 2001:db8::/32 net_gateway"
<ca>
{ca}</ca>
<cert>
{cert}</cert>
<key>
{key}</key>
<tls-crypt>
{tls_crypt}</tls-crypt>
"""

# What eduVPN's scripts read, as they read it; a name that the portal does not know is refused by exit status 1.
HOOK = """#!/usr/bin/python3
import json, os, sys
names = ("PROFILE_ID", "X509_0_OU", "common_name", "ifconfig_pool_remote_ip", "ifconfig_pool_remote_ip6", "trusted_ip",
         "trusted_ip6", "bytes_received", "bytes_sent", "time_unix", "script_type")
with open("{folder}/events", "a") as events:
    events.write(json.dumps({{name: os.environ[name] for name in names if name in os.environ}}) + "\\n")
sys.exit(1 if os.environ["common_name"] == "unknown" else 0)
"""


@pytest.fixture
def folder():
    """Where `nobody` may go."""
    made = Path(tempfile.mkdtemp(prefix="culvert-e2e-"))
    made.chmod(0o755)
    for name in ("client-connect", "client-disconnect"):
        (made / name).write_text(HOOK.format(folder=made))
        (made / name).chmod(0o755)
    (made / "events").touch()
    (made / "events").chmod(0o666)
    yield made
    shutil.rmtree(made)


def events(folder: Path) -> List[Dict[str, str]]:
    return [json.loads(line) for line in (folder / "events").read_text().splitlines()]


def start(stage, folder: Path) -> Gateway:
    certificates = stage.certificates
    inline = {"ca": certificates.ca, "cert": certificates.server.certificate, "key": certificates.server.key,
              "tls_crypt": certificates.static_key}
    texts = {name: path.read_text() for name, path in inline.items()}
    for number, port, local, proto, own in ((0, 1194, "::", "udp6", "explicit-exit-notify 1"),
                                            (1, 443, "192.0.2.1", "tcp-server", "tcp-nodelay")):
        (folder / f"default-{number}.conf").write_text(SERVER.format(
            number=number, port=port, local=local, proto=proto, own=own, folder=folder, **texts))
    (folder / "culvert.toml").write_text('[[openvpn]]\nconfig = "default-0.conf"\n[[openvpn]]\nconfig = "default-1.conf"\n')
    return stage.add(Gateway(stage.network.gateway, None, folder, config=folder / "culvert.toml")).start()


def test_clients_hooks_status_and_kill(stage, folder, certificates):
    start(stage, folder)
    alice_pair = certificates.authority.issue("a1b2c3", unit="alice@example.org")
    options = ["tls-version-min 1.3"]
    alice = stage.client("a1b2c3", pair=alice_pair, wrap="tls-crypt", remote="2001:db8::1", options=options).connect()
    bob = stage.client("bob", wrap="tls-crypt", protocol="tcp", port=443, options=options).connect()
    assert alice.inner4.startswith("10.42.0.") and bob.inner4.startswith("10.42.1.")
    assert alice.ping("10.42.0.1", count=3) and alice.ping("fd42:42:0::1") and bob.ping("10.42.1.1") and bob.ping("fd42:42:1::1")
    assert {"block-outside-dns", "redirect-gateway def1 ipv6 block-local", "route 192.0.2.0 255.255.255.0 net_gateway",
            "dhcp-option DOMAIN-SEARCH example.org", "explicit-exit-notify 1"} <= set(alice.pushed())

    unknown = stage.client("unknown", wrap="tls-crypt", options=options).start()
    wait_until(lambda: "AUTH_FAILED" in unknown.log(), "the refusal")

    came = {event["common_name"]: event for event in events(folder)}
    assert came["a1b2c3"]["X509_0_OU"] == "alice@example.org" and came["a1b2c3"]["PROFILE_ID"] == "default"
    assert came["a1b2c3"]["ifconfig_pool_remote_ip"] == alice.inner4
    assert came["a1b2c3"]["ifconfig_pool_remote_ip6"] == alice.inner6
    assert came["a1b2c3"]["trusted_ip6"] == alice.host.ip6 and came["bob"]["trusted_ip"] == bob.host.ip4

    programs = [connect(folder / f"{number}.sock") for number in (0, 1)]
    assert [sorted(program.clients()) for program in programs] == [["a1b2c3"], ["bob"]]
    fields = programs[0].clients()["a1b2c3"]
    assert (fields[1], fields[3], fields[4]) == ("a1b2c3", alice.inner4, alice.inner6)
    assert programs[1].ask("kill a1b2c3").startswith("ERROR: common name 'a1b2c3' not found")
    assert programs[0].ask("kill a1b2c3").startswith("SUCCESS: common name 'a1b2c3' found, 1 client(s) killed")
    wait_until(lambda: any(event["script_type"] == "client-disconnect" for event in events(folder)), "client-disconnect")
    left = next(event for event in events(folder) if event["script_type"] == "client-disconnect")
    assert left["common_name"] == "a1b2c3" and left["ifconfig_pool_remote_ip"] == alice.inner4
    assert int(left["bytes_received"]) > 3 * 84 and int(left["bytes_sent"]) > 3 * 84
    assert bob.ping("10.42.1.1") and bob.connects() == 1
