"""The search index of task descriptions, advanced in the background, for ``analytics.similar_executions``.

It covers the executions up to a mark. Triggers follow changes of those; queries read the descriptions above the mark.
"""

from typing import Final

from ..sqlite.executions import is_sound
from ..sqlite.yielding import TransactionTarget
from . import marks

#: Executions in one transaction, which holds the lock for a few milliseconds.
SLICE_ROWS: Final = 1000
#: Pages of the index that are merged in one transaction.
MERGED_PAGES: Final = 500

STATE: Final = "search_state"
#: The question for about how many executions are not indexed.
LAG: Final = f"SELECT {marks.BEHIND} AS lag FROM {STATE}"
IS_SOUND: Final = is_sound(STATE)
_ADD: Final = (
    "INSERT INTO execution_search (rowid, task_description) SELECT rowid, task_description FROM executions"
    " WHERE rowid > (SELECT mark FROM search_state) AND rowid <= ?"
)
_EMPTY: Final = ("INSERT INTO execution_search (execution_search) VALUES ('delete-all')",)


def advance(target: TransactionTarget, rows: int = SLICE_ROWS) -> bool:
    """Index the next *rows* executions, in one transaction together with the mark; tell whether there is more to do.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    return marks.advance(target, STATE, _ADD, _EMPTY, rows)


def reset(target: TransactionTarget) -> None:
    """Empty the index; queries read the executions until it is advanced again.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    marks.reset(target, STATE, _EMPTY)


def compact(target: TransactionTarget) -> None:
    """Merge the parts of the index into one, in short transactions; until then they have the words of deleted rows.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    pages = -MERGED_PAGES  # a negative number: of all parts, and not only of those that FTS5 would merge by itself
    while True:
        with target.transaction() as connection:
            ((before,),) = connection.execute("SELECT total_changes()").fetchall()
            connection.execute("INSERT INTO execution_search (execution_search, rank) VALUES ('merge', ?)", (pages,))
            ((after,),) = connection.execute("SELECT total_changes()").fetchall()
        if after - before < 2:  # the statement itself counts as one change
            return


def lag(target: TransactionTarget) -> int:
    """Return about how many executions are not indexed.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be opened or read.
    """
    return marks.lag(target, STATE)
