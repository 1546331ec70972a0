"""What follows the executions in the background: roll-ups, counts of errors, the index of words.

Each is a module with ``advance`` (one slice; is there more?), ``forget`` and ``behind`` (how many executions).
"""

import time
from collections.abc import Callable
from typing import Final

from . import error_counts, rollups, search_index
from .connection import WriteConnection

_ALL: Final = (rollups, error_counts, search_index)


def advance(target: WriteConnection) -> bool:
    """Take one slice of each; tell whether any has more to do.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    have_more = [follower.advance(target) for follower in _ALL]
    return any(have_more)


def catch_up(
    target: WriteConnection, seconds: float, pause_seconds: float, is_waited_for: Callable[[], object] = bool
) -> bool:
    """Advance for about so many *seconds*, with pauses for other writers; tell whether there is more to do.

    Args:
        target: what to write with.
        seconds: how long.
        pause_seconds: after each slice.
        is_waited_for: tells whether somebody waits for this to end, which it then does.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    deadline = time.monotonic() + seconds
    have_more = list(_ALL)
    while have_more:
        for follower in list(have_more):
            if not follower.advance(target):
                have_more.remove(follower)
            if have_more and (is_waited_for() or time.monotonic() > deadline):
                return True
            time.sleep(pause_seconds)
    return False


def forget(target: WriteConnection) -> None:
    """Empty them all; answers are read from the executions until they are advanced again.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    for follower in _ALL:
        follower.forget(target)


def begin_rebuild(target: WriteConnection) -> None:
    """Empty them all, unless a rebuild was interrupted: what that one did stays.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    was_interrupted = target.execute("SELECT 1 FROM rebuilds")
    if not (was_interrupted and behind(target)):
        forget(target)
        target.execute("INSERT INTO rebuilds VALUES (datetime('now'))")


def end_rebuild(target: WriteConnection) -> None:
    """Note that nothing of the rebuild is left.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    target.execute("DELETE FROM rebuilds")


def behind(target: WriteConnection) -> int:
    """Return about how many executions the one that is furthest behind has yet to see.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be opened or read.
    """
    return max(int(follower.behind(target)) for follower in _ALL)
