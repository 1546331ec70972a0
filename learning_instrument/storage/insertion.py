"""Inserts rows and model calls; one that cannot be stored is counted as lost and does not hold up the others."""

import functools
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

from ..costs.call_store import ModelCallBatch, ModelCallStore
from ..record import Row
from ..safety.clocks import time
from ..safety.guards import is_interruption
from ..sqlite.busy import is_busy
from ..sqlite.connection import Connection, WriteConnection
from .statistics import Counters

#: Raised for a value that SQLite cannot store. Trying again does not help.
UNBINDABLE: Final = (
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    sqlite3.IntegrityError,
    OverflowError,
    ValueError,
    TypeError,
)


class Insertion:
    """Makes rows of records, and inserts rows and model calls.

    Args:
        counts: counts the losses.
        model_calls: stores the model calls.
    """

    def __init__(self, counts: Counters, model_calls: ModelCallStore) -> None:
        self._counts = counts
        self._model_calls = model_calls

    def rows(self, items: Sequence[tuple[Callable[[Any], Row | None], Any]]) -> list[Row]:
        """Return the rows of *items*, each a function and its record; unreadable records are counted as lost.

        A function may return None: there is nothing to store.
        """
        rows = []
        for to_row, item in items:
            try:
                row = to_row(item)
                if row is not None:
                    rows.append(row)
            except MemoryError:
                raise  # it is readable, later
            except Exception as error:  # a span that was tampered with; the others of its batch go on
                if is_interruption(error):
                    raise
                self._counts.lose("unreadable", error)
        return rows

    def insert(
        self, target: WriteConnection, rows: Sequence[Row], then: Callable[[Connection], object] | None = None
    ) -> tuple[int, int]:
        """Commit *rows* and the losses not yet reported. A row that cannot be bound is counted as lost.

        Returns:
            The number of new rows, and of rows that could not be bound.
        """
        unreported = self._counts.take_unreported()
        try:
            try:
                stored, refused = target.insert(rows, unreported, then), 0
            except UNBINDABLE:
                alone = [self._insert_alone(target, row) for row in rows]
                target.insert([], unreported, then)
                stored, refused = sum(filter(None, alone)), alone.count(None)
            if unreported:
                self._counts.reported(unreported)
            return stored, refused
        except BaseException as error:
            if unreported:
                self._counts.give_back(unreported)
            if not is_busy(error):
                target.close()  # a connection that found its file read-only stays so; a new one looks again
            raise

    def _insert_alone(self, target: WriteConnection, row: Row) -> int | None:
        try:
            return target.insert([row])
        except UNBINDABLE as error:
            self._counts.lose("unreadable", error)
            return None

    def store(
        self,
        target: WriteConnection,
        rows: Sequence[Row],
        batches: Sequence[ModelCallBatch] = (),
        committed: Callable[[int, int], object] | None = None,
    ) -> None:
        """Commit rows and model calls. May be repeated after an exception.

        Args:
            target: the connection to write with.
            rows: the rows.
            batches: the model calls.
            committed: called with the number of new rows, and of all rows, once these are committed.

        Raises:
            sqlite3.Error, OSError, DatabaseError: if the database cannot be opened or written.
        """
        parts = self._model_calls.parts(batches, rows)
        first = functools.partial(self._store_model_calls, parts[0]) if parts else None
        began = time.monotonic()
        stored, _ = self.insert(target, rows, first)
        if committed is not None:
            committed(stored, len(rows))
        for part in parts[1:]:
            if part.due:  # another process may have left thousands: give the lock to others as long as each part takes
                time.sleep(time.monotonic() - began)
                began = time.monotonic()
            self.insert(target, (), functools.partial(self._store_model_calls, part))

    def _store_model_calls(self, part: ModelCallBatch, connection: Connection) -> None:
        """Store model calls within a transaction. One that cannot be bound is counted as lost.

        Raises:
            sqlite3.Error: if the database cannot be written; the caller tries again.
        """
        try:
            self._model_calls.store(connection, part)
        except Exception as error:
            if isinstance(error, sqlite3.Error) and not isinstance(error, UNBINDABLE):
                raise
            if len(part.calls) > 1:
                for call in part.calls:
                    self._store_model_calls(ModelCallBatch([call]), connection)
            else:
                self._counts.lose("model calls, unreadable", error, len(part.calls))
