"""The first steps of the schema, m001 to m011. The later ones, and the rules for all, are in ``migrations``."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlite_utils import Database


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
    """Create the crash ledger: executions in flight, which become ``lost`` records when their process dies."""
    db.table("running").create(
        {
            "execution_id": str, "task_id": str, "task_type": str, "pool_type": str, "process_id": int, "host": str,
            "process": str, "started": str, "heartbeat": str, "record": str,
        },
        pk="execution_id",
        not_null={"execution_id", "process_id", "host", "process", "started", "heartbeat", "record"},
    )  # fmt: skip


def m004_model_calls(db: "Database") -> None:
    """Create the model calls, the span links that attribute them to executions, and the executions to add up.

    The triggers delete an execution's calls with it, and have them added up again when a result replaces a ``lost``
    row.
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


#: The columns of a rolled-up execution that are kept when it changes.
M005_CHANGE_COLUMNS: Final = (
    "timestamp", "task_type", "model_tier", "pool_type", "repo", "success", "outcome", "duration_seconds",
    "queue_seconds", "quality_score", "cost_estimate", "actual_cost", "cost_source", "input_tokens",
    "output_tokens", "defaulted",
)  # fmt: skip

M005_MEASURES: Final = (
    "executions", "succeeded", "failed", "errors", "timeouts", "cancelled", "lost", "timed", "duration_us", "queued",
    "queue_us", "rated", "quality_e4", "priced", "priced_succeeded", "cost_nano", "failure_nano", "unpriced",
    "counted", "input_tokens", "output_tokens", "compared", "estimate_nano", "actual_nano", "off_nano", "off_rated",
    "off_e6", "within_20", "scaled", "log_e5", "log2_e10",
)  # fmt: skip

M005_TABLES: Final = {
    "rollup_days_tier_pool": ("model_tier", "pool_type"),
    "rollup_days_task_tier": ("task_type", "model_tier"),
    "rollup_hours_tier_pool": ("model_tier", "pool_type"),
    "rollup_days_wide": ("task_type", "model_tier", "pool_type", "repo"),
}


def m005_rollups(db: "Database") -> None:
    """Create the roll-ups, their state, and the triggers that note changes of rolled-up executions."""
    for statement in _m005_tables():
        db.execute(statement)
    db.conn.executemany("INSERT INTO rollup_bins (low, bin, log) VALUES (?, ?, ?)", _m005_bins())
    columns = ", ".join(M005_CHANGE_COLUMNS)
    keep = (
        f"INSERT INTO rollup_changes (id, {columns})"
        f" SELECT old.rowid, {', '.join(f'old.{column}' for column in M005_CHANGE_COLUMNS)}"
        " WHERE NOT EXISTS (SELECT 1 FROM rollup_changes WHERE id = old.rowid);"
    )
    is_rolled_up = "old.rowid <= (SELECT mark FROM rollup_state)"
    db.execute(
        f"CREATE TRIGGER rollup_updated AFTER UPDATE OF {columns} ON executions WHEN {is_rolled_up} BEGIN {keep} END"
    )
    # When the row of the mark itself is deleted, the mark goes back: SQLite gives its rowid to the next row, which
    # is not rolled up yet.
    db.execute(
        f"CREATE TRIGGER rollup_deleted AFTER DELETE ON executions WHEN {is_rolled_up} BEGIN {keep}"
        " UPDATE rollup_state SET"
        " execution_id = (SELECT execution_id FROM executions WHERE rowid < old.rowid ORDER BY rowid DESC LIMIT 1),"
        " mark = coalesce((SELECT max(rowid) FROM executions WHERE rowid < old.rowid), 0)"
        " WHERE mark = old.rowid; END"
    )


def _m005_tables() -> list[str]:
    changes = ", ".join(M005_CHANGE_COLUMNS)
    measures = ", ".join(f"{name} INTEGER NOT NULL" for name in M005_MEASURES)
    return [
        "CREATE TABLE rollup_state (mark INTEGER NOT NULL, execution_id TEXT, version INTEGER NOT NULL,"
        " has_wide INTEGER NOT NULL, wide_cells INTEGER NOT NULL, executions INTEGER NOT NULL)",
        "INSERT INTO rollup_state VALUES (0, NULL, 1, 1, 0, 0)",
        "CREATE TABLE rollup_bins (low REAL PRIMARY KEY, bin INTEGER NOT NULL, log REAL NOT NULL) WITHOUT ROWID",
        f"CREATE TABLE rollup_changes (id INTEGER PRIMARY KEY, {changes})",
        *[
            f"CREATE TABLE {table} (bucket TEXT NOT NULL, {', '.join(f'{key} TEXT NOT NULL' for key in keys)},"
            f" {measures}, histogram BLOB NOT NULL, PRIMARY KEY (bucket, {', '.join(keys)})) WITHOUT ROWID"
            for table, keys in M005_TABLES.items()
        ],
    ]


def _m005_bins() -> "Iterator[tuple[float, int, float]]":
    """Yield the rows of ``rollup_bins``: the lower edge of each bin, its number, and the edge's logarithm."""
    lowest, ratio, last = 1e-6, 1.03, 1013
    yield -1.7e308, 0, math.log(lowest)
    for number in range(1, last + 1):
        edge = lowest * ratio ** (number - 1)
        yield edge, number, math.log(edge)


def m006_views(db: "Database") -> None:
    """Create the views that dashboards read. They read the executions themselves, not the roll-ups."""
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


