"""Cube rows of a SQLite file: from roll-ups where possible, from the executions for the rest.

One SQL statement reads both, so it sees one state of the database: the cells of whole buckets, minus the rolled-up
values of executions that changed, plus their present values, plus the executions above the mark and those in buckets
that the selected time divides.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ...rollups.cubes import CUBES, IS_SOUND, WIDE, Cube, keyed
from ...rollups.keys import IS_COMPLETE, indexed_names
from ...rollups.measures import BIN, WAIT_BIN, source, sum_measures
from ...sqlite.dimensions import TIME_BUCKETS, dimension
from ...sqlite.selection import Queryable, Selection
from ...timestamps import iso
from .cube_rows import OTHERS, CubeQuestion, Group, GroupTotals, LargestGroups

#: Before and after every bucket, as text.
_FIRST: Final = ""
_LAST: Final = "~"
#: The SQL of the bucket after the last whole one: one that the time divides is whole where nothing is later.
_END: Final = (
    f"(SELECT CASE WHEN :last = '{_FIRST}' OR EXISTS (SELECT 1 FROM executions WHERE timestamp >= :until)"
    f" THEN :last ELSE '{_LAST}' END)"
)


def groups(database: Queryable, question: CubeQuestion) -> LargestGroups:
    """Return the totals of each group, in the groups' order, from a cube where there is one that has the answer."""
    rows = _rows(database, question)
    if question.limit is None:
        return LargestGroups(_add_up(rows, question), {}, 0)
    others = _add_up([row for row in rows if row["is_other"]], question)
    most = max((row["merged"] for row in rows), default=0)
    return LargestGroups(_add_up([row for row in rows if not row["is_other"]], question), others, most)


def _rows(database: Queryable, question: CubeQuestion) -> list[dict[str, Any]]:
    asked = _SQL(question, {"durations": BIN, "waits": WAIT_BIN, None: None}[question.bins])
    is_in_cubes = question.with_cubes and question.bins != "waits"
    cube = cube_for(database, question.by, question.selection) if is_in_cubes else None
    if cube is not None:
        rows = database.query(*asked.from_cube(cube))
        if any(row["sign"] == 0 and row["executions"] for row in rows):
            return [row for row in rows if row["sign"]]
    return database.query(*asked.from_executions())


def cube_for(database: Queryable, by: Sequence[str], selection: Selection) -> Cube | None:
    """Return the cube that has the sums of *selection* by the dimensions *by*; None: there is none."""
    needed = {*by, *(name for name, _ in selection.filters)} - {"day"}
    cube = next((cube for cube in CUBES if needed <= {*cube.keys, cube.bucket}), None)
    if cube is None and len(needed) == 1:
        (name,) = needed
        return keyed(name) if any(key.name == name for key in indexed_names(database)) else None
    return cube


