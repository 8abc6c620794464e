"""Debian's openvpn as the client, in a namespace of its own."""

import re
import signal
from pathlib import Path
from typing import Dict, List, Optional, Pattern, Sequence

from harness.certificates import Certificates, Pair
from harness.network import Host
from harness.process import Process
from harness.server_conf import PORT
from harness.waiting import Timeout, wait_until

CONNECTED = "Initialization Sequence Completed"


class Client:
    """One openvpn process. `options` are further lines of its configuration, `without` names directives to
    leave out; `profile` replaces all of it (an .ovpn file). `protocol`: udp or tcp."""

    def __init__(self, host: Host, folder: Path, certificates: Optional[Certificates] = None, name: str = "alice",
                 pair: Optional[Pair] = None, wrap: str = "tls-crypt-v2", remote: str = "192.0.2.1", port: int = PORT,
                 options: Sequence[str] = (), profile: Optional[Path] = None, wrap_key: Optional[Path] = None,
                 without: Sequence[str] = (), env: Optional[Dict[str, str]] = None, protocol: str = "udp",
                 program: str = "openvpn"):
        self.host = host
        self.namespace = host.namespace
        self.name = name
        self.folder = folder / f"client-{host.number}-{name}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process: Optional[Process] = None
        self.env = env or {}
        self.program = program
        if profile is None:
            assert certificates is not None
            pair = pair or certificates.client(name)
            profile = self.folder / "client.ovpn"
            key = wrap_key or (certificates.v2_client_key if wrap == "tls-crypt-v2" else certificates.static_key)
            lines = [
                "client", "dev tun0", f"remote {remote} {port} {_protocol(protocol, remote)}", "nobind",
                f"ca {certificates.ca}", f'cert "{pair.certificate}"', f'key "{pair.key}"', "remote-cert-tls server",
                "connect-retry 1 2", "server-poll-timeout 10", *options]
            if wrap != "none":
                lines.append(f"{wrap} {key}" + (" 1" if wrap == "tls-auth" else ""))
            profile.write_text("".join(f"{line}\n" for line in lines if line.split()[0] not in without))
        self.profile = profile

    def start(self, *more: str) -> "Client":
        """Starts the process. It may still fail to connect: see connect()."""
        number = len(list(self.folder.glob("client*.log")))
        self.process = self.namespace.start(
            [self.program, "--config", self.profile, "--disable-dco", "--verb", "4", "--suppress-timestamps", *more],
            self.folder / f"client{number or ''}.log", self.env, cwd=self.profile.parent)
        return self

    def connect(self, seconds: float = 20.0, *more: str) -> "Client":
        """Starts it and waits until it is connected."""
        self.start(*more)
        self.wait_connected(seconds)
        return self

    def wait_connected(self, seconds: float = 20.0, times: int = 1) -> None:
        """Waits until it has connected `times` times since its start."""
        self._wait(lambda: self.connects() >= times, f"client {self.name} connected", seconds)

    def connects(self) -> int:
        return self.log().count(CONNECTED)

    def log(self) -> str:
        assert self.process is not None
        return self.process.log()

    def stop(self) -> Optional[int]:
        """SIGTERM: the client says goodbye when its options or the server's push tell it to."""
        return self.process.stop() if self.process else None

    def kill(self) -> None:
        """SIGKILL: it vanishes without a word."""
        assert self.process is not None
        self.process.kill()

    def restart_softly(self) -> None:
        """SIGUSR1: drops the session and connects again."""
        assert self.process is not None
        self.process.signal(signal.SIGUSR1)

    # What it was given and what it says about it.

    def said(self, pattern: str) -> str:
        """The last match of `pattern` (its group, if it has one) in its log. Waits for it: the client is connected, and
        passes packets, a few lines before it has written all it has to say of that."""
        self._wait(lambda: re.search(pattern, self.log()), f"{pattern!r} in the log of client {self.name}", 10)
        return re.findall(pattern, self.log())[-1]

    def pushed(self) -> List[str]:
        """Options of the last PUSH_REPLY."""
        return self.said(r"PUSH: Received control message: 'PUSH_REPLY,(.*)'").split(",")

    def pushed_option(self, name: str) -> List[str]:
        for option in self.pushed():
            words = option.split()
            if words and words[0] == name:
                return words[1:]
        raise AssertionError(f"{name} was not pushed: {self.pushed()}")

    @property
    def inner4(self) -> str:
        return self.pushed_option("ifconfig")[0]

    @property
    def inner6(self) -> str:
        return self.pushed_option("ifconfig-ipv6")[0].split("/")[0]

    @property
    def peer_id(self) -> int:
        return int(self.pushed_option("peer-id")[0])

    def data_cipher(self) -> str:
        return self.said(r"Data Channel: cipher '([^']+)'")

    def tls_version(self) -> str:
        return self.said(r"Control Channel: (TLSv[0-9.]+)")

    def renegotiations(self) -> int:
        """How many times TLS finished after the first time, started by either side."""
        return max(0, len(re.findall(r"Control Channel: TLSv", self.log())) - self.connects())

    def warnings(self, expected: Optional[Pattern[str]] = None) -> List[str]:
        """Lines that an operator would frown at, but for those in which `expected` is found."""
        bad = re.compile(r"WARNING|ERROR|\bbad |decrypt|Authenticate/Decrypt|replay|TLS Error|Unrecognized|unroutable", re.I)
        fine = re.compile(r"^(Current Parameter Settings|\s|Replay_|NOTE: ).*|.*replay_|.*mute_replay|.*--mute-replay")
        lines = self.log().split("OpenVPN 2.6", 1)[-1].splitlines()
        return [line for line in lines
                if bad.search(line) and not fine.match(line) and not (expected and expected.search(line))]

    def ping(self, address: str, count: int = 1, **options) -> bool:
        return self.namespace.ping(address, count, **options)

    def counters(self) -> Dict[str, int]:
        """Bytes and packets of its TUN device, as its kernel counted them."""
        with self.namespace.entered():
            for line in Path("/proc/thread-self/net/dev").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name.strip() == "tun0":
                    numbers = [int(word) for word in rest.split()]
                    return {"rx_packets": numbers[1], "rx_dropped": numbers[3], "tx_packets": numbers[9],
                            "tx_dropped": numbers[11]}
        raise AssertionError(f"client {self.name} has no tun0")

    def _wait(self, condition, what: str, seconds: float) -> None:
        def alive() -> None:
            assert self.process is not None
            if not self.process.running() and not condition():
                raise Timeout(f"openvpn ended with {self.process.exit_status()} before: {what}")
        try:
            wait_until(condition, what, seconds, alive)
        except Timeout as timeout:
            assert self.process is not None
            raise Timeout(f"{timeout}\n--- log of the client ---\n{self.process.tail(40)}") from None


def _protocol(protocol: str, remote: str) -> str:
    family = "6" if ":" in remote else "4"
    return f"tcp{family}-client" if protocol == "tcp" else f"udp{family}"
