"""The schema: numbered steps, applied in this order.

A released step is never edited, and calls no live code: databases in use have what it made when it was released.
Changes come as new steps at the end. Constants here are named for the step that they belong to; tests compare them
with the code of today.
"""

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

_M005_MEASURES: Final = (
    "executions", "succeeded", "failed", "errors", "timeouts", "cancelled", "lost", "timed", "duration_us", "queued",
    "queue_us", "rated", "quality_e4", "priced", "priced_succeeded", "cost_nano", "failure_nano", "unpriced",
    "counted", "input_tokens", "output_tokens", "compared", "estimate_nano", "actual_nano", "off_nano", "off_rated",
    "off_e6", "within_20", "scaled", "log_e5", "log2_e10",
)  # fmt: skip

_M005_TABLES: Final = {
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
    measures = ", ".join(f"{name} INTEGER NOT NULL" for name in _M005_MEASURES)
    return [
        "CREATE TABLE rollup_state (mark INTEGER NOT NULL, execution_id TEXT, version INTEGER NOT NULL,"
        " has_wide INTEGER NOT NULL, wide_cells INTEGER NOT NULL, executions INTEGER NOT NULL)",
        "INSERT INTO rollup_state VALUES (0, NULL, 1, 1, 0, 0)",
        "CREATE TABLE rollup_bins (low REAL PRIMARY KEY, bin INTEGER NOT NULL, log REAL NOT NULL) WITHOUT ROWID",
        f"CREATE TABLE rollup_changes (id INTEGER PRIMARY KEY, {changes})",
        *[
            f"CREATE TABLE {table} (bucket TEXT NOT NULL, {', '.join(f'{key} TEXT NOT NULL' for key in keys)},"
            f" {measures}, histogram BLOB NOT NULL, PRIMARY KEY (bucket, {', '.join(keys)})) WITHOUT ROWID"
            for table, keys in _M005_TABLES.items()
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
_MARK_GOES_BACK: Final = (
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
            {_MARK_GOES_BACK.format(state="error_state")};
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
            {_MARK_GOES_BACK.format(state="search_state")};
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


#: The columns of m005, and the one of m012.
M012_CHANGE_COLUMNS: Final = (*M005_CHANGE_COLUMNS, "outcome_source")


def m012_outcome_source(db: "Database") -> None:
    """Add what an outcome rests on, and count the assumed successes in roll-ups and views.

    Rows of before have NULL, so roll-ups of before are right with a count of 0. Their new version has a process of an
    older release, which leaves the count out, do them over instead.
    """
    db.execute("ALTER TABLE executions ADD COLUMN outcome_source TEXT")
    db.execute("ALTER TABLE rollup_changes ADD COLUMN outcome_source")
    for table in _M005_TABLES:
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
        f" {_MARK_GOES_BACK.format(state='rollup_state')}; END",
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
    for table in _M005_TABLES:
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
    measures = ", ".join(f"{name} INTEGER NOT NULL" for name in (*_M005_MEASURES, "assumed", "partial"))
    keep_columns = ", ".join(M017_CHANGE_COLUMNS)
    old = [f"old.{column}" for column in M012_CHANGE_COLUMNS]
    old += [f"CASE WHEN EXISTS (SELECT 1 FROM rollup_keys) THEN old.{column} END" for column in M017_NAMED]
    keep = (
        f"INSERT INTO rollup_changes (id, {keep_columns}) SELECT old.rowid, {', '.join(old)}"
        " WHERE NOT EXISTS (SELECT 1 FROM rollup_changes WHERE id = old.rowid);"
    )
    is_rolled_up = "old.rowid <= (SELECT mark FROM rollup_state)"
    for statement in (
        "CREATE TABLE rollup_keys (name TEXT PRIMARY KEY, mark INTEGER NOT NULL, executions INTEGER NOT NULL,"
        " cells INTEGER NOT NULL, is_stopped INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE TABLE rollup_days_key (name TEXT NOT NULL, value TEXT NOT NULL, bucket TEXT NOT NULL,"
        f" {measures}, histogram BLOB NOT NULL, PRIMARY KEY (name, value, bucket)) WITHOUT ROWID",
        *(f"ALTER TABLE rollup_changes ADD COLUMN {column}" for column in M017_NAMED),
        "DROP TRIGGER rollup_updated",
        "DROP TRIGGER rollup_deleted",
        f"CREATE TRIGGER rollup_updated AFTER UPDATE OF {keep_columns} ON executions WHEN {is_rolled_up}"
        f" BEGIN {keep} END",
        f"CREATE TRIGGER rollup_deleted AFTER DELETE ON executions WHEN {is_rolled_up} BEGIN {keep}"
        f" {_MARK_GOES_BACK.format(state='rollup_state')}; END",
    ):
        db.execute(statement)


#: Columns that a step adds to a table, table -> column -> its value in a file that does not have it.
ADDED_COLUMNS: Final = {
    "executions": {"outcome_source": "NULL"},
    "rollup_changes": dict.fromkeys(("outcome_source", *M017_NAMED), "NULL"),
    **{table: {"assumed": "0", "partial": "0"} for table in _M005_TABLES},
    "model_calls": dict.fromkeys(_M015_CALL_COLUMNS, "NULL"),
}


STEPS: Final = (
    m001_executions, m002_losses, m003_running, m004_model_calls, m005_rollups, m006_views, m007_error_templates,
    m008_search, m009_feedback, m010_rebuilds, m011_parents, m012_outcome_source, m013_oldest_writer,
    m014_retention_rounds, m015_call_details, m016_views_of_bounds, m017_rollup_keys,
)  # fmt: skip
