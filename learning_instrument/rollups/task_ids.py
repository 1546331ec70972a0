"""The index of task ids, advanced in the background, for the look-ups of :mod:`..sqlite.task_lookup`.

Task ids come in any order: an index that each row is put into rewrites a page of it for nearly every row, and the more
so the larger the file. This one is sorted within buckets of :data:`~..sqlite.task_lookup.BUCKET_BITS` rowids, and
filled behind the rows, thousands at once.
"""

from typing import Final

from ..sqlite.task_lookup import BUCKET_BITS, STATE
from ..sqlite.yielding import TransactionTarget
from . import marks

#: Executions in one transaction, which holds the lock for about 4 ms.
SLICE_ROWS: Final = 4096
#: So many executions stay without index, for larger slices rewrite fewer pages. A look-up reads them in 2 ms.
TAIL_ROWS: Final = 4096

_ADD: Final = (
    f"INSERT INTO task_ids SELECT rowid >> {BUCKET_BITS}, task_id, rowid FROM executions"
    f" WHERE rowid > (SELECT mark FROM {STATE}) AND rowid <= ? ORDER BY 1, 2"
)
_EMPTY: Final = ("DELETE FROM task_ids",)


def advance(target: TransactionTarget, rows: int = SLICE_ROWS) -> bool:
    """Index the next executions, if there are more than a tail of them; tell whether there is more to do.

    Args:
        target: what to write with.
        rows: the most executions; :data:`SLICE_ROWS` if that is fewer.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    return marks.advance(target, STATE, _ADD, _EMPTY, max(rows, SLICE_ROWS), TAIL_ROWS)


def reset(target: TransactionTarget) -> None:
    """Empty the index; look-ups read the executions until it is advanced again.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    marks.reset(target, STATE, _EMPTY)


def lag(target: TransactionTarget) -> int:
    """Return about how many executions are not indexed, and should be.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be opened or read.
    """
    behind = marks.lag(target, STATE)
    return behind if behind > TAIL_ROWS else 0
