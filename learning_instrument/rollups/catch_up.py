"""What follows the executions in the background: roll-ups, counts of errors, the index of words.

Each is a module with ``advance`` (one slice; is there more?), ``forget`` and ``behind`` (how many executions).
"""

import time
from collections.abc import Callable
from typing import Final

from ..sqlite import yielding
from ..sqlite.connection import WriteConnection
from ..sqlite.yielding import SliceSizer, YieldedError, YieldingTransactions
from . import cubes, error_counts, search_index

_ALL: Final = (cubes, error_counts, search_index)
#: Where so many executions are not in them, they go on although others are writing: answers read these one by one.
_LARGE_LAG_ROWS: Final = 20_000
#: For how long at a time.
_SECONDS: Final = 1.0
#: After a slice others have the database for so many times as long as it held the lock, and at least so many seconds.
_PAUSE: Final = 4
_LEAST_PAUSE_SECONDS: Final = 0.001


def advance(target: WriteConnection) -> bool:
    """Take one slice of each; tell whether any has more to do. For those who wait for it to end.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    have_more = [follower.advance(target) for follower in _ALL]
    return any(have_more)


def catch_up(
    target: WriteConnection,
    pace: SliceSizer,
    is_waited_for: Callable[[], object] = bool,
    is_locked: Callable[[], object] = bool,
    *,
    is_urgent: bool = False,
) -> bool:
    """Advance for a while, in nobody's way; tell whether to go on with it soon.

    Args:
        target: what to write with.
        pace: what is known of how long slices take.
        is_waited_for: tells whether somebody in this process waits for this to end, which it then does.
        is_locked: tells whether a task of this process commits just now; what is being done is given up for it.
        is_urgent: do it although others are writing.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    is_urgent = is_urgent or lag(target) > _LARGE_LAG_ROWS
    if not is_urgent and not yielding.is_idle(target, is_waited_for):
        return False
    giving_way = YieldingTransactions(target, lambda: is_waited_for() or is_locked(), is_urgent)
    before = yielding.commits_of_others(target)
    deadline = time.monotonic() + _SECONDS
    have_more = list(_ALL)
    while have_more:
        for follower in list(have_more):
            work = follower.__name__
            try:
                is_whole = follower.advance(giving_way, pace.rows(work))
            except YieldedError:
                return True
            seen, before = before, yielding.commits_of_others(target)
            is_alone = is_urgent and before == seen
            pace.measured(work, giving_way.held_seconds, is_whole, is_alone)
            if not is_whole:
                have_more.remove(follower)
            pause = 0.0 if is_alone else _PAUSE * giving_way.held_seconds
            time.sleep(max(_LEAST_PAUSE_SECONDS, pause))
            is_disturbed = is_waited_for() or (not is_urgent and before != seen)
            if have_more and (is_disturbed or time.monotonic() > deadline):
                return True
    return False


def catch_up_fully(connection: WriteConnection, tell: Callable[[str, int, int], object]) -> None:
    """Advance until nothing is left, for a person who waits; tasks of other processes get their turns.

    Args:
        connection: what to write with. Its log is moved into the database as it goes, or it would grow.
        tell: called with what is done, how many executions are, and of how many.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    left, pace = lag(connection), SliceSizer()
    while catch_up(connection, pace, is_urgent=True):
        connection.checkpoint()
        tell("Counting", max(0, left - lag(connection)), left)


def reset(target: WriteConnection) -> None:
    """Empty them all; answers are read from the executions until they are advanced again.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    for follower in _ALL:
        follower.reset(target)


def begin_rebuild(target: WriteConnection) -> None:
    """Empty them all, unless a rebuild was interrupted: what that one did stays.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    was_interrupted = target.execute("SELECT 1 FROM rebuilds")
    if not (was_interrupted and lag(target)):
        reset(target)
        target.execute("INSERT INTO rebuilds VALUES (datetime('now'))")


def end_rebuild(target: WriteConnection) -> None:
    """Note that nothing of the rebuild is left.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    target.execute("DELETE FROM rebuilds")


def lag(target: WriteConnection) -> int:
    """Return about how many executions the one that is furthest behind has yet to see.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be opened or read.
    """
    return max(int(follower.lag(target)) for follower in _ALL)
