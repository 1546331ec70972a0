"""The schema steps of the error groups and of the search. Released steps: what they say is never edited.

Each has a state of one row: executions up to the rowid ``mark`` are in its tables. What happens to those later is
seen by triggers. There is no trigger on INSERT: that is the hot path, and what is above the mark is read from the
executions themselves.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlite_utils import Database

_MARK_GOES_BACK: Final = (
    "UPDATE {state} SET"
    " execution_id = (SELECT execution_id FROM executions WHERE rowid < old.rowid ORDER BY rowid DESC LIMIT 1),"
    " mark = coalesce((SELECT max(rowid) FROM executions WHERE rowid < old.rowid), 0) WHERE mark = old.rowid"
)


def m007_error_templates(db: "Database") -> None:
    """Create the counts of failures by message template, the mark up to which they go, and the days to count anew.

    What ``error_counts`` fills in covers the rows up to ``mark``. A change of such a row makes its day dirty. The
    mark's own row stays there: SQLite gives the rowid of a deleted newest row to the next one.
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
    """Create the index of the words in task descriptions, and what keeps it up with rows that are in it."""
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
