"""Tells where two files differ over an execution.

Feedback and model calls are added to a stored execution. The columns that they determine are no difference then.
"""

import bisect
import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..columns import COLUMNS
from ..costs.execution_totals import DETERMINED
from ..record import Row
from ..sqlite.connection import Execute
from ..sqlite.executions import placeholders
from ..sqlite.migrations import ADDED_COLUMNS

#: What is added to an execution -> the columns that it determines.
_LATER: Final = {"model_calls": frozenset(DETERMINED), "feedback": frozenset({"user_accepted", "user_rating"})}
#: The columns that a copy of an older release lacks.
_ADDED_SINCE: Final = frozenset(ADDED_COLUMNS["executions"])
#: Conflicts kept with their names; all are counted.
_MOST_CONFLICTS: Final = 100
EXECUTION_ID: Final = COLUMNS.index("execution_id")
_DEFAULTED: Final = COLUMNS.index("defaulted")
OUTCOME: Final = COLUMNS.index("outcome")


@dataclass(frozen=True, slots=True)
class Conflict:
    """An execution about which two files say different things."""

    execution_id: str
    #: The file whose row is stored: the database, where it was there before the import.
    kept: str
    #: The file whose row is not.
    left_out: str
    #: The columns that differ.
    columns: tuple[str, ...]


def is_text(value: Any) -> bool:
    """Tell whether a value of a file, which any program may have written, is text that a database has."""
    return type(value) is str and value.encode("utf-8", "ignore").decode() == value


def stored_rows(answer: Callable[[str, Sequence[Any]], Iterable[Sequence[Any]]], ids: Iterable[Any]) -> dict[str, Row]:
    """Return the rows of a database among *ids*, by id.

    Args:
        answer: executes a statement and returns its rows.
        ids: those of a file, which may be of any type.
    """
    valid = [*filter(is_text, ids)]
    if not valid:
        return {}
    rows = answer(f"SELECT {','.join(COLUMNS)} FROM executions WHERE execution_id IN {placeholders(valid)}", valid)
    return {row[EXECUTION_ID]: tuple(row) for row in rows}


def _unsaid(row: Row) -> set[str]:
    """Return the columns about which a row says nothing: defaults, and what an older release did not know."""
    missing = {name for name in _ADDED_SINCE if row[COLUMNS.index(name)] is None}
    return {"defaulted", *json.loads(row[_DEFAULTED]), *missing}


class Conflicts:
    """Counts conflicts, and names the first of them.

    Args:
        path: that of the database.
    """

    def __init__(self, path: str) -> None:
        self.count = 0
        self.first: list[Conflict] = []
        self._path = path
        #: The rows that came from files: the last row of each run, and its first with the file.
        self._ends: list[int] = []
        self._runs: list[tuple[int, str]] = []

    def origin(self, file: str, first: int, last: int) -> None:
        """Remember that rows came from *file*. Their numbers grow."""
        if self._ends and self._ends[-1] == first - 1 and self._runs[-1][1] == file:
            self._ends[-1] = last
        else:
            self._ends.append(last)
            self._runs.append((first, file))

    def compare(self, execute: Execute, row: Row, file: str, stored: Row, added: Collection[str]) -> None:
        """Count a conflict if *row* of *file* says something else than the row that is stored.

        Args:
            execute: executes a statement and returns its rows.
            row: that of the file.
            file: its name.
            stored: that of the database, or one that is stored with it.
            added: what the file adds to the execution: ``model_calls``, ``feedback``.
        """
        identity = row[EXECUTION_ID]
        columns = {name for name, mine, its in zip(COLUMNS, row, stored, strict=True) if mine != its} - _unsaid(row)
        for table, determined in _LATER.items():
            if columns & determined and (
                table in added or execute(f"SELECT 1 FROM {table} WHERE execution_id = ? LIMIT 1", (identity,))
            ):
                columns -= determined
        if not columns:
            return
        self.count += 1
        if len(self.first) < _MOST_CONFLICTS:
            found = execute("SELECT rowid FROM executions WHERE execution_id = ?", (identity,))
            kept = self._file_of(found[0][0]) if found else file
            self.first.append(Conflict(identity, kept, file, tuple(name for name in COLUMNS if name in columns)))

    def _file_of(self, row: int) -> str:
        place = bisect.bisect_left(self._ends, row)
        if place < len(self._ends) and self._runs[place][0] <= row:
            return self._runs[place][1]
        return self._path
