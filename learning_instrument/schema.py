"""The schema: append-only, named steps. A released step is never edited."""

import sqlite3
from typing import TYPE_CHECKING, Final

from .errors import DatabaseError, SchemaVersionError

if TYPE_CHECKING:
    from sqlite_utils import Database

MIGRATION_SET: Final = "learning_instrument"


def m001_executions(db: "Database") -> None:
    """Create one row for each execution. An ordinary rowid table, so that rows are appended at its end."""
    text, number, real = str, int, float
    db.table("executions").create(
        {
            "task_id": text, "timestamp": text, "task_type": text, "task_description": text, "repo": text,
            "file_count": number, "estimated_tokens": number, "model_tier": text, "pool_type": text,
            "swarm_topology": text, "routing_confidence": real, "complexity_score": number, "success": number,
            "duration_seconds": real, "quality_score": real, "cost_estimate": real, "actual_cost": real,
            "error_type": text, "error_message": text, "user_accepted": number, "user_rating": number,
            "peak_memory_mb": real, "cpu_time_seconds": real, "solution_summary": text, "metadata": text,
            "execution_id": text, "trace_id": text, "span_id": text, "parent_execution_id": text, "batch_id": text,
            "pool_id": text, "worker_id": text, "outcome": text, "exception_type": text, "queue_seconds": real,
            "model": text, "input_tokens": number, "output_tokens": number, "cost_source": text,
            "service_name": text, "process_id": number, "defaulted": text,
        },
        pk="execution_id",
        not_null={"execution_id", "task_id", "timestamp", "task_type", "success", "duration_seconds", "outcome",
                  "metadata", "defaulted"},
    )  # fmt: skip
    db.table("executions").create_index(["timestamp"])
    db.table("executions").create_index(["task_id"])


def m002_losses(db: "Database") -> None:
    """Create the counts of executions that could not be recorded, stored with the next write that succeeds."""
    db.table("losses").create(
        {"timestamp": str, "process_id": int, "reason": str, "executions": int},
        not_null={"timestamp", "process_id", "reason", "executions"},
    )


def m003_running(db: "Database") -> None:
    """Create the ledger of executions that run, from which those of a dead process become records."""
    db.table("running").create(
        {
            "execution_id": str, "task_id": str, "task_type": str, "pool_type": str, "process_id": int, "host": str,
            "process": str, "started": str, "heartbeat": str, "record": str,
        },
        pk="execution_id",
        not_null={"execution_id", "process_id", "host", "process", "started", "heartbeat", "record"},
    )  # fmt: skip


def m009_feedback(db: "Database") -> None:
    """Create what users said of executions, as they said it; the execution's own columns have the latest."""
    db.table("feedback").create(
        {
            "feedback_id": int, "execution_id": str, "timestamp": str, "accepted": int, "rating": int, "comment": str,
            "source": str, "visibility": str,
        },
        pk="feedback_id",
        not_null={"execution_id", "timestamp", "visibility"},
    )  # fmt: skip
    db.table("feedback").create_index(["execution_id"])
    db.table("feedback").create_index(["timestamp"])
    # Retention and prune delete executions, and what was said of them goes with them.
    db.execute(
        "CREATE TRIGGER feedback_goes_too AFTER DELETE ON executions"
        " BEGIN DELETE FROM feedback WHERE execution_id = old.execution_id; END"
    )


def m010_parents(db: "Database") -> None:
    """Create the way from an execution to those within it. It costs nothing where nothing is nested."""
    db.execute(
        "CREATE INDEX idx_executions_parent ON executions (parent_execution_id) WHERE parent_execution_id IS NOT NULL"
    )


STEPS: Final = (m001_executions, m002_losses, m003_running, m009_feedback, m010_parents)
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
    """Make sure that the file behind *connection* is a database of ours, of this release or an older one.

    Raises:
        DatabaseError: if it has no table of executions.
        SchemaVersionError: if a newer release wrote it.
    """
    if "executions" not in tables(connection):
        raise DatabaseError(f"{path} has no table of executions: it is not a database of learning_instrument.")
    is_current(connection)


def tables(connection: sqlite3.Connection) -> set[str]:
    """Return the names of the tables behind *connection*."""
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file behind *connection* to this schema, in one transaction.

    Raises:
        SchemaVersionError: if a newer release wrote it.
        sqlite3.Error: if it cannot be written.
    """
    from sqlite_utils import Database, Migrations  # here, for most openings need no migration

    migrations = Migrations(MIGRATION_SET)
    for step in STEPS:
        migrations()(step)
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not is_current(connection):  # another process may have been first
            migrations.apply(Database(connection))
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:  # raised again: half a schema must not stay
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
