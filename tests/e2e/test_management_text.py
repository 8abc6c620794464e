"""The management interface against Debian's openvpn server: both run with equal configurations and a client each, get the same
lines, and must say the same but for numbers, times and their names."""

import contextlib
import re
import socket
from pathlib import Path
from typing import Iterator, List, NamedTuple, Optional, Sequence, Set

import pytest

from harness.gateway import Gateway
from harness.management import Management
from harness.server_conf import INNER4, ServerConf
from harness.stage import Stage
from harness.stock_gateway import StockGateway
from harness.waiting import wait_until

pytestmark = [pytest.mark.culvert_only, pytest.mark.xdist_group("management-text")]

COMMANDS = r"""
version 3 | version 4 | version 5 | version x | version 1 2 | pid | pid x | "pid" | 'pid' | pid # comment | pid ; comment
state | state 1 | state all | state on | state off | state on all | state x | state 0 | state -1 | state 1 x
status | status 0 | status 1 | status 2 | status 3 | status 4 | status x | status -1 | status 2 3
load-stats | load-stats 1 | nclients | bytecount | bytecount 0 | bytecount x | bytecount -5
log | log x | log 0 | log -1 | log 1 | echo | echo on | echo all | echo on all | echo off | echo x
hold | hold on | hold | hold off | hold | hold release | hold x
verb | verb 4 | verb 99 | verb -1 | verb 4 5 | mute | mute 0
kill | kill nobody | kill "no body" | kill "" | kill 1.2.3.4:5 | kill 1.2.3.4 | kill x:5 | kill 1.2.3.4: | kill :5 | kill ::1
kill 1.2.3.4:99999 | kill 1.2.3.4:0 | kill 1.2.3.4:x | kill a b | kill 300.2.3.4:5
client-kill | client-kill 99 | client-kill 99 HALT | client-kill x | client-kill -1 | client-kill 99 a b
client-deny | client-deny 1 | client-deny 1 2 | client-deny x 2 reason | client-deny 1 x reason | client-deny 99 1 reason
client-deny 99 1 "reason one" "client reason" | client-auth | client-auth 99 | client-auth x 1 | client-auth-nt
client-auth-nt x 1 | client-auth-nt 99 1 | client-auth-nt 99 1 more
client-pending-auth 1 2 3 | client-pending-auth 99 1 extra 30 | client-pending-auth 99 1 extra x | client-pf 1 | client-pf
signal | signal SIGFOO | signal SIGUSR2 | signal sigusr1 | forget-passwords | forget-passwords x
password | password a | password a b | password Auth x | username | username a | username a b
needok | needok a | needok a ok | needstr a | needstr a b | auth-retry | auth-retry none | auth-retry interact | auth-retry
auth-retry bogus | auth-retry none x | cr-response | cr-response x | rsa-sig | pk-sig | certificate
proxy | proxy NONE | proxy HTTP a 1 | remote | remote ACCEPT | remote-entry-count | remote-entry-get | remote-entry-get 0 | net
pkcs11-id-count | pkcs11-id-get | pkcs11-id-get 0 | env-filter | env-filter x | test | test x | test 0
HELP | nonsense | "a b" c | foo\ bar | ; pid | # comment
"""
MARK = 7_000_000
ROUTE = re.compile(r"ROUTING_TABLE|[0-9a-f:./]+,alice,")
TITLE = re.compile(r"(OpenVPN|culvert) \d\S* x86_64.*")


class Side(NamedTuple):
    """One of the two, in a network of its own."""

    stage: Stage
    gateway: object
    path: Path


def start_both(folder: Path, certificates, leave: contextlib.ExitStack, *extra: str, password: Optional[Path] = None,
               ready: bool = True) -> List[Side]:
    """Debian's openvpn first, then culvert."""
    sides = []
    for kind in (StockGateway, Gateway):
        (folder / kind.kind).mkdir()
        stage = leave.enter_context(Stage(folder / kind.kind, certificates))
        path = stage.folder / "gateway" / "management.sock"
        if kind is StockGateway:
            gateway = StockGateway(stage.network.gateway, ServerConf(certificates, extra=list(extra)), path.parent, password)
        else:
            line = f"management {path} unix {password or ''}"
            gateway = Gateway(stage.network.gateway, ServerConf(certificates, extra=[line, *extra]), path.parent)
        stage.add(gateway).start(ready=ready)
        sides.append(Side(stage, gateway, path))
    return sides


