"""Roll-ups: the sums that reports need, by day and by hour, advanced in slices in the background.

They are a cache. A mark says how far they go; reports add the executions above it, and correct those that changed
since (triggers note them in ``rollup_changes``). So a report always equals the executions, however far the roll-ups
are, and a crash between two slices loses nothing.
"""

import operator
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..sqlite.dimensions import DIMENSIONS
from ..sqlite.executions import placeholders
from ..sqlite.yielding import Statements, TransactionTarget
from . import histograms
from .measures import BIN, MEASURES, source, sum_measures

#: Raised when measures or bins change their meaning. Roll-ups of an older version are rebuilt; those of a newer one are
#: left to the newer release, and reports read the executions.
VERSION: Final = 3
#: Executions in one transaction, which holds the lock for a few milliseconds.
SLICE_ROWS: Final = 250
#: Cells written by one statement: SQLite before 3.32 takes at most 999 parameters.
_CELLS_AT_ONCE: Final = 20
#: The wide cube is dropped when it has more cells than this, and more than half as many as executions.
_WIDE_CELLS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Cube:
    """A table of roll-ups: sums for each bucket of time and each key."""

    table: str
    bucket: str
    keys: tuple[str, ...]


WIDE: Final = Cube("rollup_days_wide", "day", ("task_type", "model_tier", "pool_type", "repo"))
#: Small cubes first: a report reads the first one that has its keys.
CUBES: Final = (
    Cube("rollup_days_tier_pool", "day", ("model_tier", "pool_type")),
    Cube("rollup_days_task_tier", "day", ("task_type", "model_tier")),
    Cube("rollup_hours_tier_pool", "hour", ("model_tier", "pool_type")),
    WIDE,
)

#: Whether the roll-ups are of this file and this version: a copy by ``.dump`` has the same rows under other rowids.
IS_SOUND: Final = (
    f"version = {VERSION} AND (mark = 0 OR execution_id ="
    " (SELECT e.execution_id FROM executions AS e WHERE e.rowid = rollup_state.mark))"
)

_NAMES: Final = tuple(MEASURES)
_KEYS: Final = WIDE.keys


@dataclass(slots=True)
class _Cell:
    """The sums to add to one cell of a cube."""

    sums: list[float]
    counts: Counter[int]


_Key = tuple[str, ...]
_Cells = dict[_Key, _Cell]


def advance(target: TransactionTarget, rows: int = SLICE_ROWS) -> bool:
    """Roll up at most so many *rows*, in one transaction together with the mark; tell whether there is more to do.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    if not is_behind(target):
        return False
    with target.transaction() as connection:
        ((version, is_sound, has_wide),) = connection.execute(
            f"SELECT version, {IS_SOUND}, has_wide FROM rollup_state"
        ).fetchall() or [(0, False, True)]
        if version > VERSION:  # a newer release was faster
            return False
        if not is_sound:
            _empty(connection)
            return True
        if _roll_up_changes(connection, rows, has_wide):
            return True
        return _roll_up_tail(connection, rows, has_wide)


def reset(target: TransactionTarget) -> None:
    """Empty the roll-ups; reports read the executions until they are advanced again.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    with target.transaction() as connection:
        _empty(connection)


def lag(target: TransactionTarget) -> int:
    """Return about how many executions are not rolled up, or have changed since.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be opened or read.
    """
    ((count,),) = target.execute(
        f"SELECT CASE WHEN coalesce((SELECT version FROM rollup_state), 0) > {VERSION} THEN 0 ELSE"
        " coalesce((SELECT max(rowid) FROM executions), 0) - coalesce((SELECT mark FROM rollup_state), 0)"
        " + (SELECT count(*) FROM rollup_changes) END"
    )
    return int(count)


def is_behind(target: TransactionTarget) -> bool:
    """Tell whether there is anything to roll up.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be opened or read.
    """
    rows = target.execute(
        f"SELECT version <= {VERSION} AND (NOT ({IS_SOUND}) OR mark < coalesce((SELECT max(rowid) FROM executions), 0)"
        " OR EXISTS (SELECT 1 FROM rollup_changes)) FROM rollup_state"
    )
    return not rows or bool(rows[0][0])


def _roll_up_changes(connection: Statements, rows: int, has_wide: bool) -> bool:
    """Correct the roll-ups for changed executions; tell whether there were any.

    Before the tail: a row above the mark may have the rowid of a deleted one that is still among the changes.
    """
    ids = connection.execute("SELECT id FROM rollup_changes ORDER BY id LIMIT ?", (rows,)).fetchall()
    if not ids:
        return False
    cells = _no_cells(has_wide)
    last = ids[-1]
    change = _collect(connection, cells, "rollup_changes", "id <= ?", last, -1)
    as_it_is = "rowid IN (SELECT id FROM rollup_changes WHERE id <= ?) AND rowid <= (SELECT mark FROM rollup_state)"
    change += _collect(connection, cells, "executions", as_it_is, last, 1)
    _store(connection, cells, change, "DELETE FROM rollup_changes WHERE id <= ?", *last)
    return True


