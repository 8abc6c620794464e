"""The yardsticks themselves: what they must notice, they notice."""

import itertools

import pytest

from harness.attacker import flood_outer
from harness.download import Download, RandomFile, serving
from harness.network import Network
from harness.pairwise import pairwise
from harness.udp_stream import streaming
from harness.waiting import Timeout, wait_until


@pytest.fixture
def pair(certificates):
    """Two hosts on a bridge, no gateway between them."""
    network = Network()
    try:
        yield network.gateway, network.add_host()
    finally:
        network.close()


def account(pair, tmp_path, disturb: str = ""):
    """The account of a short stream from the first host to the second, which `disturb` (nft rules) may damage."""
    left, right = pair
    if disturb:
        right.namespace.nft(f"""table netdev disturb {{
            counter hit {{ }}
            chain in {{ type filter hook ingress device eth0 priority 0; {disturb}; }}
        }}""")
    with streaming(tmp_path, left.namespace, left.ip4, right.namespace, right.ip4, 2000) as stream:
        wait_until(lambda: stream.a.report()["sent"] > 2000, "packets to be sent")
        return stream.finish(1.0)[0]


def test_stream_on_a_clean_wire_is_perfect(pair, tmp_path):
    assert account(pair, tmp_path).perfect


def counted(host, table: str) -> int:
    """Packets that the counter `hit` of a table has seen."""
    return int(host.namespace.run("nft", "list", "counter", "netdev", table, "hit").split("packets")[1].split()[0])


def test_stream_counts_every_lost_packet(pair, tmp_path):
    found = account(pair, tmp_path, "udp dport 9000 numgen inc mod 100 0 counter name hit drop")
    assert found.lost == counted(pair[1], "disturb") >= 20 and not found.perfect


def test_stream_counts_every_doubled_packet(pair, tmp_path):
    left, _ = pair
    left.namespace.nft("""table netdev double {
        counter hit { }
        chain out {
            type filter hook egress device eth0 priority 0
            udp dport 9000 numgen inc mod 100 0 counter name hit dup to eth0
        }
    }""")
    found = account(pair, tmp_path)
    assert found.duplicated == counted(left, "double") >= 20 and not found.perfect


def test_stream_notices_corruption(pair, tmp_path):
    found = account(pair, tmp_path, "udp dport 9000 @th,128,8 set 0xa5")
    assert found.corrupted + found.lost > found.sent * 0.9 and not found.perfect


def test_download_notices_corruption(pair, tmp_path):
    left, right = pair
    file = RandomFile(tmp_path, 1_000_000)
    with serving(left.namespace, file):
        Download(right.namespace, left.ip4).finish(file)
        with open(file.path, "r+b") as damaged:
            damaged.seek(500_000)
            damaged.write(b"not what was there")
        with pytest.raises(AssertionError, match="damaged"):
            Download(right.namespace, left.ip4).finish(file)


def test_a_lasting_download_ends_when_told(pair, tmp_path):
    left, right = pair
    file = RandomFile(tmp_path, 1_000_000)
    with serving(left.namespace, file, lasting=True) as server:
        download = Download(right.namespace, left.ip4, window=65536)
        wait_until(lambda: download.received > 5 * file.size, "more than the file")
        assert download.running()
        server.finish(download)


def test_garbage_sends_what_it_reports(pair, tmp_path):
    left, right = pair
    (tmp_path / "capture").write_bytes(b"\x00\x05hello\x00\x03you")
    right.namespace.nft("""table inet count {
        counter every { }
        counter spoofed { }
        chain in {
            type filter hook prerouting priority raw;
            udp dport 1194 counter name every
            ip saddr 192.0.2.99 udp sport 4000 counter name spoofed
        }
    }""")
    sent = flood_outer(left.namespace, tmp_path / "log", right.ip4, 6000, 20000, tmp_path / "capture", "192.0.2.99",
                       4000).finish(30)
    assert sent["sent"] == 6000 and all(sent[kind] == 1000 for kind in sent if kind != "sent"), sent
    counted = {name: int(right.namespace.run("nft", "list", "counter", "inet", "count", name).split("packets")[1].split()[0])
               for name in ("every", "spoofed")}
    assert counted["every"] == 6000 and 2500 < counted["spoofed"] < 3500, counted


def test_waiting_gives_up():
    with pytest.raises(Timeout, match="a miracle"):
        wait_until(lambda: False, "a miracle", 0.1)


def test_pairwise_has_every_pair_and_few_cases():
    dimensions = [["a", "b"], ["c", "d", "e"], ["f"], ["g", "h", "i", "j"], ["k", "l"]]
    cases = pairwise(dimensions)
    seen = {(one, other) for case in cases for one in case for other in case if one != other}
    for first, second in itertools.permutations(dimensions, 2):
        assert seen.issuperset(itertools.product(first, second))
    assert len(set(cases)) == len(cases) <= 16 and pairwise(dimensions) == cases
