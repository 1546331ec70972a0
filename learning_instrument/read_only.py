"""``ReadOnlyDatabase``: questions to a file that must stay as it is."""

import os
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from . import schema
from .connection import open_read_only
from .errors import DatabaseError


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
