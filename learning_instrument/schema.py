"""The schema: append-only, named steps. A released step is never edited."""

import sqlite3
from typing import TYPE_CHECKING, Final

from .errors import DatabaseError, SchemaVersionError
from .insight_schema import m007_error_templates, m008_search
from .rollup_schema import m005_rollups, m006_views

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


def m004_model_calls(db: "Database") -> None:
    """Create one row for each model call, and what leads from it to its execution and the execution's sums.

    The triggers keep what belongs to an execution in step with it: gone with it, and added up again for a row that
    takes the place of one that was ``lost``.
    """
    text, number, real = str, int, float
    db.table("model_calls").create(
        {
            "execution_id": text, "trace_id": text, "span_id": text, "parent_span_id": text, "path": text,
            "awaited_span_id": text, "timestamp": text, "model": text, "response_model": text, "provider": text,
            "input_tokens": number, "cached_tokens": number, "cache_write_tokens": number, "output_tokens": number,
            "cost": real, "cost_source": text, "price_table": text, "duration_seconds": real, "error_type": text,
        },
        not_null={"trace_id", "span_id", "path", "timestamp", "cost_source", "duration_seconds"},
    )  # fmt: skip
    db.table("span_links").create(
        {"trace_id": text, "span_id": text, "parent_span_id": text, "execution_id": text, "seen": number},
        not_null={"trace_id", "span_id", "seen"},
    )
    db.table("reported_costs").create({"execution_id": text, "cost": real}, pk="execution_id", not_null={"cost"})
    db.table("totals_due").create({"execution_id": text}, pk="execution_id")
    for statement in (
        "CREATE UNIQUE INDEX idx_model_calls_span ON model_calls (trace_id, span_id)",
        "CREATE INDEX idx_model_calls_execution ON model_calls (execution_id) WHERE execution_id IS NOT NULL",
        "CREATE INDEX idx_model_calls_awaited ON model_calls (trace_id, awaited_span_id) WHERE execution_id IS NULL",
        "CREATE UNIQUE INDEX idx_span_links_span ON span_links (trace_id, span_id)",
        "CREATE TRIGGER model_calls_of_deleted AFTER DELETE ON executions BEGIN"
        " DELETE FROM model_calls WHERE execution_id = OLD.execution_id;"
        " DELETE FROM reported_costs WHERE execution_id = OLD.execution_id; END",
        "CREATE TRIGGER totals_of_found AFTER UPDATE OF outcome ON executions"
        " WHEN OLD.outcome = 'lost' AND NEW.outcome <> 'lost' BEGIN"
        " DELETE FROM reported_costs WHERE execution_id = NEW.execution_id;"
        " INSERT OR IGNORE INTO totals_due VALUES (NEW.execution_id); END",
    ):
        db.execute(statement)


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


def m010_rebuilds(db: "Database") -> None:
    """Create what has a row while roll-ups and the like are made anew, so that an interrupted rebuild can go on."""
    db.table("rebuilds").create({"since": str}, not_null={"since"})


def m011_parents(db: "Database") -> None:
    """Create the way from an execution to those within it. It costs nothing where nothing is nested."""
    db.execute(
        "CREATE INDEX idx_executions_parent ON executions (parent_execution_id) WHERE parent_execution_id IS NOT NULL"
    )


STEPS: Final = (
    m001_executions,
    m002_losses,
    m003_running,
    m004_model_calls,
    m005_rollups,
    m006_views,
    m007_error_templates,
    m008_search,
    m009_feedback,
    m010_rebuilds,
    m011_parents,
)
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
