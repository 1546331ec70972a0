"""Databases to begin with: to copy an empty one is ten times faster than to make it."""

import contextlib
import functools
import os
import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sqlite_utils import Database, Migrations

from learning_instrument.sqlite import schema
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


def make_older(path: Path, steps: int, source: str | os.PathLike[str], tables: Sequence[str] = ("executions",)) -> Path:
    """Put a database with the first *steps* of the schema at *path*, with the rows that *tables* of *source* have."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        older = Migrations(schema.MIGRATION_SET)
        for step in schema.STEPS[:steps]:
            older()(step)
        older.apply(Database(connection))
        connection.execute(f"PRAGMA user_version = {steps}")
        connection.execute("ATTACH ? AS source", (str(source),))
        for table in tables:
            found = connection.execute("SELECT name FROM pragma_table_info(?, 'main')", (table,))
            columns = ",".join(name for (name,) in found)
            connection.execute(f"DELETE FROM {table}")
            connection.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM source.{table}")
    return path
