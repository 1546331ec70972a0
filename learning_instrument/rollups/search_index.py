"""The search index of task descriptions, advanced in the background, for ``analytics.similar_executions``.

It covers the executions up to a mark. Triggers follow changes of those; queries read the descriptions above the mark.
"""

from typing import Final

from ..sqlite.yielding import TransactionTarget

#: About how many executions are not indexed, over ``search_state``.
LAG: Final = "coalesce((SELECT max(rowid) FROM executions), 0) - mark"
#: Executions in one transaction, which holds the lock for a few milliseconds.
SLICE_ROWS: Final = 250
#: Pages of the index that are merged in one transaction.
MERGED_PAGES: Final = 500
#: A copy by ``.dump`` may have the same executions under other rowids.
IS_SOUND: Final = (
    "(mark = 0 OR execution_id = (SELECT e.execution_id FROM executions AS e WHERE e.rowid = search_state.mark))"
)


def advance(target: TransactionTarget, rows: int = SLICE_ROWS) -> bool:
    """Index the next *rows* executions, in one transaction together with the mark; tell whether there is more to do.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    ((is_sound, left),) = target.execute(
        f"SELECT {IS_SOUND}, mark < coalesce((SELECT max(rowid) FROM executions), 0) FROM search_state"
    )
    if not is_sound:
        reset(target)
        return True
    if not left:
        return False
    with target.transaction() as connection:
        above = connection.execute(
            "SELECT rowid, execution_id FROM executions WHERE rowid > (SELECT mark FROM search_state)"
            " ORDER BY rowid LIMIT ?",
            (rows,),
        ).fetchall()
        if above:
            connection.execute(
                "INSERT INTO execution_search (rowid, task_description) SELECT rowid, task_description FROM executions"
                " WHERE rowid > (SELECT mark FROM search_state) AND rowid <= ?",
                above[-1][:1],
            )
            connection.execute("UPDATE search_state SET mark = ?, execution_id = ?", above[-1])
    return len(above) == rows


def reset(target: TransactionTarget) -> None:
    """Empty the index; queries read the executions until it is advanced again.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    with target.transaction() as connection:
        connection.execute("INSERT INTO execution_search (execution_search) VALUES ('delete-all')")
        connection.execute("UPDATE search_state SET mark = 0, execution_id = NULL")


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
    ((count,),) = target.execute(f"SELECT {LAG} FROM search_state")
    return int(count)
