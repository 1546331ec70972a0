"""Connections for reading: questions to a database, and ``ReadOnlyDatabase`` for a file that must not change."""

import contextlib
import errno
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from ..errors import DatabaseError
from . import schema
from .paths import absolute, log_of, size_of, uri
from .selection import has_table

T = TypeVar("T")

#: Steps of SQLite's virtual machine between two checks whether to stop: some tenths of a millisecond.
_STEPS_BETWEEN_CHECKS: Final = 10_000
#: Raised for a file that cannot be read or a question that cannot be answered. The text of SQLite's own error may quote
#: what is no UTF-8; the text of a question may not have a UTF-8 form.
SQLITE_FAULTS: Final = (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeError)

#: Raised over a value of the wrong type, which another program or damage has left in the file.
VALUE_FAULTS: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def reason_of(fault: BaseException) -> str:
    """Return the text of one of :data:`SQLITE_FAULTS`."""
    if isinstance(fault, UnicodeDecodeError):
        return fault.object.decode(errors="replace")
    if isinstance(fault, sqlite3.Warning) and "wrong type" in str(fault):  # in SQL, before Python 3.11
        return "invalid text: expected UTF-8"
    if isinstance(fault, UnicodeEncodeError):
        return f"invalid text with {fault.object[fault.start : fault.end]!r:.40}: expected UTF-8"
    return str(fault)


def query(path: str, sql: str, parameters: Any) -> list[dict[str, Any]]:
    """Return the rows of a question to the database at *path*, on a connection that cannot write.

    Raises:
        sqlite3.Error: if it cannot be read.
    """
    connection = sqlite3.connect(os.fsencode(path), timeout=5.0, isolation_level=None)
    try:
        connection.execute("PRAGMA query_only = ON")
        cursor = connection.execute(sql, parameters)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]
    finally:
        connection.close()


