"""Scripts that judge certificates and addresses: tls-verify, tls-export-cert, learn-address."""

from pathlib import Path

import pytest

from harness.scripts import lines, write
from harness.server_conf import INNER4, INNER6
from harness.waiting import wait_until

# Notes what it is told; refuses an address when there is a file of its name.
LEARN = """#!/bin/sh
echo "$script_type $* ${common_name:-nobody}" >> %(folder)s/learnt
[ ! -e "%(folder)s/refuse-$(echo "$2" | tr / _)" ]
"""
# Passes on the CA; knows clients by the certificate that it is shown.
VERIFY = """#!/bin/sh
echo "$script_type $1 $2 $tls_serial_0 ${untrusted_ip}" >> %(folder)s/verified
openssl x509 -in "$peer_cert" -noout -subject >> %(folder)s/shown || exit 1
[ "$1" = 1 ] || [ "$X509_0_CN" != mallory ]
"""


def test_addresses_and_networks_are_learnt_and_forgotten(stage, tmp_path):
    script = write(tmp_path / "learn", LEARN % {"folder": tmp_path})
    ccd = tmp_path / "ccd"
    ccd.mkdir()
    (ccd / "alice").write_text("iroute 198.51.100.0 255.255.255.0\n")
    gateway = stage.gateway(extra=["script-security 2", f"learn-address {script}", f"client-config-dir {ccd}", "explicit-exit-notify 1"])
    alice = stage.connected("alice", options=["explicit-exit-notify 1"])
    assert alice.ping(INNER4)
    told = [line.split() for line in lines(tmp_path / "learnt")]
    assert sorted(words[2] for words in told) == sorted([alice.inner4, alice.inner6, "198.51.100.0/24"])
    assert {(words[0], words[1], words[3], words[4]) for words in told} == {("learn-address", "add", "alice", "alice")}
    addresses = [alice.inner4, alice.inner6]
    # It comes back at once: the addresses are hers as before.
    alice.restart_softly()
    alice.wait_connected(times=2)
    assert alice.ping(INNER4)
    if gateway.kind == "culvert":
        assert [alice.inner4, alice.inner6] == addresses
    alice.stop()

    def said_of(address: str) -> list:
        return [line.split()[1] for line in lines(tmp_path / "learnt") if line.split()[2] == address]
    for address in [*addresses, "198.51.100.0/24"]:
        wait_until(lambda: said_of(address)[-1] == "delete", f"{address} to be forgotten", 40)
        assert said_of(address)[0] == "add" and set(said_of(address)[1:-1]) <= {"update", "delete", "add"}
    assert all(len(line.split()) == 4 for line in lines(tmp_path / "learnt") if line.split()[1] == "delete"), "delete names nobody"


def test_a_refused_address_carries_nothing(stage, tmp_path):
    script = write(tmp_path / "learn", LEARN % {"folder": tmp_path})
    stage.gateway(extra=["script-security 2", f"learn-address {script}"])
    first = stage.connected("first")
    (tmp_path / f"refuse-{first.inner4.replace('.2', '.3')}").touch()
    second = stage.connected("second")
    assert second.inner4 == first.inner4.replace(".2", ".3")
    assert not second.ping(INNER4, seconds=2) and second.ping(INNER6)
    assert first.ping(INNER4)


@pytest.mark.culvert_only
def test_a_script_that_hangs_delays_its_own_client_only(stage, tmp_path):
    script = write(tmp_path / "learn", '#!/bin/sh\n[ "$3" = slow ] && exec sleep 1000\nexit 0\n')
    stage.gateway(extra=["script-security 2", f"learn-address {script}"])
    slow = stage.client("slow").start()
    wait_until(lambda: "Peer Connection Initiated" in slow.log(), "slow's handshake")
    alice = stage.connected("alice")
    assert alice.ping(INNER4, 5) and slow.connects() == 0


def test_certificates_are_judged_one_by_one(stage, tmp_path):
    script = write(tmp_path / "verify", VERIFY % {"folder": tmp_path})
    folder = tmp_path / "certs"
    folder.mkdir()
    gateway = stage.gateway(extra=["script-security 2", f"tls-verify {script}", f"tls-export-cert {folder}", "hand-window 10"])
    alice = stage.connected("alice")
    assert alice.ping(INNER4)
    told = [line.split(" ", 2) for line in lines(tmp_path / "verified")]
    assert [words[1] for words in told] == ["1", "0"] and "CN=alice" in told[1][2] and "192.0.2." in told[1][2]
    assert ["alice" in line for line in lines(tmp_path / "shown")] == [False, True]
    mallory = stage.client("mallory").start()
    wait_until(lambda: len(lines(tmp_path / "verified")) >= 4, "mallory to be judged", 20)
    assert mallory.connects() == 0 and gateway.session_names() == ["alice"]
    wait_until(lambda: not list(folder.iterdir()), "the certificates to be taken away")
    if gateway.kind == "culvert":
        wait_until(lambda: "AUTH_FAILED" in mallory.log(), "the refusal at the client")
        assert "tls-verify refused the certificate at depth 0: exit status 1" in gateway.log()
