"""An operator sets the gateway's TUN down and up again: what the kernel took from it with the first comes back with the second,
and nobody is disconnected."""

import pytest

from harness.server_conf import INNER4, INNER6
from harness.waiting import wait_until

pytestmark = pytest.mark.culvert_only


def test_down_and_up_again(stage):
    gateway = stage.gateway(extra=["route 192.168.7.0 255.255.255.0", "route-ipv6 fd77::/64"])
    alice = stage.connected("alice")
    assert alice.ping(INNER4) and alice.ping(INNER6)
    device, namespace = gateway.conf.device, gateway.namespace

    def listed() -> list:
        """Addresses and routes of the TUN, as the operator sees them."""
        return [sorted(line.strip() for line in namespace.run("ip", *words).splitlines()) for words in
                (("-o", "address", "show", "dev", device), ("route", "show", "dev", device),
                 ("-6", "route", "show", "dev", device))]

    before = listed()
    for _ in range(2):
        namespace.run("ip", "link", "set", device, "down")
        assert "fd00:8::1" not in namespace.run("ip", "address", "show", "dev", device), "the kernel has taken it"
        namespace.run("ip", "link", "set", device, "up")
        wait_until(lambda: listed() == before, "addresses and routes to be back", 20)
        wait_until(lambda: alice.ping(INNER6) and alice.ping(INNER4), "the client to get through", 20)
    assert alice.connects() == 1
