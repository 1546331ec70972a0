"""Background transactions that no task waits for: short, at quiet times, and given up where somebody comes.

What reads first and writes last holds the lock for the writing alone. Should others have written meanwhile, SQLite
refuses the first write, for what was read is old news by then; that is no fault, and it comes round again.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from .connection import WriteConnection, is_busy

#: How long nobody may have committed before anything begins.
_QUIET_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 0.005
#: How long a slice should hold the lock; and where nobody else has been writing. A task waits for longer than either.
_HELD_SECONDS: Final = 0.002
_HELD_ALONE_SECONDS: Final = 0.02
_FIRST_ROWS: Final = 100
_FEWEST_ROWS: Final = 50
_MOST_ROWS: Final = 1000


class Statements(Protocol):
    """What executes statements within a transaction."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Any:
        """Execute one statement; return its cursor."""
        ...


class TransactionTarget(Protocol):
    """What is written with: a :class:`WriteConnection`, or one that gives way."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Run one statement that commits by itself; return its rows."""
        ...

    def transaction(self) -> AbstractContextManager[Statements]:
        """Give what executes statements, in a transaction."""
        ...


class YieldedError(Exception):
    """Somebody came; nothing of the transaction was kept."""


class YieldingTransactions:
    """Transactions on *target* that are given up, with a :class:`YieldedError`, as soon as somebody waits.

    Args:
        target: what to write with.
        is_waited_for: tells whether somebody in this process waits for the lock.
        is_urgent: do it all the same; the lock is then taken first, so that others cannot be faster every time.
    """

    def __init__(self, target: WriteConnection, is_waited_for: Callable[[], object], is_urgent: bool = False) -> None:
        self._target = target
        self._is_waited_for = (lambda: False) if is_urgent else is_waited_for
        self._insists = is_urgent
        #: For how long the last transaction held the lock.
        self.held_seconds = 0.0

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Run one statement that commits by itself; return its rows."""
        return self._target.execute(sql, parameters)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Statements]:
        """Give what executes statements, in a transaction.

        Raises:
            YieldedError: if somebody was faster, or waits.
            sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
        """
        watched = _Watched(self._is_waited_for)
        try:
            with self._target.transaction(is_immediate=self._insists) as connection:
                watched.begin(connection, is_locked=self._insists)
                yield watched
        except Exception as error:
            if not self._insists and is_busy(error):
                raise YieldedError from error
            raise
        finally:
            self.held_seconds = watched.held_seconds


class _Watched:
    """A transaction that looks around before each statement."""

    def __init__(self, is_waited_for: Callable[[], object]) -> None:
        self._is_waited_for = is_waited_for
        self._locked_at: float | None = None

    def begin(self, connection: Statements, is_locked: bool) -> None:
        self._connection = connection
        self._locked_at = time.monotonic() if is_locked else None

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        if self._is_waited_for():
            raise YieldedError
        if self._locked_at is None and not sql.startswith("SELECT"):
            self._locked_at = time.monotonic()
        return self._connection.execute(sql, parameters)

    @property
    def held_seconds(self) -> float:
        return 0.0 if self._locked_at is None else time.monotonic() - self._locked_at


class SliceSizer:
    """How many rows a slice has, so that it holds the lock for a few milliseconds on this machine, just now."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}

    def rows(self, work: str) -> int:
        """Return how many rows the next slice of this *work* should have."""
        return self._rows.get(work, _FIRST_ROWS)

    def measured(self, work: str, held_seconds: float, is_whole: bool, is_alone: bool = False) -> None:
        """Take note of how long a slice held the lock.

        Args:
            work: what the slice was of.
            held_seconds: how long.
            is_whole: whether it had all the rows it was allowed.
            is_alone: whether nobody else has been writing.
        """
        wanted = _HELD_ALONE_SECONDS if is_alone else _HELD_SECONDS
        factor = max(0.25, min(1.5, wanted / max(held_seconds, 1e-6)))
        if is_whole or factor < 1:
            self._rows[work] = max(_FEWEST_ROWS, min(_MOST_ROWS, round(self.rows(work) * factor)))


def commits_of_others(target: TransactionTarget) -> int:
    """Return a number that changes whenever another connection, of this process or another, commits."""
    ((version,),) = target.execute("PRAGMA data_version")
    return int(version)


def is_idle(target: TransactionTarget, is_waited_for: Callable[[], object]) -> bool:
    """Wait a moment; tell whether nobody committed meanwhile, and nobody waits.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be read.
    """
    before = commits_of_others(target)
    deadline = time.monotonic() + _QUIET_SECONDS
    while time.monotonic() < deadline:
        if is_waited_for():
            return False
        time.sleep(_LOOK_SECONDS)
    return not is_waited_for() and commits_of_others(target) == before
