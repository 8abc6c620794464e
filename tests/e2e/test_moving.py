"""From Debian's openvpn to culvert and back, with the same files and with clients that nobody touches."""

from pathlib import Path
from typing import List

import pytest

from harness.client import Client
from harness.gateway import Gateway
from harness.process import Process
from harness.server_conf import ServerConf
from harness.stage import Stage

pytestmark = pytest.mark.culvert_only


def start_openvpn(stage: Stage, conf: Path, log: Path) -> Process:
    process = stage.network.gateway.namespace.start(["openvpn", "--config", conf, "--disable-dco"], log, cwd=conf.parent)
    process.wait_for_log("Initialization Sequence Completed")
    return process


def come_back(clients: List[Client], times: int) -> List[str]:
    """Waits until each has connected so often; returns the addresses they have then."""
    for client in clients:
        client.wait_connected(times=times)
    return [client.inner4 for client in clients]


@pytest.mark.parametrize("topology", ["subnet", "net30"])
def test_clients_find_the_other_server_with_their_addresses(stage, topology):
    folder = stage.folder / "etc"
    (folder / "ccd").mkdir(parents=True)
    (folder / "ccd" / "carol").write_text("ifconfig-push 10.8.0.50 " + ("255.255.255.0" if topology == "subnet" else "10.8.0.49"))
    conf = folder / "server.conf"
    conf.write_text(ServerConf(stage.certificates, topology=topology, extra=[
        "explicit-exit-notify 1", "ifconfig-pool-persist ipp.txt 1", "client-config-dir ccd", "client-to-client",
        "status openvpn-status.log"]).text())
    config = folder / "culvert.toml"
    config.write_text('[[openvpn]]\nconfig = "server.conf"\n')

    before = start_openvpn(stage, conf, folder / "before.log")
    clients = [stage.connected(name) for name in ("bob", "carol", "alice")]
    addresses = come_back(clients, 1)
    before.stop()

    gateway = stage.add(Gateway(stage.network.gateway, None, stage.folder / "gateway", config=config)).start()
    assert come_back(clients, 2) == addresses
    assert all(client.ping("10.8.0.1") and client.ping("fd00:8::1") for client in clients)
    assert clients[0].ping(clients[1].inner4)
    assert gateway.stop() == 0

    after = start_openvpn(stage, conf, folder / "after.log")
    assert come_back(clients, 3) == addresses
    assert all(client.ping("10.8.0.1") for client in clients)
    after.stop()
