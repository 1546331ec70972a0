"""Connections for writing: transactions, and files that other programs change while they are in use."""

import contextlib
import os
import sqlite3
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from ..errors import DatabaseError
from ..record import Row
from ..safety.clocks import time
from .busy import showing_life
from .executions import FIRST_INSERT, Insert
from .file_watch import Fault, FileWatch, watch
from .opening import abandon, leave, open_alone, open_for_writing, transaction
from .read_only import SQLITE_FAULTS, open_read_only, query, reason_of
from .renewal import renew

T = TypeVar("T")

Connection = sqlite3.Connection

Execute = Callable[..., list[Any]]
"""A statement and its parameters -> its rows."""
Loss = tuple[str, int, str, int]
"""A row of the table ``losses``: timestamp, process id, reason, number of executions."""
# Storing one loss twice, after a crash of the process that stored it, keeps one row.
_INSERT_LOSS: Final = (
    "INSERT INTO losses (timestamp, process_id, reason, executions)"
    " SELECT * FROM (SELECT ? AS time, ? AS process, ? AS cause, ? AS number) WHERE NOT EXISTS"
    " (SELECT 1 FROM losses WHERE timestamp = time AND process_id = process AND reason = cause AND executions = number)"
)
#: For slices, whose temporary tables are small, as is what their statements may have to undo: where there are triggers,
#: each page that they change. Otherwise these are files, for which a host need not have room.
IN_MEMORY: Final = "PRAGMA temp_store = MEMORY"
#: The length of the write-ahead log, 8 MB, from which a commit of the background or of maintenance checkpoints it.
_LOG_PAGES: Final = 2000
#: The length, 16 MB, from which a checkpoint makes writers wait, so that the log starts over.
_LONG_LOG_PAGES: Final = 4000
#: How long one try to start the log over waits for readers, while writers wait, and the pause before the next.
_CUT_MILLISECONDS: Final = 20
_CUT_PAUSE_SECONDS: Final = 0.1
#: How long maintenance waits for another writer's lock.
_MAINTENANCE_BUSY_SECONDS: Final = 30.0


