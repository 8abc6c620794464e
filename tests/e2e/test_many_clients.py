"""Thirty clients at once, and what they may say to each other."""

from concurrent.futures import ThreadPoolExecutor

from harness.server_conf import INNER4, INNER6

CLIENTS = 30


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
