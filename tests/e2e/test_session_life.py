"""How sessions move and end: float, timeout, goodbye, kill."""

import signal

import pytest

from harness.builds import tool
from harness.server_conf import INNER4
from harness.udp_stream import streaming
from harness.waiting import seconds_until, stays_true, wait_until

OWN_PORT, MOVED_PORT = 40000, 45001


def move_source_port(client) -> None:
    """From now on the client's packets leave from another port, as behind a NAT that forgot its mapping. Both ports lead
    back to the client, so that nothing is lost on the way: the gateway alone decides where packets go."""
    client.namespace.nft(f"""
        table inet moved {{
            counter came {{ }}
            chain arriving {{ type filter hook prerouting priority raw;
                              udp dport {MOVED_PORT} counter name came udp dport set {OWN_PORT}; }}
        }}""")
    client.namespace.nft(f"""
        table inet moved {{
            chain leaving {{ type filter hook output priority raw; udp sport {OWN_PORT} udp sport set {MOVED_PORT}; }}
        }}""")


def arrived_at_moved_port(client) -> int:
    text = client.namespace.run("nft", "list", "counter", "inet", "moved", "came")
    return int(text.split("packets")[1].split()[0])


@pytest.mark.parametrize("remote", ["192.0.2.1", "2001:db8::1"], ids=["IPv4", "IPv6"])
def test_client_that_changes_its_source_port_keeps_its_session(stage, remote):
    gateway = stage.gateway(protocol="udp6")
    client = stage.client("roamer", remote=remote, options=["bind", f"lport {OWN_PORT}"], without=["nobind"]).connect()
    if gateway.kind == "culvert":  # the stock server's status names no port of IPv6 clients
        assert gateway.session_of("roamer")["remote"].endswith(f":{OWN_PORT}")
    with streaming(stage.folder, gateway.namespace, INNER4, client.namespace, client.inner4) as stream:
        wait_until(lambda: stream.received() > 500, "the stream to flow")
        move_source_port(client)
        at_move = stream.received()
        wait_until(lambda: stream.received() > at_move + 1000, "the stream to flow on")
        down, up = stream.finish()
    assert arrived_at_moved_port(client) > 500, "the gateway still sends to the old port"
    assert client.connects() == 1
    assert len(gateway.session_names()) == 1
    assert up.perfect, up
    if gateway.kind == "culvert":  # the stock server loses a few of its own packets at the move
        assert down.perfect, down
        wait_until(lambda: gateway.session_of("roamer")["remote"].endswith(f":{MOVED_PORT}"), "the operator to see it")


@pytest.mark.long
def test_killed_client_ends_by_timeout(stage):
    gateway = stage.gateway(keepalive="1 4")  # the server's own limit is twice the pushed 4 s
    victim, other = stage.connected("victim"), stage.connected("other")
    assert sorted(gateway.session_names()) == ["other", "victim"]
    victim.kill()
    took = seconds_until(lambda: gateway.session_names() == ["other"], "the dead client's session to end", 20)
    assert took > 2, "ended before its time"
    stays_true(lambda: gateway.session_names() == ["other"], "the living client's session", 1)
    assert other.ping(INNER4) and other.connects() == 1


def test_idle_clients_are_kept_by_keepalives(stage):
    """Nothing but keepalives for longer than the timeout: both ends stay connected."""
    gateway = stage.gateway(keepalive="1 3")
    client = stage.connected("idle")
    stays_true(lambda: gateway.session_names() == ["idle"], "the idle session", 8)
    assert client.connects() == 1 and "Inactivity timeout" not in client.log()


@pytest.mark.parametrize("goodbye", ["cc-exit", "OCC"])
def test_goodbye_frees_the_session_at_once(stage, goodbye):
    """A client of 2.6 says it over the control channel; one that does not know how, in the data channel (OCC_EXIT)."""
    gateway = stage.gateway(keepalive="10 120")
    client = stage.client("polite", options=["explicit-exit-notify 1"],
                          env={} if goodbye == "cc-exit" else {"LD_PRELOAD": tool("no_cc_exit.so")}).connect()
    flags = client.said("Protocol options:.*")
    assert "tls-ekm" in flags and ("cc-exit" in flags) == (goodbye == "cc-exit")
    assert gateway.session_names() == ["polite"]
    client.process.signal(signal.SIGTERM)
    took = seconds_until(lambda: gateway.session_names() == [], "the session to end", 10)
    # The stock server ends the session five seconds after a goodbye over the control channel.
    assert took < (2.0 if gateway.kind == "culvert" else 8.0)


@pytest.mark.culvert_only  # the stock server says nothing to a client that it kills
def test_operator_kill_disconnects_the_client_at_once(stage):
    gateway = stage.gateway(keepalive="10 120")
    client, other = stage.connected("victim"), stage.connected("other")
    gateway.kill_session("victim")
    took = seconds_until(lambda: "command was pushed by server" in client.log() or "AUTH_FAILED" in client.log(),
                         "the client to hear of it", 5)
    assert took < 2.0
    wait_until(lambda: gateway.session_names() == ["other"] or client.connects() > 1, "the session to be gone", 2)
    assert other.ping(INNER4) and other.connects() == 1


@pytest.mark.culvert_only  # the stock server leaves such a client waiting for its PUSH_REPLY
def test_client_that_starts_again_from_the_same_port_replaces_its_session(stage):
    """A crashed client comes back from the same address and port before its old session has timed out."""
    gateway = stage.gateway(keepalive="10 120")
    options = ["bind", f"lport {OWN_PORT}"]
    first = stage.client("phoenix", options=options, without=["nobind"]).connect()
    first.kill()
    second = stage.client("phoenix", options=options, without=["nobind"], host=first.host).connect()
    assert second.ping(INNER4)
    wait_until(lambda: len(gateway.session_names()) == 1, "one session to be left", 10)


