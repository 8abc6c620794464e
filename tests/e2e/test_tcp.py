"""OpenVPN over TCP with stock clients: both IP versions, restarts of control, slow and silent connections, port-share."""

import contextlib
import hashlib
import signal
import socket
import threading

import pytest

from harness.download import Download, serving
from harness.gateway import Gateway
from harness.server_conf import INNER4, INNER6, PORT, ServerConf
from harness.udp_stream import streaming
from harness.waiting import wait_until
from test_restart import kill_and_wait_for_next

REMOTES = {"v4": "192.0.2.1", "v6": "2001:db8::1"}


@pytest.mark.parametrize("family", REMOTES)
def test_connects_and_downloads(stage, big_file, family):
    """A large file; the wraps and what else clients are set to: test_client_matrix.py."""
    gateway = stage.gateway(protocol="tcp6-server", extra=["tcp-nodelay"])
    client = stage.connected("alice", remote=REMOTES[family], protocol="tcp")
    for address in (INNER4, INNER6):
        assert client.ping(address, count=3) and client.ping(address, count=2, size=1400)
    with serving(gateway.namespace, big_file):
        Download(client.namespace, INNER4).finish(big_file)
    assert client.connects() == 1 and client.warnings() == []
    assert ["socket-flags TCP_NODELAY"] == [option for option in client.pushed() if option.startswith("socket-flags")]
    # Its connection is its session: both end at once.
    client.stop()
    wait_until(lambda: gateway.sessions() == [], "the session to end with its connection", 3)


@pytest.mark.long
def test_renegotiates_without_loss(stage):
    gateway = stage.gateway(protocol="tcp-server", extra=["reneg-sec 5 5"])
    client = stage.connected("alice", protocol="tcp", options=["reneg-sec 7 7"])
    with streaming(stage.folder, gateway.namespace, INNER4, client.namespace, client.inner4) as stream:
        wait_until(lambda: client.renegotiations() >= 3, "three renegotiations", 40)
        accounts = stream.finish()
    assert all(account.perfect for account in accounts), accounts
    assert client.connects() == 1 and client.warnings() == []


