"""Totals of groups of executions: from roll-ups where possible, from the executions for the rest.

One SQL statement reads both, so it sees one state of the database: the cells of whole buckets, minus the rolled-up
values of executions that changed, plus their present values, plus the executions above the mark and those in buckets
that the selected time divides.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ..rollups import histograms
from ..rollups.cubes import CUBES, IS_SOUND, WIDE, Cube
from ..rollups.measures import BIN, NANO_SCALE, QUEUE_BIN, source, sum_measures
from ..sqlite.executions import DIMENSIONS, TIME_BUCKETS
from ..sqlite.selection import Queryable, Selection
from ..timestamps import iso

Group = tuple[str, ...]

#: Before and after every bucket, as text.
_FIRST: Final = ""
_LAST: Final = "~"
_LENGTH: Final = {"day": 10, "hour": 13}


@dataclass(frozen=True, slots=True)
class GroupTotals:
    """The sums of one group of executions, by the names in ``measures``, and how many values are in each bin."""

    sums: Mapping[str, float]
    counts: list[int]

    def count(self, name: str) -> int:
        """Return the measure *name*, which is a count."""
        return round(self.sums[name])

    def total(self, name: str, scale: float, of: str) -> float | None:
        """Return the measure *name* in its unit; None where the count *of* is 0."""
        return self.sums[name] / scale if self.sums[of] else None

    def mean(self, name: str, scale: float, of: str) -> float | None:
        """Return the mean of the measure *name*, *of* those that have a value; None where none has."""
        return self.sums[name] / scale / self.sums[of] if self.sums[of] else None

    def failures_cost(self) -> float | None:
        """Return the known cost of those that did not succeed, in US dollars; None where none of it is known.

        Needs the measures ``priced``, ``priced_succeeded``, ``succeeded`` and ``failure_nano``.
        """
        known = self.sums["priced"] - self.sums["priced_succeeded"]
        has_failures = self.sums["executions"] > self.sums["succeeded"]
        if not self.sums["priced"] or (has_failures and not known):
            return None
        return self.sums["failure_nano"] / NANO_SCALE

    def quantile(self, share: float) -> float | None:
        """Return the time in seconds that *share* of the executions do not exceed, within 1.5%."""
        return histograms.quantile(self.counts, share)


def totals(
    database: Queryable,
    by: Sequence[str],
    selection: Selection,
    measures: Sequence[str],
    *,
    with_durations: bool = False,
    with_waits: bool = False,
    with_rollups: bool = True,
) -> dict[Group, GroupTotals]:
    """Return the totals of each group of executions that has any, in the groups' order.

    Args:
        database: the one to ask.
        by: names of ``DIMENSIONS`` to group by; empty: one group, the empty tuple.
        selection: which executions.
        measures: names of ``MEASURES``; ``executions`` is always among them.
        with_durations: whether quantiles of the duration will be asked for.
        with_waits: whether those of the wait in the queue will be, instead. Roll-ups do not have them.
        with_rollups: False reads every execution, which takes longer and gives the same.
    """
    names = tuple(dict.fromkeys(("executions", *measures)))
    cube = _cube_for(by, selection) if with_rollups and not with_waits else None
    question = _Question(tuple(by), selection, names, QUEUE_BIN if with_waits else BIN if with_durations else None)
    if cube is not None:
        rows = database.query(*question.from_cube(cube))
        if rows and rows[0]["sign"] == 0 and rows[0]["executions"]:
            return _add_up(rows[1:], question)
    return _add_up(database.query(*question.from_executions()), question)


def _cube_for(by: Sequence[str], selection: Selection) -> Cube | None:
    needed = {*by, *selection.values} - {"day"}
    return next((cube for cube in CUBES if needed <= {*cube.keys, cube.bucket}), None)


@dataclass(frozen=True, slots=True)
class _Question:
    by: tuple[str, ...]
    selection: Selection
    names: tuple[str, ...]
    #: The SQL of the bin that an execution is in; None: no quantiles are asked for.
    bin: str | None

    def from_executions(self) -> tuple[str, dict[str, Any]]:
        condition, parameters = self.selection.condition()
        return self._of_rows("executions", 1, condition), parameters

    def from_cube(self, cube: Cube) -> tuple[str, dict[str, Any]]:
        """Return the question to *cube* and the executions it does not have. Its first row says if the cube is good."""
        _, parameters = self.selection.condition()
        first, last = _whole_buckets(cube, self.selection)
        parameters |= {"first": first, "last": last}
        filters = "".join(f" AND {DIMENSIONS[name]} = :{name}" for name in self.selection.values)
        # A plus keeps SQLite from the index of timestamps, where rowids say more.
        inside = f"+timestamp >= :first AND +timestamp < :last{filters}"
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
            condition, _ = self.selection.condition()
            parts.append(self._of_rows("executions", 1, condition))
        else:
            if self.selection.since is not None:
                parts.append(self._of_rows("executions", 1, f"timestamp >= :since AND timestamp < :first{filters}"))
            if self.selection.until is not None:
                parts.append(self._of_rows("executions", 1, f"timestamp >= :last AND timestamp < :until{filters}"))
        return " UNION ALL ".join(f"SELECT * FROM ({part})" for part in parts), parameters

    def _state(self, cube: Cube) -> str:
        keys = "".join(f"NULL AS key{number}, " for number in range(len(self.by)))
        is_good = f"({IS_SOUND}) AND has_wide" if cube is WIDE else f"({IS_SOUND})"
        rest = "".join(f", NULL AS {name}" for name in self.names[1:])
        return f"SELECT {keys}0 AS sign, {is_good} AS executions{rest}, NULL AS cells, NULL AS bins FROM rollup_state"

    def _of_cells(self, cube: Cube) -> str:
        def column(name: str) -> str:
            return f"substr(bucket, 1, {_LENGTH[name]})" if name in TIME_BUCKETS else name

        filters = "".join(f" AND {name} = :{name}" for name in self.selection.values)
        added = ", ".join(f"total({name}) AS {name}" for name in self.names)
        cells = "group_concat(hex(histogram), '')" if self.bin else "NULL"
        return (
            f"SELECT {self._keys(column)}1 AS sign, {added}, {cells} AS cells, NULL AS bins"
            f" FROM {cube.table} WHERE bucket >= :first AND bucket < :last{filters}{self._group_by()}"
        )

    def _of_rows(self, table: str, sign: int, condition: str) -> str:
        found = f"group_concat({self.bin})" if self.bin else "NULL"
        return (
            f"SELECT {self._keys(DIMENSIONS.__getitem__)}{sign} AS sign, {sum_measures(self.names)}, NULL AS cells,"
            f" {found} AS bins FROM {source(table, condition, self.names)}{self._group_by()}"
        )

    def _keys(self, column: Any) -> str:
        return "".join(f"{column(name)} AS key{number}, " for number, name in enumerate(self.by))

    def _group_by(self) -> str:
        return f" GROUP BY {', '.join(str(number + 1) for number in range(len(self.by)))}" if self.by else ""


def _whole_buckets(cube: Cube, selection: Selection) -> tuple[str, str]:
    """Return the first bucket that *selection* has as a whole, and the one after the last."""
    length = _LENGTH[cube.bucket]
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


def _add_up(rows: list[dict[str, Any]], question: _Question) -> dict[Group, GroupTotals]:
    keys = [f"key{number}" for number in range(len(question.by))]
    size = histograms.LAST + 1 if question.bin else 0
    groups: dict[Group, tuple[dict[str, float], list[int]]] = {}
    for row in rows:
        group = tuple(row[key] for key in keys)
        if group not in groups:
            groups[group] = (dict.fromkeys(question.names, 0.0), [0] * size)
        added, counts = groups[group]
        sign = row["sign"]
        for name in question.names:
            added[name] += sign * row[name]
        if row["cells"]:
            histograms.add(bytes.fromhex(row["cells"]), counts)
        if row["bins"]:
            for number in row["bins"].split(","):
                counts[int(number)] += sign
    return {group: GroupTotals(*groups[group]) for group in sorted(groups) if groups[group][0]["executions"] > 0}
