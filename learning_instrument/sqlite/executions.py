"""The table ``executions`` in SQL: how rows are inserted, found and grouped."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from ..columns import COLUMNS
from ..record import Row


def placeholders(values: Collection[Any]) -> str:
    """Return ``(?,?,?)``, one mark for each of *values*: what follows IN or VALUES."""
    return f"({','.join('?' * len(values))})"


#: Rows in one INSERT, largest first. Each statement frees the interpreter lock once, where ``executemany`` would
#: do so for every row, and wait for it again behind the threads that produce them.
_CHUNKS: Final = (256, 32, 8, 1)
#: The columns that a result keeps of the ``lost`` row it replaces.
_KEPT: Final = ("execution_id", "user_accepted", "user_rating")
_INSERT: Final = f"INSERT INTO executions ({','.join(COLUMNS)}) VALUES "
# Storing one execution twice keeps one row. Only a result replaces a ``lost`` row.
_ONCE: Final = (
    " ON CONFLICT (execution_id) DO UPDATE SET "
    + ",".join(f"{column}=excluded.{column}" for column in COLUMNS if column not in _KEPT)
    + " WHERE outcome='lost' AND excluded.outcome<>'lost'"
)
INSERTS: Final = {size: _INSERT + ",".join([placeholders(COLUMNS)] * size) + _ONCE for size in _CHUNKS}
INSERT_ONE: Final = INSERTS[1]


def chunks(rows: Sequence[Row]) -> Iterable[Sequence[Row]]:
    """Yield *rows* in the sizes of :data:`INSERTS`."""
    start = 0
    for size in _CHUNKS:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


#: An id, three times -> the id of that execution, or of the last execution of that task.
EXACTLY: Final = (
    "SELECT execution_id FROM executions WHERE execution_id = ? OR task_id = ?"
    " ORDER BY execution_id = ? DESC, timestamp DESC LIMIT 1"
)
