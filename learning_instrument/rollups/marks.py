"""Indexes that follow the executions: each covers them up to a mark, which a table of state has."""

from collections.abc import Sequence
from typing import Final

from ..sqlite.executions import is_sound
from ..sqlite.yielding import Statements, TransactionTarget

#: About how many executions are not indexed, over a table of state.
BEHIND: Final = "coalesce((SELECT max(rowid) FROM executions), 0) - mark"


def next_rows(connection: Statements, mark: int, rows: int) -> tuple[int, str, int] | None:
    """Return rowid and execution id of the last of the next *rows* executions above *mark*, and the newest rowid.

    They are fewer where rowids are missing; None: there are none.
    """
    found = connection.execute(
        "SELECT rowid, execution_id, (SELECT max(rowid) FROM executions) FROM executions WHERE rowid > ? AND rowid <"
        " (SELECT min(rowid) FROM executions WHERE rowid > ?) + ? ORDER BY rowid DESC LIMIT 1",
        (mark, mark, rows),
    ).fetchall()
    return tuple(found[0]) if found else None


def advance(target: TransactionTarget, state: str, add: str, empty: Sequence[str], rows: int, tail: int = 0) -> bool:
    """Index the next *rows* executions, in one transaction together with the mark; tell whether there is more to do.

    Args:
        target: what to write with.
        state: the table with the mark.
        add: the statement that indexes the executions above the mark, up to the rowid that is its parameter.
        empty: the statements that empty the index.
        rows: the most executions.
        tail: so many executions may stay without index.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    ((sound, behind),) = target.execute(f"SELECT {is_sound(state)}, {BEHIND} FROM {state}")
    if not sound:
        reset(target, state, empty)
        return True
    if behind <= tail:
        return False
    with target.transaction() as connection:
        ((mark,),) = connection.execute(f"SELECT mark FROM {state}").fetchall()
        following = next_rows(connection, mark, rows)
        if following is None:
            return False
        last, execution_id, newest = following
        connection.execute(add, (last,))
        connection.execute(f"UPDATE {state} SET mark = ?, execution_id = ?", (last, execution_id))
    return newest - last > tail


def reset(target: TransactionTarget, state: str, empty: Sequence[str]) -> None:
    """Empty an index; queries read the executions until it is advanced again.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    with target.transaction() as connection:
        for statement in empty:
            connection.execute(statement)
        connection.execute(f"UPDATE {state} SET mark = 0, execution_id = NULL")


def lag(target: TransactionTarget, state: str) -> int:
    """Return about how many executions are not indexed.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be opened or read.
    """
    ((count,),) = target.execute(f"SELECT {BEHIND} FROM {state}")
    return int(count)