@dataclass(frozen=True, slots=True)
class _SQL:
    """The SQL of a question."""

    question: CubeQuestion
    #: That of the bin that an execution is in; None: no quantiles are asked for.
    bin: str | None

    def from_executions(self) -> tuple[str, dict[str, Any]]:
        condition, parameters = self._condition()
        return self._limited([self._of_rows("executions", 1, condition)]), parameters

    def _condition(self) -> tuple[str, dict[str, Any]]:
        """Return the condition of executions, and its parameters."""
        condition, parameters = self.question.selection.condition()
        among, named = self.question.is_among(dimension)
        return condition + among, parameters | named

    def _filters(self, column: Callable[[str], str] = dimension) -> str:
        """Return the condition of the filters alone; *column*: dimension -> its SQL."""
        return self.question.selection.filter_condition(column)[0] + self.question.is_among(column)[0]

    def from_cube(self, cube: Cube) -> tuple[str, dict[str, Any]]:
        """Return the question to *cube* and the executions it does not have. Its first row says if the cube is good."""
        condition, parameters = self._condition()
        first, last = _whole_buckets(cube, self.question.selection)
        parameters = {"until": _LAST, **parameters, "first": first, "last": last}
        filters = self._filters()
        # A plus keeps SQLite from the index of timestamps, where rowids say more.
        inside = f"+timestamp >= :first AND +timestamp < {_END} AND {filters}"
        mark = "(SELECT mark FROM rollup_state)"
        parts = [
            self._state(cube),
            self._of_cells(cube),
            self._of_rows("rollup_changes", -1, inside),
            self._of_rows(
                "executions", 1, f"rowid IN (SELECT id FROM rollup_changes) AND rowid <= {mark} AND {inside}"
            ),
            self._of_rows("executions", 1, f"rowid > {mark} AND {inside}"),
        ]
        if first >= last:  # no bucket is inside as a whole
            parameters |= {"first": _FIRST, "last": _FIRST}
            parts.append(self._of_rows("executions", 1, condition))
        else:
            if self.question.selection.since is not None:
                parts.append(
                    self._of_rows("executions", 1, f"timestamp >= :since AND timestamp < :first AND {filters}")
                )
            if self.question.selection.until is not None:
                after = f"timestamp >= {_END} AND timestamp < :until"
                parts.append(self._of_rows("executions", 1, f"{after} AND {filters}"))
        return self._limited(parts), parameters

    def _limited(self, parts: Sequence[str]) -> str:
        """Return the question for the rows of *parts*; within the limit, groups that cost less are merged."""
        united = " UNION ALL ".join(f"SELECT * FROM ({part})" for part in parts)
        if self.question.limit is None:
            return united
        keys = [f"key{number}" for number, name in enumerate(self.question.by) if name not in TIME_BUCKETS]
        times = [f"key{number}" for number, name in enumerate(self.question.by) if name in TIME_BUCKETS]
        named = ", ".join(keys)
        sums = ", ".join(f"total(parts.{name}) AS {name}" for name in self.question.measures)
        columns = [f"CASE WHEN best.{key} IS NOT NULL THEN parts.{key} ELSE '{OTHERS}' END AS {key}" for key in keys]
        columns += [f"parts.{time} AS {time}" for time in times]
        groups = ", ".join(f"{number + 1}" for number in range(len(columns) + 2))
        return (
            f"WITH parts AS ({united}),"
            f" found AS (SELECT {named}, total(sign * cost_nano) AS cost, total(sign * executions) AS count FROM parts"
            f" WHERE sign <> 0 GROUP BY {named} HAVING count > 0),"
            f" best AS (SELECT * FROM found ORDER BY cost DESC, count DESC, {named}"
            f" LIMIT {self.question.limit} + ((SELECT count(*) FROM found) = {self.question.limit + 1}))"
            f" SELECT {', '.join(columns)}, best.{keys[0]} IS NULL AS is_other, sign, {sums},"
            " group_concat(cells, '') AS cells, group_concat(bins) AS bins,"
            f" (SELECT count(*) - {self.question.limit} FROM found) AS merged"
            f" FROM parts LEFT JOIN best USING ({named}) GROUP BY {groups}"
        )

    def _state(self, cube: Cube) -> str:
        keys = "".join(f"NULL AS key{number}, " for number in range(len(self.question.by)))
        is_good = f"({IS_SOUND}) AND has_wide" if cube is WIDE else f"({IS_SOUND})"
        if cube.name is not None:
            is_good += f" AND EXISTS (SELECT 1 FROM rollup_keys WHERE {cube.condition} AND {IS_COMPLETE})"
        rest = "".join(f", NULL AS {name}" for name in self.question.measures[1:])
        return f"SELECT {keys}0 AS sign, {is_good} AS executions{rest}, NULL AS cells, NULL AS bins FROM rollup_state"

    def _of_cells(self, cube: Cube) -> str:
        def column(name: str) -> str:
            if name == cube.bucket:  # by its name: in the order of the primary key, groups take no sorting
                return "bucket"
            return f"substr(bucket, 1, {TIME_BUCKETS[name]})" if name in TIME_BUCKETS else cube.column(name)

        filters = self._filters(column)
        keys = "".join(f"{column(name)} AS key{number}, " for number, name in enumerate(self.question.by))
        added = ", ".join(f"total({name}) AS {name}" for name in self.question.measures)
        cells = "group_concat(hex(histogram), '')" if self.bin else "NULL"
        return (
            f"SELECT {keys}1 AS sign, {added}, {cells} AS cells, NULL AS bins"
            f" FROM {cube.table} WHERE {cube.condition} AND bucket >= :first AND bucket < {_END} AND {filters}"
            f"{self._group_by()}"
        )

    def _of_rows(self, table: str, sign: int, condition: str) -> str:
        found = f"group_concat({self.bin})" if self.bin else "NULL"
        rows = source(table, condition, self.question.measures, [*map(dimension, self.question.by)], self.bin)
        keys = "".join(f"key{number}, " for number in range(len(self.question.by)))
        return (
            f"SELECT {keys}{sign} AS sign, {sum_measures(self.question.measures)}, NULL AS cells, {found} AS bins"
            f" FROM {rows}{self._group_by()}"
        )

    def _group_by(self) -> str:
        return (
            f" GROUP BY {', '.join(str(number + 1) for number in range(len(self.question.by)))}"
            if self.question.by
            else ""
        )


def _whole_buckets(cube: Cube, selection: Selection) -> tuple[str, str]:
    """Return the first bucket that *selection* has as a whole, and the one after the last."""
    length = TIME_BUCKETS[cube.bucket]
    first, last = _FIRST, _LAST
    if selection.since is not None:
        first = next(
            text[:length]
            for text in _around(selection.since, cube.bucket)
            if _start_of(text[:length]) >= iso(selection.since)
        )
    if selection.until is not None:
        last = iso(selection.until)[:length]
    return first, last


def _around(moment: datetime, bucket: str) -> Iterator[str]:
    yield iso(moment)
    yield iso(moment + timedelta(**{f"{bucket}s": 1}))


def _start_of(bucket: str) -> str:
    return f"{bucket}{'T00:00:00.000000+00:00'[len(bucket) - 10 :]}"


def _add_up(rows: list[dict[str, Any]], question: CubeQuestion) -> dict[Group, GroupTotals]:
    keys, names = [f"key{number}" for number in range(len(question.by))], question.measures
    groups: dict[Group, tuple[dict[str, float], Counter[int], bytearray]] = {}
    for row in rows:
        group, sign = tuple([row[key] for key in keys]), row["sign"]
        if group in groups:
            added, counts, histogram = groups[group]
            for name in names:
                added[name] += sign * row[name]
        else:
            added, counts, histogram = {name: sign * row[name] for name in names}, Counter(), bytearray()
            groups[group] = added, counts, histogram
        if row["cells"]:
            histogram += bytes.fromhex(row["cells"])
        if row["bins"]:
            for number, count in Counter(row["bins"].split(",")).items():
                counts[int(number)] += sign * count
    found = ((group, groups[group]) for group in sorted(groups))
    return {
        group: GroupTotals(sums, counts, bytes(histogram))
        for group, (sums, counts, histogram) in found
        if sums["executions"] > 0
    }