@pytest.mark.culvert_only
def test_control_killed_in_the_middle_of_a_download(stage, big_file):
    gateway = stage.gateway(protocol="tcp-server")
    client = stage.connected("alice", protocol="tcp", options=["reneg-sec 8 8"])
    with serving(gateway.namespace, big_file, lasting=True) as server, \
            streaming(stage.folder, gateway.namespace, INNER6, client.namespace, client.inner6, rate=200) as stream:
        download = Download(client.namespace, INNER4)
        wait_until(lambda: download.received > big_file.size // 10, "a part of the download")
        kill_and_wait_for_next(gateway, "culvert-control")
        wait_until(lambda: gateway.session_names() == ["alice"], "the session to be listed again", 5)
        server.finish(download)
        before = client.renegotiations()
        wait_until(lambda: client.renegotiations() > before, "a renegotiation with the new control", 30)
        down, up = stream.finish()
    # Next to a download both ends' queues are full at times. Whatever is missing was dropped there, and nowhere in between.
    drops = gateway.drops()
    assert up.lost <= client.counters()["tx_dropped"] and down.lost <= drops["tx_queue_full"], (down, up, drops)
    assert down.duplicated == up.duplicated == 0, (down, up)
    assert drops["replay_gap"] == drops["replay_duplicate"] == drops["aead_bad_tag"] == 0, drops
    assert client.connects() == 1 and client.warnings() == []
    assert len(gateway.sessions()) == 1


@pytest.mark.culvert_only
def test_dataplane_killed(stage):
    """Its connections end with it; clients connect again by themselves."""
    gateway = stage.gateway(protocol="tcp-server")
    client = stage.connected("alice", protocol="tcp")
    kill_and_wait_for_next(gateway, "culvert-dataplane")
    client.wait_connected(30, times=2)
    wait_until(lambda: gateway.session_names() == ["alice"], "one session of alice", 5)
    assert client.ping(INNER4, count=3)


@pytest.mark.culvert_only
def test_udp_and_tcp_in_one_pool(stage):
    """One server block with two listeners, as OpenVPN 2.7 writes it."""
    gateway = stage.gateway(client_to_client=True, extra=["local * 1194 udp", "local * 443 tcp-server", "multihome"])
    alice = stage.connected("alice")
    bob = stage.connected("bob", protocol="tcp", port=443)
    assert alice.inner4 != bob.inner4
    assert alice.ping(bob.inner4, count=3) and bob.ping(alice.inner6, count=3)
    with streaming(stage.folder, alice.namespace, alice.inner4, bob.namespace, bob.inner4) as stream:
        wait_until(lambda: stream.received() > 2000, "the stream to flow", 20)
        accounts = stream.finish()
    assert all(account.perfect for account in accounts), accounts
    assert sorted(gateway.session_names()) == ["alice", "bob"]


@pytest.mark.culvert_only
def test_two_server_blocks(stage):
    """Each with its own server.conf, pool and port, in one gateway."""
    folder = stage.folder / "two"
    folder.mkdir()
    text = ServerConf(stage.certificates).text()
    (folder / "udp.conf").write_text(text)
    (folder / "tcp.conf").write_text(text.replace("10.8.0.0", "10.9.0.0").replace("fd00:8::/64", "fd00:9::/64")
                                     .replace("proto udp", "proto tcp-server"))
    (folder / "culvert.toml").write_text('[[openvpn]]\nconfig = "udp.conf"\n[[openvpn]]\nconfig = "tcp.conf"\n')
    first = stage.add(Gateway(stage.network.gateway, None, folder, config=folder / "culvert.toml")).start()
    alice = stage.connected("alice")
    bob = stage.connected("bob", protocol="tcp")
    assert alice.inner4.startswith("10.8.0.") and bob.inner4.startswith("10.9.0.")
    assert alice.ping("10.8.0.1") and bob.ping("10.9.0.1") and bob.ping("fd00:9::1")
    assert sorted(first.session_names()) == ["alice", "bob"]
    kill_and_wait_for_next(first, "culvert-control")
    wait_until(lambda: sorted(first.session_names()) == ["alice", "bob"], "both sessions, each with its block", 5)
    assert alice.ping("10.8.0.1") and bob.ping("10.9.0.1")


@pytest.mark.culvert_only
def test_killed_session(stage):
    gateway = stage.gateway(protocol="tcp-server")
    client = stage.connected("alice", protocol="tcp")
    gateway.kill_session("alice")
    wait_until(lambda: "command was pushed by server" in client.log(), "alice to hear of the kill", 3)
    wait_until(lambda: gateway.sessions() == [], "the session to be gone", 3)


@pytest.mark.culvert_only
def test_a_client_that_reads_nothing_holds_nobody_up(stage, big_file):
    """Its openvpn is stopped in the middle of a download: the others go on."""
    gateway = stage.gateway(protocol="tcp-server")
    slow = stage.connected("slow", protocol="tcp")
    other = stage.connected("other", protocol="tcp")
    with serving(gateway.namespace, big_file):
        stuck = Download(slow.namespace, INNER4)
        wait_until(lambda: stuck.received > 1_000_000, "a part of the download")
        slow.process.signal(signal.SIGSTOP)
        try:
            Download(other.namespace, INNER4).finish(big_file)
            assert other.ping(INNER4, count=5)
        finally:
            slow.process.signal(signal.SIGCONT)
        stuck.finish(big_file)
    assert slow.connects() == other.connects() == 1
    assert slow.warnings() == other.warnings() == []


@pytest.mark.culvert_only
def test_thousand_silent_connections(stage):
    """They are closed, and a client does not notice them: neither the one that is there nor the one that comes."""
    gateway = stage.gateway(protocol="tcp-server", extra=["hand-window 5"])
    alice = stage.connected("alice", protocol="tcp")
    attacker = stage.network.add_host("attacker")
    with streaming(stage.folder, gateway.namespace, INNER4, alice.namespace, alice.inner4) as stream, \
            contextlib.ExitStack() as open_ones:
        silent = []
        for _ in range(1000):
            connection = open_ones.enter_context(attacker.namespace.socket(socket.AF_INET, socket.SOCK_STREAM))
            connection.settimeout(10)
            connection.connect(("192.0.2.1", PORT))
            silent.append(connection)
        bob = stage.connected("bob", protocol="tcp")
        assert bob.ping(INNER4, count=3)
        for connection in silent:
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b"", "the gateway says nothing to strangers"
        at_end = stream.received()
        wait_until(lambda: stream.received() > at_end + 200, "the stream to flow on")
        accounts = stream.finish()
    assert all(account.perfect for account in accounts), accounts
    assert gateway.counter("streams_silent") >= 1000
    assert alice.connects() == bob.connects() == 1


@pytest.mark.culvert_only
@pytest.mark.parametrize("begin", ["nothing", "hard-reset"])
@pytest.mark.parametrize("byte", [0x00, 0x38, 0x48, 0x50], ids=["opcode0", "opcode7", "opcode9", "opcode10"])
def test_one_byte_frames(stage, begin, byte):
    """64 KiB of frames that hold one byte, alone or behind what looks like a client's first packet: the connection is closed,
    and a client next to it does not notice."""
    gateway = stage.gateway(protocol="tcp-server", extra=["hand-window 3"])
    alice = stage.connected("alice", protocol="tcp")
    attacker = stage.network.add_host("attacker")
    frames = bytes((0, 1, byte)) * (65536 // 3)
    if begin == "hard-reset":
        packet = bytes((0x50,)) + bytes(range(200)) * 2
        frames = len(packet).to_bytes(2, "big") + packet + frames
    with streaming(stage.folder, gateway.namespace, INNER4, alice.namespace, alice.inner4) as stream, \
            attacker.namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
        wait_until(lambda: stream.received() > 200, "the stream to flow")
        connection.settimeout(10)
        connection.connect(("192.0.2.1", PORT))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(frames)
            assert connection.recv(1) == b"", "the gateway says nothing to strangers"
        at_end = stream.received()
        wait_until(lambda: stream.received() > at_end + 200, "the stream to flow on")
        accounts = stream.finish()
    assert all(account.perfect for account in accounts), accounts
    assert gateway.drops()["stream_not_openvpn" if begin == "nothing" else "control_bad_client_key"] == 1
    assert gateway.counter("streams_ended") == 1
    assert alice.connects() == 1 and gateway.session_names() == ["alice"]


@pytest.mark.culvert_only
def test_port_share(stage):
    """A browser that comes to the VPN's port gets the web server's page; clients are let in all the same."""
    gateway = stage.gateway(protocol="tcp-server", port=443, extra=["port-share 127.0.0.1 8080"])
    page = hashlib.sha256(b"page").digest() * 100_000
    listener = gateway.namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
    with listener:
        listener.bind(("127.0.0.1", 8080))
        listener.listen()

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    request = b""
                    while not request.endswith(b"\r\n\r\n"):
                        request += connection.recv(4096)
                    connection.sendall(page)

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        browser = stage.network.add_host("browser").namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
        with browser:
            browser.settimeout(10)
            browser.connect(("192.0.2.1", 443))
            browser.sendall(b"GET / HTTP/1.0\r\n")
            alice = stage.connected("alice", protocol="tcp", port=443)
            browser.sendall(b"\r\n")
            received = b""
            while piece := browser.recv(65536):
                received += piece
        assert received == page
        assert alice.ping(INNER4)
        server.join(5)
    assert gateway.counter("streams_shared") == 1
    assert gateway.drops().get("stream_not_openvpn", 0) == 0


def test_stream_split_into_single_bytes(stage):
    """A path that delivers one byte at a time: a proxy between client and gateway that passes bytes singly, both ways."""
    gateway = stage.gateway(protocol="tcp-server")
    with _byte_by_byte(gateway):
        client = stage.connected("alice", protocol="tcp", port=4443)
        assert client.ping(INNER4, count=5)
        # Thousands of turns of three threads of Python: long, where all CPUs are busy.
        assert client.ping(INNER4, count=2, size=1400, seconds=20)
    assert client.warnings() == []


@contextlib.contextmanager
def _byte_by_byte(gateway):
    """Listens on port 4443 of the gateway's namespace and passes to its VPN port."""
    listener = gateway.namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened = []

    def pass_on(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := source.recv(4096):
                for byte in data:
                    sink.sendall(bytes((byte,)))

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                inner, _ = listener.accept()
                outer = gateway.namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
                outer.connect(("192.0.2.1", PORT))
                opened.extend((inner, outer))
                for pair in ((inner, outer), (outer, inner)):
                    threading.Thread(target=pass_on, args=pair, daemon=True).start()

    with listener:
        listener.bind(("0.0.0.0", 4443))
        listener.listen()
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield
        finally:
            for one in opened:
                one.close()
