"""The schema: numbered steps, applied in this order.

A released step is never edited, and calls no live code: databases in use have what it made when it was released.
Changes come as new steps at the end. Constants here are named for the step that they belong to; tests compare them
with the code of today.
"""

from typing import TYPE_CHECKING, Final

from .first_migrations import (
    M005_CHANGE_COLUMNS,
    M005_MEASURES,
    M005_TABLES,
    MARK_GOES_BACK,
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
)  # fmt: skip

if TYPE_CHECKING:
    from sqlite_utils import Database


#: The columns of m005, and the one of m012.
M012_CHANGE_COLUMNS: Final = (*M005_CHANGE_COLUMNS, "outcome_source")


def m012_outcome_source(db: "Database") -> None:
    """Add what an outcome rests on, and count the assumed successes in roll-ups and views.

    Rows of before have NULL, so roll-ups of before are right with a count of 0. Their new version has a process of an
    older release, which leaves the count out, do them over instead.
    """
    db.execute("ALTER TABLE executions ADD COLUMN outcome_source TEXT")
    db.execute("ALTER TABLE rollup_changes ADD COLUMN outcome_source")
    for table in M005_TABLES:
        db.execute(f"ALTER TABLE {table} ADD COLUMN assumed INTEGER NOT NULL DEFAULT 0")
    db.execute("UPDATE rollup_state SET version = 2 WHERE version = 1")
    columns = ", ".join(M012_CHANGE_COLUMNS)
    keep = (
        f"INSERT INTO rollup_changes (id, {columns})"
        f" SELECT old.rowid, {', '.join(f'old.{column}' for column in M012_CHANGE_COLUMNS)}"
        " WHERE NOT EXISTS (SELECT 1 FROM rollup_changes WHERE id = old.rowid);"
    )
    is_rolled_up = "old.rowid <= (SELECT mark FROM rollup_state)"
    for statement in (
        "DROP TRIGGER rollup_updated",
        "DROP TRIGGER rollup_deleted",
        f"CREATE TRIGGER rollup_updated AFTER UPDATE OF {columns} ON executions WHEN {is_rolled_up} BEGIN {keep} END",
        f"CREATE TRIGGER rollup_deleted AFTER DELETE ON executions WHEN {is_rolled_up} BEGIN {keep}"
        f" {MARK_GOES_BACK.format(state='rollup_state')}; END",
    ):
        db.execute(statement)
    rate = "avg(success) AS success_rate,"
    for view in ("tier_performance", "pool_performance", "solution_patterns"):
        for (sql,) in db.execute("SELECT sql FROM sqlite_master WHERE type = 'view' AND name = ?", [view]).fetchall():
            db.execute(f"DROP VIEW {view}")
            db.execute(sql.replace(rate, f"{rate} sum(success AND outcome_source IS 'assumed') AS assumed,"))


def m013_oldest_writer(db: "Database") -> None:
    """Create the second number of the file: the oldest schema whose releases may still write.

    A later step that only adds leaves it. A step after which an INSERT or UPDATE of an older release fails, or makes
    the file wrong, sets its own number.
    """
    db.execute("CREATE TABLE oldest_writer (version INTEGER NOT NULL)")
    db.execute("INSERT INTO oldest_writer VALUES (13)")


def m014_retention_rounds(db: "Database") -> None:
    """Create the announcements of retention rounds that delete much, by the limits, as options of ``prune``."""
    db.execute(
        "CREATE TABLE retention_rounds (options TEXT PRIMARY KEY, announced TEXT NOT NULL, looked TEXT NOT NULL,"
        " looks INTEGER NOT NULL, row INTEGER NOT NULL, executions INTEGER NOT NULL, total INTEGER NOT NULL,"
        " process_id INTEGER, host TEXT, boundary TEXT)"
    )


_M015_CALL_COLUMNS: Final = {
    "scope": "TEXT", "operation": "TEXT", "response_id": "TEXT", "finish_reason": "TEXT", "usage": "TEXT",
    "time_to_first_chunk_seconds": "REAL",
}  # fmt: skip


