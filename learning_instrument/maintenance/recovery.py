"""``recover``: brings the rows of a damaged database back, as far as they can be read.

A damaged file was set aside, with its log, by the process that found it (``sqlite/renewal.py``). It is read by ranges
of rowids, which are halved around damaged pages, and never changed.
"""

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..columns import COLUMNS
from ..errors import ConfigurationError, DatabaseError
from ..record import Row
from ..sqlite.connection import WriteConnection, open_for_maintenance
from ..sqlite.opening import connect, connect_read_only
from ..sqlite.paths import absolute
from ..sqlite.renewal import set_aside_damaged, set_aside_files
from ..transfer.importing import Progress

#: The rows that are read at once where nothing is damaged.
_CHUNK: Final = 256
#: Fewer bytes than a row of ``executions`` takes.
_ROW_BYTES: Final = 300
_BUSY_SECONDS: Final = 5.0
#: The other tables that nothing else can make again, and the columns that tell their rows apart.
_OTHER_TABLES: Final = {
    "model_calls": ("trace_id", "span_id"),
    "reported_costs": ("execution_id",),
    "feedback": ("execution_id", "timestamp", "source", "comment"),
}


@dataclass(frozen=True, slots=True)
class Recovered:
    """What came back from one damaged file."""

    file: str
    #: Executions that the database did not have.
    executions: int
    #: Executions that it had already.
    known: int
    #: Executions that cannot be read; at most so many, for a damaged page does not say which it had.
    unreadable: int


def recover(
    path: str | os.PathLike[str],
    file: str | os.PathLike[str] | None = None,
    *,
    is_deleting: bool = False,
    progress: Progress | None = None,
) -> list[Recovered]:
    """Add to a database what can be read of damaged ones. What it has already stays as it is.

    Args:
        path: the path of the database; it is made if missing. If it is damaged itself, it is set aside first.
        file: the damaged file; by default all that were set aside beside the database.
        is_deleting: whether to delete a damaged file after it was read.
        progress: called with the number of rows read.

    Raises:
        ConfigurationError: if there is no such file.
        DatabaseError: if the database cannot be written, or the file is no database of this package.
    """
    place = absolute(path)
    if file is not None:
        files = [os.path.realpath(absolute(file))]  # its log is not beside a link
        if not os.path.isfile(files[0]) or (os.path.exists(place) and os.path.samefile(files[0], place)):
            raise ConfigurationError(f"Invalid file {files[0]}: expected a damaged database that was set aside.")
    else:
        with contextlib.suppress(sqlite3.Error, OSError):  # opened below, which says why it cannot be
            set_aside_damaged(place, was_ours=False)
        files = set_aside_files(place)
    found = []
    for damaged in files:
        with open_for_maintenance(place, may_make=True) as target:
            found.append(_recover_one(target, damaged, progress or (lambda label, done, of: None)))
        if is_deleting:
            for suffix in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(damaged + suffix)
    return found


def _recover_one(target: WriteConnection, file: str, tell: Progress) -> Recovered:
    with _opened(file) as source:
        new = read = unreadable = 0
        for rows, lost in _read(source, "executions", COLUMNS):
            readable = [row for row in rows if _is_execution(row)]
            new += target.insert(readable)
            read += len(readable)
            unreadable += lost + len(rows) - len(readable)
            tell("Executions", read, 0)
        for table, key in _OTHER_TABLES.items():
            _copy(source, target, table, key)
        return Recovered(file, new, read - new, unreadable)


@contextlib.contextmanager
def _opened(file: str) -> Iterator[sqlite3.Connection]:
    """Yield a connection to a damaged file, or to a copy with a new first page where the schema cannot be read."""
    had_index = os.path.exists(f"{file}-shm")
    try:
        with contextlib.closing(connect_read_only(file)) as connection:
            if _has_schema(connection):
                yield connection
                return
    finally:
        if not had_index:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{file}-shm")
    with tempfile.TemporaryDirectory(prefix="learning-instrument-") as folder:
        copy = os.path.join(folder, "copy.db")
        for suffix in ("", "-wal"):
            if os.path.exists(file + suffix):
                shutil.copyfile(file + suffix, copy + suffix)
        _replace_first_page(copy, os.path.join(folder, "empty.db"))
        with contextlib.closing(connect(copy, _BUSY_SECONDS)) as connection:
            if not _has_schema(connection):
                raise DatabaseError(f"{file} cannot be read: it has no table executions, or its schema is damaged.")
            yield connection


