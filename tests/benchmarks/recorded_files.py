"""Databases that have been recorded into for long, made once and kept in the temporary folder.

Task ids are random, as ``uuid4`` makes them; all that is derived from the executions is up to date.
"""

import contextlib
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Final

from learning_instrument.columns import COLUMNS
from learning_instrument.record import Row
from learning_instrument.rollups import catch_up, cubes
from learning_instrument.sqlite import schema
from learning_instrument.sqlite.connection import WriteConnection

from .answers import rows

#: Rows that are drawn; a larger file has them again and again, each time later and with other ids.
DRAWN: Final = 100_000
#: The days that those take.
_DAYS: Final = 9
_MOMENT: Final = "strftime('%Y-%m-%dT%H:%M:%f000+00:00', timestamp, :later)"
_RANDOM: Final = "lower(hex(randomblob({})))"
_TASK_ID: Final = "||'-'||".join(_RANDOM.format(size) for size in (4, 2, 2, 2, 6))
_EXECUTION_ID: Final = (
    f"printf('%016x-%s-%s', strftime('%s', timestamp, :later) * 1000000000 + abs(random()) % 1000000000,"
    f" {_RANDOM.format(16)}, {_RANDOM.format(8)})"
)
_CHANGED: Final = {"task_id": _TASK_ID, "timestamp": _MOMENT, "execution_id": _EXECUTION_ID}
_SELECT: Final = (
    f"SELECT {', '.join(_CHANGED.get(column, column) for column in COLUMNS)} FROM executions"
    " WHERE rowid BETWEEN :first AND :last ORDER BY rowid"
)


def recorded(executions: int) -> Path:
    """Return a kept database of so many executions; made where the temporary folder has none. Copy it to write."""
    name = f"learning_instrument_recorded_{executions}_{schema.VERSION}_{cubes.VERSION}.db"
    path = Path(tempfile.gettempdir(), name)
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            building = Path(folder, name)
            _make(building, executions)
            building.rename(path)
    return path


def copy_of(executions: int, path: Path) -> Path:
    """Copy the database of so many executions to *path*, bring it up to date, and return the path."""
    shutil.copyfile(recorded(executions), path)
    _follow(path)
    return path


def record_again(connection: sqlite3.Connection, first: int, last: int, repetition: int) -> None:
    """Insert the drawn rows from *first* to *last* once more, later and with other ids. The caller commits."""
    values = {"later": f"+{repetition * _DAYS} days", "first": first, "last": last}
    connection.execute(f"INSERT INTO executions ({', '.join(COLUMNS)}) {_SELECT}", values)


def next_rows(path: Path, first: int, last: int, repetition: int) -> list[Row]:
    """Return the rows that :func:`record_again` would insert."""
    values = {"later": f"+{repetition * _DAYS} days", "first": first, "last": last}
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [tuple(row) for row in connection.execute(_SELECT, values)]


def _make(path: Path, executions: int) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -1000000")
        schema.migrate(connection)
        connection.execute("BEGIN")
        places = ", ".join(f":{column}" for column in COLUMNS)
        connection.executemany(
            f"INSERT INTO executions ({', '.join(COLUMNS)}) VALUES ({places})", rows(min(executions, DRAWN), _DAYS)
        )
        connection.execute(f"UPDATE executions SET task_id = {_TASK_ID}")
        connection.execute("COMMIT")
        for repetition in range(1, -(-executions // DRAWN)):
            connection.execute("BEGIN")
            record_again(connection, 1, min(DRAWN, executions - repetition * DRAWN), repetition)
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    _follow(path)


def _follow(path: Path) -> None:
    """Have all that is derived follow the executions."""
    target = WriteConnection(str(path), 1.0, lambda opened: opened.execute("PRAGMA synchronous = OFF"))
    slices = 0
    while catch_up.advance(target):
        slices += 1
        if slices % 100 == 0:
            target.checkpoint()
    target.empty_log(1.0)
    target.close()