def m015_call_details(db: "Database") -> None:
    """Add what tells two spans of one model call from two calls, further classes of tokens, and lower bounds of costs.

    Calls of before have NULL. Roll-ups of before are right with a count of 0 lower bounds, under a new version: a
    process of an older release would leave the count out.
    """
    for column, kind in _M015_CALL_COLUMNS.items():
        db.execute(f"ALTER TABLE model_calls ADD COLUMN {column} {kind}")
    for table in M005_TABLES:
        db.execute(f"ALTER TABLE {table} ADD COLUMN partial INTEGER NOT NULL DEFAULT 0")
    db.execute("UPDATE rollup_state SET version = 3 WHERE version = 2")
    db.execute(
        "CREATE TABLE unknown_spans (scope TEXT NOT NULL, operation TEXT NOT NULL, spans INTEGER NOT NULL,"
        " PRIMARY KEY (scope, operation)) WITHOUT ROWID"
    )


def m016_views_of_bounds(db: "Database") -> None:
    """Count in the views the costs that are lower bounds, and the executions without any known one."""
    partial = "sum(cost_source IS 'partial' AND instr(defaulted, '\"actual_cost\"') = 0) AS partial,"
    counted = f"AS cost_usd, {partial} sum(cost_source IS 'unpriced') AS unpriced,"
    for view in ("tier_performance", "pool_performance", "solution_patterns"):
        for (sql,) in db.execute("SELECT sql FROM sqlite_master WHERE type = 'view' AND name = ?", [view]).fetchall():
            db.execute(f"DROP VIEW {view}")
            db.execute(sql.replace("AS cost_usd,", counted))


#: The columns of m012, and those of the names that executions are grouped by on demand.
M017_NAMED: Final = ("model", "worker_id", "metadata")
M017_CHANGE_COLUMNS: Final = (*M012_CHANGE_COLUMNS, *M017_NAMED)


def m017_rollup_keys(db: "Database") -> None:
    """Create the roll-ups by names that are chosen in each file: ``model``, or a key of metadata.

    A name has its own mark, at most that of the roll-ups, until its cells are complete. What a changed row was named is
    kept only where there is a name: metadata may be long.
    """
    measures = ", ".join(f"{name} INTEGER NOT NULL" for name in (*M005_MEASURES, "assumed", "partial"))
    for statement in (
        "CREATE TABLE rollup_keys (name TEXT PRIMARY KEY, mark INTEGER NOT NULL, executions INTEGER NOT NULL,"
        " cells INTEGER NOT NULL, is_stopped INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE TABLE rollup_days_key (name TEXT NOT NULL, value TEXT NOT NULL, bucket TEXT NOT NULL,"
        f" {measures}, histogram BLOB NOT NULL, PRIMARY KEY (name, value, bucket)) WITHOUT ROWID",
        *(f"ALTER TABLE rollup_changes ADD COLUMN {column}" for column in M017_NAMED),
        *_keep_changed(M017_CHANGE_COLUMNS),
    ):
        db.execute(statement)


def m018_wait_seconds(db: "Database") -> None:
    """Add how long an execution waited within its pool before its work began. Executions of before have NULL."""
    db.execute("ALTER TABLE executions ADD COLUMN wait_seconds REAL")


def m019_deletions(db: "Database") -> None:
    """Create the table that has a row while the file may have remains of deleted rows: until a deletion is finished."""
    db.execute("CREATE TABLE deletions (since TEXT NOT NULL)")


