"""A file from a client to the network behind the gateway, compared by SHA-256. The other direction: download."""

import hashlib
import socket
import threading

from harness.download import RandomFile
from harness.namespace import Namespace

UPLOAD_PORT = 8001


def upload(sender: Namespace, receiver: Namespace, address: str, file: RandomFile, seconds: float = 30.0) -> None:
    """Sends `file` to `address`, which is one of `receiver`; fails when it does not arrive undamaged."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with receiver.socket(family, socket.SOCK_STREAM) as listener, sender.socket(family, socket.SOCK_STREAM) as connection:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, UPLOAD_PORT))
        listener.listen(1)
        for end in (listener, connection):
            end.settimeout(seconds)
        connection.connect((address, UPLOAD_PORT))
        arrived, _ = listener.accept()
        thread = threading.Thread(target=_send, args=(connection, file), daemon=True)
        thread.start()
        digest, count = hashlib.sha256(), 0
        with arrived:
            arrived.settimeout(seconds)
            while data := arrived.recv(1 << 20):
                digest.update(data)
                count += len(data)
        thread.join(seconds)
    assert count == file.size and digest.hexdigest() == file.sha256, f"{count} bytes arrived, damaged or not all"


def _send(connection: socket.socket, file: RandomFile) -> None:
    with open(file.path, "rb") as source:
        connection.sendfile(source)
    connection.shutdown(socket.SHUT_WR)
