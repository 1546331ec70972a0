"""Waiting for another thread as long as it makes progress: on a busy machine a number of seconds says nothing."""

import os
import threading
from collections.abc import Callable
from typing import Final

from .clocks import time
from .threads import BackgroundThread

#: How long the other thread may make no progress. It never waits longer itself, for the lock of a database or a disk.
STALLED_SECONDS: Final = 10.0
_TURN_SECONDS: Final = 0.05
#: The least number of turns without progress: this thread may have been kept from running as well.
_LEAST_TURNS: Final = 50
_GONE_SECONDS: Final = 1.0


def wait_for(attempt: Callable[[float], object], progress: Callable[[], object]) -> bool:
    """Call *attempt* until it succeeds, while *progress* changes; tell whether it did.

    Args:
        attempt: waits for so many seconds, and tells whether the wait is over.
        progress: returns a value that changes with each step of the other thread.
    """
    seen, turns, deadline = progress(), 0, time.monotonic() + STALLED_SECONDS
    while not attempt(_TURN_SECONDS):
        now = progress()
        if now != seen:
            seen, turns, deadline = now, 0, time.monotonic() + STALLED_SECONDS
        turns += 1
        if turns > _LEAST_TURNS and time.monotonic() > deadline:
            return False
    return True


def join(thread: BackgroundThread, progress: Callable[[], object], seconds: float = threading.TIMEOUT_MAX) -> bool:
    """Wait until *thread* has ended, while it makes progress, and at most *seconds*; tell whether it has."""
    if thread.ident is None:  # this thread is just starting it, and was interrupted by a signal handler
        return True
    end = time.monotonic() + seconds

    def attempt(turn: float) -> bool:
        thread.join(min(turn, max(0.0, end - time.monotonic())))
        return not thread.is_alive() or time.monotonic() >= end

    has_ended = wait_for(attempt, progress) and not thread.is_alive()
    if has_ended and thread.native_id != threading.get_native_id():  # a greenlet shares its thread with others
        _wait_until_gone(thread)
    return has_ended


def _wait_until_gone(thread: BackgroundThread) -> None:
    """Wait until the system has no more of a thread that has ended for Python: at a fork, Python 3.12 asks the system.

    Where the system does not say, do not wait.
    """
    end = time.monotonic() + _GONE_SECONDS
    while os.path.exists(f"/proc/self/task/{thread.native_id}") and time.monotonic() < end:
        time.sleep(0)