def _has_schema(connection: sqlite3.Connection) -> bool:
    try:
        return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'executions'").fetchone())
    except sqlite3.DatabaseError:
        return False


def _replace_first_page(copy: str, empty: str) -> None:
    """Give *copy* the first page of an empty database, which has its tables in the same places."""
    connection = WriteConnection(empty, _BUSY_SECONDS)
    connection.open()
    connection.close()
    with open(empty, "rb") as file:
        page = bytearray(file.read(4096))
    page[28:32] = (os.path.getsize(copy) // len(page)).to_bytes(4, "big")  # the number of pages
    page[32:40] = bytes(8)  # no list of free pages
    with open(copy, "r+b") as file:
        file.write(page)


def _read(source: sqlite3.Connection, table: str, columns: Sequence[str]) -> Iterator[tuple[list[Row], int]]:
    """Yield the rows of *table*, missing columns as None, and the number of rowids that cannot be read."""
    try:
        there = {row[1] for row in source.execute(f"PRAGMA table_info({table})")}
    except sqlite3.DatabaseError:
        there = set(columns)
    chosen = ",".join(column if column in there else f"NULL AS {column}" for column in columns)
    low, high = _bounds(source, table)
    for start in range(low, high + 1, _CHUNK):
        rows: list[Row] = []
        unreadable = 0
        ranges = [(start, min(start + _CHUNK - 1, high))]
        while ranges:
            first, last = ranges.pop()
            try:
                rows += source.execute(
                    f"SELECT {chosen} FROM {table} NOT INDEXED WHERE rowid BETWEEN ? AND ?", (first, last)
                ).fetchall()
            except sqlite3.DatabaseError:
                if first == last:
                    unreadable += 1
                else:
                    middle = (first + last) // 2
                    ranges += [(middle + 1, last), (first, middle)]
        yield rows, unreadable


def _bounds(source: sqlite3.Connection, table: str) -> tuple[int, int]:
    """Return the first and the last rowid of *table*: from the table, else from an index, else from the size."""
    bounds: list[int] = []
    for function in ("min", "max"):
        for statement in (
            f"SELECT {function}(rowid) FROM {table} NOT INDEXED",
            f"SELECT {function}(rowid) FROM {table}",
            f"SELECT {function}(rowid) FROM {table} INDEXED BY idx_{table}_timestamp",
        ):
            try:
                ((found,),) = source.execute(statement)
            except sqlite3.DatabaseError:
                continue
            if found is None:
                return 1, 0
            bounds.append(found)
            break
        else:
            ((pages,),) = source.execute("PRAGMA page_count")
            bounds.append(1 if function == "min" else bounds[0] + pages * 4096 // _ROW_BYTES)
    return bounds[0], bounds[1]


def _is_execution(row: Row) -> bool:
    values: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
    return all(isinstance(values[name], str) for name in ("execution_id", "timestamp", "task_type", "outcome"))


def _copy(source: sqlite3.Connection, target: WriteConnection, table: str, key: Sequence[str]) -> None:
    columns = [row[1] for row in target.execute(f"PRAGMA table_info({table})") if row[1] != "feedback_id"]
    same = " AND ".join(f"{name} IS :{name}" for name in key)
    values = ",".join(f":{name}" for name in columns)
    insert = (
        f"INSERT OR IGNORE INTO {table} ({','.join(columns)})"
        f" SELECT {values} WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE {same})"
    )
    for rows, _ in _read(source, table, columns):
        with target.transaction() as connection:
            connection.executemany(insert, [dict(zip(columns, row, strict=True)) for row in rows])
