"""A file over TCP through the tunnel: the receiver knows its SHA-256 beforehand."""

import contextlib
import hashlib
import os
import socket
import threading
from pathlib import Path
from typing import Iterator

from harness.namespace import Namespace

FILE_PORT = 8000
_CHUNK = 1 << 20


class RandomFile:
    """`size` random bytes and their SHA-256."""

    def __init__(self, folder: Path, size: int):
        self.size = size
        self.path = folder / f"random-{size}"
        digest = hashlib.sha256()
        with open(self.path, "wb") as out:
            for begin in range(0, size, _CHUNK):
                block = os.urandom(min(_CHUNK, size - begin))
                digest.update(block)
                out.write(block)
        self.sha256 = digest.hexdigest()

    def sha256_of(self, rounds: int) -> str:
        """Of the file `rounds` times, one behind the other."""
        if rounds == 1:
            return self.sha256
        digest = hashlib.sha256()
        for _ in range(rounds):
            with open(self.path, "rb") as source:
                while block := source.read(_CHUNK):
                    digest.update(block)
        return digest.hexdigest()


class FileServer:
    """Sends one file to everybody who connects. Its socket lives in the gateway's namespace, on all its addresses. With `lasting` it
    sends the file again and again until `finish()`, so that a download lasts as long as the test needs it, on any machine."""

    def __init__(self, namespace: Namespace, file: RandomFile, lasting: bool = False):
        self._file = file
        self._last_round = threading.Event()
        if not lasting:
            self._last_round.set()
        with namespace.entered():
            self._listener = socket.create_server(("", FILE_PORT), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
        self._thread = threading.Thread(target=self._serve, name="file server", daemon=True)
        self._thread.start()

    def finish(self, download: "Download") -> None:
        """Of a lasting server: no round after this one; `download` gets to its end and has nothing but whole files."""
        self._last_round.set()
        download.finish(self._file, lasting=True)

    def close(self) -> None:
        self._last_round.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._send, args=(connection,), daemon=True).start()

    def _send(self, connection: socket.socket) -> None:
        with connection, open(self._file.path, "rb") as source, contextlib.suppress(OSError):
            connection.settimeout(60)
            connection.sendfile(source)
            while not self._last_round.is_set():
                source.seek(0)
                connection.sendfile(source)


class Download:
    """A download that runs in a thread of its own. `window` limits the bytes on their way at any time: without it TCP fills the
    queues of both ends until something is dropped, which is how it finds its rate."""

    def __init__(self, namespace: Namespace, address: str, silence: float = 20.0, window: int = 0):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = namespace.socket(family, socket.SOCK_STREAM)
        self._socket.settimeout(silence)
        if window:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self._address = address
        self.received = 0
        self.sha256 = ""
        self.error = ""
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        digest = hashlib.sha256()
        buffer = bytearray(_CHUNK)
        try:
            with self._socket:
                self._socket.connect((self._address, FILE_PORT))
                while count := self._socket.recv_into(buffer):
                    digest.update(memoryview(buffer)[:count])
                    self.received += count
        except OSError as error:
            self.error = f"after {self.received} bytes: {error}"
        self.sha256 = digest.hexdigest()

    def running(self) -> bool:
        return self._thread.is_alive()

    def finish(self, file: RandomFile, seconds: float = 120.0, lasting: bool = False) -> None:
        """Waits for the end and compares: the file once, or as often as a lasting server has sent it."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"download still runs after {seconds:g} s at {self.received} bytes"
        assert not self.error, f"download broke off {self.error}"
        rounds, rest = divmod(self.received, file.size)
        assert rest == 0 and (rounds == 1 or lasting and rounds > 1), f"{self.received} bytes arrived of a file of {file.size}"
        assert self.sha256 == file.sha256_of(rounds), "the file arrived damaged"


@contextlib.contextmanager
def serving(namespace: Namespace, file: RandomFile, lasting: bool = False) -> Iterator[FileServer]:
    server = FileServer(namespace, file, lasting)
    try:
        yield server
    finally:
        server.close()


def download(file: RandomFile, server: Namespace, client: Namespace, address: str) -> None:
    """The whole file from `server` at `address` to `client`."""
    with serving(server, file):
        Download(client, address).finish(file)