@pytest.fixture(scope="module")
def both(tmp_path_factory, certificates):
    folder = tmp_path_factory.mktemp("both")
    (folder / "ccd").mkdir()
    (folder / "ccd" / "alice").write_text("iroute 10.98.0.0 255.255.0.0\niroute-ipv6 fd98::/48\n")
    with contextlib.ExitStack() as leave:
        sides = start_both(folder, certificates, leave, f"client-config-dir {folder / 'ccd'}")
        for side in sides:
            side.stage.connected("alice")
        yield sides


class Program:
    """Sends lines one by one; knows where an answer ends because a known one follows."""

    def __init__(self, path: Path):
        self.connection = Management(path)
        self.welcome = self.connection.line()
        self._mark = MARK

    def answer(self, *lines: str) -> List[str]:
        self._mark += 1
        for line in (*lines, f"env-filter {self._mark}"):
            self.connection.say(line)
        *answer, _ = self.connection.lines_until(f"SUCCESS: env_filter_level={self._mark}")
        return answer


@contextlib.contextmanager
def programs(sides: List[Side]) -> Iterator[List[Program]]:
    """One program at either side; each interface serves one at a time."""
    with contextlib.ExitStack() as leave:
        made = [Program(side.path) for side in sides]
        for program in made:
            leave.callback(program.connection.close)
        yield made


def normal(answer: Sequence[str]) -> List[str]:
    """Without what must differ. Sorted where the reference's order is that of a hash table: routes."""
    routes = [line for line in answer if ROUTE.match(line)]
    sorted_routes = iter(sorted(routes))
    lines = [next(sorted_routes) if ROUTE.match(line) else line for line in answer]
    return [re.sub(r"\d+", "N", TITLE.sub("TITLE", line)) for line in lines]


def test_answers(both):
    with programs(both) as (stock, culvert):
        assert stock.welcome == culvert.welcome
        differ = {}
        for command in re.split(r" \| |\n", COMMANDS.strip()):
            expected, found = normal(stock.answer(command)), normal(culvert.answer(command))
            if expected != found:
                differ[command] = (expected, found)
        assert differ == {}
        for lines in (["client-auth 99 1", "push x", "END"], ["client-auth 99 1", "END", "pid"], [""]):
            assert normal(culvert.answer(*lines)) == normal(stock.answer(*lines))


# What 2.6.14 has without listing it, and what only 2.7 has.
NOT_LISTED = {"nclients", "push-update-broad", "push-update-cid"}


def test_help_and_version_say_the_same_in_own_words(both):
    with programs(both) as (stock, culvert):
        known = set(_commands_of(stock.answer("help")))
        ours = _commands_of(culvert.answer("help"))
        assert "status" in ours and set(ours) - NOT_LISTED <= known
        assert [line.split(":")[0] for line in stock.answer("version")] == \
            [line.split(":")[0] for line in culvert.answer("version")]
        assert len(stock.answer("test 3")) == len(culvert.answer("test 3")) == 3


def _commands_of(text: List[str]) -> List[str]:
    assert text[0].startswith("Management Interface for ") and (text[1], text[-1]) == ("Commands:", "END")
    return [name for line in text[2:-1] for name in re.match(r"[a-z0-9|,\- ]*", line)[0].split(" : ")[0]
            .replace(", ", "|").split(" ")[0].split("|") if name]


def test_password(tmp_path, certificates):
    password = tmp_path / "password"
    password.write_text("open sesame\n")
    password.chmod(0o600)
    with contextlib.ExitStack() as leave:
        stock, culvert = (
            [_guess(side.path, guesses) for guesses in (["open sesame"], ["wrong", "open sesame"], ["a", "pid", "c"])]
            for side in start_both(tmp_path, certificates, leave, password=password))
    assert stock == culvert


def _guess(path: Path, guesses: List[str]) -> bytes:
    """What is said when one guess after the other is given, each at its own prompt."""
    with contextlib.closing(Management(path)) as program:
        text = b""
        for guess in guesses:
            text += _text_until(program.socket, b"ENTER PASSWORD:")
            program.say(guess)
        return text + _text_until(program.socket, b"more info\r\n")


def _text_until(connection: socket.socket, end: bytes) -> bytes:
    """What comes up to and with `end`, or until the other side closes."""
    text = b""
    while not text.endswith(end) and (piece := connection.recv(4096)):
        text += piece
    return text


