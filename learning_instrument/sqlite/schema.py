"""The version of a file's schema, and its migration to the newest."""

import sqlite3
from typing import Final

from ..errors import DatabaseError, SchemaVersionError
from ..safety.threads import signals_held_back
from .migrations import ADDED_COLUMNS, ADDED_TABLES, STEPS

MIGRATION_SET: Final = "learning_instrument"
VERSION: Final = len(STEPS)


def is_current(connection: sqlite3.Connection) -> bool:
    """Tell whether the file behind *connection* has this schema, or a newer one that this release may write.

    Raises:
        SchemaVersionError: if a newer release wrote it, and this one may no longer write.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        oldest = _oldest_writer(connection) if "oldest_writer" in tables(connection) else version
        if oldest > VERSION:
            raise SchemaVersionError(
                f"The database has schema {version}, for releases of learning_instrument with schema {oldest} or later;"
                f" this release has schema {VERSION}. Upgrade learning_instrument, or use another file."
            )
    return bool(version >= VERSION) and bool(
        connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'executions'").fetchone()
    )


def _oldest_writer(connection: sqlite3.Connection) -> int:
    """Return the oldest schema whose releases may write the file; an invalid number excludes this release."""
    ((oldest,),) = connection.execute("SELECT max(version) FROM oldest_writer")
    return oldest if isinstance(oldest, int) else VERSION + 1


def check(connection: sqlite3.Connection, path: str) -> None:
    """Check that the file behind *connection* is a database of this package, of this release or an older one.

    Raises:
        DatabaseError: if it has no table ``executions``.
        SchemaVersionError: if a newer release wrote it, and this one may no longer write.
    """
    if "executions" not in tables(connection):
        raise DatabaseError(f"{path} is not a database of learning_instrument: it has no table executions.")
    is_current(connection)


def complete(connection: sqlite3.Connection) -> None:
    """Let questions to the file behind *connection* name the columns and tables that its older schema lacks.

    A temporary view takes the place of each table that lacks any, or is missing; the file stays as it is.
    """
    for table, columns in ADDED_COLUMNS.items():
        known = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}
        missing = [f"{value} AS {column}" for column, value in columns.items() if column not in known]
        if known and missing:
            rowid = "rowid AS rowid, " if table == "executions" else ""
            connection.execute(f"CREATE TEMP VIEW {table} AS SELECT {rowid}*, {', '.join(missing)} FROM main.{table}")

    for table in ADDED_TABLES.keys() - tables(connection):
        nothing = ", ".join(f"NULL AS {column}" for column in ADDED_TABLES[table])
        connection.execute(f"CREATE TEMP VIEW {table} AS SELECT {nothing} WHERE 0")


def tables(connection: sqlite3.Connection) -> set[str]:
    """Return the names of the tables behind *connection*."""
    # As bytes: the names of another program's tables may be no UTF-8.
    found = connection.execute("SELECT CAST(name AS BLOB) FROM sqlite_master WHERE type = 'table'")
    return {name.decode(errors="replace") for (name,) in found if name is not None}


def migrate(connection: sqlite3.Connection) -> None:
    """Migrate the file behind *connection* to this schema, in one transaction.

    Raises:
        SchemaVersionError: if a newer release wrote it, and this one may no longer write.
        sqlite3.Error: if it cannot be written.
    """
    with signals_held_back():  # from threads of numpy, which it imports with pandas where there is one
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
