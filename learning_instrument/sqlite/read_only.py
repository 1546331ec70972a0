"""``ReadOnlyDatabase``: questions to a file that must stay as it is."""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from ..errors import DatabaseError
from . import schema

#: SQLite's own small steps: some tenths of a millisecond.
_STEPS_BETWEEN_LOOKS: Final = 10_000


def query(path: str, sql: str, parameters: Any) -> list[dict[str, Any]]:
    """Return the rows of a question to the database at *path*, on a connection that cannot write.

    Raises:
        sqlite3.Error: if it cannot be read.
    """
    connection = sqlite3.connect(path, timeout=5.0, isolation_level=None)
    try:
        connection.execute("PRAGMA query_only = ON")
        cursor = connection.execute(sql, parameters)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]
    finally:
        connection.close()


def read_briefly(
    path: str, sql: str, parameters: Mapping[str, Any], busy_seconds: float, is_over: Callable[[], bool]
) -> list[Any] | None:
    """Return the rows of a question, or None where that took too long. Never makes or changes the file.

    Args:
        path: of the database.
        sql: the question.
        parameters: by their names in it.
        busy_seconds: how long another's lock is waited for, as there is one while a file is being made.
        is_over: asked now and then whether to stop.

    Raises:
        FileNotFoundError: if there is no file, or one that is only just being made.
        DatabaseError: if it cannot be read.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(path)
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{quote(path)}?mode=rw", uri=True, timeout=busy_seconds, isolation_level=None)
        ) as connection:
            connection.execute("PRAGMA query_only = ON")
            if "executions" not in schema.tables(connection):
                raise FileNotFoundError(path)
            connection.set_progress_handler(is_over, _STEPS_BETWEEN_LOOKS)
            return connection.execute(sql, parameters).fetchall()
    except (sqlite3.Error, sqlite3.Warning) as error:
        if is_over() or "locked" in str(error):
            return None
        raise DatabaseError(f"{path} cannot be read: {error}.") from error


def open_read_only(path: str) -> sqlite3.Connection:
    """Return a connection to the database at *path* that changes nothing, and leaves no file beside it.

    Raises:
        DatabaseError: if there is none, or it cannot be read, or is none of ours.
    """
    try:
        return _open_read_only(path)
    except FileNotFoundError as error:
        raise DatabaseError(
            f"There is no database {path}; name another (--database), or record something first."
        ) from error
    except (sqlite3.Error, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatabaseError(f"{path} cannot be read as a database: {reason}.") from error


def _open_read_only(path: str) -> sqlite3.Connection:
    with open(path, "rb"):  # for an error that says why
        pass
    has_log = os.path.exists(f"{path}-wal") and os.path.getsize(f"{path}-wal") > 0
    # One who may only read leaves the files of an empty log behind. One who may write takes them away, and with an
    # empty log there is nothing it could move into the database.
    mode = "ro" if has_log or not os.access(path, os.W_OK) else "rw"
    try:
        return _first_question(path, f"mode={mode}")
    except sqlite3.OperationalError as error:
        if "unable to open" not in str(error) and "readonly" not in str(error):
            raise
        if has_log:
            raise DatabaseError(
                f"{path}-wal cannot be read along in a folder that cannot be written;"
                " copy both files to one that can, and ask there."
            ) from error
        # Nobody can be writing: without a log in a folder of which nobody makes one.
        return _first_question(path, "mode=ro&immutable=1")


def _first_question(path: str, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(path)}?{how}", uri=True, timeout=5.0, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA query_only = ON")
        schema.check(connection, path)
    except BaseException:  # raised again: only the connection must not stay open
        connection.close()
        raise
    return connection


class ReadOnlyDatabase:
    """A database to ask, never made, never migrated, never written. Opened by the first question.

    Args:
        path: the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(os.path.expanduser(os.fsdecode(path)))
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def query(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[dict[str, Any]]:
        """Answer a question in SQL, column name -> value for each row.

        Raises:
            DatabaseError: if the file cannot be read, is none of ours, or the question cannot be answered.
        """
        with self._lock:
            connection = self._open()
            try:
                cursor = connection.execute(sql, parameters)
                names = [column[0] for column in cursor.description or ()]
                return [dict(zip(names, row, strict=True)) for row in cursor]
            except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
                raise DatabaseError(self._reason(connection, error)) from error

    def has_table(self, name: str) -> bool:
        """Tell whether the file has a table of that name: one that an older release wrote may lack it."""
        with self._lock:
            return name in schema.tables(self._open())

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
            self._connection = open_read_only(self.path)
        return self._connection

    def _reason(self, connection: sqlite3.Connection, error: Exception) -> str:
        if str(error).startswith("no such") and not schema.is_current(connection):
            return (
                f"{self.path} is of an older release and lacks what this question needs ({error});"
                " learning-instrument rebuild brings it up to date."
            )
        return f"{self.path} cannot answer: {error}."
