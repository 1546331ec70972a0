"""Sums of executions by value, cell of the mix and block of time: what intervals over a mix are made of.

A block is a day where roll-ups have the days of some weeks, else a twentieth of a value's executions in their order.
"""

import functools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

from ..rollups import histograms
from ..rollups.measures import BIN, NANO_SCALE, source, sum_measures
from ..sqlite.dimensions import TIME_BUCKETS, dimension
from ..sqlite.selection import Queryable, Selection
from .group_totals import GroupTotals, cube_for, totals

#: Into how many blocks the executions of a value are cut.
BLOCKS: Final = 20
_MEASURES: Final = (
    "executions", "succeeded", "assumed", "timed", "priced", "priced_succeeded", "partial", "unpriced", "cost_nano",
)  # fmt: skip

CellName = tuple[str, ...]
"""The values of the dimensions of the mix."""


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of the executions of one cell in one block."""

    executions: float = 0.0
    succeeded: float = 0.0
    assumed: float = 0.0
    #: Executions with a measured duration, the logarithms of these, and their squares.
    timed: float = 0.0
    logs: float = 0.0
    squares: float = 0.0
    #: Executions with a known cost, how many of them succeeded, and the cost in US dollars.
    priced: float = 0.0
    priced_succeeded: float = 0.0
    cost: float = 0.0
    #: Executions of which a part of the cost is unknown, and those whose model calls could not be priced.
    partial: float = 0.0
    unpriced: float = 0.0


Blocks = Mapping[CellName, Mapping[str, Sums]]
"""The executions of one value: cell -> block -> sums."""


@dataclass(frozen=True, slots=True)
class Frequent:
    """The most frequent values of a dimension."""

    values: tuple[str, ...]
    #: How many further values there are, and how many executions have them.
    others: int
    others_executions: int


def total(sums: Iterable[Sums]) -> Sums:
    """Return the sums of all of *sums*."""
    every = list(sums)
    return Sums(**{each.name: math.fsum(getattr(one, each.name) for one in every) for each in fields(Sums)})


def frequent(database: Queryable, by: str, selection: Selection, limit: int) -> Frequent:
    """Return the *limit* most frequent values of the dimension *by*, -1: all, and count the others."""
    if cube_for(database, (by,), selection) is not None:
        groups = totals(database, (by,), selection, ())
        counts = [(value, of_group.count("executions")) for (value,), of_group in groups.items()]
        counts.sort(key=lambda item: -item[1])
        shown = counts if limit < 0 else counts[:limit]
        others = counts[len(shown) :]
        return Frequent(tuple(value for value, _ in shown), len(others), sum(count for _, count in others))
    condition, parameters = selection.condition()
    counted = f"SELECT {dimension(by)} AS value, count(*) AS n FROM executions WHERE {condition} GROUP BY 1"
    rows = database.query(
        f"SELECT value, n, count(*) OVER () AS every, sum(n) OVER () AS executions FROM ({counted})"
        " ORDER BY n DESC, value LIMIT :most",
        {**parameters, "most": limit},
    )
    every, executions = (rows[0]["every"], rows[0]["executions"]) if rows else (0, 0)
    return Frequent(tuple(row["value"] for row in rows), every - len(rows), executions - sum(row["n"] for row in rows))


def blocks_of(
    database: Queryable, by: str, values: Sequence[str], mix: Sequence[str], selection: Selection
) -> dict[str, Blocks]:
    """Return the blocks of each of *values* of the dimension *by*, in cells of *mix*."""
    by_day = (by, *mix, "day")
    if by not in TIME_BUCKETS and cube_for(database, by_day, selection) is not None:
        groups = totals(database, by_day, selection, _MEASURES, with_durations=True)
        if len({day for *_, day in groups}) >= BLOCKS:
            wanted = set(values)
            return _arranged((group, _sums(of_group)) for group, of_group in groups.items() if group[0] in wanted)
    return _arranged(_from_executions(database, by, values, mix, selection))


def without(blocks: Blocks, place: int) -> Blocks:
    """Return *blocks* with the cells that differ in the dimension at *place* alone taken together."""
    merged: defaultdict[CellName, defaultdict[str, list[Sums]]] = defaultdict(lambda: defaultdict(list))
    for cell, of_cell in blocks.items():
        for block, sums in of_cell.items():
            merged[cell[:place] + cell[place + 1 :]][block].append(sums)
    return {cell: {block: total(sums) for block, sums in of_cell.items()} for cell, of_cell in merged.items()}


def _from_executions(
    database: Queryable, by: str, values: Sequence[str], mix: Sequence[str], selection: Selection
) -> Iterable[tuple[tuple[str, ...], Sums]]:
    condition, parameters = selection.condition()
    chosen = ", ".join(f":value{number}" for number in range(len(values)))
    block = f"ntile({BLOCKS}) OVER (PARTITION BY {dimension(by)} ORDER BY timestamp, rowid)"
    keys = [*map(dimension, (by, *mix)), block]
    columns = ", ".join(f"key{number}" for number in range(len(keys)))
    rows = source("executions", f"{condition} AND {dimension(by)} IN ({chosen})", _MEASURES, keys, BIN)
    found = database.query(
        f"SELECT {columns}, {sum_measures(_MEASURES)}, group_concat({BIN}) AS bins FROM {rows} GROUP BY {columns}",
        {**parameters, **{f"value{number}": value for number, value in enumerate(values)}},
    )
    for row in found:
        bins = Counter(map(int, row["bins"].split(","))) if row["bins"] else Counter()
        yield tuple(str(row[f"key{number}"]) for number in range(len(keys))), _sums(GroupTotals(row, bins))


def _arranged(groups: Iterable[tuple[tuple[str, ...], Sums]]) -> dict[str, Blocks]:
    """Return the sums of each (value, cell, block), by value, then cell, then block."""
    arranged: defaultdict[str, defaultdict[CellName, dict[str, Sums]]] = defaultdict(lambda: defaultdict(dict))
    for (value, *cell, block), sums in groups:
        arranged[value][tuple(cell)][block] = sums
    return {value: dict(cells) for value, cells in arranged.items()}


def _sums(group: GroupTotals) -> Sums:
    logs = [(_log(number), count) for number, count in group.counts.items()]
    return Sums(
        logs=math.fsum(log * count for log, count in logs),
        squares=math.fsum(log * log * count for log, count in logs),
        cost=group.sums["cost_nano"] / NANO_SCALE,
        **{name: group.sums[name] for name in _MEASURES if name != "cost_nano"},
    )


@functools.cache
def _log(number: int) -> float:
    """Return the logarithm of what stands for all durations in a bin; the first has 0 in it, which has none."""
    return math.log(max(histograms.LOWEST, histograms.middle(number)))