def _roll_up_tail(connection: Statements, rows: int, has_wide: bool) -> bool:
    """Roll up executions above the mark, and advance it; tell whether there may be more."""
    newest = connection.execute(
        "SELECT rowid, execution_id FROM executions WHERE rowid = (SELECT max(rowid) FROM (SELECT rowid FROM executions"
        " WHERE rowid > (SELECT mark FROM rollup_state) ORDER BY rowid LIMIT ?))",
        (rows,),
    ).fetchone()
    if newest is None:
        return False
    cells = _no_cells(has_wide)
    above = "rowid > (SELECT mark FROM rollup_state) AND rowid <= ?"
    change = _collect(connection, cells, "executions", above, newest[:1], 1)
    _store(connection, cells, change, "UPDATE rollup_state SET mark = ?, execution_id = ?", *newest)
    return change == rows


def _no_cells(has_wide: bool) -> dict[Cube, _Cells]:
    return {cube: {} for cube in CUBES if has_wide or cube is not WIDE}


def _collect(
    connection: Statements,
    cells: dict[Cube, _Cells],
    table: str,
    condition: str,
    parameters: Sequence[Any],
    sign: int,
) -> int:
    """Add the rows of *table*, *sign* times, to *cells*; return how many there were, with the sign."""
    keys = [DIMENSIONS[name] for name in ("hour", *_KEYS)]
    columns = ", ".join(f"key{number}" for number in range(len(keys)))
    found = connection.execute(
        f"SELECT {columns}, {sum_measures(_NAMES)}, group_concat({BIN})"
        f" FROM {source(table, condition, _NAMES, keys, BIN)} GROUP BY {columns}",
        parameters,
    )
    places = [(cube, [_KEYS.index(name) for name in cube.keys], of_cube) for cube, of_cube in cells.items()]
    change = 0
    for hour, *rest in found:
        sums = rest[len(_KEYS) : -1] if sign > 0 else [-value for value in rest[len(_KEYS) : -1]]
        counts = [int(number) for number in rest[-1].split(",")] if rest[-1] else []
        change += int(sums[0])
        for cube, keys_at, of_cube in places:
            key = (hour if cube.bucket == "hour" else hour[:10], *[rest[at] for at in keys_at])
            cell = of_cube.get(key)
            if cell is None:
                cell = of_cube[key] = _Cell(sums, Counter())
            else:
                cell.sums = list(map(operator.add, cell.sums, sums))
            for number in counts:
                cell.counts[number] += sign
    return change


def _store(connection: Statements, cells: dict[Cube, _Cells], change: int, note: str, *parameters: Any) -> None:
    """Add *cells* to the tables, with the number of executions, and run *note*, which records the progress.

    All reads come before the first write, so the lock is held only for writing.
    """
    rows = {cube: _merged(connection, cube, of_cube) for cube, of_cube in cells.items()}
    added = rows[WIDE].added if WIDE in rows else 0
    (state,) = connection.execute("SELECT wide_cells, executions FROM rollup_state")
    wide_cells, executions = state[0] + added, state[1] + change
    connection.execute(note, parameters)
    for cube, of_cube in rows.items():
        _write(connection, cube, of_cube)
    connection.execute("UPDATE rollup_state SET executions = ?, wide_cells = ?", (executions, wide_cells))
    if wide_cells > max(_WIDE_CELLS, executions / 2):
        # Nearly unique keys: reading the executions costs little more, and takes no space.
        connection.execute(f"DELETE FROM {WIDE.table}")
        connection.execute("UPDATE rollup_state SET has_wide = 0, wide_cells = 0")


@dataclass(slots=True)
class _Rows:
    """The rows to write to and delete from a table of roll-ups."""

    stored: list[tuple[Any, ...]]
    deleted: list[_Key]
    #: By how many rows it grows.
    added: int = 0


def _merged(connection: Statements, cube: Cube, cells: _Cells) -> _Rows:
    """Return the changes of the table of *cube* that add *cells*."""
    read = f"SELECT {', '.join(_NAMES)}, histogram FROM {cube.table} WHERE {_is_key(cube)}"
    rows = _Rows([], [])
    for key, cell in cells.items():
        sums, counts = cell.sums, cell.counts
        row = connection.execute(read, key).fetchone()
        if row is not None:
            sums = list(map(operator.add, row, sums))
            histograms.add(row[-1], counts)
        if sums[0] > 0:
            rows.stored.append((*key, *sums, histograms.pack(counts)))
            rows.added += row is None
        elif row is not None:
            rows.deleted.append(key)
            rows.added -= 1
    return rows


def _write(connection: Statements, cube: Cube, rows: _Rows) -> None:
    columns = ("bucket", *cube.keys, *_NAMES, "histogram")
    # Several at a time: each statement gives the interpreter lock away, and waits for it again behind busy tasks.
    for start in range(0, len(rows.stored), _CELLS_AT_ONCE):
        some = rows.stored[start : start + _CELLS_AT_ONCE]
        connection.execute(
            f"INSERT OR REPLACE INTO {cube.table} ({', '.join(columns)})"
            f" VALUES {', '.join([placeholders(columns)] * len(some))}",
            [value for row in some for value in row],
        )
    for key in rows.deleted:
        connection.execute(f"DELETE FROM {cube.table} WHERE {_is_key(cube)}", key)


def _is_key(cube: Cube) -> str:
    return " AND ".join(f"{name} = ?" for name in ("bucket", *cube.keys))


def _empty(connection: Statements) -> None:
    for table in (*[cube.table for cube in CUBES], "rollup_changes", "rollup_state"):
        connection.execute(f"DELETE FROM {table}")
    connection.execute("INSERT INTO rollup_state VALUES (0, NULL, ?, 1, 0, 0)", (VERSION,))
