"""Fixtures of the end-to-end tests, and cleanup whatever happens. The stage is drawn in harness/__init__.py."""

import os
import shutil
from pathlib import Path

import pytest

from harness import interruption, namespace, process
from harness.builds import STOCK
from harness.certificates import Certificates
from harness.download import RandomFile
from harness.stage import Stage


def pytest_configure(config):
    config.addinivalue_line("markers", "culvert_only: needs culvert's own command line; not for the stock gateway")
    config.addinivalue_line("markers", "long: takes ten seconds or more, most of it waiting; begins first")
    config.addinivalue_line("markers", "xdist_group(name): tests that share an expensive fixture; one worker runs them all")
    interruption.prepare(config)


def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        interruption.finish()


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("long") is None)  # keeps the order otherwise
    if STOCK:
        skip = pytest.mark.skip(reason="needs culvert; the gateway is Debian's openvpn (CULVERT_E2E_GATEWAY=stock)")
        for item in items:
            if item.get_closest_marker("culvert_only"):
                item.add_marker(skip)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of every log of its stage."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for stage in Stage.alive():
            for title, text in stage.logs():
                report.sections.append((title, text))


@pytest.fixture(scope="session", autouse=True)
def needs():
    """Says what is missing before any test fails for it."""
    if os.geteuid() != 0:
        pytest.exit("the end-to-end tests make network namespaces: run them as root", 2)
    for program in ("openvpn", "bird", "ethtool", "ip", "nft", "nsenter", "openssl", "ping", "setpriv", "unshare"):
        if shutil.which(program) is None:
            pytest.exit(f"the end-to-end tests need the program {program}", 2)
    namespace.sweep()
    yield
    process.end_all()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def big_file(tmp_path_factory):
    """100 MB of random data."""
    file = RandomFile(tmp_path_factory.mktemp("files"), 100_000_000)
    yield file
    file.path.unlink()


@pytest.fixture
def stage(tmp_path: Path, certificates: Certificates):
    """An empty stage of the test's own."""
    with Stage(tmp_path, certificates) as made:
        yield made
