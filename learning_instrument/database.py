"""``LearningDatabase``: records in, questions answered; belongs to no thread, process or event loop.

In ``commit`` mode a row is committed on the caller's thread. In ``batch`` mode, and where the database is
locked or cannot be written, rows go to the background writer.
"""

import asyncio
import functools
import logging
import os
import sqlite3
import threading
import time
import weakref
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, TypeVar

from . import connection, feedback
from .call_storage import CallBatch, CallStorage
from .connection import Connection, Execute, WriteConnection, executing
from .errors import ConfigurationError, DatabaseError
from .forking import tell_of_forks
from .record import ExecutionRecord, Row, row_from_record
from .retention import Retention, trim
from .totals import due
from .watcher import Watcher
from .writer import GATHER_SECONDS, BackgroundWriter

log = logging.getLogger("learning_instrument")

T = TypeVar("T")

DEFAULT_PATH: Final = "learning.db"
#: How long a task waits for another writer's lock, and the background writer, in seconds.
_TASK_BUSY_SECONDS: Final = 0.03
#: And before that for another thread of its own process: 50 ms together.
_TASK_LOCK_SECONDS: Final = 0.02
_BACKGROUND_BUSY_SECONDS: Final = 2.0
#: Rows after which the write-ahead log is moved into the database. A log that grows makes each commit slower.
_CHECKPOINT_ROWS: Final = 1000
_OPEN_SECONDS: Final = 5.0
_CLOSE_SECONDS: Final = 5.0
#: After a warning, how long a fault that came and went is not worth another.
_STALE_SECONDS: Final = 60.0
#: How long a fork waits for each of the threads that use the database.
_FORK_SECONDS: Final = 2.0
#: Roll-ups are advanced where so few executions came since the last look, or where so many are not in them.
_QUIET_ROWS: Final = 500
_BEHIND_ROWS: Final = 20_000
#: For how long at a time, with pauses for those who record.
_ROLLUP_SECONDS: Final = 0.1
_ROLLUP_PAUSE_SECONDS: Final = 0.005
#: How often retention is looked after while executions come in.
_RETENTION_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Statistics:
    """What became of the records given to one LearningDatabase, in this process."""

    #: Rows committed.
    stored: int = 0
    #: Rows that took the way through the background writer though ``commit`` was asked for.
    deferred: int = 0
    #: Executions that could not be recorded, by reason.
    lost: Mapping[str, int] = field(default_factory=dict)


