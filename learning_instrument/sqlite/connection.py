"""Connections for writing: permissions, pragmas, schema, transactions, and files deleted while in use."""

import contextlib
import ctypes
import os
import sqlite3
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from ..errors import DatabaseError
from ..record import Row
from . import schema
from .busy import showing_life
from .executions import INSERT_ONE, INSERTS, chunks
from .read_only import open_read_only, query

T = TypeVar("T")

Connection = sqlite3.Connection

Execute = Callable[..., list[Any]]
"""A statement and its parameters -> its rows."""
Loss = tuple[str, int, str, int]
"""A row of the table ``losses``: timestamp, process id, reason, number of executions."""
# Storing one loss twice, after a crash of the process that stored it, keeps one row.
_INSERT_LOSS: Final = (
    "INSERT INTO losses (timestamp, process_id, reason, executions) SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS"
    " (SELECT 1 FROM losses WHERE timestamp = ?1 AND process_id = ?2 AND reason = ?3 AND executions = ?4)"
)
#: The length of the write-ahead log, 64 MB, from which a checkpoint makes writers wait.
_LONG_LOG_PAGES: Final = 16000
#: How long maintenance waits for another writer's lock.
_MAINTENANCE_BUSY_SECONDS: Final = 30.0


class WriteConnection:
    """A connection for writing, opened when it is first needed. Used by one thread at a time.

    Args:
        path: the absolute path of the database.
        busy_seconds: how long a write waits for another writer's lock.
        opened: called each time it has been opened.
    """

    def __init__(self, path: str, busy_seconds: float, opened: Callable[[], object] | None = None) -> None:
        self._path = path
        self._busy_seconds = busy_seconds
        self._opened = opened
        self._connection: sqlite3.Connection | None = None
        self._file_id: tuple[int, int] = (0, 0)
        #: Closes a connection whose owner was dropped.
        self._finalizer: weakref.finalize[..., WriteConnection] | None = None

    @property
    def path(self) -> str:
        """The absolute path of the database."""
        return self._path

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
        if len(rows) == 1 and not losses and then is None:
            return connection.execute(INSERT_ONE, rows[0]).rowcount  # commits by itself
        with _transaction(connection):
            stored = sum(
                connection.execute(INSERTS[len(chunk)], [value for row in chunk for value in row]).rowcount
                for chunk in chunks(rows)
            )
            if losses:
                connection.executemany(_INSERT_LOSS, losses)
            if then is not None:
                then(connection)
        return stored

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
        with _transaction(connection, "BEGIN IMMEDIATE" if is_immediate else "BEGIN"):
            yield connection

    def transact(self, work: Callable[[Execute], T]) -> T:
        """Call *work* with a function that executes statements in one transaction; return its result.

        Raises:
            sqlite3.Error, OSError, DatabaseError: if the database cannot be opened or written.
        """
        with self.transaction() as connection:
            return work(executing(connection))

    def checkpoint(self) -> None:
        """Move the write-ahead log into the database, as far as readers allow.

        Other connections do not wait for it, unless writers that never pause have kept the log from starting over.
        """
        connection = self._open()
        _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if pages > _LONG_LOG_PAGES:  # little is left by now, so writers wait briefly
            connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()

    def vacuum(self, pages: int) -> None:
        """Give at most *pages* free pages back to the file system."""
        # As a script: Python 3.11 takes only the first step of a pragma without columns, which frees one page.
        self._open().executescript(f"PRAGMA incremental_vacuum({pages})")

    def close(self) -> None:
        """Close. The last connection to close moves the write-ahead log into the database."""
        connection = self._forget()
        if connection is not None:
            _close(connection, self._path, self._file_id)

    def abandon(self) -> None:
        """Forget the connection without closing it: after a fork it is the parent's."""
        connection = self._forget()
        if connection is not None:
            abandon(connection)

    def _forget(self) -> sqlite3.Connection | None:
        connection, self._connection = self._connection, None
        finalizer, self._finalizer = self._finalizer, None
        if finalizer is not None:
            finalizer.detach()
        return connection

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            if _is_in_place(self._path, self._file_id):
                return self._connection
            self.abandon()  # deleted or replaced: rows written to it would be lost
        connection = connect(self._path, self._busy_seconds)
        try:
            _drop_index_of_deleted(connection, self._path)
            prepare(connection)
            status = os.stat(self._path)
        except BaseException:  # raised again, with the connection closed
            connection.close()
            raise
        self._file_id = (status.st_dev, status.st_ino)
        self._connection = connection
        self._finalizer = weakref.finalize(self, _close_dropped, connection, self._path, self._file_id, os.getpid())
        self._finalizer.atexit = False
        if self._opened is not None:
            self._opened()
        return connection


