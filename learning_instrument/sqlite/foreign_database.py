"""Reads a database from elsewhere, which may be damaged, or made to exhaust memory or disk.

An ordinary table holds no more text than its file has bytes. A generated column, a virtual table or a default can
declare any amount in a file of some kB.
"""

import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from ..errors import ConfigurationError
from .paths import log_of, size_of
from .read_only import ReadOnlyDatabase

_TABLES: Final = ("executions", "feedback", "model_calls", "reported_costs")
#: The most bytes that are read, for each byte of the file. Twice as many where its text is UTF-16, and some are read
#: again.
_BYTES_READ: Final = 4
_LEAST_BYTES: Final = 2**20
#: ``SQLITE_LIMIT_LENGTH``, a name that Python has since 3.11.
_LONGEST_VALUE: Final = 0


class ForeignDatabase(ReadOnlyDatabase):
    """A database of another program or machine. It answers with no more than its file can hold.

    Raises:
        ConfigurationError: when it is opened, for tables that are not ordinary; by ``query``, beyond that bound.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        size = size_of(path) + size_of(log_of(path))
        self._bytes_left = max(_LEAST_BYTES, _BYTES_READ * size)

    def __enter__(self) -> "ForeignDatabase":
        """Open the file, and check its tables."""
        super().__enter__()
        try:
            for table in _TABLES:
                self._check(table)
        except BaseException:  # raised again, with the file closed
            self.close()
            raise
        return self

    def _check(self, table: str) -> None:
        columns = self.query("SELECT name, hidden FROM pragma_table_xinfo(?, 'main')", [table])
        found = self.query("SELECT rootpage FROM sqlite_master WHERE type = 'table' AND name = ?", [table])
        fault = None
        if any(not row["rootpage"] for row in found):
            fault = "is virtual"
        elif any(column["hidden"] for column in columns):
            fault = "has generated columns"
        elif any(str(column["name"]).lower() == "rowid" for column in columns):
            fault = "has a column called rowid"
        if fault is not None:
            raise ConfigurationError(
                f"Cannot read {self.path}: its table {table} {fault}; expected tables as this package makes them."
            )

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        if hasattr(connection, "setlimit"):
            connection.setlimit(_LONGEST_VALUE, self._bytes_left)
        return connection

    def _rows(self, cursor: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
        for row in cursor:
            self._bytes_left -= sum(len(value) for value in row if isinstance(value, (str, bytes)))
            if self._bytes_left < 0:
                raise ConfigurationError(f"Cannot read {self.path}: it declares more text than it can hold.")
            yield row
