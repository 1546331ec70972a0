"""The only file that opens SQLite: permissions, pragmas, schema, and a file that is deleted while in use."""

import contextlib
import ctypes
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Final, TypeVar

from ..errors import DatabaseError
from ..record import Row
from ..timestamps import iso
from . import schema
from .executions import INSERT_ONE, INSERTS, chunks
from .read_only import open_read_only, query

T = TypeVar("T")

Connection = sqlite3.Connection

Execute = Callable[..., list[Any]]
"""A statement and its parameters -> the rows it answers."""
#: 64 MB: see checkpoint().
_LONG_LOG_PAGES: Final = 16000
#: How long upkeep, for which a person waits, waits for another writer's lock.
_UPKEEP_BUSY_SECONDS: Final = 30.0
#: How long a person waits for what another process does meanwhile.
_PATIENCE_SECONDS: Final = 5.0


class WriteConnection:
    """A connection for writing, opened when it is first needed. Used by one thread at a time.

    Args:
        path: the absolute path of the database.
        busy_seconds: how long a write waits for another writer's lock.
        opened: called whenever it was opened.
    """

    def __init__(self, path: str, busy_seconds: float, opened: Callable[[], object] | None = None) -> None:
        self._path = path
        self._busy_seconds = busy_seconds
        self._opened = opened
        self._connection: sqlite3.Connection | None = None
        self._file_id: tuple[int, int] = (0, 0)

    @property
    def is_open(self) -> bool:
        """Whether there is a connection now."""
        return self._connection is not None

    def insert(
        self,
        rows: Sequence[Row],
        losses: Mapping[str, int] | None = None,
        then: Callable[[Connection], object] | None = None,
    ) -> int:
        """Commit *rows*, and the counts of executions that were lost; return how many of the rows were new.

        A result that takes the place of a row with the outcome ``lost`` is new. *then* is called within the same
        transaction.

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
                now = iso(datetime.now(timezone.utc))
                connection.executemany(
                    "INSERT INTO losses (timestamp, process_id, reason, executions) VALUES (?, ?, ?, ?)",
                    [(now, os.getpid(), reason, count) for reason, count in losses.items()],
                )
            if then is not None:
                then(connection)
        return stored

    def open(self) -> None:
        """Open the database, make it where there is none, and bring it to the newest schema.

        Raises:
            sqlite3.Error, OSError, DatabaseError: if that cannot be done.
        """
        self._open()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Run one statement that commits by itself; return its rows."""
        return self._open().execute(sql, parameters).fetchall()

    @contextlib.contextmanager
    def transaction(self, is_immediate: bool = True) -> Iterator[sqlite3.Connection]:
        """Give the connection, in a transaction that is committed in the end, or rolled back where something raises.

        Args:
            is_immediate: whether to take the lock at once; else with the first statement that writes, which fails
                where somebody else has written since the first that read.

        Raises:
            sqlite3.Error, OSError, DatabaseError: if the database cannot be opened or written.
        """
        connection = self._open()
        with _transaction(connection, "BEGIN IMMEDIATE" if is_immediate else "BEGIN"):
            yield connection

    def transact(self, work: Callable[[Execute], T]) -> T:
        """Return what *work* does with a function that executes statements, all of them or none.

        Raises:
            sqlite3.Error, OSError, DatabaseError: if the database cannot be opened or written.
        """
        with self.transaction() as connection:
            return work(executing(connection))

    def checkpoint(self) -> None:
        """Move what the write-ahead log holds into the database, as far as no reader is in the way.

        Without holding anybody up, unless writers that never pause have kept the log from starting over.
        """
        connection = self._open()
        _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if pages > _LONG_LOG_PAGES:  # what is left by now is little, so its writers wait a moment only
            connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()

    def vacuum(self, pages: int) -> None:
        """Give at most so many free *pages* back to the file system."""
        # As a script: Python 3.11 takes only the first step of a pragma without columns, which frees one page.
        self._open().executescript(f"PRAGMA incremental_vacuum({pages})")

    def close(self) -> None:
        """Close. The last connection to close moves the write-ahead log into the database."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if self._is_in_place():
                connection.close()
            else:
                abandon(connection)

    def abandon(self) -> None:
        """Forget the connection without closing it: after a fork it is the parent's."""
        connection, self._connection = self._connection, None
        if connection is not None:
            abandon(connection)

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            if self._is_in_place():
                return self._connection
            self.abandon()  # deleted or replaced: what we wrote there would be gone
        connection = connect(self._path, self._busy_seconds)
        try:
            prepare(connection)
            status = os.stat(self._path)
        except BaseException:  # raised again: only the connection must not stay open
            connection.close()
            raise
        self._file_id = (status.st_dev, status.st_ino)
        self._connection = connection
        if self._opened is not None:
            self._opened()
        return connection

    def _is_in_place(self) -> bool:
        try:
            status = os.stat(self._path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._file_id


def connect(path: str, busy_seconds: float) -> sqlite3.Connection:
    """Return a connection to the database at *path*; make the file, and its folder, where there is none.

    Raises:
        sqlite3.Error, OSError: if that cannot be done.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with contextlib.suppress(FileExistsError):
        # Prompts and errors are nobody else's business. SQLite gives its other files the same mode.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    # No implicit transactions; used by several threads, one at a time.
    return sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)


def is_busy(error: BaseException) -> bool:
    """Tell whether another writer holds the lock, which is no fault and passes."""
    return isinstance(error, sqlite3.OperationalError) and ("locked" in str(error) or "busy" in str(error))


def patiently(action: Callable[[], T]) -> T:
    """Do what another process may be in the way of just now: a person can wait longer than a task."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def executing(connection: Connection) -> Execute:
    """Return what executes statements on *connection*."""
    return lambda sql, parameters=(): connection.execute(sql, parameters).fetchall()


@contextlib.contextmanager
def open_for_upkeep(path: str, may_make: bool = False) -> Iterator[WriteConnection]:
    """Yield a connection for writing to the database at *path*.

    Args:
        path: the absolute path of the database.
        may_make: whether it may be made, where there is none.

    Raises:
        DatabaseError: if there is none, or it is none of ours, or it cannot be written.
    """
    connection = WriteConnection(path, _UPKEEP_BUSY_SECONDS)
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
    """Tell whether there is no database at *path*: no file, or one without a table, such as one that is being made."""
    try:
        return not os.path.lexists(path) or not query(path, "SELECT 1 FROM sqlite_master LIMIT 1", ())
    except sqlite3.Error:
        return False


def prepare(connection: sqlite3.Connection) -> None:
    """Set up *connection* for writing, and its file where that is new or old.

    Raises:
        sqlite3.Error, DatabaseError: if that cannot be done.
    """
    # A checkpoint syncs the disk: that is for the background thread.
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA synchronous = NORMAL")
    # A row that INSERT OR REPLACE puts in another's place is then deleted for the roll-ups' triggers too.
    connection.execute("PRAGMA recursive_triggers = ON")
    if not schema.is_current(connection):
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of use before the first table only
        connection.execute("PRAGMA journal_mode = WAL")
        schema.migrate(connection)


def abandon(connection: sqlite3.Connection) -> None:
    """Keep *connection* open until the process ends.

    Closing it would delete the write-ahead log by its name: another file's by now, or one the parent of a
    fork is using. A reference that nobody gives back keeps the interpreter from closing it at exit.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    try:
        connection.execute(begin)  # in here: a signal's handler may raise once it has begun
        yield
        connection.execute("COMMIT")
    except BaseException:  # raised again, once the transaction is over
        # A full disk may have ended the transaction already; what rolling back raises must not hide that.
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
