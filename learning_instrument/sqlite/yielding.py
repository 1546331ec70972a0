"""Background transactions that yield to tasks: short, started when the database is idle, rolled back for a task.

A transaction reads first and writes last, so it holds the lock for the writes alone. If another connection wrote
meanwhile, SQLite refuses the first write, since the snapshot is stale; this is expected, and the slice is retried.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from ..safety.clocks import time
from .busy import is_busy
from .connection import WriteConnection

#: How long no other connection must have committed before a transaction starts.
_QUIET_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 0.005
#: The same before one that holds the lock for long.
_LONG_QUIET_SECONDS: Final = 1.0
#: How long a slice should hold the lock, with and without other writers. A task waits longer than either.
_HELD_SECONDS: Final = 0.005
_HELD_ALONE_SECONDS: Final = 0.02
_FIRST_ROWS: Final = 2000
_FEWEST_ROWS: Final = 100
_MOST_ROWS: Final = 10_000
#: What the statements begin with that take no lock: temporary tables are the connection's own.
_LOCKS_NOTHING: Final = ("SELECT", "CREATE TEMP", "INSERT INTO temp.", "UPDATE temp.", "DELETE FROM temp.")


class Statements(Protocol):
    """Executes statements within a transaction."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Any:
        """Execute one statement; return its cursor."""
        ...


class TransactionTarget(Protocol):
    """Writes in transactions: a :class:`WriteConnection`, or :class:`YieldingTransactions` on one."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Run one statement that commits by itself; return its rows."""
        ...

    def transaction(self) -> AbstractContextManager[Statements]:
        """Yield an object that executes statements, in a transaction."""
        ...


class YieldedError(Exception):
    """Another writer needed the lock; the transaction was rolled back."""


class YieldingTransactions:
    """Transactions on *target* that are rolled back, with a :class:`YieldedError`, as soon as a thread waits.

    Args:
        target: the connection to write with.
        is_contended: tells whether a thread of this process waits for the lock.
        is_urgent: whether to yield to no thread.
    """

    def __init__(self, target: WriteConnection, is_contended: Callable[[], object], is_urgent: bool = False) -> None:
        self._target = target
        self._is_contended = (lambda: False) if is_urgent else is_contended
        #: Whether the lock is taken first, so that other writers cannot make the transaction fail every time.
        self.locks_first = is_urgent
        #: How long the last transaction held the lock.
        self.held_seconds = 0.0

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Run one statement that commits by itself; return its rows."""
        return self._target.execute(sql, parameters)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Statements]:
        """Yield an object that executes statements, in a transaction.

        Raises:
            YieldedError: if another connection has written, or a thread waits.
            sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
        """
        watched = _Watched(self._is_contended)
        try:
            with self._target.transaction(is_immediate=self.locks_first) as connection:
                watched.begin(connection, is_locked=self.locks_first)
                yield watched
        except Exception as error:
            if not self.locks_first and is_busy(error):
                raise YieldedError from error
            raise
        finally:
            self.held_seconds = watched.held_seconds


class _Watched:
    """A transaction that checks for waiting threads before each statement."""

    def __init__(self, is_contended: Callable[[], object]) -> None:
        self._is_contended = is_contended
        self._locked_at: float | None = None

    def begin(self, connection: Statements, is_locked: bool) -> None:
        self._connection = connection
        self._locked_at = time.monotonic() if is_locked else None

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        if self._is_contended():
            raise YieldedError
        if self._locked_at is None and not sql.startswith(_LOCKS_NOTHING):
            self._locked_at = time.monotonic()
        return self._connection.execute(sql, parameters)

    @property
    def held_seconds(self) -> float:
        return 0.0 if self._locked_at is None else time.monotonic() - self._locked_at


class SliceSizer:
    """Adapts the number of rows of a slice, so that it holds the lock for a few milliseconds."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}

    def rows(self, work: str) -> int:
        """Return the number of rows for the next slice of *work*."""
        return self._rows.get(work, _FIRST_ROWS)

    def measured(self, work: str, held_seconds: float, is_whole: bool, is_alone: bool = False) -> None:
        """Note how long a slice held the lock.

        Args:
            work: the name of the work.
            held_seconds: how long it held the lock.
            is_whole: whether it had as many rows as it was allowed.
            is_alone: whether no other connection has been writing.
        """
        wanted = _HELD_ALONE_SECONDS if is_alone else _HELD_SECONDS
        factor = max(0.25, min(1.5, wanted / max(held_seconds, 1e-6)))
        if is_whole or factor < 1:
            self._rows[work] = max(_FEWEST_ROWS, min(_MOST_ROWS, round(self.rows(work) * factor)))


def commits_of_others(target: TransactionTarget) -> int:
    """Return a number that changes whenever another connection, of this process or another, commits."""
    ((version,),) = target.execute("PRAGMA data_version")
    return int(version)


def is_idle(target: TransactionTarget, is_contended: Callable[[], object]) -> bool:
    """Wait briefly; tell whether no other connection committed meanwhile, and no thread waits.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be read.
    """
    before = commits_of_others(target)
    deadline = time.monotonic() + _QUIET_SECONDS
    while time.monotonic() < deadline:
        if is_contended():
            return False
        time.sleep(_LOOK_SECONDS)
    return not is_contended() and commits_of_others(target) == before


def becomes_quiet(target: TransactionTarget, seconds: float) -> bool:
    """Wait at most *seconds* for a second in which no other connection commits; tell whether there was one.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be read.
    """
    deadline = time.monotonic() + seconds
    before, since = commits_of_others(target), time.monotonic()
    while time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        now = commits_of_others(target)
        if now != before:
            before, since = now, time.monotonic()
        elif time.monotonic() - since > _LONG_QUIET_SECONDS:
            return True
    return False