def m020_vectors(db: "Database") -> None:
    """Create the vectors of descriptions, and the triggers that delete one with the last execution of its description.

    The index by which the triggers look is made with the first vectors: where there are none, nothing keeps it up.
    """
    is_last = (
        "DELETE FROM description_vectors WHERE task_description = old.task_description AND NOT EXISTS (SELECT 1 FROM"
        " executions WHERE task_description = old.task_description AND task_description <> '')"
    )
    has_any = "EXISTS (SELECT 1 FROM description_vectors)"
    for statement in (
        "CREATE TABLE vector_models (model TEXT PRIMARY KEY, probe BLOB NOT NULL) WITHOUT ROWID",
        "CREATE TABLE description_vectors (task_description TEXT NOT NULL, model TEXT NOT NULL, vector BLOB NOT NULL,"
        " PRIMARY KEY (task_description, model))",
        f"CREATE TRIGGER vectors_after_delete AFTER DELETE ON executions WHEN {has_any} BEGIN {is_last}; END",
        "CREATE TRIGGER vectors_after_update AFTER UPDATE OF task_description ON executions"
        f" WHEN {has_any} AND new.task_description IS NOT old.task_description BEGIN {is_last}; END",
    ):
        db.execute(statement)


def m021_alerts(db: "Database") -> None:
    """Create what watches remember: how far they have looked, and the alerts that they told or are to tell."""
    for statement in (
        "CREATE TABLE watches (watch TEXT PRIMARY KEY, began TEXT NOT NULL, looked TEXT NOT NULL, place TEXT NOT NULL,"
        " minutes TEXT NOT NULL, is_in_burst INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE TABLE alerts (alert_id TEXT NOT NULL, target TEXT NOT NULL, watch TEXT NOT NULL, kind TEXT NOT NULL,"
        " subject TEXT NOT NULL, timestamp TEXT NOT NULL, document TEXT, due TEXT, attempts INTEGER NOT NULL,"
        " PRIMARY KEY (alert_id, target))",
        "CREATE INDEX idx_alerts_watch ON alerts (watch, kind, subject, timestamp)",
    ):
        db.execute(statement)


def m022_finished_deletions(db: "Database") -> None:
    """Keep the last deletion when it is finished: no process that restores rows of before is to bring them back."""
    db.execute("ALTER TABLE deletions ADD COLUMN is_finished INTEGER NOT NULL DEFAULT 0")


def m023_task_ids(db: "Database") -> None:
    """Replace the index on ``task_id``, which each row was put into, by a table that is filled in the background.

    Task ids come in any order. Within buckets of 16,384 rowids, pages that were written are hardly written again.
    """
    is_indexed = "old.rowid <= (SELECT mark FROM task_id_state)"
    forget = "DELETE FROM task_ids WHERE bucket = old.rowid >> 14 AND task_id = old.task_id AND id = old.rowid"
    for statement in (
        "DROP INDEX IF EXISTS idx_executions_task_id",
        "CREATE TABLE task_ids (bucket INTEGER NOT NULL, task_id TEXT NOT NULL, id INTEGER NOT NULL,"
        " PRIMARY KEY (bucket, task_id, id)) WITHOUT ROWID",
        "CREATE TABLE task_id_state (mark INTEGER NOT NULL, execution_id TEXT)",
        "INSERT INTO task_id_state VALUES (0, NULL)",
        f"CREATE TRIGGER task_ids_after_delete AFTER DELETE ON executions WHEN {is_indexed} BEGIN"
        f" {forget}; {MARK_GOES_BACK.format(state='task_id_state')}; END",
        f"CREATE TRIGGER task_ids_after_update AFTER UPDATE OF task_id ON executions WHEN {is_indexed}"
        f" AND new.task_id <> old.task_id BEGIN {forget};"
        " INSERT OR IGNORE INTO task_ids VALUES (new.rowid >> 14, new.task_id, new.rowid); END",
    ):
        db.execute(statement)


def m024_function_names(db: "Database") -> None:
    """Add the function that ran an execution, and the number of the attempt. Executions of before have NULL."""
    db.execute("ALTER TABLE executions ADD COLUMN function_name TEXT")
    db.execute("ALTER TABLE executions ADD COLUMN attempt INTEGER")


#: The columns of m017, and the one that tells executions of an unknown type apart.
M025_CHANGE_COLUMNS: Final = (*M012_CHANGE_COLUMNS, "function_name", *M017_NAMED)


