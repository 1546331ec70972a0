"""Roll-ups: the sums that reports need, by day and by hour, advanced in slices in the background.

They are a cache. A mark says how far they go; reports add the executions above it, and correct those that changed
since (triggers note them in ``rollup_changes``). So a report always equals the executions, however far the roll-ups
are, and a crash between two slices loses nothing.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..sqlite.dimensions import TIME_BUCKETS, dimension, is_key, literal
from ..sqlite.executions import is_sound
from ..sqlite.yielding import Statements, TransactionTarget
from . import histograms
from .marks import next_rows
from .measures import BIN, MEASURES, MOST_PACKED, PACKED, source, sum_packed

#: Raised when measures or bins change their meaning. Roll-ups of an older version are rebuilt; those of a newer one are
#: left to the newer release, and reports read the executions.
VERSION: Final = 5
#: Executions in one transaction, which holds the lock for a few milliseconds.
SLICE_ROWS: Final = 1000
#: The wide cube, or one on demand, is dropped when it has more cells than this, and more than half as many as
#: executions.
MOST_CELLS: Final = 10_000


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

    @property
    def by(self) -> str:
        """The SQL after GROUP BY of a query for its cells, whose columns are first. Most rows have the same bucket."""
        return ", ".join(map(str, (*range(2, len(self.columns) + 1), 1)))

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

_TABLES: Final = (*(cube.table for cube in CUBES), "rollup_days_key")

#: Whether the roll-ups are of this file and this version: a copy by ``.dump`` has the same rows under other rowids.
IS_SOUND: Final = f"version = {VERSION} AND {is_sound('rollup_state')}"

#: The cube whose cells, where there are any, are summed up to those of a smaller one.
_FINER: Final = {CUBES[0]: CUBES[2], CUBES[1]: WIDE}
_NAMES: Final = tuple(MEASURES)
_ADD_SUMS: Final = ", ".join(f"{name} = {name} + excluded.{name}" for name in _NAMES)
#: The timestamp that a changed execution is noted with where no cube has it. It is after all buckets: an older release
#: finds nothing to subtract, in no report and no cell.
AFTER_ALL: Final = "~"
HAS_VALUES: Final = f"timestamp < '{AFTER_ALL}'"
#: The most executions that :func:`take_out` notes, in about 20 ms.
_MOST_TAKEN_OUT: Final = 20_000
_INSIDE: Final = "bucket >= ? AND bucket < ?"
_OF_NAME: Final = f"FROM rollup_days_key AS has WHERE has.name = rollup_keys.name AND {_INSIDE}"
#: Take the sizes of cells from the state.
_COUNT_OUT: Final = (
    f"UPDATE rollup_state SET executions = executions - (SELECT total(executions) FROM {CUBES[0].table}"
    f" WHERE {_INSIDE}), wide_cells = wide_cells - (SELECT count(*) FROM {WIDE.table} WHERE {_INSIDE})",
    f"UPDATE rollup_keys SET executions = executions - (SELECT total(has.executions) {_OF_NAME}),"
    f" cells = cells - (SELECT count(*) {_OF_NAME})",
)
#: A histogram in a cell is packed when it has more bytes than this; until then, others are put behind it.
_LONG_HISTOGRAM: Final = 1024


def advance(target: TransactionTarget, rows: int = SLICE_ROWS) -> bool:
    """Roll up at most so many *rows*, in one transaction together with the mark; tell whether there is more to do.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    if not is_behind(target):
        return False
    with target.transaction() as connection:
        ((version, is_own, has_wide, mark),) = connection.execute(
            f"SELECT version, {IS_SOUND}, has_wide, mark FROM rollup_state"
        ).fetchall() or [(0, False, True, 0)]
        if version > VERSION:  # a newer release was faster
            return False
        if not is_own:
            _empty(connection)
            return True
        rows = min(rows, MOST_PACKED)
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