class LearningDatabase:
    """The database of executions, one SQLite file.

    Opening is lazy: a path that cannot be used is an error where a person asked (``initialize``, ``query``),
    and a counted, logged loss where a task did.

    Args:
        database_path: the file; it and its folder are made where there are none.
        durability: ``"commit"`` (a row is committed before its task returns), ``"batch"`` (within 100 ms), or
            None for ``$LEARNING_INSTRUMENT_DURABILITY``, else ``"commit"``.

    Raises:
        ConfigurationError: for a durability that is neither, or a path that is none.
    """

    def __init__(self, database_path: str | os.PathLike[str] = DEFAULT_PATH, durability: str | None = None) -> None:
        self.durability = durability or os.environ.get("LEARNING_INSTRUMENT_DURABILITY") or "commit"
        if self.durability not in ("commit", "batch"):
            raise ConfigurationError(f"durability={self.durability!r} is neither 'commit' nor 'batch'.")
        self.path = _absolute(database_path)
        #: Built by ``configuration`` for executions that name this database, and kept as long as it lives.
        self.pipelines: dict[Any, Any] = {}
        self.limit(Retention())
        #: What stores model calls, and prices them.
        self.calls = CallStorage()
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._read_lock = threading.Lock()
        this = weakref.ref(self)  # the watcher's thread must not keep a database that nobody has any more
        self._watcher = Watcher(self.path, lambda: (database := this()) is not None and database._has_backlog())
        #: The executions that run now, for the pipelines.
        self.running = self._watcher.running
        self._front = WriteConnection(self.path, _TASK_BUSY_SECONDS, self._watcher.opened)
        self._back = WriteConnection(self.path, _BACKGROUND_BUSY_SECONDS, self._watcher.opened)
        # In ``commit`` mode a backlog is an exception that should pass: no gathering then.
        gather_seconds = GATHER_SECONDS if self.durability == "batch" else 0.0
        self._writer = BackgroundWriter(
            self._rows, self._write_behind, self._failed, self._tend, gather_seconds=gather_seconds
        )
        self._reset_counts()
        tell_of_forks(self)

    def _reset_counts(self) -> None:
        self._count_lock = threading.RLock()  # a signal handler may record in the thread that holds it
        self._stored = 0
        self._stored_behind = 0
        self._deferred = 0
        self._rows_behind = 0  # deferred, and not written yet
        self._lost: Counter[str] = Counter()
        self._untold: Counter[str] = Counter()  # lost, and not yet in the table ``losses``
        self._warned: dict[str, float] = {}  # what was warned of, and when
        self._since_checkpoint = 0
        self._has_tried = False
        self._tended_rows = 0

    def append(self, records: Iterable[Any], to_row: Callable[[Any], Row] = row_from_record) -> bool:
        """Store *records*, as the durability says. Never raises for the database's sake.

        Args:
            records: :class:`ExecutionRecord` objects, or what *to_row* takes.
            to_row: makes the row of a record. In ``batch`` mode it is called by the background writer.

        Returns:
            False if any of them was lost.
        """
        if self._pid != os.getpid():
            self.start_anew()
        if self.durability == "batch":
            if not self._has_tried:
                self._try_to_open()
            return self._queue([(to_row, record) for record in records])
        items = [(to_row, record) for record in records]
        rows = self._rows(items)
        return (not rows or self._commit(rows)) and len(rows) == len(items)

    def _try_to_open(self) -> None:
        """Make a file that is not there yet: to do it in the background would keep the first rows waiting for long."""
        self._has_tried = True
        if not os.path.exists(self.path) and self._lock.acquire(timeout=_TASK_LOCK_SECONDS):
            try:
                self._front.open()
            except (sqlite3.Error, OSError, DatabaseError):
                pass  # the writer will say so, when it fails as well
            finally:
                self._lock.release()

    def append_calls(self, batch: CallBatch) -> bool:
        """Store model calls in the background, and add them up. Never raises for the database's sake.

        Returns:
            False if they were lost.
        """
        if self._pid != os.getpid():
            self.start_anew()
        if self._writer.put((self.calls.priced, batch)):
            return True
        self._lose("model calls, queue full", None, len(batch.calls))
        return False

    def _commit(self, rows: Sequence[Row]) -> bool:
        """Commit *rows* here and now, or leave them to the background writer; answer False if any was lost."""
        # Those that wait go first. And whoever holds the lock holds it for a moment.
        if self._rows_behind > 0 or not self._lock.acquire(timeout=_TASK_LOCK_SECONDS):
            return self._defer(rows)
        try:
            stored, refused = self._insert(self._front, rows)
            self._stored += stored
        except (sqlite3.Error, OSError, DatabaseError) as error:
            if not _is_busy(error):
                self._failed(error)
            return self._defer(rows)
        finally:
            self._lock.release()
        if awaited := self.calls.awaited(rows):
            self._writer.put((self.calls.priced, CallBatch(due=awaited)))
        self._since_checkpoint += len(rows)
        if self._since_checkpoint >= _CHECKPOINT_ROWS or self._is_trimming_due():
            self._writer.request_tending()
        return not refused

    def query(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[dict[str, Any]]:
        """Answer a question in SQL, column name -> value for each row. What is queued is written first.

        Raises:
            DatabaseError: if the database cannot be opened, or the question not answered.
        """
        self.open()
        self._request_totals()
        if self._writer.backlog:
            self.flush()
        try:
            with self._read_lock:
                return connection.query(self.path, sql, parameters)
        except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
            raise DatabaseError(f"{self.path}: {error}. The question was: {sql:.500}") from error

    def open(self) -> None:
        """Open the database, and make or migrate its file.

        Raises:
            DatabaseError: if that cannot be done; :class:`SchemaVersionError` if a newer release wrote it.
        """
        if self._pid != os.getpid():
            self.start_anew()
        try:
            with self._lock:
                _patiently(self._front.open)
        except (sqlite3.Error, OSError) as error:
            raise DatabaseError(
                f"The database {self.path} cannot be opened: {error}. Check the path and its rights."
            ) from error
        self._watcher.settle_dead()

    def transact(self, work: Callable[[Execute], T]) -> T:
        """Return what *work* does with a function that executes statements: all of them, or none. Not for tasks.

        What is queued is written first.

        Raises:
            DatabaseError: if the database cannot be opened or written.
        """
        return self.within_transaction(lambda opened: work(executing(opened)))

    def within_transaction(self, action: Callable[[Connection], T]) -> T:
        """Return what *action* does with a connection, in one transaction. Like :meth:`transact`, for what needs more.

        Raises:
            DatabaseError: if the database cannot be opened or written.
        """

        def act(target: WriteConnection) -> T:
            with target.transaction() as opened:
                return action(opened)

        self.flush()
        return self._between_batches(act)

    def add_feedback(
        self,
        execution: str,
        *,
        accepted: bool | None = None,
        rating: int | None = None,
        comment: str | None = None,
        source: str | None = None,
        visibility: str = "private",
    ) -> feedback.Feedback:
        """Store what somebody says of an execution. The history is kept, and the record shows the latest.

        Args:
            execution: the id of an execution, or of a task, of which the last execution is meant.
            accepted: whether the result was taken.
            rating: 1 to 5.
            comment: any text; secrets are taken out of it.
            source: who says it, or by which tool.
            visibility: ``"private"``, ``"team"`` or ``"public"``.

        Raises:
            ConfigurationError: for a value that is none of these, or if nothing is said.
            UnknownExecutionError: if there is no such execution.
            DatabaseError: if the database cannot be written.
        """
        said = feedback.checked(execution, accepted, rating, comment, source, visibility)
        return self.transact(lambda execute: feedback.add(execute, said))

    def delete_feedback(self, execution: str) -> int:
        """Delete what was said of one execution; return how many times that was.

        Raises:
            UnknownExecutionError: if there is no such execution.
            DatabaseError: if the database cannot be written.
        """
        return self.transact(lambda execute: feedback.delete(execute, execution))

    def clear_feedback(self) -> int:
        """Delete what was said of all executions; return how many times that was.

        Raises:
            DatabaseError: if the database cannot be written.
        """
        return self.transact(feedback.clear)

    def flush(self, timeout: float = _CLOSE_SECONDS) -> bool:
        """Wait, at most *timeout* seconds, until what is queued by now is committed. Answer whether it is.

        A database that cannot be written at all is not waited for; its executions are kept, and tried again.
        """
        if self._pid != os.getpid():
            self.start_anew()
        return self._writer.flush(timeout)

    def statistics(self) -> Statistics:
        """Return how many records were stored, deferred and lost since this object was made, in this process."""
        with self._count_lock:
            return Statistics(self._stored + self._stored_behind, self._deferred, dict(self._lost))

    def count_lost(self, reason: str, count: int = 1) -> None:
        """Count *count* executions as lost for *reason*; the next write that succeeds stores the count."""
        with self._count_lock:
            self._lost[reason] += count
            self._untold[reason] += count

    def limit(self, retention: Retention) -> None:
        """Delete what is beyond *retention*, in the background, from the next record on."""
        self.retention = retention
        self._limits_apply = retention != Retention()
        self._trimmed = float("-inf")

    def rebuild_rollups(self, progress: Callable[[int], object] | None = None) -> None:
        """Make roll-ups, error counts and search index anew: some seconds for each 100,000 executions.

        Answers are the same before, after and meanwhile, and others may go on recording.

        Args:
            progress: called between slices with about how many executions are left.

        Raises:
            DatabaseError: if the database cannot be opened or written.
        """
        from . import followers

        self.flush()
        self._between_batches(followers.forget)
        while self._between_batches(followers.advance):
            if progress is not None:
                progress(self._between_batches(followers.behind))
            time.sleep(_ROLLUP_PAUSE_SECONDS / 5)

    def get_tier_performance(self, repo: str | None = None, days_back: float = 30) -> list[dict[str, Any]]:
        """Return the rows of the view ``tier_performance`` of the last days: each day, repository and model tier.

        Args:
            repo: only that of this repository.
            days_back: how many days.

        Raises:
            ConfigurationError: for days that are no positive number.
            DatabaseError: if the database cannot be opened or read.
        """
        from .analytics import views

        return views.tier_performance(self, repo, days_back)

    def get_pool_performance(self, repo: str | None = None, days_back: float = 7) -> list[dict[str, Any]]:
        """Return the rows of the view ``pool_performance`` of the last days: each hour, repository and pool type.

        Args:
            repo: only that of this repository.
            days_back: how many days.

        Raises:
            ConfigurationError: for days that are no positive number.
            DatabaseError: if the database cannot be opened or read.
        """
        from .analytics import views

        return views.pool_performance(self, repo, days_back)

    def get_solution_patterns(
        self, repo: str | None = None, min_usage: int = 5, limit: int = 10
    ) -> list[dict[str, Any]]:
        """Return the rows of the view ``solution_patterns`` that were used most.

        Args:
            repo: only those of this repository.
            min_usage: how many executions have the same summary, at least.
            limit: the most rows.

        Raises:
            ConfigurationError: for a usage or a limit that is no number above 0.
            DatabaseError: if the database cannot be opened or read.
        """
        from .analytics import views

        return views.solution_patterns(self, repo, min_usage, limit)

    def find_similar_executions(
        self,
        task_description: str,
        repo: str | None = None,
        limit: int = 10,
        days_back: float = 90,
        threshold: float = 0.7,
    ) -> list[dict[str, Any]]:
        """Return the executions whose descriptions are most like *task_description*, each with its ``score``.

        Args:
            task_description: any text.
            repo: only executions in this repository.
            limit: the most to return.
            days_back: how many days.
            threshold: the least score, from 0 (nothing in common) to 1 (the same words).

        Raises:
            ConfigurationError: for a limit, days or a threshold of no use.
            DatabaseError: if the database cannot be opened or read.
        """
        from .analytics import similar

        found = similar.last_days(self, task_description, repo, limit, days_back, threshold)
        return [asdict(execution) for execution in found]

    def close(self) -> Awaitable[None]:
        """Write what is queued, and close. What is stored later opens the database again.

        Returns:
            An awaitable that is done already, so that ``await database.close()`` works as well.
        """
        if self._pid != os.getpid():
            self.start_anew()
        if self._front.is_open:
            self._request_totals()
        if not self._writer.flush(_CLOSE_SECONDS):
            log.warning("%s: closed with %d executions not written.", self.path, self._writer.backlog)
        self._watcher.close()
        with self._lock:
            self._front.close()
        self._writer.between_batches(self._back.close)
        return _Done()

    async def initialize(self) -> None:
        """Open the database, and make or migrate its file.

        Raises:
            DatabaseError: if that cannot be done; :class:`SchemaVersionError` if a newer release wrote it.
        """
        await asyncio.to_thread(self.open)

    async def store_execution(self, record: ExecutionRecord) -> None:
        """Store one record, as the durability says."""
        await asyncio.to_thread(self.append, (record,))

    def __enter__(self) -> "LearningDatabase":
        """Open the database."""
        self.open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Write what is queued, and close."""
        self.close()

    async def __aenter__(self) -> "LearningDatabase":
        """Open the database."""
        await self.initialize()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Write what is queued, and close."""
        await asyncio.to_thread(self.close)

    def __reduce__(self) -> Any:
        """Pickle as path and durability: another process opens the file anew."""
        return type(self), (self.path, self.durability)

    def __repr__(self) -> str:
        return f"LearningDatabase({self.path!r}, durability={self.durability!r})"

    def __del__(self) -> None:
        """Close the connections of a database that nobody closed."""
        if getattr(self, "_pid", None) == os.getpid():
            self._front.close()
            self._back.close()

    def _rows(self, items: Sequence[tuple[Callable[[Any], Row], Any]]) -> list[Row]:
        """Return the rows of *items*; what cannot be read is counted as lost."""
        rows = []
        for to_row, item in items:
            try:
                rows.append(to_row(item))
            except Exception as error:  # a span that was tampered with; the others of its batch go on
                self._lose("unreadable", error)
        return rows

    def _defer(self, rows: Sequence[Row]) -> bool:
        with self._count_lock:
            self._deferred += len(rows)
            self._rows_behind += len(rows)
        return self._queue([(_as_it_is, row) for row in rows])

    def _queue(self, items: Iterable[tuple[Callable[[Any], Row], Any]]) -> bool:
        refused = 0
        for item in items:
            if not self._writer.put(item):
                refused += 1
        if refused:
            with self._count_lock:
                self._rows_behind = max(0, self._rows_behind - refused)
            self._lose("queue full", None, refused)
        return not refused

    def _write_behind(self, items: Sequence[Row | CallBatch]) -> None:
        """Commit rows and model calls, in the background. What raises is tried again."""
        rows = [item for item in items if not isinstance(item, CallBatch)]
        parts = self.calls.parts([item for item in items if isinstance(item, CallBatch)], rows)
        first = functools.partial(self._store_calls, parts[0]) if parts else None
        stored, _ = self._insert(self._back, rows, first)
        self._stored_behind += stored
        with self._count_lock:
            self._rows_behind = max(0, self._rows_behind - len(rows))
        for part in parts[1:]:
            self._insert(self._back, (), functools.partial(self._store_calls, part))
        self._since_checkpoint += len(rows) + sum(part.size for part in parts)
        # It works again, so the next fault is news. Not at once: on a disk that is nearly full every other write works.
        now = time.monotonic()
        self._warned = {kind: at for kind, at in self._warned.items() if now - at < _STALE_SECONDS}

    def _insert(
        self, target: WriteConnection, rows: Sequence[Row], then: Callable[[Connection], object] | None = None
    ) -> tuple[int, int]:
        """Commit *rows* and the counts nobody was told of. A row that cannot be bound is counted as lost.

        Returns:
            How many rows were new, and how many could not be bound.
        """
        untold = self._take_untold() if self._untold else None
        try:
            try:
                return target.insert(rows, untold, then), 0
            except _UNBINDABLE:
                stored = [self._insert_alone(target, row) for row in rows]
                target.insert([], untold, then)
                return sum(filter(None, stored)), stored.count(None)
        except BaseException as error:
            if untold:
                with self._count_lock:
                    self._untold.update(untold)
            if not _is_busy(error):
                target.close()  # a connection that found its file read-only stays so; a new one looks again
            raise

    def _insert_alone(self, target: WriteConnection, row: Row) -> int | None:
        try:
            return target.insert([row])
        except _UNBINDABLE as error:
            self._lose("unreadable", error)
            return None

    def _store_calls(self, part: CallBatch, opened: Connection) -> None:
        """Store model calls within a transaction. What cannot be stored at all must not hold up what can."""
        try:
            self.calls.store(opened, part)
        except Exception as error:
            if isinstance(error, sqlite3.Error) and not isinstance(error, _UNBINDABLE):
                raise  # it is tried again
            if len(part.calls) > 1:
                for call in part.calls:
                    self._store_calls(CallBatch([call]), opened)
            else:
                self._lose("model calls, unreadable", error, len(part.calls))

    def _take_untold(self) -> dict[str, int]:
        with self._count_lock:
            untold, self._untold = dict(self._untold), Counter()
        return untold

    def _lose(self, reason: str, error: BaseException | None, count: int = 1) -> None:
        self.count_lost(reason, count)
        self._warn_once(
            reason, "%s: executions are lost (%s)%s. LearningDatabase.statistics() has the count.", reason, error
        )

    def _failed(self, error: BaseException) -> bool:
        """Say that the database cannot be written; answer whether that passes by itself, as another's lock does."""
        if _is_busy(error):
            return True
        self._warn_once(
            "failed",
            "%s cannot be written (%s)%s. Executions are kept in memory and tried again.",
            type(error).__name__,
            error,
        )
        return False

    def _warn_once(self, kind: str, message: str, what: str, error: BaseException | None) -> None:
        if kind not in self._warned:
            self._warned[kind] = time.monotonic()
            try:
                log.warning(message, self.path, what, f": {error}" if error is not None else "")
            except Exception:  # a log handler of the host's: neither a task nor the writer may end by it
                self._warned.pop(kind, None)

    def _has_backlog(self) -> bool:
        return self._rows_behind > 0 or self._writer.backlog > 0

    def _request_totals(self) -> None:
        """Have executions added up whose row came after their calls, by another process's hand."""
        try:
            with self._lock:
                awaited = due(self._front.execute)
        except (sqlite3.Error, OSError, DatabaseError):  # what is asked next tells, or it comes round again
            return
        if awaited:
            self._writer.put((self.calls.priced, CallBatch(due=awaited)))

    def _between_batches(self, step: Callable[[WriteConnection], T]) -> T:
        """Take one *step* on the background connection, patiently."""
        self.open()
        done: list[T] = []
        try:
            _patiently(lambda: self._writer.between_batches(lambda: done.append(step(self._back))))
        except (sqlite3.Error, OSError) as error:
            raise DatabaseError(f"{self.path} cannot be written: {error}.") from error
        return done[0]

    def _is_trimming_due(self) -> bool:
        return self._limits_apply and time.monotonic() - self._trimmed > _RETENTION_SECONDS

    def _tend(self) -> None:
        """Do what would hold up a task: checkpoints and retention. In the background."""
        if not (self._front.is_open or self._back.is_open):
            return  # closed since; this must not open it again
        if self._since_checkpoint >= _CHECKPOINT_ROWS:
            self._since_checkpoint = 0
            self._back.checkpoint()
        self.calls.tend(self._back)
        has_trimmed = False
        if self._limits_apply:
            self._trimmed = time.monotonic()
            has_trimmed = trim(self._back, self.retention)
            if has_trimmed:
                self._writer.request_tending()
        from . import followers  # here, for what they count with is not needed before

        rows = self._stored + self._stored_behind
        is_quiet, self._tended_rows = rows - self._tended_rows < _QUIET_ROWS, rows
        # What was deleted takes room until it is counted out.
        if (has_trimmed or is_quiet or followers.behind(self._back) > _BEHIND_ROWS) and followers.catch_up(
            self._back, _ROLLUP_SECONDS, _ROLLUP_PAUSE_SECONDS, lambda: self._writer.backlog
        ):
            self._writer.request_tending()

    def suspend(self) -> tuple[bool, bool, bool]:
        """Close, and keep threads out, while the process forks. For :mod:`forking`."""
        self._writer.pause()
        held = (
            self._lock.acquire(timeout=_FORK_SECONDS),
            self._writer.hold(timeout=_FORK_SECONDS),
            self._read_lock.acquire(timeout=_FORK_SECONDS),
        )
        if held[0]:
            self._front.close()
        if held[1]:
            self._back.close()
        return held

    def resume(self, held: tuple[bool, bool, bool]) -> None:
        """Go on in the parent of a fork."""
        front, back, reading = held
        if reading:
            self._read_lock.release()
        if back:
            self._writer.release()
        if front:
            self._lock.release()
        self._writer.unpause()

    def start_anew(self) -> None:
        """Go on in a forked child: queue, counts and what may still be open are the parent's."""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._front.abandon()
        self._back.abandon()
        self._writer.after_fork()
        self._watcher.start_anew()
        self.calls.start_anew()
        self._reset_counts()


class _Done:
    """An awaitable that is done."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


_UNBINDABLE: Final = (
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    sqlite3.IntegrityError,
    OverflowError,
    ValueError,
    TypeError,
)


def _as_it_is(row: Row) -> Row:
    return row


def _is_busy(error: BaseException) -> bool:
    """Tell whether another writer holds the lock, which is no fault and passes."""
    return isinstance(error, sqlite3.OperationalError) and ("locked" in str(error) or "busy" in str(error))


def _patiently(action: Callable[[], T]) -> T:
    """Do what another process may be in the way of just now: a person can wait longer than a task."""
    deadline = time.monotonic() + _OPEN_SECONDS
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _absolute(path: Any) -> str:
    """Return *path* as it will stay, wherever the process changes its directory to."""
    try:
        text = os.fsdecode(path)
    except TypeError as error:
        raise ConfigurationError(f"database_path={path!r} is not a path.") from error
    if not text or text.startswith(":memory:"):
        raise ConfigurationError(f"database_path={text!r} names no file; pass the path of one, such as 'learning.db'.")
    return os.path.abspath(os.path.expanduser(text))
