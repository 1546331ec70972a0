"""The schema steps of the roll-ups and of the views. Released steps: what they say is never edited.

``rollup_state`` has one row: executions up to the rowid ``mark`` are rolled up. What happens to those later is
seen by triggers, which keep what was rolled up in ``rollup_changes``. There is no trigger on INSERT: that is
the hot path, and what is above the mark is read from the executions themselves.
"""

from typing import TYPE_CHECKING, Final

from . import bins

if TYPE_CHECKING:
    from sqlite_utils import Database

#: What a change of keeps of an execution that was rolled up.
CHANGE_COLUMNS: Final = (
    "timestamp", "task_type", "model_tier", "pool_type", "repo", "success", "outcome", "duration_seconds",
    "queue_seconds", "quality_score", "cost_estimate", "actual_cost", "cost_source", "input_tokens",
    "output_tokens", "defaulted",
)  # fmt: skip

_MEASURES: Final = (
    "executions", "succeeded", "failed", "errors", "timeouts", "cancelled", "lost", "timed", "duration_us", "queued",
    "queue_us", "rated", "quality_e4", "priced", "priced_succeeded", "cost_nano", "failure_nano", "unpriced",
    "counted", "input_tokens", "output_tokens", "compared", "estimate_nano", "actual_nano", "off_nano", "off_rated",
    "off_e6", "within_20", "scaled", "log_e5", "log2_e10",
)  # fmt: skip

_TABLES: Final = {
    "rollup_days_tier_pool": ("model_tier", "pool_type"),
    "rollup_days_task_tier": ("task_type", "model_tier"),
    "rollup_hours_tier_pool": ("model_tier", "pool_type"),
    "rollup_days_wide": ("task_type", "model_tier", "pool_type", "repo"),
}


def m005_rollups(db: "Database") -> None:
    """Create the roll-ups, their state, and what sees changes of executions that are in them."""
    for statement in _rollup_tables():
        db.execute(statement)
    db.conn.executemany("INSERT INTO rollup_bins (low, bin, log) VALUES (?, ?, ?)", bins.edges())
    columns = ", ".join(CHANGE_COLUMNS)
    keep = (
        f"INSERT INTO rollup_changes (id, {columns})"
        f" SELECT old.rowid, {', '.join(f'old.{column}' for column in CHANGE_COLUMNS)}"
        " WHERE NOT EXISTS (SELECT 1 FROM rollup_changes WHERE id = old.rowid);"
    )
    is_rolled_up = "old.rowid <= (SELECT mark FROM rollup_state)"
    db.execute(
        f"CREATE TRIGGER rollup_updated AFTER UPDATE OF {columns} ON executions WHEN {is_rolled_up} BEGIN {keep} END"
    )
    # The mark's own row stays there: SQLite gives the rowid of a deleted newest row to the next one, which must
    # not look as if it had been rolled up.
    db.execute(
        f"CREATE TRIGGER rollup_deleted AFTER DELETE ON executions WHEN {is_rolled_up} BEGIN {keep}"
        " UPDATE rollup_state SET"
        " execution_id = (SELECT execution_id FROM executions WHERE rowid < old.rowid ORDER BY rowid DESC LIMIT 1),"
        " mark = coalesce((SELECT max(rowid) FROM executions WHERE rowid < old.rowid), 0)"
        " WHERE mark = old.rowid; END"
    )


def _rollup_tables() -> list[str]:
    changes = ", ".join(CHANGE_COLUMNS)
    measures = ", ".join(f"{name} INTEGER NOT NULL" for name in _MEASURES)
    return [
        "CREATE TABLE rollup_state (mark INTEGER NOT NULL, execution_id TEXT, version INTEGER NOT NULL,"
        " has_wide INTEGER NOT NULL, wide_cells INTEGER NOT NULL, executions INTEGER NOT NULL)",
        "INSERT INTO rollup_state VALUES (0, NULL, 1, 1, 0, 0)",
        "CREATE TABLE rollup_bins (low REAL PRIMARY KEY, bin INTEGER NOT NULL, log REAL NOT NULL) WITHOUT ROWID",
        f"CREATE TABLE rollup_changes (id INTEGER PRIMARY KEY, {changes})",
        *[
            f"CREATE TABLE {table} (bucket TEXT NOT NULL, {', '.join(f'{key} TEXT NOT NULL' for key in keys)},"
            f" {measures}, histogram BLOB NOT NULL, PRIMARY KEY (bucket, {', '.join(keys)})) WITHOUT ROWID"
            for table, keys in _TABLES.items()
        ],
    ]


def m006_views(db: "Database") -> None:
    """Create the views that dashboards read. They count every execution as it is now, without roll-ups."""
    is_timed = "instr(defaulted, '\"duration_seconds\"') = 0"
    is_priced = "instr(defaulted, '\"actual_cost\"') = 0 AND cost_source IS NOT 'unpriced'"
    figures = (
        "count(*) AS executions, sum(success) AS succeeded, avg(success) AS success_rate,"
        f" avg(CASE WHEN {is_timed} THEN duration_seconds END) AS mean_duration_seconds,"
        " avg(quality_score) AS mean_quality,"
        f" sum(CASE WHEN {is_priced} THEN actual_cost END) AS cost_usd,"
        f" sum(CASE WHEN {is_priced} THEN actual_cost END)"
        f" / nullif(sum(CASE WHEN {is_priced} THEN success END), 0) AS cost_per_success_usd"
    )
    repo = "coalesce(repo, 'unknown') AS repo"
    db.create_view(
        "tier_performance",
        f"SELECT substr(timestamp, 1, 10) AS day, {repo}, coalesce(model_tier, 'unknown') AS model_tier, {figures}"
        " FROM executions GROUP BY 1, 2, 3",
    )
    db.create_view(
        "pool_performance",
        f"SELECT substr(timestamp, 1, 13) AS hour, {repo}, coalesce(pool_type, 'unknown') AS pool_type, {figures},"
        " avg(queue_seconds) AS mean_queue_seconds FROM executions GROUP BY 1, 2, 3",
    )
    db.create_view(
        "solution_patterns",
        f"SELECT solution_summary, {repo}, task_type, {figures},"
        " min(timestamp) AS first_timestamp, max(timestamp) AS last_timestamp"
        " FROM executions WHERE solution_summary IS NOT NULL AND solution_summary <> '' GROUP BY 1, 2, 3",
    )
