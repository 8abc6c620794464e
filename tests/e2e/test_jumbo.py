"""A tunnel MTU far above 1500 in kernel mode: larger packet buffers, with and without jumbo frames outside."""

import pytest

from harness.download import RandomFile, download
from harness.server_conf import INNER4

pytestmark = pytest.mark.culvert_only
JUMBO = ["tun-mtu 8900", "mssfix 0"]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    made = RandomFile(tmp_path_factory.mktemp("jumbo"), 20_000_000)
    yield made
    made.path.unlink()


@pytest.mark.parametrize("outside", [1500, 9000])
@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_long_packets_go_both_ways(stage, file, protocol, outside):
    """Outside they are fragments, or segments of TCP, where the wire takes 1,500 bytes only."""
    gateway = stage.gateway(protocol="udp" if protocol == "udp" else "tcp-server", extra=JUMBO)
    host = stage.network.add_host("large")
    for one in (stage.network.gateway, host):
        stage.network.wire.ip(f"link set p{one.number} mtu {outside}")
        one.namespace.ip(f"link set eth0 mtu {outside}")
    client = stage.client(host=host, protocol=protocol, options=JUMBO).connect()
    for source, address in ((client.namespace, INNER4), (gateway.namespace, client.inner4)):
        # Not faster: over TCP a packet that fills no segment may wait for the acknowledgement of the one before (Nagle).
        done = source.try_run("ping", "-n", "-q", "-c", "10", "-i", "0.1", "-W", "5", "-M", "do", "-s", "8872", address)
        assert " 0% packet loss" in done.stdout, done.stdout
    download(file, gateway.namespace, client.namespace, INNER4)
    download(file, client.namespace, gateway.namespace, client.inner4)
    for reason in ("inner_too_big", "outer_too_long", "stream_bad_length"):
        assert gateway.drops()[reason] == 0, gateway.drops()
