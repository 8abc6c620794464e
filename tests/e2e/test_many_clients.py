"""Thirty clients at once, and what they may say to each other; a crowd over UDP and TCP that stays for long."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Dict

import pytest

from harness.crowd import Crowd
from harness.process import cpu_seconds, resident_kib
from harness.server_conf import INNER4, INNER6
from harness.waiting import stays_true

CLIENTS = 30
CROWD = int(os.environ.get("CULVERT_E2E_CLIENTS", "20"))
CROWD_SECONDS = 60 * float(os.environ.get("CULVERT_E2E_MINUTES", "0.25"))
CROWD_RATE = 4  # packets per second, client and direction


def test_thirty_clients_at_once(stage):
    gateway = stage.gateway(client_to_client=True)
    clients = [stage.client(f"client-{number}") for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.wait_connected(60)

    assert len({client.inner4 for client in clients}) == CLIENTS, "two clients share an IPv4 address"
    assert len({client.inner6 for client in clients}) == CLIENTS, "two clients share an IPv6 address"
    assert len({client.peer_id for client in clients}) == CLIENTS, "two clients share a peer-id"
    assert sorted(gateway.session_names()) == sorted(client.name for client in clients)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda client: client.ping(INNER4, count=5) and client.ping(INNER6, count=5), clients))
        # Each to its neighbour, in a ring.
        neighbours = list(zip(clients, clients[1:] + clients[:1]))
        assert all(pool.map(lambda pair: pair[0].ping(pair[1].inner4, count=3), neighbours))
        assert all(pool.map(lambda pair: pair[0].ping(pair[1].inner6, count=3), neighbours))
    for client in clients:
        assert client.connects() == 1 and client.warnings() == []


def test_without_client_to_client_the_kernel_decides(stage):
    """Clients' packets for each other go to the TUN, where routing and firewall of the operator's kernel have their say."""
    gateway = stage.gateway(client_to_client=False)
    alice, bob = stage.connected("alice"), stage.connected("bob")
    assert not alice.ping(bob.inner4, count=3, seconds=0.5), "crossed although the kernel does not forward"
    assert not alice.ping(bob.inner6, count=3, seconds=0.5)

    gateway.namespace.write_sysctl("net/ipv4/ip_forward", "1")
    gateway.namespace.write_sysctl("net/ipv6/conf/all/forwarding", "1")
    assert alice.ping(bob.inner4, count=3) and alice.ping(bob.inner6, count=3)

    gateway.namespace.nft("""table inet filter {
        chain forward { type filter hook forward priority 0; iifname tun0 oifname tun0 drop; }
    }""")
    assert not alice.ping(bob.inner4, count=3, seconds=0.5), "crossed although the firewall forbids it"
    assert not alice.ping(bob.inner6, count=3, seconds=0.5)
    assert alice.ping(INNER4) and bob.ping(INNER4)


@pytest.mark.long
@pytest.mark.culvert_only
def test_crowd_stays_through_reloads(stage):
    """Half of them over UDP, half over TCP; keys change, two reloads happen, and no packet is lost."""
    gateway = stage.gateway(extra=["local * 1194 udp", "local * 443 tcp-server", f"reneg-sec {max(6, CROWD_SECONDS / 3):.0f}",
                                   f"max-clients {CROWD}"])
    clients = [stage.client(f"client-{number}", **({"protocol": "tcp", "port": 443} if number % 2 else {}))
               for number in range(CROWD)]
    for client in clients:
        client.start()
    for client in clients:
        client.wait_connected(60 + CROWD)
    crowd = Crowd(gateway.namespace, INNER4, clients, CROWD_RATE)
    before = {program: cpu_seconds(pid) for program, pid in gateway.pids().items()}

    def all_is_well() -> bool:
        return crowd.error is None and gateway.process.running()
    for number in range(3):
        if number:
            conf = gateway.folder / "server.conf"
            conf.write_text(conf.read_text() + f'push "dhcp-option DNS 10.8.0.{number}"\n')
            answer = gateway.ask("reload")
            assert answer["applied"] == ["push"] and answer["sessions_ended"] == 0, answer
        stays_true(all_is_well, "the gateway runs", CROWD_SECONDS / 3)
    account = crowd.finish()
    used = {program: cpu_seconds(pid) - before[program] for program, pid in gateway.pids().items()}
    memory = {program: resident_kib(pid) // 1024 for program, pid in gateway.pids().items()}
    print(f"\n{CROWD} clients, {CROWD_SECONDS:.0f} s: {account}, CPU seconds {used}, MiB {memory}")
    if account["lost"] or account["duplicated"]:
        # A drop of ours has a reason; what is not among them was lost by a client or by the kernel.
        print(f"drops {_counted(gateway.drops())}\ncounters {_counted(gateway.counters())}")
    assert account["lost"] == account["duplicated"] == 0 and account["sent"] > CROWD * CROWD_SECONDS, crowd.losers()
    assert [client.name for client in clients if client.connects() != 1 or client.warnings()] == []
    assert min(client.renegotiations() for client in clients) >= 1
    assert sorted(gateway.session_names()) == sorted(client.name for client in clients)


def _counted(numbers: Dict[str, int]) -> Dict[str, int]:
    return {name: number for name, number in numbers.items() if number}