class WriteConnection:
    """A connection for writing, opened when it is first needed. Used by one thread at a time.

    Args:
        path: the absolute path of the database.
        busy_seconds: how long a write waits for another writer's lock.
        opened: called with this object each time it has been opened.
        is_careful: whether each use looks at all files of the database, and commits checkpoint a long log; otherwise
            :meth:`look` and :meth:`checkpoint` do so.
    """

    def __init__(
        self,
        path: str,
        busy_seconds: float,
        opened: Callable[["WriteConnection"], object] | None = None,
        *,
        is_careful: bool = True,
    ) -> None:
        self._path = path
        self._busy_seconds = busy_seconds
        self._opened = opened
        self._connection: sqlite3.Connection | None = None
        self._is_careful = is_careful
        self._insert = FIRST_INSERT
        self._watch: FileWatch | None = None
        #: Closes a connection whose owner was dropped.
        self._finalizer: weakref.finalize[..., WriteConnection] | None = None

    @property
    def path(self) -> str:
        """The absolute path of the database."""
        return self._path

    @property
    def watch(self) -> FileWatch | None:
        """The files of the open database, or None."""
        return self._watch

    @property
    def is_open(self) -> bool:
        """Whether there is a connection now."""
        return self._connection is not None

    def insert(
        self,
        rows: Sequence[Row],
        losses: Sequence[Loss] = (),
        then: Callable[[Connection], object] | None = None,
    ) -> int:
        """Commit *rows* and *losses*, each once; return the number of new rows.

        A result that replaces a ``lost`` row counts as new. *then* is called within the same transaction.

        Raises:
            sqlite3.Error, OSError, DatabaseError: if the database cannot be opened or written.
        """
        connection = self._open()
        insert = self._insert = self._insert.fitting(rows)
        try:
            if len(rows) == 1 and not losses and then is None:
                return insert.execute(connection, rows)  # commits by itself
            return _insert(connection, insert, rows, losses, then)
        except sqlite3.OperationalError as error:
            if not str(error).startswith("no such table"):
                raise
            # Another process rewrote the file while a statement was prepared whose triggers write to the search index.
            # SQLite 3.40 then holds an empty schema for the whole one, until the statement that finds no table.
            return _insert(connection, insert, rows, losses, then)

    def open(self) -> None:
        """Open the database; make it if missing, and migrate it to the newest schema.

        Raises:
            sqlite3.Error, OSError, DatabaseError: if it cannot be opened.
        """
        self._open()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Run one statement that commits by itself; return its rows."""
        return self._open().execute(sql, parameters).fetchall()

    @contextlib.contextmanager
    def transaction(self, is_immediate: bool = True) -> Iterator[sqlite3.Connection]:
        """Yield the connection in a transaction, which is committed at the end and rolled back after an exception.

        Args:
            is_immediate: whether to take the lock at once. Otherwise the first statement that writes takes it, and
                fails if another connection has written since the first statement that read.

        Raises:
            sqlite3.Error, OSError, DatabaseError: if the database cannot be opened or written.
        """
        connection = self._open()
        with transaction(connection, "BEGIN IMMEDIATE" if is_immediate else "BEGIN"):
            yield connection

    def transact(self, work: Callable[[Execute], T]) -> T:
        """Call *work* with a function that executes statements in one transaction; return its result.

        Raises:
            sqlite3.Error, OSError, DatabaseError: if the database cannot be opened or written.
        """
        with self.transaction() as connection:
            return work(executing(connection))

    def checkpoint(self) -> bool:
        """Move the write-ahead log into the database, as far as readers allow; tell whether all of it is.

        Other connections do not wait for it, unless writers that never pause have kept the log from starting over.
        """
        connection = self._open()
        _, pages, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if pages > _LONG_LOG_PAGES:  # little is left by now, so writers wait briefly
            with self._hardly_waiting(connection):
                connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        return bool(pages == moved)

    def vacuum(self, pages: int) -> None:
        """Give at most *pages* free pages back to the file system."""
        # As a script: Python 3.11 takes only the first step of a pragma without columns, which frees one page.
        self._open().executescript(f"PRAGMA incremental_vacuum({pages})")

    def rewrite(self) -> bool:
        """Write the whole file anew, without the remains of deleted rows; tell whether there was room for it.

        Other writers wait meanwhile, some seconds for each gigabyte. Rows keep their numbers where a table has an
        index or is keyed by them.

        Raises:
            sqlite3.Error, OSError, DatabaseError: if the database cannot be opened or written.
        """
        connection = self._open()
        try:
            with showing_life(connection):
                connection.execute("PRAGMA temp_store = DEFAULT")  # the new file is a temporary one at first
                connection.execute("VACUUM")
        except sqlite3.OperationalError as error:
            if "disk is full" not in str(error):
                raise
            return False
        return True

    def empty_log(self, seconds: float) -> bool:
        """Move all of the write-ahead log into the database, and cut it to nothing; tell whether it is empty.

        Args:
            seconds: how long to wait at most for readers, whose snapshots need the log.

        Raises:
            sqlite3.Error, OSError, DatabaseError: if the database cannot be opened or written.
        """
        connection = self._open()
        deadline = time.monotonic() + seconds
        with self._hardly_waiting(connection):
            while True:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                is_busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if not is_busy and self._watch is not None:
                    self._watch.accept_log()
                if not is_busy or time.monotonic() > deadline:
                    return not is_busy
                time.sleep(_CUT_PAUSE_SECONDS)

    @contextlib.contextmanager
    def _hardly_waiting(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Wait briefly for readers: a checkpoint that starts the log over holds the writers' lock meanwhile."""
        connection.execute(f"PRAGMA busy_timeout = {_CUT_MILLISECONDS}")
        try:
            yield
        finally:
            connection.execute(f"PRAGMA busy_timeout = {int(self._busy_seconds * 1000)}")

    def look(self) -> None:
        """Look at all files of an open database; if another program has changed them, mend that and close.

        Raises:
            sqlite3.Error, OSError: if it cannot be done now.
        """
        if self._connection is None or self._watch is None or (fault := self._watch.fault()) is None:
            return
        if fault is not Fault.REPLACED:
            renew(self._watch, self._connection)
        if self._watch.fault() is not None:
            self._leave()  # rows written to it would be lost

    def close(self) -> None:
        """Close. The last connection to close moves the write-ahead log into the database."""
        try:
            self.look()
        except (sqlite3.Error, OSError):  # another process mends it
            self._leave()
        self._end(sqlite3.Connection.close)

    def abandon(self) -> None:
        """Forget the connection without closing it: after a fork it is the parent's."""
        self._end(abandon)

    def _leave(self) -> None:
        self._end(leave)

    def _end(self, end: Callable[[sqlite3.Connection], object]) -> None:
        connection, self._connection, files, self._watch = self._connection, None, self._watch, None
        finalizer, self._finalizer = self._finalizer, None
        if finalizer is not None:
            finalizer.detach()
        if connection is not None and files is not None:
            try:
                end(connection)
            finally:  # until then, opening the file elsewhere would release the locks of this one
                files.connections.discard(connection)

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._watch is not None:
            if self._is_careful:
                self.look()
            elif not self._watch.is_at(self._path):
                self._leave()  # deleted or replaced: rows written to it would be lost
            if self._connection is not None:
                return self._connection
        connection, self._watch = open_alone(self._path, self._busy_seconds, self._connect)
        self._connection = connection
        self._finalizer = weakref.finalize(self, _close_dropped, connection, self._watch, os.getpid())
        self._finalizer.atexit = False
        if self._opened is not None:
            self._opened(self)
        return connection

    def _connect(self) -> tuple[sqlite3.Connection, FileWatch]:
        connection = open_for_writing(self._path, self._busy_seconds)
        try:
            if self._is_careful:
                connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
            return connection, watch(self._path, connection)
        except BaseException:  # raised again, with the connection closed
            connection.close()
            raise


