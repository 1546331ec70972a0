"""Executions that were chosen at one moment, deleted in short transactions as long as they are what they were."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from ..sqlite.connection import IN_MEMORY, Connection, WriteConnection
from ..sqlite.executions import placeholders
from ..storage.retention import SLICE_ROWS
from ..transfer.importing import Progress

T = TypeVar("T")


class ChosenRows:
    """Executions to delete, in this order.

    Their rowids say nothing by themselves: SQLite gives those of deleted newest rows to new ones.

    Args:
        connection: the connection to read and write with.
        rows: rowid -> the value that the row has in the column *identity*.
        tell: called after each slice.
        identity: what tells whether a row is still the same.
    """

    def __init__(
        self, connection: WriteConnection, rows: dict[int, Any], tell: Progress, identity: str = "execution_id"
    ) -> None:
        self._connection = connection
        self.tell = tell
        #: Rowid -> what tells whether the row is still the same: the value of a column, or the hash of several.
        self.rows = rows
        self._identity = identity
        self._is_hashed = False

    def identify_by(self, columns: str) -> None:
        """Have :attr:`rows` hold, from now on, the hash of these columns of each row."""
        self._identity, self._is_hashed = columns, True

    def read(self, rowids: Sequence[int], order: str = "") -> list[Any]:
        """Return rowid and identity of those rows that are there."""
        return self._connection.execute(
            f"SELECT rowid, {self._identity} FROM executions WHERE rowid IN {placeholders(rowids)} {order}", rowids
        )

    def delete(self, before: Callable[[Connection, Sequence[int]], object] | None = None) -> int:
        """Delete the rows that are as they were; return their number.

        Args:
            before: called in the transaction of each slice with the rowids that it is about to delete.
        """
        self._connection.execute(IN_MEMORY)
        deleted = 0
        rows = list(self.rows)
        for start, chunk in slices(rows, SLICE_ROWS):
            with self._connection.transaction() as connection:
                same = [
                    rowid
                    for rowid, *values in self.read(chunk)
                    if (hash(tuple(values)) if self._is_hashed else values[0]) == self.rows[rowid]
                ]
                if before is not None:
                    before(connection, same)
                connection.execute(f"DELETE FROM executions WHERE rowid IN {placeholders(same)}", same)
            deleted += len(same)
            self.tell("Deleting", start + len(chunk), len(rows))
        return deleted


def slices(items: Sequence[T], size: int) -> Iterator[tuple[int, Sequence[T]]]:
    """Yield *items* in slices of *size*, each with the place where it begins."""
    for start in range(0, len(items), size):
        yield start, items[start : start + size]
