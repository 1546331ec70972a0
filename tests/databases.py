"""Databases to begin with: to copy an empty one is ten times faster than to make it."""

import contextlib
import functools
import os
import sqlite3
import tempfile
from pathlib import Path

from sqlite_utils import Database

from learning_instrument.sqlite import migrations
from learning_instrument.sqlite.connection import WriteConnection


@functools.cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "learning.db")
        connection = WriteConnection(str(path), 5.0)
        connection.open()
        connection.close()
        return path.read_bytes()


def make(path: Path) -> Path:
    """Put an empty database at *path*, as the first to open it would; return the path."""
    path.write_bytes(_empty())
    os.chmod(path, 0o600)
    return path


def make_older(path: Path, steps: int, source: str | os.PathLike[str]) -> Path:
    """Put a database with the first *steps* of the schema, and the executions of *source*, at *path*."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for step in migrations.STEPS[:steps]:
            step(Database(connection))
        connection.execute(f"PRAGMA user_version = {steps}")
        connection.execute("ATTACH ? AS source", (str(source),))
        columns = ",".join(
            name for (name,) in connection.execute("SELECT name FROM pragma_table_info('executions', 'main')")
        )
        connection.execute(f"INSERT INTO executions ({columns}) SELECT {columns} FROM source.executions ORDER BY rowid")
    return path
