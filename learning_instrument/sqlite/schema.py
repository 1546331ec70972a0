"""The version of a file's schema, and its migration to the newest."""

import sqlite3
from typing import Final

from ..errors import DatabaseError, SchemaVersionError
from .migrations import STEPS

MIGRATION_SET: Final = "learning_instrument"
VERSION: Final = len(STEPS)


def is_current(connection: sqlite3.Connection) -> bool:
    """Tell whether the file behind *connection* has this schema.

    Raises:
        SchemaVersionError: if a newer release wrote it.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise SchemaVersionError(
            f"The database has schema {version}; this release of learning_instrument knows schemas up to {VERSION}."
            " Upgrade learning_instrument, or use another file."
        )
    return bool(version == VERSION) and bool(
        connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'executions'").fetchone()
    )


def check(connection: sqlite3.Connection, path: str) -> None:
    """Check that the file behind *connection* is a database of this package, of this release or an older one.

    Raises:
        DatabaseError: if it has no table ``executions``.
        SchemaVersionError: if a newer release wrote it.
    """
    if "executions" not in tables(connection):
        raise DatabaseError(f"{path} is not a database of learning_instrument: it has no table executions.")
    is_current(connection)


def tables(connection: sqlite3.Connection) -> set[str]:
    """Return the names of the tables behind *connection*."""
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def migrate(connection: sqlite3.Connection) -> None:
    """Migrate the file behind *connection* to this schema, in one transaction.

    Raises:
        SchemaVersionError: if a newer release wrote it.
        sqlite3.Error: if it cannot be written.
    """
    from sqlite_utils import Database, Migrations  # imported here: most files need no migration

    migrations = Migrations(MIGRATION_SET)
    for step in STEPS:
        migrations()(step)
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not is_current(connection):  # another process may have been first
            migrations.apply(Database(connection))
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:  # raised again, with all steps rolled back
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
