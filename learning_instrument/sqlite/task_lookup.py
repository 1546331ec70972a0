"""Finds executions by the id of their task: in the index, and in the newest rows, which it does not have yet."""

from typing import Final

from .executions import is_sound

#: An index of so many low bits of the rowid: 16,384 rows.
BUCKET_BITS: Final = 14
#: The table that says how far the index goes.
STATE: Final = "task_id_state"
#: How far it goes; 0 in a copy whose executions have other rowids.
_MARK: Final = f"coalesce((SELECT mark FROM {STATE} WHERE {is_sound(STATE)}), 0)"


def rows_of_tasks(condition: str) -> str:
    """Return the SQL of the rowids of executions whose ``task_id`` fulfils *condition*.

    A question repeats the condition on the executions that it finds: the index of a copy may have those of other rows.

    Args:
        condition: such as ``task_id = :id``.
    """
    return (
        "(WITH RECURSIVE buckets(number) AS (SELECT min(bucket) FROM task_ids UNION ALL"
        " SELECT number + 1 FROM buckets WHERE number < (SELECT max(bucket) FROM task_ids))"
        f" SELECT id FROM buckets CROSS JOIN task_ids WHERE bucket = number AND {condition}"
        f" UNION ALL SELECT rowid FROM executions WHERE rowid > {_MARK} AND {condition})"
    )


#: :id -> the id of that execution, or of the last execution of that task.
EXACTLY: Final = (
    "SELECT execution_id FROM executions WHERE (execution_id = :id OR task_id = :id) AND rowid IN"
    f" (SELECT rowid FROM executions WHERE execution_id = :id UNION ALL SELECT * FROM {rows_of_tasks('task_id = :id')})"
    " ORDER BY execution_id = :id DESC, timestamp DESC LIMIT 1"
)
#: Up to :most executions whose id, or whose task's id, is between :first and :last.
BETWEEN: Final = (
    "SELECT execution_id FROM executions WHERE execution_id > :first AND execution_id < :last UNION"
    " SELECT execution_id FROM executions WHERE task_id > :first AND task_id < :last AND rowid IN"
    f" {rows_of_tasks('task_id > :first AND task_id < :last')} LIMIT :most"
)