def read_briefly(
    path: str, read: Callable[[Callable[..., list[Any]]], T], busy_seconds: float, is_over: Callable[[], bool]
) -> T | None:
    """Return the result of *read*, or None if it took too long. Never makes or changes the file.

    Args:
        path: the path of the database.
        read: called with a function that executes a statement and returns its rows, all in one snapshot of the file.
        busy_seconds: how long to wait for another process's lock, such as that of a process that makes the file.
        is_over: called repeatedly, tells whether to stop.

    Raises:
        FileNotFoundError: if there is no file, or another process is still making it.
        DatabaseError: if it cannot be read.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(path)
    try:
        with contextlib.closing(
            sqlite3.connect(uri(path, "mode=rw"), uri=True, timeout=busy_seconds, isolation_level=None)
        ) as connection:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
            if "executions" not in schema.tables(connection):
                raise FileNotFoundError(path)
            connection.set_progress_handler(is_over, _STEPS_BETWEEN_CHECKS)
            return read(lambda sql, parameters=(): connection.execute(sql, parameters).fetchall())
    except SQLITE_FAULTS as error:
        if is_over() or "locked" in str(error):
            return None
        raise DatabaseError(f"{path} cannot be read: {reason_of(error)}.") from error


def open_read_only(path: str) -> sqlite3.Connection:
    """Return a connection to the database at *path* that changes nothing and leaves no file beside it.

    Raises:
        DatabaseError: if it is missing, unreadable, or not a database of this package.
    """
    try:
        return _open_read_only(path)
    except FileNotFoundError as error:
        raise DatabaseError(
            f"There is no database {path}; name another (--database), or record something first."
        ) from error
    except (*SQLITE_FAULTS, OSError) as error:
        reason = getattr(error, "strerror", None) or reason_of(error)
        raise DatabaseError(f"{path} cannot be read as a database: {reason}.") from error


def _open_read_only(path: str) -> sqlite3.Connection:
    _check_readable(path)
    log = log_of(path)
    has_log = size_of(log) > 0
    # A read-only connection leaves the files of an empty log behind. A writable one deletes them, and with an empty
    # log it has nothing to move into the database.
    mode = "ro" if has_log or not os.access(path, os.W_OK) else "rw"
    try:
        return _connected(path, f"mode={mode}")
    except sqlite3.OperationalError as error:
        is_full = "disk I/O error" in str(error)  # there is no room for the index of the log
        if not is_full and "unable to open" not in str(error) and "readonly" not in str(error):
            raise
        if has_log and is_full:
            return _connected(path, "mode=rw", ("PRAGMA locking_mode = EXCLUSIVE",))  # the index is in memory
        if has_log:
            raise DatabaseError(
                f"{log} cannot be read in a folder without write permission;"
                " copy both files to a writable folder and ask there."
            ) from error
        # There is no writer: a folder without write permission, or a full disk, has no log.
        return _connected(path, "mode=ro&immutable=1")


def _check_readable(path: str) -> None:
    """Raise an error with the reason why the file cannot be read.

    Without opening it: closing it would release the locks that this process has on an open database.
    """
    reason = 0
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        reason = errno.EISDIR
    elif not stat.S_ISREG(mode):  # opening a pipe would wait for its writer
        reason = errno.EINVAL
    elif not os.access(path, os.R_OK):
        reason = errno.EACCES
    if reason:
        raise OSError(reason, os.strerror(reason), path)


def _connected(path: str, options: str, pragmas: Sequence[str] = ()) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri(path, options),
        uri=True,
        timeout=5.0,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        for pragma in pragmas:
            connection.execute(pragma)
        schema.check(connection, path)
        schema.complete(connection)
        connection.execute("PRAGMA query_only = ON")
    except BaseException:  # raised again, with the connection closed
        connection.close()
        raise
    return connection


def lenient(text: bytes) -> str:
    """Decode *text* that another program stored, and that may be no UTF-8."""
    return text.decode(errors="replace")


class ReadOnlyDatabase:
    """A database that is only read: never made, migrated or written. Opened by the first question.

    Args:
        path: the path of the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = absolute(path)
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.RLock()  # a signal handler may ask in the thread that holds it

    def query(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[dict[str, Any]]:
        """Answer a question in SQL, column name -> value for each row.

        Raises:
            DatabaseError: if the file cannot be read, is not a database of this package, or cannot answer.
        """
        with self._lock:
            connection = self._open()
            try:
                try:
                    return self._answer(connection, sql, parameters)
                except sqlite3.OperationalError as error:
                    if "decode to UTF-8" not in str(error):
                        raise
                    connection.text_factory = lenient
                    return self._answer(connection, sql, parameters)
            except SQLITE_FAULTS as error:
                raise DatabaseError(self._reason(connection, error)) from error

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Answer all questions in this block from one state of the file.

        Raises:
            DatabaseError: if the file cannot be read.
        """
        self.query("BEGIN")
        try:
            yield
        finally:
            self.query("ROLLBACK")

    def has_table(self, name: str) -> bool:
        """Tell whether the file has the table *name*: that of an older release may lack it."""
        return has_table(self, name)

    def close(self) -> None:
        """Close. The next question opens the file again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def __enter__(self) -> "ReadOnlyDatabase":
        """Open the file."""
        with self._lock:
            self._open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close."""
        self.close()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        return open_read_only(self.path)

    def _answer(self, connection: sqlite3.Connection, sql: str, parameters: Any) -> list[dict[str, Any]]:
        cursor = connection.execute(sql, parameters)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in self._rows(cursor)]

    def _rows(self, cursor: sqlite3.Cursor) -> Iterable[tuple[Any, ...]]:
        return cursor

    def _reason(self, connection: sqlite3.Connection, fault: Exception) -> str:
        error = reason_of(fault)
        if error.startswith("no such") and not schema.is_current(connection):
            return (
                f"{self.path} has an older schema, which cannot answer this question ({error});"
                " learning-instrument rebuild migrates it."
            )
        return f"{self.path} cannot answer: {error}."
