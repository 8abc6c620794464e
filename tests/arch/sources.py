"""What the architecture tests read: the project's files and their include lines."""
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("dataplane", "drivers", "control", "tools", "tests", "perf")
TEXT_SUFFIXES = {".cc", ".h", ".def", ".py", ".md", ".build", ".sh", ".toml", ".conf", ".service", ".yml", ".txt", ""}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)


def cpp_files(*rooms):
    """Every .cc and .h under the given folders, as paths relative to the root."""
    found = []
    for room in rooms or ROOMS:
        found += [p.relative_to(ROOT) for p in (ROOT / room).rglob("*") if p.suffix in (".cc", ".h")]
    return sorted(found)


def text_files():
    """Every file of the project that a person wrote, except corpora and golden files."""
    found = []
    tops = [ROOT / room for room in ROOMS] + [ROOT / "conf", ROOT / ".ci"]
    for top in tops:
        found += [p for p in top.rglob("*") if p.is_file()] if top.is_dir() else []
    found += [p for p in ROOT.glob("*") if p.is_file() and p.name != ".git"]
    skip = {"corpus", "__pycache__", ".pytest_cache", "vectors"}
    return sorted(p.relative_to(ROOT) for p in found
                  if p.suffix in TEXT_SUFFIXES and not skip & set(p.relative_to(ROOT).parts))


def read(path):
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def includes(path):
    """(line number, "<" or '"', what) of each include line."""
    for number, line in enumerate(read(path).splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2)


def code(path):
    """The file without comments, line numbers kept."""
    return COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), read(path))
