"""Roll-ups: the sums that reports need, by day and by hour, advanced in slices in the background.

They are a cache. A mark says how far they go; reports add the executions above it, and correct those that changed
since (triggers note them in ``rollup_changes``). So a report always equals the executions, however far the roll-ups
are, and a crash between two slices loses nothing.
"""

import operator
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..sqlite.dimensions import dimension, is_key, literal
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
#: The wide cube, or one on demand, is dropped when it has more cells than this, and more than half as many as
#: executions.
_MOST_CELLS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Cube:
    """A table of roll-ups: sums for each bucket of time and each key."""

    table: str
    bucket: str
    keys: tuple[str, ...]
    #: Of a cube on demand: the name that its cells have in the table of them all.
    name: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that tell its cells apart."""
        return ("bucket", *self.keys) if self.name is None else ("bucket", "name", "value")

    @property
    def condition(self) -> str:
        """The SQL by which its table has its cells."""
        return "1" if self.name is None else f"name = {literal(self.name)}"

    def column(self, key: str) -> str:
        """Return the column of a *key*."""
        return key if self.name is None else "value"


def keyed(name: str) -> Cube:
    """Return the cube on demand of *name*: a column that :func:`is_indexable`, or ``metadata.KEY``."""
    return Cube("rollup_days_key", "day", (name,), name)


def is_indexable(name: str) -> bool:
    """Tell whether there can be a cube on demand of *name*: of changed rows, these columns are kept."""
    return name in ("model", "worker_id") or is_key(name)


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
        ((version, is_sound, has_wide, mark),) = connection.execute(
            f"SELECT version, {IS_SOUND}, has_wide, mark FROM rollup_state"
        ).fetchall() or [(0, False, True, 0)]
        if version > VERSION:  # a newer release was faster
            return False
        if not is_sound:
            _empty(connection)
            return True
        cubes = [cube for cube in CUBES if has_wide or cube is not WIDE]
        keys = _keys(connection)
        if _roll_up_changes(connection, rows, cubes, keys, mark):
            return True
        behind = [cube for cube, of_key in keys.items() if of_key < mark]
        if behind:
            _roll_up_key(connection, rows, behind[0], keys[behind[0]], mark)
            return True
        return _roll_up_tail(connection, rows, [*cubes, *keys], mark)


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
        " + (SELECT count(*) FROM rollup_changes) + (SELECT total(max(0, rollup_state.mark - rollup_keys.mark))"
        " FROM rollup_state, rollup_keys WHERE NOT is_stopped) END"
    )
    return int(count)


def is_behind(target: TransactionTarget) -> bool:
    """Tell whether there is anything to roll up.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be opened or read.
    """
    rows = target.execute(
        f"SELECT version <= {VERSION} AND (NOT ({IS_SOUND}) OR mark < coalesce((SELECT max(rowid) FROM executions), 0)"
        " OR EXISTS (SELECT 1 FROM rollup_changes) OR EXISTS (SELECT 1 FROM rollup_keys WHERE NOT is_stopped"
        " AND rollup_keys.mark < rollup_state.mark)) FROM rollup_state"
    )
    return not rows or bool(rows[0][0])


def _keys(connection: Statements) -> dict[Cube, int]:
    """Return the cubes on demand that are kept, each with its mark."""
    found = connection.execute("SELECT name, mark FROM rollup_keys WHERE NOT is_stopped ORDER BY name")
    return {keyed(name): mark for name, mark in found.fetchall()}


def _roll_up_changes(
    connection: Statements, rows: int, cubes: Sequence[Cube], keys: Mapping[Cube, int], mark: int
) -> bool:
    """Correct the roll-ups for changed executions; tell whether there were any.

    Before the tail: a row above the mark may have the rowid of a deleted one that is still among the changes.
    """
    ids = connection.execute("SELECT id FROM rollup_changes ORDER BY id LIMIT ?", (rows,)).fetchall()
    if not ids:
        return False
    ((last,),) = ids[-1:]
    added = _Added.to(cubes)
    added.collect(connection, "rollup_changes", "id <= ?", (last,), -1)
    as_it_is = "rowid IN (SELECT id FROM rollup_changes WHERE id <= ?) AND rowid <= ?"
    added.collect(connection, "executions", as_it_is, (last, mark), 1)
    for cube, of_key in keys.items():
        of_cube = _Added.to([cube])
        of_cube.collect(connection, "rollup_changes", "id <= ?", (min(last, of_key),), -1)
        of_cube.collect(connection, "executions", as_it_is, (last, min(mark, of_key)), 1)
        added.also(of_cube)
    _store(connection, added, [("DELETE FROM rollup_changes WHERE id <= ?", (last,))])
    return True


def _roll_up_key(connection: Statements, rows: int, cube: Cube, of_key: int, mark: int) -> None:
    """Roll up executions that a new cube on demand does not have yet, towards the *mark* of all."""
    ((newest,),) = connection.execute(
        "SELECT max(rowid) FROM (SELECT rowid FROM executions WHERE rowid > ? AND rowid <= ? ORDER BY rowid LIMIT ?)",
        (of_key, mark, rows),
    ).fetchall()
    reached = mark if newest is None else newest
    added = _Added.to([cube])
    added.collect(connection, "executions", "rowid > ? AND rowid <= ?", (of_key, reached), 1)
    _store(connection, added, [("UPDATE rollup_keys SET mark = ? WHERE name = ?", (reached, cube.name))])


def _roll_up_tail(connection: Statements, rows: int, cubes: Sequence[Cube], mark: int) -> bool:
    """Roll up executions above the mark, and advance it; tell whether there may be more."""
    newest = connection.execute(
        "SELECT rowid, execution_id FROM executions WHERE rowid = (SELECT max(rowid) FROM (SELECT rowid FROM executions"
        " WHERE rowid > ? ORDER BY rowid LIMIT ?))",
        (mark, rows),
    ).fetchone()
    if newest is None:
        return False
    added = _Added.to(cubes)
    added.collect(connection, "executions", "rowid > ? AND rowid <= ?", (mark, newest[0]), 1)
    notes = [
        ("UPDATE rollup_state SET mark = ?, execution_id = ?", tuple(newest)),
        ("UPDATE rollup_keys SET mark = ? WHERE mark >= ?", (newest[0], mark)),
    ]
    _store(connection, added, notes)
    return added.rows[cubes[0]] == rows


@dataclass(slots=True)
class _Added:
    """What is added to cubes: their cells, and how many executions."""

    cells: dict[Cube, _Cells]
    rows: Counter[Cube]

    @classmethod
    def to(cls, cubes: Sequence[Cube]) -> "_Added":
        return cls({cube: {} for cube in cubes}, Counter())

    def also(self, other: "_Added") -> None:
        self.cells.update(other.cells)
        self.rows.update(other.rows)

    def collect(self, connection: Statements, table: str, condition: str, parameters: Sequence[Any], sign: int) -> None:
        """Add the rows of *table*, *sign* times."""
        names = tuple(dict.fromkeys((*_KEYS, *(key for cube in self.cells for key in cube.keys))))
        keys = [dimension(name) for name in ("hour", *names)]
        columns = ", ".join(f"key{number}" for number in range(len(keys)))
        found = connection.execute(
            f"SELECT {columns}, {sum_measures(_NAMES)}, group_concat({BIN})"
            f" FROM {source(table, condition, _NAMES, keys, BIN)} GROUP BY {columns}",
            parameters,
        )
        places = [
            (cube, () if cube.name is None else (cube.name,), [names.index(name) for name in cube.keys], of_cube)
            for cube, of_cube in self.cells.items()
        ]
        for hour, *rest in found:
            sums = rest[len(names) : -1] if sign > 0 else [-value for value in rest[len(names) : -1]]
            counts = [int(number) for number in rest[-1].split(",")] if rest[-1] else []
            for cube, name, keys_at, of_cube in places:
                self.rows[cube] += int(sums[0])
                key = (hour if cube.bucket == "hour" else hour[:10], *name, *[rest[at] for at in keys_at])
                cell = of_cube.get(key)
                if cell is None:
                    cell = of_cube[key] = _Cell(sums, Counter())
                else:
                    cell.sums = list(map(operator.add, cell.sums, sums))
                for number in counts:
                    cell.counts[number] += sign


def _store(connection: Statements, added: _Added, notes: Sequence[tuple[str, Sequence[Any]]]) -> None:
    """Add to the tables, with the number of executions, and run *notes*, which record the progress.

    All reads come before the first write, so the lock is held only for writing.
    """
    rows = {cube: _merged(connection, cube, of_cube) for cube, of_cube in added.cells.items()}
    counts = {cube: _size(connection, cube) for cube in rows if cube is WIDE or cube.name is not None}
    ((executions,),) = connection.execute("SELECT executions FROM rollup_state").fetchall()
    for sql, parameters in notes:
        connection.execute(sql, parameters)
    for cube, of_cube in rows.items():
        _write(connection, cube, of_cube)
    if CUBES[0] in rows:
        connection.execute("UPDATE rollup_state SET executions = ?", (executions + added.rows[CUBES[0]],))
    for cube, (cells, of_executions) in counts.items():
        _keep_size(connection, cube, cells + rows[cube].added, of_executions + added.rows[cube])


def _size(connection: Statements, cube: Cube) -> tuple[int, int]:
    """Return how many cells a cube that can grow too large has, and how many executions."""
    if cube is WIDE:
        ((cells, executions),) = connection.execute("SELECT wide_cells, executions FROM rollup_state").fetchall()
    else:
        question = "SELECT cells, executions FROM rollup_keys WHERE name = ?"
        ((cells, executions),) = connection.execute(question, (cube.name,)).fetchall()
    return cells, executions


def _keep_size(connection: Statements, cube: Cube, cells: int, executions: int) -> None:
    """Note the size of a cube, or drop it: with nearly unique keys, reading the executions costs little more."""
    is_too_large = cells > max(_MOST_CELLS, executions / 2)
    if is_too_large:
        connection.execute(f"DELETE FROM {cube.table} WHERE {cube.condition}")
    if cube is WIDE:
        connection.execute(
            "UPDATE rollup_state SET has_wide = ?, wide_cells = ?", (not is_too_large, 0 if is_too_large else cells)
        )
    else:
        connection.execute(
            "UPDATE rollup_keys SET cells = ?, executions = ?, is_stopped = ? WHERE name = ?",
            (0 if is_too_large else cells, executions, is_too_large, cube.name),
        )


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
    columns = (*cube.columns, *_NAMES, "histogram")
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
    return " AND ".join(f"{name} = ?" for name in cube.columns)


def _empty(connection: Statements) -> None:
    for table in (*[cube.table for cube in CUBES], "rollup_days_key", "rollup_changes", "rollup_state"):
        connection.execute(f"DELETE FROM {table}")
    connection.execute("UPDATE rollup_keys SET mark = 0, executions = 0, cells = 0, is_stopped = 0")
    connection.execute("INSERT INTO rollup_state VALUES (0, NULL, ?, 1, 0, 0)", (VERSION,))
