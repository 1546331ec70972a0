"""The table ``executions`` in SQL: how rows are inserted, found and grouped."""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, Final

from ..columns import COLUMNS, TABLE
from ..record import Row


def placeholders(values: Collection[Any]) -> str:
    """Return ``(?,?,?)``, one mark for each of *values*: what follows IN or VALUES."""
    return f"({','.join('?' * len(values))})"


#: Rows in one INSERT, largest first. Each statement frees the interpreter lock once, where ``executemany`` would
#: do so for every row, and wait for it again behind the threads that produce them.
_CHUNKS: Final = (256, 32, 8, 1)
#: The columns that a result keeps of the ``lost`` row it replaces.
_KEPT: Final = ("execution_id", "user_accepted", "user_rating")
# Storing one execution twice keeps one row. Only a result replaces a ``lost`` row: in all columns, for ``excluded`` has
# NULL in those that the INSERT leaves out.
_ONCE: Final = (
    " ON CONFLICT (execution_id) DO UPDATE SET "
    + ",".join(f"{column}=excluded.{column}" for column in COLUMNS if column not in _KEPT)
    + " WHERE outcome='lost' AND excluded.outcome<>'lost'"
)
_NO_VALUES: Final = (None,) * len(COLUMNS)


class Insert:
    """The INSERT of rows that are NULL in all columns but some.

    The others are left out: ``sqlite3`` takes three times as long to bind None as to bind text, and a third of the
    values of most rows is None.

    Args:
        bound: the numbers of the columns that may have a value.
    """

    def __init__(self, bound: Collection[int]) -> None:
        self._bound = sorted(bound)
        others = [number for number in range(len(COLUMNS)) if number not in bound]
        self._values = itemgetter(*self._bound)
        self._rest = itemgetter(*others) if others else itemgetter(slice(0))
        self._no_rest = self._rest(_NO_VALUES)
        insert = f"INSERT INTO executions ({','.join(self._values(COLUMNS))}) VALUES "
        one = placeholders(self._bound)
        self._statements = {size: insert + ",".join([one] * size) + _ONCE for size in _CHUNKS}

    def fitting(self, rows: Sequence[Row]) -> "Insert":
        """Return the INSERT that has the columns of *rows* as well: this one if it does."""
        no_rest = self._no_rest
        for rest in map(self._rest, rows):
            if rest != no_rest:
                used = {number for row in rows for number, value in enumerate(row) if value is not None}
                return Insert(used.union(self._bound))
        return self

    def execute(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> int:
        """Insert *rows*; return the number of new ones.

        Raises:
            sqlite3.Error: if they cannot be stored.
        """
        statements, values = self._statements, self._values
        if len(rows) == 1:
            return connection.execute(statements[1], values(rows[0])).rowcount
        return sum(
            connection.execute(statements[len(chunk)], list(chain.from_iterable(map(values, chunk)))).rowcount
            for chunk in _chunks(rows)
        )


#: That of the columns that always have a value. Those of the first rows are added.
FIRST_INSERT: Final = Insert([number for number, column in enumerate(TABLE) if column.is_not_null])


def _chunks(rows: Sequence[Row]) -> Iterable[Sequence[Row]]:
    """Yield *rows* in the sizes of :data:`_CHUNKS`."""
    start = 0
    for size in _CHUNKS:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


def is_sound(state: str) -> str:
    """Return the condition that a mark is of this file, over the table *state*, which has it with its execution's id.

    A copy by ``.dump`` may have the same executions under other rowids.
    """
    return f"(mark = 0 OR execution_id = (SELECT e.execution_id FROM executions AS e WHERE e.rowid = {state}.mark))"