def take_out(connection: Statements, since: str, until: str) -> None:
    """Delete the cells of the days from *since* until before *until*, whose executions are about to be deleted.

    Each of these is noted as changed, without old values: reports read it while it is there, its deletion is noted no
    more, and if it stays it is rolled up again. Nothing is done where that takes long, for the lock is held.

    Raises:
        sqlite3.Error: if the database cannot be written.
    """
    days = (since, until)
    of_days = "timestamp >= ? AND timestamp < ?"
    found = connection.execute(
        f"SELECT mark FROM rollup_state WHERE {IS_SOUND} AND (SELECT total(cells) FROM rollup_keys) < {_MOST_TAKEN_OUT}"
        f" AND NOT EXISTS (SELECT 1 FROM executions WHERE {of_days} LIMIT 1 OFFSET {_MOST_TAKEN_OUT})",
        days,
    ).fetchall()
    if not found:
        return
    ((mark,),) = found
    for statement in _COUNT_OUT:
        connection.execute(statement, days * 2)
    for table in _TABLES:
        connection.execute(f"DELETE FROM {table} WHERE {_INSIDE}", days)
    # Notes of the days before, whose executions are deleted by now.
    connection.execute(
        f"DELETE FROM rollup_changes WHERE NOT {HAS_VALUES} AND id NOT IN (SELECT rowid FROM executions)"
    )
    # Executions that had changed: what they were is in no cell any more.
    connection.execute(f"UPDATE rollup_changes SET timestamp = '{AFTER_ALL}' WHERE {of_days}", days)
    connection.execute(
        f"INSERT OR IGNORE INTO rollup_changes (id, timestamp, task_type) SELECT rowid, '{AFTER_ALL}', ''"
        f" FROM executions WHERE {of_days} AND rowid <= ?",
        (*days, mark),
    )


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
    added = _Slice(connection, [*cubes, *keys], keys)
    added.take("rollup_changes", f"id <= ? AND {HAS_VALUES}", (last,), -1)
    added.take("executions", "rowid IN (SELECT id FROM rollup_changes WHERE id <= ?) AND rowid <= ?", (last, mark))
    added.write([("DELETE FROM rollup_changes WHERE id <= ?", (last,))])
    return True


def _roll_up_key(connection: Statements, rows: int, cube: Cube, of_key: int, mark: int) -> None:
    """Roll up executions that a new cube on demand does not have yet, towards the *mark* of all."""
    following = next_rows(connection, of_key, rows)
    reached = mark if following is None else min(mark, following[0])
    added = _Slice(connection, [cube])
    added.take("executions", "rowid > ? AND rowid <= ?", (of_key, reached))
    added.write([("UPDATE rollup_keys SET mark = ? WHERE name = ?", (reached, cube.name))])


def _roll_up_tail(connection: Statements, rows: int, cubes: Sequence[Cube], mark: int) -> bool:
    """Roll up executions above the mark, and advance it; tell whether there may be more."""
    following = next_rows(connection, mark, rows)
    if following is None:
        return False
    last, execution_id, newest = following
    added = _Slice(connection, cubes)
    added.take("executions", "rowid > ? AND rowid <= ?", (mark, last))
    added.write(
        [
            ("UPDATE rollup_state SET mark = ?, execution_id = ?", (last, execution_id)),
            ("UPDATE rollup_keys SET mark = ? WHERE mark >= ?", (last, mark)),
        ]
    )
    return newest > last


