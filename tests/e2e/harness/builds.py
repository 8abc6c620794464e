"""Where the programs under test are: CULVERT_BUILD names the build folder, `build` beside the sources when it is not set.

A sanitizer build need not have everything: what it lacks of the command line and of these tests' own tools comes from `build`.
"""

import atexit
import functools
import json
import os
import shutil
import tempfile
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[3]
PLAIN = SOURCES / "build"
# Debian's openvpn in culvert's place: see ../README.md.
STOCK = os.environ.get("CULVERT_E2E_GATEWAY", "culvert") == "stock"


def build_folder() -> Path:
    return Path(os.environ.get("CULVERT_BUILD") or PLAIN).resolve()


def _find(*parts: str) -> Path:
    for folder in (build_folder(), PLAIN):
        if (path := folder.joinpath(*parts)).exists():
            return path
    raise AssertionError(f"{build_folder().joinpath(*parts)} is missing: run ninja -C {build_folder()}, or set CULVERT_BUILD")


@functools.lru_cache(maxsize=None)
def culvert() -> str:
    """The operator's command line."""
    found = _find("tools", "culvert", "culvert")
    if found.is_relative_to(build_folder()):
        return str(found)
    # It looks for the two processes beside itself: put it beside those under test.
    beside = Path(tempfile.mkdtemp(prefix="culvert-e2e-"))
    atexit.register(shutil.rmtree, beside, ignore_errors=True)
    beside.chmod(0o755)
    (beside / "tools" / "culvert").mkdir(parents=True)
    for room in ("control", "dataplane"):
        (beside / room).symlink_to(build_folder() / room)
    return shutil.copy(found, beside / "tools" / "culvert" / "culvert")


def tool(name: str) -> str:
    """A helper of these tests, built from tests/e2e/tools."""
    return str(_find("tests", "e2e", "tools", name))


def program(*parts: str) -> str:
    """Any other program of the build, by its path in there."""
    return str(_find(*parts))


def is_sanitized() -> bool:
    """Is this a build with AddressSanitizer? Then memory and time figures mean nothing."""
    options = build_folder() / "meson-info" / "intro-buildoptions.json"
    entries = json.loads(options.read_text())
    return any(entry["name"] == "b_sanitize" and "address" in str(entry["value"]) for entry in entries)