#: Of m007 and m008. SQLite gives the rowid of a deleted newest row to the next one.
MARK_GOES_BACK: Final = (
    "UPDATE {state} SET"
    " execution_id = (SELECT execution_id FROM executions WHERE rowid < old.rowid ORDER BY rowid DESC LIMIT 1),"
    " mark = coalesce((SELECT max(rowid) FROM executions WHERE rowid < old.rowid), 0) WHERE mark = old.rowid"
)


def m007_error_templates(db: "Database") -> None:
    """Create the counts of failures by message template, and the days to recount.

    The counts cover the rows up to ``mark``. A change of such a row makes its day dirty.
    """
    day_is_dirty = "ON CONFLICT (day) DO UPDATE SET changes = changes + 1"
    counts = "executions INTEGER NOT NULL, first_seen TEXT NOT NULL, last_seen TEXT NOT NULL, newest INTEGER NOT NULL"
    for statement in (
        """CREATE TABLE error_templates (
            template_id INTEGER PRIMARY KEY,
            error_type TEXT NOT NULL, exception_type TEXT NOT NULL, template TEXT NOT NULL,
            UNIQUE (error_type, exception_type, template)
        )""",
        f"""CREATE TABLE error_days (
            template_id INTEGER NOT NULL, day TEXT NOT NULL, {counts}, PRIMARY KEY (template_id, day)
        ) WITHOUT ROWID""",
        f"""CREATE TABLE error_counts (
            template_id INTEGER NOT NULL, repo TEXT NOT NULL, pool_type TEXT NOT NULL, model_tier TEXT NOT NULL,
            task_type TEXT NOT NULL, day TEXT NOT NULL, {counts},
            PRIMARY KEY (template_id, repo, pool_type, model_tier, task_type, day)
        ) WITHOUT ROWID""",
        "CREATE TABLE error_dirty_days (day TEXT PRIMARY KEY, changes INTEGER NOT NULL)",
        "CREATE TABLE error_state (mark INTEGER NOT NULL, execution_id TEXT, version INTEGER NOT NULL)",
        "INSERT INTO error_state VALUES (0, NULL, 0)",
        f"""CREATE TRIGGER error_counts_after_delete AFTER DELETE ON executions
        WHEN old.rowid <= (SELECT mark FROM error_state)
        BEGIN
            INSERT INTO error_dirty_days SELECT substr(old.timestamp, 1, 10), 1 WHERE NOT old.success {day_is_dirty};
            {MARK_GOES_BACK.format(state="error_state")};
        END""",
        f"""CREATE TRIGGER error_counts_after_update
        AFTER UPDATE OF timestamp, task_type, repo, model_tier, pool_type, success, error_type, error_message,
            outcome, exception_type ON executions
        WHEN old.rowid <= (SELECT mark FROM error_state) AND NOT (old.success AND new.success)
        BEGIN
            INSERT INTO error_dirty_days VALUES (substr(old.timestamp, 1, 10), 1) {day_is_dirty};
            INSERT INTO error_dirty_days VALUES (substr(new.timestamp, 1, 10), 1) {day_is_dirty};
        END""",
    ):
        db.execute(statement)


def m008_search(db: "Database") -> None:
    """Create the search index of task descriptions, and the triggers that update it when indexed rows change."""
    for statement in (
        "CREATE VIRTUAL TABLE execution_search USING fts5(task_description, content='executions',"
        " content_rowid='rowid', columnsize=0)",
        "CREATE VIRTUAL TABLE execution_search_words USING fts5vocab('execution_search', 'row')",
        "CREATE TABLE search_state (mark INTEGER NOT NULL, execution_id TEXT)",
        "INSERT INTO search_state VALUES (0, NULL)",
        f"""CREATE TRIGGER search_after_delete AFTER DELETE ON executions
        WHEN old.rowid <= (SELECT mark FROM search_state)
        BEGIN
            INSERT INTO execution_search (execution_search, rowid, task_description)
                VALUES ('delete', old.rowid, old.task_description);
            {MARK_GOES_BACK.format(state="search_state")};
        END""",
        """CREATE TRIGGER search_after_update AFTER UPDATE OF task_description ON executions
        WHEN old.rowid <= (SELECT mark FROM search_state)
        BEGIN
            INSERT INTO execution_search (execution_search, rowid, task_description)
                VALUES ('delete', old.rowid, old.task_description);
            INSERT INTO execution_search (rowid, task_description) VALUES (new.rowid, new.task_description);
        END""",
    ):
        db.execute(statement)


def m009_feedback(db: "Database") -> None:
    """Create the history of feedback; the columns of the execution have the latest."""
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
    # Retention and prune delete executions; their feedback goes with them.
    db.execute(
        "CREATE TRIGGER feedback_goes_too AFTER DELETE ON executions"
        " BEGIN DELETE FROM feedback WHERE execution_id = old.execution_id; END"
    )


def m010_rebuilds(db: "Database") -> None:
    """Create the table that has a row during a rebuild of derived tables, so that an interrupted one can go on."""
    db.table("rebuilds").create({"since": str}, not_null={"since"})


def m011_parents(db: "Database") -> None:
    """Create the index from an execution to its nested ones. It is empty without nesting."""
    db.execute(
        "CREATE INDEX idx_executions_parent ON executions (parent_execution_id) WHERE parent_execution_id IS NOT NULL"
    )