class _Slice:
    """Executions that are added to cubes, by way of temporary tables: their rows, and the sums of each cell.

    Reading and summing up locks nothing; then each table of roll-ups takes its sums by one statement.

    Args:
        connection: executes the statements, in a transaction.
        cubes: those to add to.
        marks: a cube on demand -> the newest row that it has, where it may lack some of the slice.
    """

    def __init__(self, connection: Statements, cubes: Sequence[Cube], marks: Mapping[Cube, int] | None = None) -> None:
        self._execute = connection.execute
        self._cubes = cubes
        self._marks = marks or {}
        self._has_removed = False
        named = [cube.keys[0] for cube in cubes if cube.name is not None]
        self._keys = {key: f"key{number}" for number, key in enumerate(("hour", *WIDE.keys, *named), 1)}
        self._rows = f"rollup_rows_{len(named)}"
        self._execute(
            f"CREATE TEMP TABLE IF NOT EXISTS {self._rows} (id, {', '.join((*self._keys.values(), *PACKED))}, bin)"
        )
        #: Cubes on demand share a table.
        self._tables = {cube.table: ", ".join(cube.columns) for cube in cubes}
        for table, place in self._tables.items():
            self._execute(
                f"CREATE TEMP TABLE IF NOT EXISTS added_{table} ({place}, {', '.join(_NAMES)}, added, removed,"
                f" histogram, PRIMARY KEY ({place})) WITHOUT ROWID"
            )

    def take(self, table: str, condition: str, parameters: Sequence[Any], sign: int = 1) -> None:
        """Take the rows of *table*, to be added *sign* times."""
        taken = _taken(table, condition, tuple(self._keys))
        self._execute(f"INSERT INTO temp.{self._rows} {taken}", (histograms.ONE_OF_EACH, *parameters))
        self._has_removed = self._has_removed or sign < 0
        bins = "CAST(group_concat(bin, '') AS BLOB)"
        sums = f"{sum_packed(sign)}, {f'{bins}, NULL' if sign > 0 else f'NULL, {bins}'}"
        for cube in self._cubes:
            if _FINER.get(cube) not in self._cubes:
                keys = tuple(self._keys[key] for key in cube.keys)
                place = _place(cube, self._keys["hour"], "hour", keys)
                condition = f"id <= {self._marks[cube]}" if cube in self._marks else "1"
                rows = f"temp.{self._rows} WHERE {condition}"
                self._sum_up(cube, f"SELECT {place}, {sums} FROM {rows} GROUP BY {cube.by}")
        self._execute(f"DELETE FROM temp.{self._rows}")

    def _sum_up(self, cube: Cube, cells: str) -> None:
        """Add the rows of the SQL *cells* to what is added to *cube*."""
        self._execute(
            f"INSERT INTO temp.added_{cube.table} ({', '.join((*cube.columns, *_NAMES))}, added, removed)"
            f" SELECT * FROM ({cells}) WHERE 1 ON CONFLICT ({', '.join(cube.columns)}) DO UPDATE SET {_ADD_SUMS},"
            " added = coalesce(added, excluded.added), removed = coalesce(removed, excluded.removed)"
        )

    def write(self, notes: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Add what was taken to the cubes, and run *notes*, which record the progress.

        All reads come before the first write, so the lock is held only for writing.
        """
        sums = ", ".join(f"total({name})" for name in _NAMES)
        bins = ", ".join(f"CAST(group_concat({name}, '') AS BLOB)" for name in ("added", "removed"))
        for cube, finer in _FINER.items():
            if cube in self._cubes and finer in self._cubes:
                place = _place(cube, "bucket", finer.bucket, cube.keys)
                self._sum_up(cube, f"SELECT {place}, {sums}, {bins} FROM temp.added_{finer.table} GROUP BY {cube.by}")
        packed = {table: self._pack_histograms(table, place) for table, place in self._tables.items()}
        sizes = {cube: self._size(cube) for cube in self._cubes if cube in (CUBES[0], WIDE) or cube.name is not None}
        for sql, parameters in notes:
            self._execute(sql, parameters)
        for table, place in self._tables.items():
            self._add(table, place, packed[table])
        for cube, (cells, executions) in sizes.items():
            if cube is CUBES[0]:
                self._execute("UPDATE rollup_state SET executions = ?", (executions,))
            else:
                _keep_size(self._execute, cube, cells, executions)
        for table in self._tables:
            self._execute(f"DELETE FROM temp.added_{table}")

    def _pack_histograms(self, table: str, place: str) -> int:
        """Pack the histograms that become long, and those from which values are taken; return how many."""
        found = self._execute(
            f"SELECT {place}, has.histogram, added, removed FROM temp.added_{table} AS added LEFT JOIN {table} AS has"
            f" USING ({place}) WHERE removed IS NOT NULL AND has.executions + added.executions > 0"
            f" OR length(added) + coalesce(length(has.histogram), 0) > {_LONG_HISTOGRAM}"
        ).fetchall()
        is_place = " AND ".join(f"{column} = ?" for column in place.split(", "))
        for *key, histogram, added, removed in found:
            packed = histograms.merged(histogram or b"", added or b"", removed or b"")
            self._execute(f"UPDATE temp.added_{table} SET histogram = ? WHERE {is_place}", (packed, *key))
        return len(found)

    def _size(self, cube: Cube) -> tuple[int, int]:
        """Return how many cells a cube that can grow too large will have, and how many executions."""
        if cube.name is None:
            state = "SELECT wide_cells, executions FROM rollup_state"
        else:
            state = f"SELECT cells, executions FROM rollup_keys WHERE {cube.condition}"
        ((cells, executions),) = self._execute(state).fetchall()
        ((more, less, added),) = self._execute(
            "SELECT total(has.executions IS NULL), total(has.executions + added.executions <= 0),"
            f" total(added.executions) FROM temp.added_{cube.table} AS added LEFT JOIN {cube.table} AS has"
            f" USING ({self._tables[cube.table]}) WHERE {cube.condition}"
        ).fetchall()
        return int(cells + more - less), int(executions + added)

    def _add(self, table: str, place: str, packed: int) -> None:
        self._execute(
            f"INSERT INTO {table} ({place}, {', '.join(_NAMES)}, histogram)"
            f" SELECT {place}, {', '.join(_NAMES)}, coalesce(added, x'') FROM temp.added_{table} WHERE 1"
            f" ON CONFLICT ({place}) DO UPDATE SET {_ADD_SUMS},"
            " histogram = CAST(histogram || excluded.histogram AS BLOB)"
        )
        if self._has_removed:
            self._execute(
                f"DELETE FROM {table} WHERE executions <= 0 AND ({place}) IN"
                f" (SELECT {place} FROM temp.added_{table} WHERE executions < 0)"
            )
        if packed:
            is_place = " AND ".join(f"added.{column} = {table}.{column}" for column in place.split(", "))
            self._execute(
                f"UPDATE {table} SET histogram = (SELECT histogram FROM temp.added_{table} AS added WHERE {is_place})"
                f" WHERE ({place}) IN (SELECT {place} FROM temp.added_{table} WHERE histogram IS NOT NULL)"
            )


@functools.lru_cache(maxsize=16)
def _taken(table: str, condition: str, names: tuple[str, ...]) -> str:
    """Return the SQL of the rows of *table* with what the cubes need of them; its first parameter is the bins."""
    keys = ("rowid", *map(dimension, names))
    columns = ", ".join(f"key{number}" for number in range(len(keys)))
    return (
        f"SELECT {columns}, {', '.join(PACKED.values())},"
        f" substr(?, {histograms.PAIR_BYTES} * {BIN} + 1, {histograms.PAIR_BYTES})"
        # As there, and here as well, for this query sums up nothing.
        f" FROM {source(table, condition, _NAMES, keys, BIN)} LIMIT -1"
    )


def _place(cube: Cube, bucket: str, length: str, keys: Sequence[str]) -> str:
    """Return the SQL of the cell of *cube* that a row with the columns *bucket*, of some *length*, and *keys* is in."""
    own_bucket = bucket if cube.bucket == length else f"substr({bucket}, 1, {TIME_BUCKETS[cube.bucket]})"
    return ", ".join([own_bucket, *([] if cube.name is None else [literal(cube.name)]), *keys])


def _keep_size(execute: Callable[..., object], cube: Cube, cells: int, executions: int) -> None:
    """Note the size of a cube, or drop it: with nearly unique keys, reading the executions costs little more."""
    is_too_large = cells > max(MOST_CELLS, executions / 2)
    if is_too_large:
        execute(f"DELETE FROM {cube.table} WHERE {cube.condition}")
    if cube is WIDE:
        execute(
            "UPDATE rollup_state SET has_wide = ?, wide_cells = ?", (not is_too_large, 0 if is_too_large else cells)
        )
    else:
        execute(
            "UPDATE rollup_keys SET cells = ?, executions = ?, is_stopped = ? WHERE name = ?",
            (0 if is_too_large else cells, executions, is_too_large, cube.name),
        )


def _empty(connection: Statements) -> None:
    for table in (*_TABLES, "rollup_changes", "rollup_state"):
        connection.execute(f"DELETE FROM {table}")
    connection.execute("UPDATE rollup_keys SET mark = 0, executions = 0, cells = 0, is_stopped = 0")
    connection.execute("INSERT INTO rollup_state VALUES (0, NULL, ?, 1, 0, 0)", (VERSION,))
