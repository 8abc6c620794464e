"""`tools/up --nat`, as far as it changes the machine: forwarding, masquerading, and what must stay as it was."""

import socket
import struct
from pathlib import Path

import pytest

from harness.namespace import Namespace
from harness.waiting import wait_until

pytestmark = pytest.mark.culvert_only

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def machine():
    made = Namespace("machine")
    yield made
    made.delete()


@pytest.fixture
def router(machine):
    made = Namespace("router")
    made.ip(f"link add eth0 type veth peer name eth0 netns {machine.name}", "link set eth0 up")
    machine.ip("link set eth0 up")
    yield made
    made.delete()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "server.conf").write_text("server 10.8.0.0 255.255.255.0\nserver-ipv6 fd00:8::/112\n")
    return tmp_path


def advertise(router: Namespace) -> None:
    """A router advertisement: half an hour of default route (RFC 4861, section 4.2)."""
    message = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    with router.entered(), socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sender:
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        try:
            sender.sendto(message, ("ff02::1", 0, 0, socket.if_nametoindex("eth0")))
        except OSError:
            pass  # no address yet


def nat(machine: Namespace, folder: Path, what: str) -> None:
    words = {"on": f"nat_on {folder}/nat {folder}", "off": f"nat_off {folder}/nat"}[what]
    machine.run("bash", "-euo", "pipefail", "-c",
                f"program=test; . {ROOT}/tools/lib/common.sh; . {ROOT}/tools/lib/nat.sh; {words}")


def value(machine: Namespace, path: str) -> str:
    return machine.run("cat", f"/proc/sys/net/{path}").strip()


def default_route(machine: Namespace) -> str:
    return machine.run("ip", "-6", "route", "show", "default")


def test_a_machine_keeps_the_ipv6_default_route_that_a_router_advertised(machine, router, folder):
    def heard() -> str:
        advertise(router)
        return default_route(machine)

    wait_until(heard, "the router's advertisement to be heard")
    for _ in range(2):  # it may be run again
        nat(machine, folder, "on")
        assert "proto ra" in default_route(machine), "whoever forwards hears no routers, unless told to"
        assert value(machine, "ipv4/ip_forward") == value(machine, "ipv6/conf/all/forwarding") == "1"
        assert "masquerade" in machine.run("nft", "list", "table", "inet", "culvert_nat")
    machine.run("ip", "-6", "route", "flush", "proto", "ra")
    wait_until(heard, "an advertisement to be heard by a machine that forwards")
    nat(machine, folder, "off")
    assert value(machine, "ipv4/ip_forward") == value(machine, "ipv6/conf/all/forwarding") == "0"
    assert value(machine, "ipv6/conf/eth0/accept_ra") == "1"
    assert "culvert_nat" not in machine.run("nft", "list", "tables")
    assert not (folder / "nat").exists()


def test_what_was_chosen_by_the_operator_stays(machine, router, folder):
    """Who turned advertisements off, or forwarded before, is not made to hear them."""
    machine.write_sysctl("net/ipv6/conf/eth0/accept_ra", "0")
    nat(machine, folder, "on")
    assert value(machine, "ipv6/conf/eth0/accept_ra") == "0"
    nat(machine, folder, "off")
    machine.write_sysctl("net/ipv6/conf/all/forwarding", "1")
    machine.write_sysctl("net/ipv6/conf/eth0/accept_ra", "1")
    nat(machine, folder, "on")
    assert value(machine, "ipv6/conf/eth0/accept_ra") == "1"
    nat(machine, folder, "off")
    assert value(machine, "ipv6/conf/all/forwarding") == "1"
