"""Failures counted by message template, day and kind, in the background, for ``analytics.error_groups``.

A shortcut and nothing else. The tables cover the executions up to a mark; days in which such an execution changed
are dirty. Answers take from the tables what is covered and clean, and read the executions for the rest.
"""

import functools
import json
import re
from collections.abc import Iterable
from typing import Any, Final

from .. import message_templates
from ..sqlite.yielding import Statements, TransactionTarget

#: Executions in one transaction: a writer waits a few milliseconds for it.
SLICE_ROWS: Final = 250
#: A day and this is later than every timestamp of the day.
AFTER: Final = "U"
#: Of a failure: error type, exception type and message.
MESSAGE: Final = (
    "coalesce(error_type, ''), coalesce(exception_type, ''),"
    " coalesce(nullif(error_message, ''), exception_type, outcome)"
)

#: Of one failed execution: its group, its time, its rowid.
_FAILURES: Final = (
    f"SELECT {MESSAGE},"
    " coalesce(repo, 'unknown'), coalesce(pool_type, 'unknown'), coalesce(model_tier, 'unknown'), task_type,"
    " timestamp, rowid FROM executions WHERE NOT success AND "
)
# Whole slices as JSON: each statement gives the interpreter lock away, and waits for it again behind busy tasks while
# it keeps the database locked.
_ADD_TEMPLATES: Final = (
    "INSERT INTO error_templates (error_type, exception_type, template)"
    " SELECT DISTINCT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?) WHERE 1 ON CONFLICT DO NOTHING"
)
_UPSERT: Final = (
    "INSERT INTO {table} SELECT template_id, {values} FROM json_each(?) JOIN error_templates"
    " ON error_type = value ->> 0 AND exception_type = value ->> 1 AND template = value ->> 2 WHERE 1"
    " ON CONFLICT DO UPDATE SET executions = executions + excluded.executions,"
    " first_seen = min(first_seen, excluded.first_seen), last_seen = max(last_seen, excluded.last_seen),"
    " newest = max(newest, excluded.newest)"
)


def _with_old_json(sql: str) -> str:
    """Return *sql* for SQLite before 3.38 as well, which has no arrow."""
    return re.sub(r"value ->> (\d+)", r"json_extract(value, '$[\1]')", sql)


_ADD: Final = tuple(
    _with_old_json(sql)
    for sql in (
        _ADD_TEMPLATES,
        _UPSERT.format(table="error_days", values=", ".join(f"value ->> {n}" for n in range(7, 12))),
        _UPSERT.format(table="error_counts", values=", ".join(f"value ->> {n}" for n in range(3, 12))),
    )
)
#: Templates whose last failure was deleted: they have words of it.
_DELETE_UNUSED: Final = (
    "DELETE FROM error_templates WHERE NOT EXISTS"
    " (SELECT 1 FROM error_days AS d WHERE d.template_id = error_templates.template_id)"
)
_Template = tuple[str, str, str]  # error type, exception type, masked message
_Place = tuple[str, str, str, str, str]  # repo, pool type, model tier, task type, day
_Tally = dict[tuple[_Template, _Place], list[Any]]  # how many, the first, the last, the newest rowid


def soundness() -> str:
    """Return the condition that the counts are of this file and this version, over ``error_state``.

    A copy by ``.dump`` may have the same rows under other rowids.
    """
    return (
        f"version = {message_templates.VERSION} AND (mark = 0 OR execution_id ="
        " (SELECT e.execution_id FROM executions AS e WHERE e.rowid = error_state.mark))"
    )


def advance(target: TransactionTarget, rows: int = SLICE_ROWS) -> bool:
    """Count the failures among the next *rows* executions, or those of a dirty day; tell whether there is more to do.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    ((version, is_sound, mark, newest),) = target.execute(
        f"SELECT version, {soundness()}, mark, coalesce((SELECT max(rowid) FROM executions), 0) FROM error_state"
    )
    if version > message_templates.VERSION:
        return False
    if not is_sound:
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
    ((version, count),) = target.execute(
        "SELECT version, coalesce((SELECT max(rowid) FROM executions), 0) - mark FROM error_state"
    )
    return 0 if version > message_templates.VERSION else int(count)


@functools.lru_cache(maxsize=4096)
def _masked(message: str) -> str:
    return message_templates.mask(message)


def _count_tail(target: TransactionTarget, rows: int) -> bool:
    """Move the mark on; tell whether there may be more above it."""
    # Masked before the lock is taken; rows that change until then are masked under it.
    _tally(
        target.execute(
            _FAILURES + "rowid IN (SELECT rowid FROM executions WHERE rowid > (SELECT mark FROM error_state)"
            " ORDER BY rowid LIMIT ?)",
            (rows,),
        )
    )
    with target.transaction() as connection:
        above = connection.execute(
            "SELECT rowid, execution_id FROM executions WHERE rowid > (SELECT mark FROM error_state)"
            " ORDER BY rowid LIMIT ?",
            (rows,),
        ).fetchall()
        if above:
            last = above[-1]
            is_next = "rowid > (SELECT mark FROM error_state) AND rowid <= ?"
            _add(connection, _tally(connection.execute(_FAILURES + is_next, last[:1])))
            connection.execute("UPDATE error_state SET mark = ?, execution_id = ?", last)
    return len(above) == rows


def _count_anew(target: TransactionTarget, day: str, changes: int) -> None:
    """Count the failures of *day* anew, unless something changes meanwhile: then another time."""
    # Read and masked before the lock is taken: a day can have any number of failures.
    ((mark,),) = target.execute("SELECT mark FROM error_state")
    tally = _tally(
        target.execute(_FAILURES + "rowid <= ? AND timestamp >= ? AND timestamp < ?", (mark, day, day + AFTER))
    )
    with target.transaction() as connection:
        is_unchanged = connection.execute(
            "SELECT 1 FROM error_dirty_days, error_state WHERE day = ? AND changes = ? AND mark = ?",
            (day, changes, mark),
        ).fetchone()
        if is_unchanged:
            for table in ("error_dirty_days", "error_days", "error_counts"):
                connection.execute(f"DELETE FROM {table} WHERE day = ?", (day,))
            _add(connection, tally)
            if not connection.execute("SELECT 1 FROM error_dirty_days").fetchone():
                connection.execute(_DELETE_UNUSED)


def _tally(failures: Iterable[Any]) -> _Tally:
    tally: _Tally = {}
    for error_type, exception_type, message, repo, pool_type, model_tier, task_type, timestamp, rowid in failures:
        place = (repo, pool_type, model_tier, task_type, timestamp[:10])
        counts = tally.setdefault(
            ((error_type, exception_type, _masked(message)), place), [0, timestamp, timestamp, rowid]
        )
        counts[:] = counts[0] + 1, min(counts[1], timestamp), max(counts[2], timestamp), max(counts[3], rowid)
    return tally


def _add(connection: Statements, tally: _Tally) -> None:
    if tally:
        rows = json.dumps([(*template, *place, *counts) for (template, place), counts in tally.items()])
        for statement in _ADD:
            connection.execute(statement, (rows,))
