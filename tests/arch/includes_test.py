"""Includes go one way (DESIGN: abi and wire at the bottom, control beside the dataplane, DPDK and OpenSSL fenced in).

Each room names what it may include from the project and which libraries it may use. A room that is not listed is a mistake
of the plan: add it here, with the reason.
"""
import re

from sources import ROOT, cpp_files, includes
from tap import Report

LIBC = {
    "arpa/inet.h", "endian.h", "errno.h", "net/if.h", "netinet/in.h", "netinet/ip.h", "netinet/ip6.h", "netinet/udp.h",
    "stddef.h", "stdint.h", "string.h", "sys/socket.h", "sys/types.h",
}
STD = re.compile(r"^[a-z_0-9]+$")  # <array>, <cstdint>: the standard library has no dot and no slash
DPDK = re.compile(r"^rte_")
OPENSSL = re.compile(r"^openssl/")
IPSEC_MB = re.compile(r"^(intel-ipsec-mb|ipsec-mb)\.h$")

ABI, WIRE = "dataplane/abi/", "dataplane/wire/"
PACKET = "dataplane/packet.h"

# Longest matching room wins: (room, what it may include of the project, libraries it must not use).
RULES = [
    (ABI, [ABI], None),
    (WIRE, [WIRE, ABI], None),
    ("dataplane/crypto/", [ABI, WIRE, PACKET, "dataplane/crypto/"], [OPENSSL]),
    ("dataplane/session/", [ABI, WIRE, PACKET, "dataplane/crypto/", "dataplane/session/"], [OPENSSL]),
    ("dataplane/steps/", [ABI, WIRE, PACKET, "dataplane/crypto/", "dataplane/session/", "dataplane/steps/",
                         "drivers/port.h"], [OPENSSL]),  # of the drivers, steps know the interface only
    ("dataplane/", ["dataplane/", "drivers/"], [OPENSSL]),
    ("drivers/", [ABI, WIRE, PACKET, "drivers/"], [OPENSSL, IPSEC_MB]),
    ("control/openvpn/", [ABI, WIRE, "control/openvpn/", "control/crypto/", "control/now.h"], [DPDK, OPENSSL, IPSEC_MB]),
    ("control/crypto/", [ABI, WIRE, "control/crypto/", "control/openvpn/", "control/now.h"], [DPDK, IPSEC_MB]),
    ("control/", [ABI, WIRE, "control/"], [DPDK, OPENSSL, IPSEC_MB]),
    ("tools/", [ABI, WIRE, "control/", "tools/"], [DPDK, OPENSSL, IPSEC_MB]),
    ("tests/", [""], []),
    ("perf/", [""], []),
]


def rule_for(path):
    fitting = [rule for rule in RULES if str(path).startswith(rule[0])]
    return max(fitting, key=lambda rule: len(rule[0]), default=None)


def bad_include(path, kind, what):
    """Why `path` must not include `what`, or nothing."""
    room, project, libraries = rule_for(path)
    if kind == '"':
        if not (ROOT / what).is_file():
            return f"{what} is not a file of the project: paths start at the root"
        if not any(what.startswith(allowed) for allowed in project):
            return f"{room} must not include {what}"
        return None
    if (ROOT / what).is_file():
        return f"<{what}> is ours: include it with quotes"
    if libraries is None:
        return None if STD.match(what) or what in LIBC else f"{room} may include the standard library only, not <{what}>"
    if any(library.match(what) for library in libraries):
        return f"{room} must not include <{what}>"
    return None


def main():
    report = Report()
    files = cpp_files()
    report.check("there is something to look at", [] if len(files) > 20 else [f"only {len(files)} files found"])
    report.check("every file is in a room that the plan knows", [str(p) for p in files if not rule_for(p)],
                 "a new top folder needs a rule in tests/arch/includes_test.py")
    for room, _, _ in RULES:
        problems = []
        for path in files:
            if rule_for(path)[0] != room:
                continue
            for line, kind, what in includes(path):
                reason = bad_include(path, kind, what)
                if reason:
                    problems.append(f"{path}:{line}: {reason}")
        report.check(f"includes of {room}", problems, "move the code to the room it belongs to; DESIGN names them")
    self_check(report)
    report.finish()


def self_check(report):
    """The rules must reject what they are there for."""
    must_reject = [
        ("dataplane/abi/layout.h", "<", "rte_mbuf.h"), ("dataplane/abi/layout.h", '"', PACKET),
        ("dataplane/abi/layout.h", "<", "openssl/evp.h"), ("dataplane/wire/openvpn.h", "<", "spdlog/spdlog.h"),
        ("control/now.h", "<", "rte_eal.h"), ("control/now.h", '"', PACKET), ("control/now.h", "<", "openssl/ssl.h"),
        ("control/openvpn/server.h", "<", "openssl/ssl.h"), ("drivers/port.h", "<", "openssl/ssl.h"),
        ("dataplane/packet.h", '"', "control/now.h"), ("drivers/port.h", '"', "control/now.h"),
    ]
    missed = [f"{path} including {what}" for path, kind, what in must_reject if not bad_include(path, kind, what)]
    report.check("the rules reject what they must", missed)


main()
