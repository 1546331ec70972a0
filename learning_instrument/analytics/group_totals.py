"""Totals of groups of executions: from roll-ups where possible, from the executions for the rest.

One SQL statement reads both, so it sees one state of the database: the cells of whole buckets, minus the rolled-up
values of executions that changed, plus their present values, plus the executions above the mark and those in buckets
that the selected time divides.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ..errors import ConfigurationError
from ..rollups import histograms
from ..rollups.cubes import CUBES, IS_SOUND, WIDE, Cube, keyed
from ..rollups.keys import IS_COMPLETE, indexed_names
from ..rollups.measures import BIN, NANO_SCALE, WAIT_BIN, source, sum_measures
from ..sqlite.dimensions import TIME_BUCKETS, dimension
from ..sqlite.selection import Queryable, Selection
from ..timestamps import iso

Group = tuple[str, ...]

#: Before and after every bucket, as text.
_FIRST: Final = ""
_LAST: Final = "~"
#: The SQL of the bucket after the last whole one: one that the time divides is whole where nothing is later.
_END: Final = (
    f"(SELECT CASE WHEN :last = '{_FIRST}' OR EXISTS (SELECT 1 FROM executions WHERE timestamp >= :until)"
    f" THEN :last ELSE '{_LAST}' END)"
)


#: In place of the names of groups that are shown together.
OTHERS: Final = "others"


def dimensions_of(by: str | Sequence[str]) -> tuple[str, ...]:
    """Check the argument *by*: one or two dimensions.

    Raises:
        ConfigurationError: for another name, none, or more than two.
    """
    names = (by,) if isinstance(by, str) else tuple(by) if isinstance(by, Sequence) else ()
    if not all(isinstance(name, str) for name in names) or not 1 <= len(set(names)) == len(names) <= 2:
        raise ConfigurationError(f"Invalid by {by!r}: expected one column or metadata.KEY, or two different ones.")
    for name in names:
        dimension(name, "by")
    if "success" in names:
        raise ConfigurationError(
            "Invalid by 'success': that is a figure of each group; expected outcome, or another column."
        )
    return names


def check_limit(limit: int | None) -> None:
    """Check the argument *limit*.

    Raises:
        ConfigurationError: for a number below 1.
    """
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ConfigurationError(f"Invalid limit {limit!r}: expected a number of groups above 0, or None.")


class GroupTotals:
    """The sums of one group of executions, by the names in ``measures``, and how many values are in each bin.

    Args:
        sums: the sums.
        counts: how many values are in each bin, beside those of the histogram; None: none.
        histogram: bins and counts, as roll-ups have them. There are many groups whose quantiles are not asked for.
    """

    __slots__ = ("_counts", "_histogram", "_rest", "sums")

    def __init__(
        self, sums: Mapping[str, float], counts: Mapping[int, int] | None = None, histogram: bytes = b""
    ) -> None:
        self.sums = sums
        self._rest = counts or {}
        self._histogram = histogram
        self._counts: Counter[int] | None = None

    @property
    def counts(self) -> Mapping[int, int]:
        """How many values are in each bin."""
        if self._counts is None:
            self._counts = Counter(self._rest)
            histograms.add(self._histogram, self._counts)
        return self._counts

    def __eq__(self, other: object) -> bool:
        """Tell whether the sums and the counts of *other* are the same."""
        return isinstance(other, GroupTotals) and (self.sums, self.counts) == (other.sums, other.counts)

    def bins(self) -> tuple[Sequence[int], Sequence[int]]:
        """Return bins, and how many values are in each; a bin may be there several times."""
        numbers, counts = histograms.pairs(self._histogram)
        return (*self._rest, *numbers), (*self._rest.values(), *counts)

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


def merged(groups: Iterable[GroupTotals], names: Iterable[str]) -> GroupTotals:
    """Return the totals of all *groups* together; *names* are those of their measures."""
    groups = [*groups]
    columns = ("executions", *names)
    counts = Counter[int]()
    for group in groups:
        if own := group._rest if group._counts is None else group._counts:
            counts.update(own)
    histogram = b"".join([group._histogram for group in groups if group._counts is None])
    sums = {name: sum([group.sums[name] for group in groups], 0.0) for name in columns}
    return GroupTotals(sums, counts, histogram)


def totals(
    database: Queryable,
    by: Sequence[str],
    selection: Selection,
    measures: Sequence[str],
    *,
    with_durations: bool = False,
    with_waits: bool = False,
    with_rollups: bool = True,
    among: Sequence[str] | None = None,
) -> dict[Group, GroupTotals]:
    """Return the totals of each group of executions that has any, in the groups' order.

    Args:
        database: the one to ask.
        by: names of ``DIMENSIONS`` to group by; empty: one group, the empty tuple.
        selection: which executions.
        measures: names of ``MEASURES``; ``executions`` is always among them.
        with_durations: whether quantiles of the duration will be asked for.
        with_waits: whether those of the time that tasks waited will be, instead. Roll-ups do not have them.
        with_rollups: False reads every execution, which takes longer and gives the same.
        among: only groups of which the first name is one of these; None: all.
    """
    names = tuple(dict.fromkeys(("executions", *measures)))
    bins = WAIT_BIN if with_waits else BIN if with_durations else None
    question = _Question(tuple(by), selection, names, bins, among=None if among is None else tuple(among))
    return _add_up(_ask(database, question, with_rollups and not with_waits), question)


@dataclass(frozen=True, slots=True)
class LargestGroups:
    """The totals of the groups with the highest known cost, and those of the others together."""

    groups: Mapping[Group, GroupTotals]
    #: For each bucket of time that the groups have; their other names are :data:`OTHERS`.
    others: Mapping[Group, GroupTotals]
    #: How many groups the others are, buckets of time apart.
    merged: int


def largest(
    database: Queryable,
    by: Sequence[str],
    selection: Selection,
    measures: Sequence[str],
    limit: int | None,
    *,
    with_durations: bool = False,
) -> LargestGroups:
    """Return :func:`totals` of the *limit* groups that cost most, and of all others together.

    However many groups there are, the answer is small. A limit holds for what the executions are grouped by beside the
    time; None: no limit.
    """
    names = tuple(dict.fromkeys(("executions", "cost_nano", *measures)))
    is_limited = limit is not None and not set(by) <= TIME_BUCKETS.keys()
    question = _Question(tuple(by), selection, names, BIN if with_durations else None, limit if is_limited else None)
    rows = _ask(database, question, True)
    if not is_limited:
        return LargestGroups(_add_up(rows, question), {}, 0)
    merged = max((row["merged"] for row in rows), default=0)
    others = _add_up([row for row in rows if row["is_other"]], question)
    return LargestGroups(_add_up([row for row in rows if not row["is_other"]], question), others, merged)


def _ask(database: Queryable, question: "_Question", with_rollups: bool) -> list[dict[str, Any]]:
    """Return the rows of *question*, from a cube where there is one that has the answer."""
    cube = cube_for(database, question.by, question.selection) if with_rollups else None
    if cube is not None:
        rows = database.query(*question.from_cube(cube))
        if any(row["sign"] == 0 and row["executions"] for row in rows):
            return [row for row in rows if row["sign"]]
    return database.query(*question.from_executions())


def cube_for(database: Queryable, by: Sequence[str], selection: Selection) -> Cube | None:
    """Return the cube that has the sums of *selection* by the dimensions *by*; None: there is none."""
    needed = {*by, *(name for name, _ in selection.filters)} - {"day"}
    cube = next((cube for cube in CUBES if needed <= {*cube.keys, cube.bucket}), None)
    if cube is None and len(needed) == 1:
        (name,) = needed
        return keyed(name) if any(key.name == name for key in indexed_names(database)) else None
    return cube


@dataclass(frozen=True, slots=True)
class _Question:
    by: tuple[str, ...]
    selection: Selection
    names: tuple[str, ...]
    #: The SQL of the bin that an execution is in; None: no quantiles are asked for.
    bin: str | None
    #: How many groups have rows of their own; None: all.
    limit: int | None = None
    #: What the first name of a group may be; None: anything.
    among: tuple[str, ...] | None = None

    def from_executions(self) -> tuple[str, dict[str, Any]]:
        condition, parameters = self._condition()
        return self._limited([self._of_rows("executions", 1, condition)]), parameters

    def _condition(self) -> tuple[str, dict[str, Any]]:
        """Return the condition of executions, and its parameters."""
        condition, parameters = self.selection.condition()
        named = {f"among{number}": name for number, name in enumerate(self.among or ())}
        return condition + self._is_among(dimension), parameters | named

    def _filters(self, column: Callable[[str], str] = dimension) -> str:
        """Return the condition of the filters alone; *column*: dimension -> its SQL."""
        return self.selection.filter_condition(column)[0] + self._is_among(column)

    def _is_among(self, column: Callable[[str], str]) -> str:
        if self.among is None:
            return ""
        named = ", ".join(f":among{number}" for number in range(len(self.among)))
        return f" AND {column(self.by[0])} IN ({named})"

    def from_cube(self, cube: Cube) -> tuple[str, dict[str, Any]]:
        """Return the question to *cube* and the executions it does not have. Its first row says if the cube is good."""
        condition, parameters = self._condition()
        first, last = _whole_buckets(cube, self.selection)
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
            if self.selection.since is not None:
                parts.append(
                    self._of_rows("executions", 1, f"timestamp >= :since AND timestamp < :first AND {filters}")
                )
            if self.selection.until is not None:
                after = f"timestamp >= {_END} AND timestamp < :until"
                parts.append(self._of_rows("executions", 1, f"{after} AND {filters}"))
        return self._limited(parts), parameters

    def _limited(self, parts: Sequence[str]) -> str:
        """Return the question for the rows of *parts*; within the limit, groups that cost less are merged."""
        united = " UNION ALL ".join(f"SELECT * FROM ({part})" for part in parts)
        if self.limit is None:
            return united
        keys = [f"key{number}" for number, name in enumerate(self.by) if name not in TIME_BUCKETS]
        times = [f"key{number}" for number, name in enumerate(self.by) if name in TIME_BUCKETS]
        named = ", ".join(keys)
        sums = ", ".join(f"total(parts.{name}) AS {name}" for name in self.names)
        columns = [f"CASE WHEN best.{key} IS NOT NULL THEN parts.{key} ELSE '{OTHERS}' END AS {key}" for key in keys]
        columns += [f"parts.{time} AS {time}" for time in times]
        groups = ", ".join(f"{number + 1}" for number in range(len(columns) + 2))
        return (
            f"WITH parts AS ({united}),"
            f" found AS (SELECT {named}, total(sign * cost_nano) AS cost, total(sign * executions) AS count FROM parts"
            f" WHERE sign <> 0 GROUP BY {named} HAVING count > 0),"
            f" best AS (SELECT * FROM found ORDER BY cost DESC, count DESC, {named}"
            f" LIMIT {self.limit} + ((SELECT count(*) FROM found) = {self.limit + 1}))"
            f" SELECT {', '.join(columns)}, best.{keys[0]} IS NULL AS is_other, sign, {sums},"
            " group_concat(cells, '') AS cells, group_concat(bins) AS bins,"
            f" (SELECT count(*) - {self.limit} FROM found) AS merged"
            f" FROM parts LEFT JOIN best USING ({named}) GROUP BY {groups}"
        )

    def _state(self, cube: Cube) -> str:
        keys = "".join(f"NULL AS key{number}, " for number in range(len(self.by)))
        is_good = f"({IS_SOUND}) AND has_wide" if cube is WIDE else f"({IS_SOUND})"
        if cube.name is not None:
            is_good += f" AND EXISTS (SELECT 1 FROM rollup_keys WHERE {cube.condition} AND {IS_COMPLETE})"
        rest = "".join(f", NULL AS {name}" for name in self.names[1:])
        return f"SELECT {keys}0 AS sign, {is_good} AS executions{rest}, NULL AS cells, NULL AS bins FROM rollup_state"

    def _of_cells(self, cube: Cube) -> str:
        def column(name: str) -> str:
            if name == cube.bucket:  # by its name: in the order of the primary key, groups take no sorting
                return "bucket"
            return f"substr(bucket, 1, {TIME_BUCKETS[name]})" if name in TIME_BUCKETS else cube.column(name)

        filters = self._filters(column)
        keys = "".join(f"{column(name)} AS key{number}, " for number, name in enumerate(self.by))
        added = ", ".join(f"total({name}) AS {name}" for name in self.names)
        cells = "group_concat(hex(histogram), '')" if self.bin else "NULL"
        return (
            f"SELECT {keys}1 AS sign, {added}, {cells} AS cells, NULL AS bins"
            f" FROM {cube.table} WHERE {cube.condition} AND bucket >= :first AND bucket < {_END} AND {filters}"
            f"{self._group_by()}"
        )

    def _of_rows(self, table: str, sign: int, condition: str) -> str:
        found = f"group_concat({self.bin})" if self.bin else "NULL"
        keys = "".join(f"key{number}, " for number in range(len(self.by)))
        return (
            f"SELECT {keys}{sign} AS sign, {sum_measures(self.names)}, NULL AS cells, {found} AS bins"
            f" FROM {source(table, condition, self.names, [*map(dimension, self.by)], self.bin)}{self._group_by()}"
        )

    def _group_by(self) -> str:
        return f" GROUP BY {', '.join(str(number + 1) for number in range(len(self.by)))}" if self.by else ""


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


def _add_up(rows: list[dict[str, Any]], question: _Question) -> dict[Group, GroupTotals]:
    keys, names = [f"key{number}" for number in range(len(question.by))], question.names
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
