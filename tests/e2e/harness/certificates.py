"""A CA with everything a test needs: a server, good clients, and clients whose certificate must be refused."""

import datetime
import subprocess
from pathlib import Path
from typing import NamedTuple


class Pair(NamedTuple):
    """A certificate and its private key."""

    certificate: Path
    key: Path


def _openssl(*argv: str, cwd: Path) -> None:
    done = subprocess.run(["openssl", *[str(word) for word in argv]], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"openssl {' '.join(map(str, argv))}: {done.stderr}"


_CONFIG = """
[ca]
default_ca = this
[this]
dir = .
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = ca.crt
private_key = ca.key
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
unique_subject = no
[any]
commonName = supplied
organizationalUnitName = optional
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:FALSE
keyUsage = digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth
[client]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = clientAuth
"""


class Authority:
    """A CA in `folder`, driven by `openssl ca`, with its own database: it can revoke, and issue in the past."""

    def __init__(self, folder: Path, name: str):
        self.folder = folder
        folder.mkdir(parents=True)
        (folder / "openssl.cnf").write_text(_CONFIG)
        (folder / "index.txt").touch()
        (folder / "serial").write_text("1000\n")
        (folder / "crlnumber").write_text("01\n")
        self.certificate = folder / "ca.crt"
        self._key("ca")
        _openssl("req", "-x509", "-new", "-key", "ca.key", "-out", "ca.crt", "-subj", f"/CN={name}", "-days", "30",
                 "-config", "openssl.cnf", "-extensions", "authority", cwd=folder)

    def issue(self, name: str, usage: str = "client", start: datetime.timedelta = datetime.timedelta(minutes=-5),
              end: datetime.timedelta = datetime.timedelta(days=10), unit: str = "") -> Pair:
        """A certificate for CN=`name` and, if given, OU=`unit`, valid between now + start and now + end. usage: "client" or
        "server"."""
        now = datetime.datetime.now(datetime.timezone.utc)
        stamp = "%Y%m%d%H%M%SZ"
        self._key(name)
        subject = f"/CN={name}" + (f"/OU={unit}" if unit else "")
        _openssl("req", "-new", "-key", f"{name}.key", "-out", f"{name}.csr", "-subj", subject, "-config", "openssl.cnf",
                 cwd=self.folder)
        _openssl("ca", "-batch", "-notext", "-config", "openssl.cnf", "-in", f"{name}.csr", "-out", f"{name}.crt",
                 "-extensions", usage, "-startdate", (now + start).strftime(stamp), "-enddate",
                 (now + end).strftime(stamp), cwd=self.folder)
        return Pair(self.folder / f"{name}.crt", self.folder / f"{name}.key")

    def revoke(self, pair: Pair) -> None:
        _openssl("ca", "-batch", "-config", "openssl.cnf", "-revoke", pair.certificate, cwd=self.folder)

    def crl(self) -> Path:
        """Writes and returns the list of what is revoked now."""
        _openssl("ca", "-batch", "-config", "openssl.cnf", "-gencrl", "-out", "crl.pem", cwd=self.folder)
        return self.folder / "crl.pem"

    def _key(self, name: str) -> None:
        path = self.folder / f"{name}.key"
        _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path, cwd=self.folder)
        path.chmod(0o600)


class Certificates:
    """What all tests share. Made once per run; clients that a test needs for itself come from client()."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.authority = Authority(folder / "ca", "e2e test CA")
        self.server = self.authority.issue("gateway.test", usage="server")
        day = datetime.timedelta(days=1)
        self.revoked = self.authority.issue("revoked")
        self.authority.revoke(self.revoked)
        self.crl = self.authority.crl()
        self.expired = self.authority.issue("expired", start=-2 * day, end=-day)
        self.not_yet_valid = self.authority.issue("not-yet-valid", start=day, end=2 * day)
        self.wrong_usage = self.authority.issue("wrong-usage", usage="server")
        self.foreign = Authority(folder / "foreign", "some other CA").issue("foreign")
        self._clients: dict = {}
        self.static_key = folder / "static.key"  # tls-auth and tls-crypt
        self.genkey("secret", self.static_key)
        self.other_static_key = folder / "other-static.key"
        self.genkey("secret", self.other_static_key)
        self.v2_server_key = folder / "v2-server.key"
        self.genkey("tls-crypt-v2-server", self.v2_server_key)
        self.v2_client_key = folder / "v2-client.key"
        self.genkey("tls-crypt-v2-client", self.v2_client_key, "--tls-crypt-v2", str(self.v2_server_key))

    @property
    def ca(self) -> Path:
        return self.authority.certificate

    def client(self, name: str) -> Pair:
        """The good certificate of client `name`; the same for the same name."""
        if name not in self._clients:
            self._clients[name] = self.authority.issue(name)
        return self._clients[name]

    @staticmethod
    def genkey(kind: str, path: Path, *more: str) -> None:
        done = subprocess.run(["openvpn", *more, "--genkey", kind, str(path)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        path.chmod(0o600)
