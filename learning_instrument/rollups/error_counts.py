"""Failures counted by message template, day and kind, in the background, for ``analytics.error_groups``.

A shortcut and nothing else. The tables cover the executions up to a mark; days in which such an execution changed
are dirty. Answers take from the tables what is covered and clean, and read the executions for the rest.
"""

import functools
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from .. import message_templates
from ..sqlite.dimensions import AFTER
from ..sqlite.executions import is_sound
from ..sqlite.yielding import Statements, TransactionTarget
from . import marks

#: Executions in one transaction: a writer waits a few milliseconds for it.
SLICE_ROWS: Final = 1000
#: What is masked of a failure.
MESSAGE_TEXT: Final = "coalesce(nullif(error_message, ''), exception_type, outcome)"
#: Of a failure: error type and exception type.
KIND: Final = "coalesce(error_type, '') AS error_type, coalesce(exception_type, '') AS exception_type"
#: Of a failure: these, and the message.
MESSAGE: Final = f"{KIND}, {MESSAGE_TEXT} AS message"

#: Failures, and the masked message of each, by its rowid there: tables of the connection alone.
_TABLES: Final = (
    "CREATE TEMP TABLE IF NOT EXISTS failures (error_type, exception_type, message, repo, pool_type, model_tier,"
    " task_type, timestamp, id)",
    "CREATE TEMP TABLE IF NOT EXISTS masked (failure INTEGER PRIMARY KEY, template)",
)
_TAKE: Final = (
    f"INSERT INTO temp.failures SELECT {MESSAGE}, coalesce(repo, 'unknown'), coalesce(pool_type, 'unknown'),"
    " coalesce(model_tier, 'unknown'), task_type, timestamp, rowid FROM executions WHERE NOT success AND "
)
_FOUND: Final = "temp.failures AS failures JOIN temp.masked ON failure = failures.rowid"
_UPSERT: Final = (
    "INSERT INTO {table} SELECT {columns}, substr(timestamp, 1, 10), count(*), min(timestamp), max(timestamp), max(id)"
    f" FROM {_FOUND} JOIN error_templates USING (error_type, exception_type, template)"
    " GROUP BY {columns}, substr(timestamp, 1, 10) ON CONFLICT ({columns}, day) DO UPDATE SET"
    " executions = executions + excluded.executions, first_seen = min(first_seen, excluded.first_seen),"
    " last_seen = max(last_seen, excluded.last_seen), newest = max(newest, excluded.newest)"
)
_ADD: Final = (
    "INSERT INTO error_templates (error_type, exception_type, template)"
    f" SELECT DISTINCT error_type, exception_type, template FROM {_FOUND} WHERE 1 ON CONFLICT DO NOTHING",
    _UPSERT.format(table="error_days", columns="template_id"),
    _UPSERT.format(table="error_counts", columns="template_id, repo, pool_type, model_tier, task_type"),
)
#: Templates whose last failure was deleted: they have words of it.
_DELETE_UNUSED: Final = (
    "DELETE FROM error_templates WHERE NOT EXISTS"
    " (SELECT 1 FROM error_days AS d WHERE d.template_id = error_templates.template_id)"
)


def soundness() -> str:
    """Return the condition that the counts are of this file and this version, over ``error_state``.

    A copy by ``.dump`` may have the same rows under other rowids.
    """
    return f"version = {message_templates.VERSION} AND {is_sound('error_state')}"


def advance(target: TransactionTarget, rows: int = SLICE_ROWS) -> bool:
    """Count the failures among the next *rows* executions, or those of a dirty day; tell whether there is more to do.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    ((version, is_own, mark, newest),) = target.execute(
        f"SELECT version, {soundness()}, mark, coalesce((SELECT max(rowid) FROM executions), 0) FROM error_state"
    )
    if version > message_templates.VERSION:
        return False
    if not is_own:
        reset(target)
        return True
    dirty = target.execute("SELECT day, changes FROM error_dirty_days LIMIT 1")
    if dirty:
        _count_anew(target, *dirty[0])
        return True
    return newest > mark and _count_tail(target, rows)


def reset(target: TransactionTarget) -> None:
    """Empty the counts; answers are read from the executions until they are advanced again.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    with target.transaction() as connection:
        for table in ("error_templates", "error_days", "error_counts", "error_dirty_days"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute(
            "UPDATE error_state SET mark = 0, execution_id = NULL, version = ?", (message_templates.VERSION,)
        )


def lag(target: TransactionTarget) -> int:
    """Return about how many executions were not looked at.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be opened or read.
    """
    ((version, count),) = target.execute(f"SELECT version, {marks.BEHIND} FROM error_state")
    return 0 if version > message_templates.VERSION else int(count)


@functools.lru_cache(maxsize=4096)
def _masked(message: str) -> str:
    return message_templates.mask(message)


def _count_tail(target: TransactionTarget, rows: int) -> bool:
    """Move the mark on; tell whether there may be more above it."""
    # Masked before the lock is taken; rows that change until then are masked under it.
    for (message,) in target.execute(
        f"SELECT {MESSAGE_TEXT} FROM executions, error_state WHERE NOT success"
        " AND executions.rowid > mark AND executions.rowid <= mark + ?",
        (rows,),
    ):
        _masked(message)
    with target.transaction() as connection:
        ((mark,),) = connection.execute("SELECT mark FROM error_state").fetchall()
        following = marks.next_rows(connection, mark, rows)
        if following is None:
            return False
        last, execution_id, newest = following
        _take(connection.execute, "rowid > ? AND rowid <= ?", (mark, last))
        _add(connection)
        connection.execute("UPDATE error_state SET mark = ?, execution_id = ?", (last, execution_id))
    return newest > last


def _count_anew(target: TransactionTarget, day: str, changes: int) -> None:
    """Count the failures of *day* anew, unless something changes meanwhile: then another time."""
    # Read and masked before the lock is taken: a day can have any number of failures.
    ((mark,),) = target.execute("SELECT mark FROM error_state")
    _take(target.execute, "rowid <= ? AND timestamp >= ? AND timestamp < ?", (mark, day, day + AFTER))
    with target.transaction() as connection:
        is_unchanged = connection.execute(
            "SELECT 1 FROM error_dirty_days, error_state WHERE day = ? AND changes = ? AND mark = ?",
            (day, changes, mark),
        ).fetchone()
        if is_unchanged:
            for table in ("error_dirty_days", "error_days", "error_counts"):
                connection.execute(f"DELETE FROM {table} WHERE day = ?", (day,))
            _add(connection)
            if not connection.execute("SELECT 1 FROM error_dirty_days").fetchone():
                connection.execute(_DELETE_UNUSED)


def _take(execute: Callable[..., Iterable[Any]], condition: str, parameters: Sequence[Any]) -> None:
    """Fill the connection's own tables with the failures for which *condition* holds."""
    for statement in (*_TABLES, "DELETE FROM temp.failures", "DELETE FROM temp.masked"):
        execute(statement)
    execute(_TAKE + condition, parameters)
    messages = execute("SELECT message FROM temp.failures ORDER BY rowid")
    execute(
        "INSERT INTO temp.masked SELECT key + 1, value FROM json_each(?)",
        (json.dumps([_masked(message) for (message,) in messages]),),
    )


def _add(connection: Statements) -> None:
    for statement in _ADD:
        connection.execute(statement)
    connection.execute("DELETE FROM temp.failures")
    connection.execute("DELETE FROM temp.masked")
