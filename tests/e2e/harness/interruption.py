"""Ctrl-C and SIGTERM end a run in order, and once: fixtures clean up, and what comes meanwhile must not interrupt that.

With pytest-xdist the process that was started hands out tests, and others run them. Those may run them in any thread, where no
signal arrives. They learn of the end by a lock on a file, which the first process holds as long as the run goes on: also when
it is killed, they clean up.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import tempfile
import threading
from typing import Optional

import pytest

_LOCK = "CULVERT_E2E_LOCK"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_held: Optional[int] = None


def prepare(config) -> None:
    """At the start of each process."""
    if hasattr(config, "workerinput"):
        _watch()
        return
    if getattr(config.option, "numprocesses", None):
        _hold()
    for number in _SIGNALS:
        signal.signal(number, _end)


def _hold() -> None:
    global _held
    _held, path = tempfile.mkstemp(prefix="culvert-e2e-")
    fcntl.flock(_held, fcntl.LOCK_EX)
    os.environ[_LOCK] = path


def _end(number: int, _frame) -> None:
    for again in _SIGNALS:
        signal.signal(again, signal.SIG_IGN)
    if _held is not None:
        fcntl.flock(_held, fcntl.LOCK_UN)
    pytest.exit(signal.Signals(number).name, 128 + number)


def finish() -> None:
    """At the end of the process that was started."""
    if _held is not None:
        _forget()


def _forget() -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.environ[_LOCK])


def _watch() -> None:
    """In a worker. Signals are for the process that was started; Ctrl-C comes to all. Not ignored: programs that tests
    start would inherit that."""
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)
    threading.Thread(target=_interrupt_at_end, args=(threading.get_ident(),), daemon=True).start()


def _interrupt_at_end(tests: int) -> None:
    with open(os.environ[_LOCK]) as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
    _forget()
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(tests), ctypes.py_object(KeyboardInterrupt))
