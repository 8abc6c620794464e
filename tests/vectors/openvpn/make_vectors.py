#!/usr/bin/env python3
"""Makes the vectors of this folder anew with the reference implementation (package openvpn) and the openssl command.

Keys come from `openvpn --genkey`. Packets are what a client and a server of the reference say to each other over loopback,
recorded by a relay between them. The legacy key derivation comes from the client's own log (verb 11). Needs no root: the
tunnel device is "null". Run it in this folder; every run gives other keys, and the tests take whatever stands here.
"""
import os
import re
import select
import socket
import subprocess
import sys
import tempfile
import time

GENKEYS = [
    (["secret", "static.key"], []),
    (["tls-crypt-v2-server", "v2-server.key"], []),
    (["tls-crypt-v2-client", "v2-client.key"], ["--tls-crypt-v2", "v2-server.key"]),
    # base64 of "user data of this client"
    (["tls-crypt-v2-client", "v2-client-user.key", "dXNlciBkYXRhIG9mIHRoaXMgY2xpZW50"], ["--tls-crypt-v2", "v2-server.key"]),
]

CASES = {
    "tls-auth-sha1-bidirectional": (["--tls-auth", "static.key"], ["--tls-auth", "static.key"]),
    "tls-auth-sha256": (["--tls-auth", "static.key", "0", "--auth", "SHA256"], ["--tls-auth", "static.key", "1", "--auth", "SHA256"]),
    "tls-auth-sha384": (["--tls-auth", "static.key", "0", "--auth", "SHA384"], ["--tls-auth", "static.key", "1", "--auth", "SHA384"]),
    "tls-auth-sha512": (["--tls-auth", "static.key", "0", "--auth", "SHA512"], ["--tls-auth", "static.key", "1", "--auth", "SHA512"]),
    "tls-crypt": (["--tls-crypt", "static.key"], ["--tls-crypt", "static.key"]),
    "tls-crypt-v2": (["--tls-crypt-v2", "v2-server.key"], ["--tls-crypt-v2", "v2-client.key"]),
}


def run(*command, **kwargs):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kwargs)


def certificates(folder):
    def path(name):
        return os.path.join(folder, name)

    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    run("openssl", "req", "-x509", *new, "-subj", "/CN=vectors", "-keyout", path("ca.key"), "-out", path("ca.crt"))
    for name in ("server", "client"):
        run("openssl", "req", *new, "-subj", "/CN=" + name, "-keyout", path(name + ".key"), "-out", path("csr"))
        run("openssl", "x509", "-req", "-in", path("csr"), "-CA", path("ca.crt"), "-CAkey", path("ca.key"),
            "-CAcreateserial", "-days", "2", "-out", path(name + ".crt"))


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def converse(folder, server_options, client_options, seconds):
    """Runs both sides with a relay between them; returns the packets as (from, bytes) and the client's log."""
    server_port = free_port()
    relay = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    relay.bind(("127.0.0.1", 0))
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.bind(("127.0.0.1", 0))

    def identity(name):
        return ["--ca", folder + "/ca.crt", "--cert", f"{folder}/{name}.crt", "--key", f"{folder}/{name}.key"]

    server = subprocess.Popen(
        ["openvpn", "--dev", "null", "--tls-server", "--dh", "none", "--local", "127.0.0.1", "--lport", str(server_port),
         "--verb", "11", *identity("server"), *server_options], stdout=open(folder + "/server.log", "w"))
    # Logs go to files: at this verbosity a pipe that nobody reads would fill.
    client = subprocess.Popen(
        ["openvpn", "--dev", "null", "--client", "--nobind", "--remote", "127.0.0.1", str(relay.getsockname()[1]),
         "--connect-retry", "1", "--ifconfig-noexec", "--route-noexec", "--verb", "11", *identity("client"), *client_options],
        stdout=open(folder + "/client.log", "w"))
    packets, client_address = [], None
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            for sock in select.select([relay, out], [], [], 0.2)[0]:
                try:
                    data, address = sock.recvfrom(65536)
                    if sock is relay:
                        client_address = address
                        packets.append(("client", data))
                        out.sendto(data, ("127.0.0.1", server_port))
                    else:
                        packets.append(("server", data))
                        relay.sendto(data, client_address)
                except ConnectionRefusedError:
                    packets.clear()  # the server is not up yet; the client will try again
            log = open(folder + "/client.log", errors="replace").read()
            if "Incoming Data Channel: CIPHER KEY" in log:
                break
    finally:
        for process in (client, server):
            process.terminate()
            process.wait()
        relay.close()
        out.close()
    return packets, log


def is_control(packet):
    return 3 <= packet[0] >> 3 <= 11 and packet[0] >> 3 not in (6, 9)


def record_packets(folder):
    for name, (server_options, client_options) in CASES.items():
        mode = ["--mode", "server", "--server", "10.99.0.0", "255.255.255.0", "--dev-type", "tun", "--ifconfig-noexec",
                "--route-noexec"]
        packets, _ = converse(folder, mode + server_options, client_options, 8)
        with open(f"packets-{name}.txt", "w") as out:
            out.write("# sender, packet; see make_vectors.py\n")
            for sender, data in [p for p in packets if is_control(p[1])][:12]:
                out.write(f"{sender} {data.hex()}\n")
        print(name, len(packets), "packets")


def record_derivation(folder):
    """The client ignores the server's offer to derive keys with TLS's exporter, so it falls back to the PRF."""
    mode = ["--mode", "server", "--server", "10.99.0.0", "255.255.255.0", "--dev-type", "tun", "--ifconfig-noexec",
            "--route-noexec"]
    packets, log = converse(folder, mode, ["--pull-filter", "ignore", "protocol-flags", "--pull-filter", "ignore",
                                           "key-derivation"], 8)
    with open("legacy-derivation.txt", "w") as out:
        out.write("# what the reference's client drew and derived; see make_vectors.py\n")
        for side in ("Client", "Server"):
            for part in ("pre_master", "random1", "random2"):
                value = re.findall(rf"{side} {part}: ([0-9a-f ]+)", log)[-1].replace(" ", "")
                out.write(f"{side.lower()}_{part} {value}\n")
        for direction, name in (("Outgoing", "client_send_key"), ("Incoming", "client_receive_key")):
            value = re.findall(rf"{direction} Data Channel: CIPHER KEY: ([0-9a-f ]+)", log)[-1].replace(" ", "")
            out.write(f"{name} {value}\n")
        for sender in ("client", "server"):
            first = next(data for who, data in packets if who == sender)
            out.write(f"{sender}_session {first[1:9].hex()}\n")
    print("legacy derivation done")


def main():
    for name in ("static.key", "v2-server.key", "v2-client.key", "v2-client-user.key"):
        if os.path.exists(name):
            os.remove(name)
    for what, options in GENKEYS:
        run("openvpn", *options, "--genkey", *what)
    with tempfile.TemporaryDirectory() as folder:
        certificates(folder)
        record_packets(folder)
        record_derivation(folder)


if __name__ == "__main__":
    sys.exit(main())
