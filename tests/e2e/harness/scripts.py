"""Scripts that a test hands to the gateway, and what they wrote down."""

from pathlib import Path
from typing import List


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def lines(path: Path) -> List[str]:
    return path.read_text().splitlines() if path.exists() else []
