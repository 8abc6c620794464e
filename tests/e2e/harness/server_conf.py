"""The server.conf of a test, in OpenVPN 2.6 syntax, so that culvert and Debian's openvpn can both serve it."""

from dataclasses import dataclass, field
from typing import List, Optional

from harness.certificates import Certificates

PORT = 1194
INNER4 = "10.8.0.1"
INNER6 = "fd00:8::1"
LONG_QUEUE = "txqueuelen 10000"  # packets that wait in the TUN while there is no dataplane, on a busy machine
WRAPS = ("tls-crypt-v2", "tls-crypt", "tls-auth")


@dataclass
class ServerConf:
    """`extra` are further lines as they stand in the file; `without` names directives of ours to
    leave out."""

    certificates: Certificates
    wrap: str = "tls-crypt-v2"  # or "none"
    topology: str = "subnet"
    protocol: str = "udp"
    port: int = PORT
    keepalive: str = "10 60"
    data_ciphers: str = "AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305"
    client_to_client: bool = False
    crl: bool = False
    extra: List[str] = field(default_factory=list)
    without: List[str] = field(default_factory=list)
    device: str = "tun0"

    def text(self) -> str:
        lines = [
            f"port {self.port}",
            f"proto {self.protocol}",
            f"dev {self.device}",
            f"topology {self.topology}",
            "server 10.8.0.0 255.255.255.0",
            "server-ipv6 fd00:8::/64",
            f"ca {self.certificates.ca}",
            f"cert {self.certificates.server.certificate}",
            f"key {self.certificates.server.key}",
            "dh none",
            "remote-cert-tls client",
            f"data-ciphers {self.data_ciphers}",
            f"keepalive {self.keepalive}",
            self._wrap(),
            "client-to-client" if self.client_to_client else None,
            f"crl-verify {self.certificates.crl}" if self.crl else None,
            "verb 4",
        ]
        kept = [line for line in lines if line and line.split()[0] not in self.without]
        return "\n".join([*kept, *self.extra]) + "\n"

    def _wrap(self) -> Optional[str]:
        if self.wrap == "tls-crypt-v2":
            return f"tls-crypt-v2 {self.certificates.v2_server_key}"
        if self.wrap == "tls-crypt":
            return f"tls-crypt {self.certificates.static_key}"
        if self.wrap == "tls-auth":
            return f"tls-auth {self.certificates.static_key} 0"
        return None
