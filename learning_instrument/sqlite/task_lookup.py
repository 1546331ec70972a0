"""Finds executions by the id of their task: in the index, and in the newest rows, which it does not have yet."""

from typing import Final

#: An index of so many low bits of the rowid: 16,384 rows.
BUCKET_BITS: Final = 14
#: The table that says how far the index goes.
STATE: Final = "task_id_state"
#: How far it goes; 0 in a copy whose executions have other rowids.
_MARK: Final = (
    f"coalesce((SELECT mark FROM {STATE} JOIN executions AS e ON e.rowid = mark"
    f" AND e.execution_id = {STATE}.execution_id), 0)"
)


def rows_of_tasks(condition: str) -> str:
    """Return the SQL of the rowids of executions whose ``task_id`` fulfils *condition*.

    A question repeats the condition on the executions that it finds: the index of a copy may have those of other rows.

    Args:
        condition: such as ``task_id = ?1``.
    """
    return (
        "(WITH RECURSIVE buckets(number) AS (SELECT min(bucket) FROM task_ids UNION ALL"
        " SELECT number + 1 FROM buckets WHERE number < (SELECT max(bucket) FROM task_ids))"
        f" SELECT id FROM buckets CROSS JOIN task_ids WHERE bucket = number AND {condition}"
        f" UNION ALL SELECT rowid FROM executions WHERE rowid > {_MARK} AND {condition})"
    )


#: An id (?1) -> the id of that execution, or of the last execution of that task.
EXACTLY: Final = (
    "SELECT execution_id FROM executions WHERE (execution_id = ?1 OR task_id = ?1) AND rowid IN"
    f" (SELECT rowid FROM executions WHERE execution_id = ?1 UNION ALL SELECT * FROM {rows_of_tasks('task_id = ?1')})"
    " ORDER BY execution_id = ?1 DESC, timestamp DESC LIMIT 1"
)
#: Up to ?3 executions whose id, or whose task's id, is between ?1 and ?2.
BETWEEN: Final = (
    "SELECT execution_id FROM executions WHERE execution_id > ?1 AND execution_id < ?2 UNION"
    " SELECT execution_id FROM executions WHERE task_id > ?1 AND task_id < ?2 AND rowid IN"
    f" {rows_of_tasks('task_id > ?1 AND task_id < ?2')} LIMIT ?3"
)
