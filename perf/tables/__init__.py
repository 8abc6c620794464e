"""The tables of perf/README.md, a module each. A module has HELP (one line), add_options(parser) and run(options), which
yields Tables; it raises TableError with what is wrong and the way out."""

import importlib
import json
import os
import pkgutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Sequence

SOURCES = Path(__file__).resolve().parents[2]


class TableError(Exception):
    pass


@dataclass
class Table:
    command: str  # what made it
    head: List[str]
    rows: List[List[str]]

    def markdown(self) -> str:
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        return f"    {self.command}\n\n" + "".join("| " + " | ".join(line) + " |\n" for line in lines)


def load_tables() -> Dict[str, Any]:
    """All modules of this folder, by name."""
    return {found.name: importlib.import_module(f"{__name__}.{found.name}")
            for found in pkgutil.iter_modules([str(Path(__file__).parent)])}


def program(*parts: str) -> str:
    """A program of the build folder (CULVERT_BUILD, else build)."""
    folder = Path(os.environ.get("CULVERT_BUILD") or SOURCES / "build").resolve()
    path = folder.joinpath(*parts)
    if not path.exists():
        raise TableError(f"{path} is missing: ninja -C {folder}, or set CULVERT_BUILD")
    return str(path)


def shown(argv: Sequence[str]) -> str:
    """A command as a reader of the table would type it."""
    return " ".join(str(word).removeprefix(f"{SOURCES}/") for word in argv)


def run(argv: Sequence[str], **options) -> "subprocess.CompletedProcess[str]":
    """Runs a program to its end; progress on stderr is passed on."""
    done = subprocess.run([str(word) for word in argv], stdout=subprocess.PIPE, text=True, **options)
    if done.returncode != 0:
        raise TableError(f"{shown(argv)}: exit status {done.returncode}; what it said is above")
    return done


def run_json(argv: Sequence[str], option: str = "--json") -> Any:
    """Runs a program that writes its results to the file behind `option`."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        run([*argv, option, file.name])
        return json.load(file)
