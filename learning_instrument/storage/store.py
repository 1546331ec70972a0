"""The write path of one database: commits rows on the task's thread, or queues them for the background writer.

In ``commit`` mode a row is committed on the caller's thread. In ``batch`` mode, and where the database is locked or
cannot be written, rows go to the background writer, which also does the housekeeping.
"""

import functools
import logging
import sqlite3
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

from ..costs.call_store import ModelCallBatch, ModelCallStore, batch_of, left_by_others
from ..costs.unknown_spans import counted
from ..errors import DatabaseError
from ..record import Row, row_from_record
from ..safety import deferral
from ..safety.exit import DATABASES, at_exit, notice_end, seconds_left
from ..safety.forks import ForkLock, Undo, check, register
from ..safety.guards import guarded, is_interruption, warn
from ..safety.memory import EXHAUSTED, Misses, has_free
from ..sqlite import read_only
from ..sqlite.busy import is_busy, retry_while_busy
from ..sqlite.connection import Connection, Execute, WriteConnection, executing
from .background_work import BUSY_SECONDS, BackgroundWork
from .committed_rows import CommittedRows
from .file_care import FileCare
from .heard_losses import row_unless_known
from .insertion import Insertion
from .retention import Limits
from .statistics import Counters, Statistics
from .watchdog import Watchdog

T = TypeVar("T")

Durability = Literal["commit", "batch"]
"""When a row is on the disk: before its task returns, or within 100 ms."""

log = logging.getLogger(__name__)


#: How long a task waits for another thread of its process, and then for another writer's lock: 50 ms together.
_TASK_LOCK_SECONDS: Final = 0.02
_TASK_BUSY_SECONDS: Final = 0.03
CLOSE_SECONDS: Final = 5.0
#: What has to be free for memory not to be exhausted.
_SPARE_BYTES: Final = 4_000_000


