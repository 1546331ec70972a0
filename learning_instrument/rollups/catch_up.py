"""Keeps roll-ups, error counts and the search index up to date in the background.

Each is a module with ``advance`` (one slice; returns whether more is left), ``reset`` and ``lag`` (executions to do).
"""

from collections.abc import Callable
from types import ModuleType
from typing import Final

from ..safety.clocks import time
from ..sqlite import yielding
from ..sqlite.connection import IN_MEMORY, WriteConnection
from ..sqlite.yielding import SliceSizer, YieldedError, YieldingTransactions
from . import cubes, error_counts, search_index, task_ids

_ALL: Final = (cubes, error_counts, search_index, task_ids)
#: Executions in a slice of :func:`advance`, and in one that has the lock from its beginning.
_SLICE_ROWS: Final = 4000
_LOCKED_ROWS: Final = 500
#: With a smaller lag roll-ups and error counts stay as they are: a row of such a slice takes 17 us, of one of 250 rows
#: 30 us, and a report reads the missing executions in 8 ms. Words cost little in small slices, and more to read.
_LEAST_LAG_ROWS: Final = 2000
#: With a larger lag they advance although other processes write: reports read the missing executions one by one.
_LARGE_LAG_ROWS: Final = 20_000
#: The longest run of :func:`catch_up`.
_SECONDS: Final = 1.0
#: The pause after a slice: a multiple of the time it held the lock, and at least so many seconds.
_PAUSE: Final = 4
_LEAST_PAUSE_SECONDS: Final = 0.001


def advance(target: WriteConnection) -> bool:
    """Take one slice of each; tell whether any has more to do. For a caller that waits for the end.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    target.execute(IN_MEMORY)
    have_more = [_advance(rollup, target) for rollup in _ALL]
    return any(have_more)


def _advance(rollup: ModuleType, target: WriteConnection) -> bool:
    try:  # most of it takes no lock
        return bool(rollup.advance(YieldingTransactions(target, bool), _SLICE_ROWS))
    except YieldedError:
        return bool(rollup.advance(target, _LOCKED_ROWS))


def catch_up(
    target: WriteConnection,
    sizer: SliceSizer,
    is_contended: Callable[[], object] = bool,
    is_locked: Callable[[], object] = bool,
    *,
    is_urgent: bool = False,
) -> bool:
    """Advance for a while, yielding to other writers; tell whether to continue soon.

    Args:
        target: the connection to write with.
        sizer: sizes slices by how long they take.
        is_contended: tells whether this process has other work for the writer; the function then returns.
        is_locked: tells whether a task of this process is committing; the running slice is then rolled back.
        is_urgent: advance although other processes write, and however little is missing.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    target.execute(IN_MEMORY)
    deadline = time.monotonic() + _SECONDS
    if _index_task_ids(target, lambda: is_contended() or time.monotonic() > deadline):
        return True
    lags = {rollup: rollup.lag(target) for rollup in _ALL}
    is_urgent = is_urgent or max(lags.values()) > _LARGE_LAG_ROWS
    least = {rollup: 1 if rollup is search_index else _LEAST_LAG_ROWS for rollup in _ALL}
    have_more = [rollup for rollup in _ALL if is_urgent or lags[rollup] >= least[rollup]]
    if not have_more or not (is_urgent or yielding.is_idle(target, is_contended)):
        return False
    transactions = YieldingTransactions(target, lambda: is_contended() or is_locked(), is_urgent)
    is_alone = False
    before = yielding.commits_of_others(target)
    while have_more:
        for rollup in list(have_more):
            transactions.locks_first = is_urgent and not is_alone
            work = f"{rollup.__name__} {transactions.locks_first}"
            try:
                is_whole = rollup.advance(transactions, sizer.rows(work))
            except YieldedError:
                return True
            seen, before = before, yielding.commits_of_others(target)
            is_alone = is_urgent and before == seen
            sizer.measured(work, transactions.held_seconds, is_whole, is_alone)
            if not is_whole:
                have_more.remove(rollup)
            pause = 0.0 if is_alone else _PAUSE * transactions.held_seconds
            time.sleep(max(_LEAST_PAUSE_SECONDS, pause))
            is_disturbed = is_contended() or (not is_urgent and before != seen)
            if have_more and (is_disturbed or time.monotonic() > deadline):
                return True
    return False


def _index_task_ids(target: WriteConnection, must_end: Callable[[], object]) -> bool:
    """Index ids although other processes write, for a look-up reads the rows that it lacks; tell whether to go on."""
    while True:
        began = time.monotonic()
        has_more = task_ids.advance(target)
        if not has_more or must_end():
            return has_more
        time.sleep(_PAUSE * (time.monotonic() - began))


def catch_up_fully(connection: WriteConnection, tell: Callable[[str, int, int], object]) -> None:
    """Advance until nothing is left, for a caller that waits; other processes can write in between.

    Args:
        connection: the connection to write with.
        tell: called with a label, the executions done, and their total.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    left, sizer = lag(connection), SliceSizer()
    while catch_up(connection, sizer, is_urgent=True):
        tell("Counting", max(0, left - lag(connection)), left)


def reset(target: WriteConnection) -> None:
    """Empty them all; reports read the executions until they are advanced again.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    for rollup in _ALL:
        rollup.reset(target)


def begin_rebuild(target: WriteConnection) -> None:
    """Empty them all, unless a rebuild was interrupted: its work stays.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    was_interrupted = target.execute("SELECT 1 FROM rebuilds")
    if not (was_interrupted and lag(target)):
        reset(target)
        target.execute("INSERT INTO rebuilds VALUES (datetime('now'))")


def end_rebuild(target: WriteConnection) -> None:
    """Record that the rebuild is complete.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    target.execute("DELETE FROM rebuilds")


def lag(target: WriteConnection) -> int:
    """Return about how many executions are not in the one that lags most.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be opened or read.
    """
    return max(int(rollup.lag(target)) for rollup in _ALL)
