"""Waiting for conditions. Nothing else in these tests waits, and nothing sleeps for a fixed time and hopes."""

import select
import time
from typing import Callable, Optional, TypeVar

Found = TypeVar("Found")

POLL_SECONDS = 0.02


class Timeout(AssertionError):
    """The condition did not come true in time."""


def wait_until(condition: Callable[[], Found], what: str, seconds: float = 15.0,
               alive: Optional[Callable[[], None]] = None) -> Found:
    """Returns the first true value of `condition`. `what` names it in the error; `alive` may raise to give up early."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if alive is not None:
            alive()
        if time.monotonic() >= deadline:
            raise Timeout(f"waited {seconds:g} s in vain for: {what}")
        select.select([], [], [], POLL_SECONDS)


def seconds_until(condition: Callable[[], object], what: str, seconds: float = 15.0) -> float:
    """Like wait_until; returns how long it took."""
    begin = time.monotonic()
    wait_until(condition, what, seconds)
    return time.monotonic() - begin


def stays_true(condition: Callable[[], object], what: str, seconds: float) -> None:
    """Watches `condition` for the whole time; fails at the first false value. For things that must not happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"no longer true: {what}"
        select.select([], [], [], POLL_SECONDS)