class Store:
    """Stores records and model calls in one SQLite file.

    Opening is lazy: an invalid path is an error for :meth:`open` and :meth:`query`, and a logged, counted loss for
    :meth:`append`.

    Args:
        path: the absolute path of the database; it and its folder are made where there are none.
        durability: ``"commit"`` (a row is committed before its task returns), or ``"batch"`` (within 100 ms).
    """

    def __init__(self, path: str, durability: Durability) -> None:
        self.path = path
        self.durability = durability
        #: Providers -> the pipeline of executions that name this database. Kept as long as the database.
        self.pipelines: dict[Any, Any] = {}
        #: Prices model calls and stores them.
        self.model_calls = ModelCallStore()
        #: Counts the executions that lack of memory kept from being recorded, until there is memory again.
        self.misses = Misses()
        self._counts = Counters(path)
        self._insertion = Insertion(self._counts, self.model_calls)
        this = weakref.ref(self)  # the watchdog's thread must not keep a database alive
        self._watchdog = Watchdog(
            path,
            lambda: (store := this()) is not None and store._has_backlog(),
            lambda: store._look_around() if (store := this()) is not None else None,
            lambda: store._watch_files() if (store := this()) is not None else None,
            lambda *call: store.append_model_call(*call) if (store := this()) is not None else False,
        )
        #: The executions in flight.
        self.running = self._watchdog.running
        self._front = WriteConnection(path, _TASK_BUSY_SECONDS, self._opened, is_careful=False)
        self._back = WriteConnection(path, BUSY_SECONDS, self._opened)
        self._lock = ForkLock(self._front.close)
        self._back_lock = ForkLock(self._back.close)
        self._read_lock = ForkLock()
        self._committed = CommittedRows(self._insertion, self._counts, self._lock)
        self._care = FileCare(self._front, self._back, self._lock, self._committed, self._counts)
        self._background = BackgroundWork(
            self._back,
            self._back_lock,
            self._lock,
            self._insertion,
            self._counts,
            self.model_calls,
            self._committed,
            self._care,
            self._failed,
            is_batch=durability == "batch",
        )
        self._writer = self._background.writer
        self._housekeeping = self._background.housekeeping
        self._has_tried = self._will_close = False
        register(self)
        at_exit(self, phase=DATABASES)
        notice_end()

    def append(self, records: Iterable[Any], to_row: Callable[[Any], Row] = row_from_record) -> bool:
        """Store *records*, as the durability says. A database that cannot be written raises nothing.

        The caller has called ``forks.check()``: an execution does so at its end.

        Args:
            records: :class:`ExecutionRecord` objects, or the arguments of *to_row*.
            to_row: makes the row of a record. In ``batch`` mode the background writer calls it.

        Returns:
            False if any of them was lost.
        """
        if self.durability == "batch":
            if not self._has_tried:
                self._has_tried = True
                self._care.make_missing(_TASK_LOCK_SECONDS)
            return self._queue([(to_row, record) for record in records])
        items = [(to_row, record) for record in records]
        rows = self._insertion.rows(items)
        return (not rows or self._commit(rows)) and len(rows) == len(items)

    def append_lost(self, record: Any, to_row: Callable[[Any], Row]) -> bool:
        """Store an execution that ended by the death of its process, unless that has entered or stored it itself.

        In the background, in each mode. Otherwise like :meth:`append`.
        """
        check()
        return self._queue([(lambda given: row_unless_known(self.path, to_row(given)), record)])

    def append_model_call(self, span: Any, execution_id: str, path: Sequence[int]) -> bool:
        """Store one finished span; see :func:`batch_of`. Otherwise like :meth:`append_model_calls`."""
        return self.append_model_calls(batch_of(span, execution_id, path))

    def append_model_calls(self, batch: ModelCallBatch) -> bool:
        """Store model calls in the background, and add them up. A database that cannot be written raises nothing.

        Returns:
            False if they were lost.
        """
        check()
        if batch.unknown:
            batch = batch._replace(unknown=[span for span in batch.unknown if counted.add(self.path, span)])
        if not (batch.size or batch.due) or self._writer.put((self.model_calls.pricing, batch)):
            return True
        self._counts.lose("model calls, queue full", None, len(batch.calls))
        return False

    def _commit(self, rows: Sequence[Row]) -> bool:
        """Commit *rows* at once, or queue them for the background writer; return False if any was lost."""
        # Deferred rows keep their order, and the lock holder has it for a moment only. A destructor or a signal handler
        # may have interrupted this thread in the middle of another commit.
        if self._counts.rows_deferred > 0 or self._lock.is_held():
            return self._defer(rows)
        try:
            refused = self._lock.call(self._insert, rows, timeout=_TASK_LOCK_SECONDS)
        except Exception as error:
            if is_interruption(error):  # the TimeoutError of a time limit is an OSError
                raise
            if isinstance(error, (sqlite3.Error, OSError, DatabaseError)):
                self._failed(error)
            elif not isinstance(error, EXHAUSTED) or has_free(_SPARE_BYTES):
                self._counts.lose("fault", error, len(rows))
                return False
            refused = None  # without memory maybe after the commit: they are stored once
        if refused is None:  # without the lock: for room in the queue this waits for the writer, which may need it
            return self._defer(rows)
        try:
            if awaited := self.model_calls.awaited(rows):
                self._writer.put((self.model_calls.pricing, ModelCallBatch(due=awaited)))
            if self._housekeeping.count(len(rows)):
                self._writer.request_housekeeping()
        except EXHAUSTED:
            pass  # they are stored
        return not refused

    def _insert(self, rows: Sequence[Row]) -> int:
        """Commit *rows*; return the number of those that could not be bound."""
        stored, refused = self._insertion.insert(self._front, rows)
        try:
            self._counts.stored += stored
            self._committed.extend(rows)
        except EXHAUSTED:
            pass  # they are stored
        return refused

    def query(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[dict[str, Any]]:
        """Answer a question in SQL, column name -> value for each row. The queue is written first.

        A destructor or a signal handler that interrupts this thread while it writes is answered from what is committed.

        Raises:
            DatabaseError: if the database cannot be opened, or the question not answered.
        """
        self.open()
        if not self._is_within():
            self._drain()
        try:
            return self._read_lock.call(read_only.query, self.path, sql, parameters) or []
        except read_only.SQLITE_FAULTS as error:
            raise DatabaseError(f"{self.path}: {read_only.reason_of(error)}. The question was: {sql:.500}") from error

    def open(self) -> None:
        """Open the database; make or migrate its file.

        Raises:
            DatabaseError: if it cannot be opened; :class:`SchemaVersionError` if a newer release wrote it.
        """
        check()
        if self._is_within():
            if self._front.is_open or self._back.is_open:
                return
            raise DatabaseError(
                f"{self.path} cannot be opened here: a destructor or a signal handler has interrupted this thread while"
                " it opens it. Ask again after that."
            )
        try:
            self._care.open()
        except (sqlite3.Error, OSError) as error:
            raise DatabaseError(
                f"The database {self.path} cannot be opened: {error}. Check the path and its permissions."
            ) from error
        self._watchdog.settle_dead()
        self._background.take_in_spilled()

    def _opened(self, connection: WriteConnection) -> None:
        """Watch an open database."""
        self._committed.opened(connection)
        self._watchdog.opened()

    def _watch_files(self) -> None:
        """Let the writer look at the files of an open database: its thread does not end before it is closed.

        Not at once: a process that ends within half a second, a forked child for example, starts one thread less.
        """
        if self._care.is_open():
            self._writer.wake()

    def _is_within(self) -> bool:
        """Tell whether this thread is using a connection, so that it must neither use nor wait for one."""
        return any(part.is_held() for part in (self._lock, self._read_lock, self._writer, self._watchdog))

    def _refuse_within(self) -> None:
        if self._is_within():
            raise DatabaseError(
                f"{self.path} cannot be written here: a destructor or a signal handler has interrupted this thread"
                " while it writes. Do it after that."
            )

    def transact(self, work: Callable[[Execute], T]) -> T:
        """Call *work* with a function that executes statements in one transaction; return its result. Not for tasks.

        The queue is written first.

        Raises:
            DatabaseError: if the database cannot be opened or written.
        """
        return self.within_transaction(lambda opened: work(executing(opened)))

    def within_transaction(self, action: Callable[[Connection], T]) -> T:
        """Call *action* with a connection in one transaction; return its result. Otherwise like :meth:`transact`.

        Raises:
            DatabaseError: if the database cannot be opened or written.
        """

        def act(target: WriteConnection) -> T:
            with target.transaction() as opened:
                return action(opened)

        self._refuse_within()
        self._writer.drain(CLOSE_SECONDS)
        return self.between_batches(act)

    def flush(self, timeout: float = CLOSE_SECONDS) -> bool:
        """Wait, at most *timeout* seconds, until the queue as it is now is committed. Tell whether it is.

        A database that cannot be written at all is not waited for; its executions are kept and retried.
        """
        check()
        if self._is_within():
            return not self._writer.backlog
        return self._writer.flush(timeout) and self._background.is_settled(timeout)

    def statistics(self) -> Statistics:
        """Return how many records were stored, deferred and lost through this object, in this process."""
        check()
        self._count_misses()
        return self._counts.statistics()

    def _look_around(self) -> None:
        self._count_misses()
        self._background.look_for_spill_files()

    def _count_misses(self) -> None:
        """Count, and warn of, the executions that lack of memory kept from being recorded."""
        if missed := self.misses.take():
            self._counts.lose("memory", None, missed)

    def count_lost(self, reason: str, count: int = 1) -> None:
        """Count *count* executions as lost for *reason*; the next write that succeeds stores the count."""
        check()
        self._counts.count_lost(reason, count)

    def limit(self, limits: Limits) -> None:
        """Delete the oldest executions beyond *limits*, in the background, from the next record on."""
        self._housekeeping.limit(limits)

    def close(self) -> None:
        """Write the queue and close. A later record opens the database again."""
        check()
        if deferral.is_busy():  # a destructor or a signal handler has interrupted this thread in the middle of our work
            if not self._will_close:
                self._will_close = True
                deferral.when_free(functools.partial(guarded, self._close))
        else:
            self._close()

    def _close(self) -> None:
        self._will_close = False
        self._count_misses()
        is_written = self._drain() if self._care.is_open() else self._writer.drain(CLOSE_SECONDS)
        if not is_written and (unwritten := self._writer.unwritten):
            warn(log, "%s: closed with %d executions not written.", self.path, unwritten)
        self._watchdog.close()
        self._background.settle(CLOSE_SECONDS)
        self._background.close()

    def end(self) -> None:
        """Close at the end of the process, so that the write-ahead log is moved into the file.

        The writer's thread may keep this object, and so its connections, alive. A later record opens the
        database again.
        """
        check()
        self._count_misses()
        self._background.settle(CLOSE_SECONDS)
        if not self._writer.backlog:
            self._background.end(seconds_left(DATABASES))
        self._background.spill_losses()

    def _defer(self, rows: Sequence[Row]) -> bool:
        self._counts.defer(len(rows))
        return self._queue([(_unchanged, row) for row in rows])

    def _queue(self, items: Iterable[tuple[Callable[[Any], Row | None], Any]]) -> bool:
        refused = 0
        for item in items:
            if not self._writer.put(item):
                refused += 1
        if refused:
            self._counts.settle(refused)
            self._counts.lose("queue full", None, refused)
        return not refused

    def _failed(self, error: BaseException) -> bool:
        """Warn that the database cannot be written, unless it is another writer's lock; tell whether it is."""
        if is_busy(error):
            return True
        self._committed.doubt()
        self._counts.warn_of_failure(error)
        return False

    def _has_backlog(self) -> bool:
        return self._counts.rows_deferred > 0 or self._writer.backlog > 0

    def _drain(self) -> bool:
        """Write the queue, then attribute and add up what other processes left; return whether all is written."""
        if self._writer.backlog and not self._writer.drain(CLOSE_SECONDS):
            return False
        try:
            batch = self._lock.call(left_by_others, self._front.execute)
        except (sqlite3.Error, OSError, DatabaseError):  # the question raises it, or the next one retries it
            return True
        return not batch or (self._writer.put((self.model_calls.pricing, batch)) and self._writer.drain(CLOSE_SECONDS))

    def between_batches(self, step: Callable[[WriteConnection], T]) -> T:
        """Take one *step* on the background connection, between two batches; wait for other processes.

        Raises:
            DatabaseError: if the database cannot be opened or written.
        """
        self._refuse_within()
        self.open()
        done: list[T] = []
        try:
            retry_while_busy(self.path, lambda: self._writer.between_batches(lambda: done.append(step(self._back))))
        except (sqlite3.Error, OSError) as error:
            raise DatabaseError(f"{self.path} cannot be written: {error}.") from error
        return done[0]

    def before_fork(self, undo: Undo) -> None:
        """End the threads while the process forks; the locks keep other threads out of SQLite."""
        undo.callback(self._writer.unpause)
        if not self._writer.pause():
            undo.has_failed = True
        self._watchdog.before_fork(undo)

    def reset(self) -> None:
        """Start over in a forked child: queue, counts and connections are the parent's."""
        for lock in (self._lock, self._read_lock, self._back_lock):
            lock.reset()
        self._front.abandon()
        self._back.abandon()
        for part in (self._background, self._watchdog, self.model_calls, self._counts, self._committed, self._care):
            part.reset()
        self._has_tried = self._will_close = False
        self.misses.take()  # the parent's


def _unchanged(row: Row) -> Row:
    return row