def test_hold(tmp_path, certificates):
    said = []
    with contextlib.ExitStack() as leave:
        for side in start_both(tmp_path, certificates, leave, "management-hold", ready=False):
            program = Program(side.path)
            first = program.connection.line()
            answers = [program.answer(command) for command in ("hold", "hold off", "hold", "hold on", "state on all")]
            program.connection.say("hold release")
            states = program.connection.lines_until(">STATE:")
            while ",CONNECTED," not in states[-1]:
                states += program.connection.lines_until(">STATE:")
            said.append([program.welcome, first, *map(normal, answers), normal(states)])
    assert said[0] == said[1]


def test_real_time_lines_and_kills(both):
    """Log, byte counts, states; then the client's session ends in each of the ways that there are."""
    with programs(both) as both_programs:
        said = [_real_time(side, program) for side, program in zip(both, both_programs)]
    assert said[0] == said[1]


def _real_time(side: Side, program: Program) -> List[List[str]]:
    client, connection = side.stage.clients[0], program.connection
    texts = [program.answer("log on"), program.answer("state on")]
    connection.say("log off")
    texts += [connection.lines_until("SUCCESS"), program.answer("bytecount 1")]
    assert client.ping(INNER4, count=3)
    texts += [connection.lines_until(">BYTECOUNT_CLI:")[-1:]]
    # The next count may come before the answer.
    texts += [[text for text in program.answer("bytecount 0") if not text.startswith(">BYTECOUNT_CLI:")]]
    cid = "none"
    for number, command in enumerate(("client-kill {cid}", "client-kill {cid} RESTART", "kill {name}", "kill {remote}")):
        wait_until(lambda last=cid: connection.clients().get("alice", [last] * 11)[10] != last, "alice in the status", 5)
        row = connection.clients()["alice"]
        cid = row[10]
        line = command.format(cid=cid, name=row[1], remote=row[2])
        texts.append(program.answer(line))
        if side.gateway.kind == "stock" and line.startswith("kill"):
            client.restart_softly()  # nobody tells the client
        wait_until(lambda times=number + 2: client.connects() >= times, f"alice to connect again after {line}", 20)
    return [normal(text) for text in texts]


def test_clients_that_a_program_lets_in(tmp_path, certificates):
    """Every line of CONNECT, ADDRESS, ESTABLISHED, NOTIFY and DISCONNECT, with the environment, whole and less of it."""
    login = tmp_path / "login"
    login.write_text("alice\nopen sesame\n")
    login.chmod(0o600)
    options = [f"auth-user-pass {login}", "push-peer-info", "setenv UV_ROOM 7", "explicit-exit-notify 1"]
    with contextlib.ExitStack() as leave:
        stock, culvert = (
            [told for level in (0, 1) for told in _life_of_a_client(side, level, options)]
            for side in start_both(tmp_path, certificates, leave, "management-client-auth", "setenv PROFILE_ID office"))
    for expected, found in zip(stock, culvert):
        assert expected.events == found.events
        assert expected.environment == found.environment, expected.events


class Told(NamedTuple):
    events: List[str]
    environment: Set[str]


def _life_of_a_client(side: Side, level: int, options: List[str]) -> List[Told]:
    with contextlib.closing(Program(side.path).connection) as connection:
        connection.ask(f"env-filter {level}")
        return _events_of_a_client(side, connection, options)


def _events_of_a_client(side: Side, connection: Management, options: List[str]) -> List[Told]:
    client = side.stage.client("alice", options=options).start()
    events = [connection.lines_until(">CLIENT:ENV,END")]
    cid, kid = events[0][0].split(",")[1:3]
    for line in (f"client-auth {cid} {kid}", 'push "route 10.99.0.0 255.255.0.0"', "iroute 10.98.0.0 255.255.0.0", "END"):
        connection.say(line)
    events += [connection.lines_until("SUCCESS", "ERROR"), connection.lines_until(">CLIENT:ENV,END")]
    client.wait_connected()
    client.stop()
    return [_comparable(lines) for lines in (*events, connection.lines_until(">CLIENT:ENV,END"))]


def _comparable(lines: List[str]) -> Told:
    """Without values that differ from run to run. The key ID is any number."""
    varies = re.compile(r">CLIENT:ENV,(time_|bytes_|daemon_pid|daemon_start_time|config|(un)?trusted_port)")
    return Told([re.sub(r"(>CLIENT:CONNECT,\d+),\d+", r"\1,KID", line) for line in lines if ":ENV," not in line],
                {line.split("=")[0] if varies.match(line) else line for line in lines if ":ENV," in line})
