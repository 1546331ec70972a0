"""What each index of ``executions`` costs a row: inserts and checkpoints with all of them, and without one, in turn.

Processor time, on files of several hundred thousand rows with random task ids. The index that keeps executions apart
cannot be dropped: a second one like it tells what it costs.
"""

import contextlib
import re
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from learning_instrument.record import Row
from learning_instrument.sqlite.connection import WriteConnection

from .pace import Pace
from .recorded_files import DRAWN, copy_of, next_rows

ROWS: Final = 300_000
_BLOCK: Final = 1000
_BLOCKS: Final = 20
_TOGETHER: Final = 250
#: What each is for.
_PURPOSES: Final = {
    "sqlite_autoindex_executions_1": "one row for each execution; looked up by its id",
    "idx_executions_timestamp": "reports of a time, the newest first, retention",
    "idx_executions_parent": "executions within others",
}
_SECOND: Final = "second_execution_id"


@dataclass(frozen=True)
class Index:
    """One index, and what it costs a row, in µs of processor time."""

    name: str
    #: The columns, and the condition of a partial index.
    of: str
    purpose: str
    microseconds: float
    megabytes: float


@dataclass(frozen=True)
class Indexes:
    """What a row costs with all indexes, and the share of each."""

    row: float
    indexes: list[Index]


class _File:
    """A file with one index less, or one more."""

    def __init__(self, whole: Path, folder: str, statement: str) -> None:
        path = Path(folder, f"{abs(hash(statement))}.db")
        shutil.copyfile(whole, path)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute(statement)
        self._connection = WriteConnection(str(path), 1.0)
        self._seconds, self._rows = 0.0, 0

    def store(self, rows: list[Row]) -> None:
        """Insert the rows, and move them from the log into the file."""
        started = time.process_time()
        for first in range(0, len(rows), _TOGETHER):
            self._connection.insert(rows[first : first + _TOGETHER])
        self._connection.checkpoint()
        self._seconds += time.process_time() - started
        self._rows += len(rows)

    def forget(self) -> None:
        """Forget what was measured."""
        self._seconds, self._rows = 0.0, 0

    @property
    def microseconds(self) -> float:
        """What a row cost."""
        return self._seconds / self._rows * 1e6

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def measure(pace: Pace) -> Indexes:
    """Measure blocks of rows into a file for each index, and into the whole one, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        whole = copy_of(ROWS, Path(folder, "whole.db"))
        found = _indexes(whole)
        files = {name: _File(whole, folder, f'DROP INDEX "{name}"') for name, (sql, _) in found.items() if sql}
        added = _File(whole, folder, f"CREATE UNIQUE INDEX {_SECOND} ON executions (execution_id)")
        all_of_them = _File(whole, folder, "SELECT 1")
        every = [all_of_them, added, *files.values()]
        blocks = _blocks(whole)
        for number in range(_BLOCKS):
            rows = next(blocks)
            for file in every if number % 2 else reversed(every):
                file.store(rows)
            if number == 1:
                for file in every:
                    file.forget()
            pace.sample()
        row = all_of_them.microseconds
        costs = {name: row - file.microseconds for name, file in files.items()}
        for file in every:
            file.close()
        indexes = [
            Index(name, _of(sql), _PURPOSES.get(name, ""), costs[name] if sql else added.microseconds - row, megabytes)
            for name, (sql, megabytes) in found.items()
        ]
    return Indexes(row, indexes)


def _indexes(path: Path) -> dict[str, tuple[str, float]]:
    """Return the indexes of the table: name -> its SQL, and its size in MB."""
    sql = (
        "SELECT name, coalesce(sql, ''), (SELECT sum(pgsize) FROM dbstat WHERE name = sqlite_master.name) / 1e6"
        " FROM sqlite_master WHERE tbl_name = 'executions' AND type = 'index'"
    )
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return {name: (sql, megabytes) for name, sql, megabytes in connection.execute(sql)}


def _of(sql: str) -> str:
    """Return the columns and the condition of the index that *sql* creates."""
    found = re.search(r"\((.*?)\)(.*)", sql.rpartition(" ON ")[2], re.S)
    return " ".join("".join(found.groups()).replace('"', "").split()) if found else "execution_id"


def _blocks(path: Path) -> Iterator[list[Row]]:
    """Yield rows that are later than all others."""
    for first in range(1, DRAWN, _BLOCK):
        yield next_rows(path, first, first + _BLOCK - 1, ROWS // DRAWN)
