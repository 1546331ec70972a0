"""Which names have a cube on demand: added, dropped, listed."""

from dataclasses import dataclass
from typing import Final

from ..sqlite.connection import WriteConnection
from ..sqlite.selection import Queryable, has_table

#: Cells deleted in one transaction, which holds the lock for a few milliseconds.
_CELLS_AT_ONCE: Final = 500
#: Whether the cells of a name go as far as the roll-ups, over ``rollup_keys`` and ``rollup_state``. Of changed rows
#: above the mark of the name, the cells have no old values.
IS_COMPLETE: Final = (
    "NOT is_stopped AND rollup_keys.mark >= rollup_state.mark"
    " AND NOT EXISTS (SELECT 1 FROM rollup_changes WHERE id > rollup_keys.mark)"
)


@dataclass(frozen=True, slots=True)
class IndexedName:
    """A name with a cube on demand."""

    name: str
    #: How many executions are counted, and in how many sums: one for each value and day.
    executions: int
    cells: int
    #: Whether reports take the sums; until then, and where they are behind, they read the executions.
    is_complete: bool
    #: It has nearly as many values as executions, and is not kept.
    is_stopped: bool


def indexed_names(database: Queryable) -> list[IndexedName]:
    """Return the names, in their order.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    if not has_table(database, "rollup_keys"):
        return []  # an older release wrote the file
    rows = database.query(
        f"SELECT name, rollup_keys.executions, cells, {IS_COMPLETE} AS is_complete, is_stopped"
        " FROM rollup_keys, rollup_state ORDER BY name"
    )
    return [
        IndexedName(**{**row, "is_complete": bool(row["is_complete"]), "is_stopped": bool(row["is_stopped"])})
        for row in rows
    ]


def add_name(target: WriteConnection, name: str) -> None:
    """Have a cube of *name* kept from now on; one that was stopped begins anew.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    if not target.execute("SELECT 1 FROM rollup_keys WHERE name = ? AND NOT is_stopped", (name,)):
        drop_name(target, name)
        target.execute("INSERT OR IGNORE INTO rollup_keys VALUES (?, 0, 0, 0, 0)", (name,))


def drop_name(target: WriteConnection, name: str) -> bool:
    """Delete the cube of *name*; tell whether there was one.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    was_there = bool(target.execute("SELECT 1 FROM rollup_keys WHERE name = ?", (name,)))
    target.execute("DELETE FROM rollup_keys WHERE name = ?", (name,))
    some = "SELECT name, value, bucket FROM rollup_days_key WHERE name = ? LIMIT ?"
    while target.execute("SELECT 1 FROM rollup_days_key WHERE name = ? LIMIT 1", (name,)):
        target.execute(f"DELETE FROM rollup_days_key WHERE (name, value, bucket) IN ({some})", (name, _CELLS_AT_ONCE))
    return was_there