def m025_unknown_types(db: "Database") -> None:
    """Tell executions of an unknown type apart in roll-ups, by their function.

    Those of before have none, so their roll-ups are right, under a new version: a process of an older release would
    put all into one cell.
    """
    for statement in (
        "ALTER TABLE rollup_changes ADD COLUMN function_name",
        "UPDATE rollup_state SET version = 4 WHERE version = 3",
        *_keep_changed(M025_CHANGE_COLUMNS),
    ):
        db.execute(statement)


#: The columns of m025, and the number of the attempt.
M026_CHANGE_COLUMNS: Final = (*M012_CHANGE_COLUMNS, "function_name", "attempt", *M017_NAMED)


def m026_retries(db: "Database") -> None:
    """Count retries in roll-ups.

    Roll-ups of executions among which there is none are right with a count of 0, under a new version: a process of an
    older release would leave the count out. Others are done over.
    """
    for statement in (
        *(
            f"ALTER TABLE {table} ADD COLUMN retries INTEGER NOT NULL DEFAULT 0"
            for table in (*M005_TABLES, "rollup_days_key")
        ),
        "ALTER TABLE rollup_changes ADD COLUMN attempt",
        "UPDATE rollup_state SET version = 5 WHERE version = 4"
        " AND NOT EXISTS (SELECT 1 FROM executions WHERE attempt > 1)",
        *_keep_changed(M026_CHANGE_COLUMNS),
    ):
        db.execute(statement)


def _keep_changed(columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the statements of triggers that keep *columns* of a changed row; long ones only where they are used."""
    names = ", ".join(columns)
    old = [
        f"CASE WHEN EXISTS (SELECT 1 FROM rollup_keys) THEN old.{column} END"
        if column in M017_NAMED
        else f"old.{column}"
        for column in columns
    ]
    keep = (
        f"INSERT INTO rollup_changes (id, {names}) SELECT old.rowid, {', '.join(old)}"
        " WHERE NOT EXISTS (SELECT 1 FROM rollup_changes WHERE id = old.rowid);"
    )
    is_rolled_up = "old.rowid <= (SELECT mark FROM rollup_state)"
    return (
        "DROP TRIGGER rollup_updated",
        "DROP TRIGGER rollup_deleted",
        f"CREATE TRIGGER rollup_updated AFTER UPDATE OF {names} ON executions WHEN {is_rolled_up} BEGIN {keep} END",
        f"CREATE TRIGGER rollup_deleted AFTER DELETE ON executions WHEN {is_rolled_up} BEGIN {keep}"
        f" {MARK_GOES_BACK.format(state='rollup_state')}; END",
    )


#: Columns that a step adds to a table, table -> column -> its value in a file that does not have it.
ADDED_COLUMNS: Final = {
    "deletions": {"is_finished": "0"},
    "executions": {"outcome_source": "NULL", "wait_seconds": "NULL", "function_name": "NULL", "attempt": "NULL"},
    "rollup_changes": dict.fromkeys(("outcome_source", "function_name", "attempt", *M017_NAMED), "NULL"),
    **{table: {"assumed": "0", "partial": "0", "retries": "0"} for table in M005_TABLES},
    "rollup_days_key": {"retries": "0"},
    "model_calls": dict.fromkeys(_M015_CALL_COLUMNS, "NULL"),
}

#: Tables that a step adds, and that questions name: table -> columns. In a file that does not have it, it is empty.
ADDED_TABLES: Final = {"task_ids": ("bucket", "task_id", "id"), "task_id_state": ("mark", "execution_id")}


STEPS: Final = (
    m001_executions, m002_losses, m003_running, m004_model_calls, m005_rollups, m006_views, m007_error_templates,
    m008_search, m009_feedback, m010_rebuilds, m011_parents, m012_outcome_source, m013_oldest_writer,
    m014_retention_rounds, m015_call_details, m016_views_of_bounds, m017_rollup_keys, m018_wait_seconds,
    m019_deletions, m020_vectors, m021_alerts, m022_finished_deletions, m023_task_ids, m024_function_names,
    m025_unknown_types, m026_retries,
)  # fmt: skip