def _is_in_place(path: str, file_id: tuple[int, int]) -> bool:
    """Tell whether the file at *path* is the one with this device and inode."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == file_id


def _close(connection: sqlite3.Connection, path: str, file_id: tuple[int, int]) -> None:
    if _is_in_place(path, file_id):
        connection.close()
    else:
        abandon(connection)


def _close_dropped(connection: sqlite3.Connection, path: str, file_id: tuple[int, int], process_id: int) -> None:
    if process_id == os.getpid():
        _close(connection, path, file_id)
    else:
        abandon(connection)


def connect(path: str, busy_seconds: float) -> sqlite3.Connection:
    """Return a connection to the database at *path*; make a missing file and its folder.

    Raises:
        sqlite3.Error, OSError: if it cannot be opened.
    """
    target = os.path.realpath(path)  # behind a dangling link: such a file could not be made exclusively
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with contextlib.suppress(FileExistsError):
        # Prompts and errors are private to the user. SQLite gives its other files the same mode.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    # No implicit transactions; several threads use it, one at a time.
    return sqlite3.connect(os.fsencode(path), timeout=busy_seconds, isolation_level=None, check_same_thread=False)


def _drop_index_of_deleted(connection: sqlite3.Connection, path: str) -> None:
    """Delete the index of the write-ahead log that a deleted database left behind, if the file at *path* is new.

    Connections to the deleted file still use it, and a new file that shared it with them would be waited for in vain
    (``SQLITE_PROTOCOL``, after 10 s). SQLite itself deletes the log that was left.
    """
    index = f"{path}-shm"
    if not os.path.exists(index) or os.path.getsize(path):
        return
    # An empty file under an exclusive lock has no log yet, so no connection uses the index for it.
    with _transaction(connection, "BEGIN EXCLUSIVE"):
        if not os.path.getsize(path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(index)


def executing(connection: Connection) -> Execute:
    """Return a function that executes statements on *connection*."""
    return lambda sql, parameters=(): connection.execute(sql, parameters).fetchall()


@contextlib.contextmanager
def open_for_maintenance(path: str, may_make: bool = False) -> Iterator[WriteConnection]:
    """Yield a connection for writing to the database at *path*.

    Args:
        path: the absolute path of the database.
        may_make: whether a missing one may be made.

    Raises:
        DatabaseError: if it is missing, not a database of this package, or cannot be written.
    """
    connection = WriteConnection(path, _MAINTENANCE_BUSY_SECONDS)
    try:
        if not (may_make and _is_blank(path)):
            open_read_only(path).close()
        yield connection
    except (sqlite3.Error, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatabaseError(f"{path} cannot be written: {reason}.") from error
    finally:
        connection.close()


def _is_blank(path: str) -> bool:
    """Tell whether *path* has no file, or one without tables, such as one that another process is making."""
    try:
        return not os.path.lexists(path) or not query(path, "SELECT 1 FROM sqlite_master LIMIT 1", ())
    except sqlite3.Error:
        return False


def prepare(connection: sqlite3.Connection) -> None:
    """Set up *connection* for writing, and migrate a new or old file.

    Raises:
        sqlite3.Error, DatabaseError: if it cannot be written.
    """
    # A checkpoint syncs the disk, so the background writer does it.
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA synchronous = NORMAL")
    # So that the triggers on deletes see the rows that INSERT OR REPLACE replaces.
    connection.execute("PRAGMA recursive_triggers = ON")
    if not schema.is_current(connection):
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # has an effect before the first table only
        connection.execute("PRAGMA journal_mode = WAL")
        with showing_life(connection):
            schema.migrate(connection)


def abandon(connection: sqlite3.Connection) -> None:
    """Keep *connection* open until the process ends.

    Closing it would delete the write-ahead log by name: that of another file by now, or one in use by the parent of
    a fork. An extra reference, never released, keeps the interpreter from closing it at exit.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    try:
        connection.execute(begin)  # within the try: a signal handler may raise right after it
        yield
        connection.execute("COMMIT")
    except BaseException:  # raised again, after the rollback
        # A full disk may have ended the transaction already; the error of the rollback must not hide that.
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