def _close_dropped(connection: sqlite3.Connection, files: FileWatch, process_id: int) -> None:
    try:
        if process_id != os.getpid():
            abandon(connection)
        elif files.fault() is None:
            connection.close()
        else:
            leave(connection)
    finally:
        files.connections.discard(connection)


def _insert(
    connection: Connection,
    insert: Insert,
    rows: Sequence[Row],
    losses: Sequence[Loss],
    then: Callable[[Connection], object] | None,
) -> int:
    with transaction(connection):
        stored = insert.execute(connection, rows)
        if losses:
            connection.executemany(_INSERT_LOSS, losses)
        if then is not None:
            then(connection)
    return stored


def executing(connection: Connection) -> Execute:
    """Return a function that executes statements on *connection*."""
    return lambda sql, parameters=(): connection.execute(sql, parameters).fetchall()


@contextlib.contextmanager
def open_for_maintenance(
    path: str, may_make: bool = False, *, is_overwriting: bool = False
) -> Iterator[WriteConnection]:
    """Yield a connection for writing to the database at *path*.

    Args:
        path: the absolute path of the database.
        may_make: whether a missing one may be made.
        is_overwriting: whether deleted rows, and pages that become free, are overwritten with zeros.

    Raises:
        DatabaseError: if it is missing, not a database of this package, or cannot be written.
    """
    connection = WriteConnection(path, _MAINTENANCE_BUSY_SECONDS, _overwrite_deleted if is_overwriting else None)
    try:
        if not (may_make and _is_blank(path)):
            open_read_only(path).close()
        yield connection
    except (*SQLITE_FAULTS, OSError) as error:
        reason = getattr(error, "strerror", None) or reason_of(error)
        raise DatabaseError(f"{path} cannot be written: {reason}.") from error
    finally:
        connection.close()


def _overwrite_deleted(connection: WriteConnection) -> None:
    connection.execute("PRAGMA secure_delete = ON")


def _is_blank(path: str) -> bool:
    """Tell whether *path* has no file, or one without tables, such as one that another process is making."""
    try:
        return not os.path.lexists(path) or not query(path, "SELECT 1 FROM sqlite_master LIMIT 1", ())
    except sqlite3.Error:
        return False
