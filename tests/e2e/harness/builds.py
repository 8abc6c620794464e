"""Where the programs under test are: CULVERT_BUILD names the build folder, `build` beside the sources when it is not set."""

import json
import os
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[3]


def build_folder() -> Path:
    return Path(os.environ.get("CULVERT_BUILD") or SOURCES / "build").resolve()


def _existing(path: Path) -> str:
    assert path.exists(), f"{path} is missing: build it (ninja -C {build_folder()}), or set CULVERT_BUILD"
    return str(path)


def culvert() -> str:
    """The operator's command line."""
    return _existing(build_folder() / "tools" / "culvert" / "culvert")


def tool(name: str) -> str:
    """A helper of these tests, built from tests/e2e/tools."""
    return _existing(build_folder() / "tests" / "e2e" / "tools" / name)


def is_sanitized() -> bool:
    """Is this a build with AddressSanitizer? Then memory and time figures mean nothing."""
    options = build_folder() / "meson-info" / "intro-buildoptions.json"
    entries = json.loads(options.read_text())
    return any(entry["name"] == "b_sanitize" and "address" in str(entry["value"]) for entry in entries)
