"""Sums of executions by value, cell of the mix and block of time: what intervals over a mix are made of.

A block is a day where there are some weeks of them, else some consecutive executions of a value on one day.
Cells are those of task type and model tier, and of bands of complexity where most executions say it, which roll-ups do
not have.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import mul
from typing import Any, Final, NamedTuple

from ..columns import UNKNOWN
from ..rollups import histograms
from ..rollups.measures import BIN, HAS_COMPLEXITY, NANO_SCALE, QUALITY_SCALE, source, sum_measures
from ..sqlite.dimensions import TIME_BUCKETS, dimension
from ..sqlite.selection import Queryable, Selection
from .group_totals import has_cube, totals
from .mix import COMPLEXITY_BAND
from .overview import span
from .sources.cube_rows import GroupTotals

#: So many days are blocks.
ENOUGH_DAYS: Final = 20
#: Into how many blocks the executions of a value are cut, if they are all of one day.
_BLOCKS: Final = 120
#: The newest executions, by which it is known whether complexity is reported.
_SAMPLE: Final = 1000
#: What sums are made of.
MEASURES: Final = (
    "executions", "succeeded", "assumed", "timed", "priced", "priced_succeeded", "partial", "unpriced", "cost_nano",
    "rated", "quality_e4",
)  # fmt: skip

#: The logarithm of what stands for all durations in each bin; the first has 0 in it, which has none.
_LOGS: Final = [math.log(max(histograms.LOWEST, histograms.middle(number))) for number in range(histograms.LAST + 1)]

CellName = tuple[str, ...]
"""The values of the dimensions of the mix."""


class Sums(NamedTuple):
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
    #: Executions with a quality, and the sum of these.
    rated: float = 0.0
    quality: float = 0.0


def total(sums: Iterable[Sums]) -> Sums:
    """Return the sums of all of *sums*."""
    every = [*sums]
    if len(every) == 1:
        return every[0]
    return Sums(*map(math.fsum, zip(*every, strict=True))) if every else Sums()


class Cell:
    """The executions of one value in one cell: block -> sums, and those of all.

    A block's name begins with its day, and names sort by time.
    """

    __slots__ = ("blocks", "total")

    def __init__(self, blocks: Mapping[str, Sums]) -> None:
        self.blocks = blocks
        self.total = total(blocks.values())


Cells = Mapping[CellName, Cell]
"""The executions of one value."""


@dataclass(frozen=True, slots=True)
class Frequent:
    """The most frequent values of a dimension."""

    values: tuple[str, ...]
    #: How many further values there are, and how many executions have them.
    others: int
    others_executions: int
    #: How many executions there are in all.
    executions: int


def frequent(database: Queryable, by: str, selection: Selection, limit: int) -> Frequent:
    """Return the *limit* most frequent values of the dimension *by*, -1: all, and count the others."""
    if has_cube(database, (by,), selection):
        groups = totals(database, (by,), selection, ())
        counts = [(value, of_group.count("executions")) for (value,), of_group in groups.items()]
        counts.sort(key=lambda item: -item[1])
        shown = counts if limit < 0 else counts[:limit]
        others = counts[len(shown) :]
        return Frequent(
            tuple(value for value, _ in shown),
            len(others),
            sum(count for _, count in others),
            sum(count for _, count in counts),
        )
    condition, parameters = selection.condition()
    counted = f"SELECT {dimension(by)} AS value, count(*) AS n FROM executions WHERE {condition} GROUP BY 1"
    rows = database.query(
        f"SELECT value, n, count(*) OVER () AS every, sum(n) OVER () AS executions FROM ({counted})"
        " ORDER BY n DESC, value LIMIT :most",
        {**parameters, "most": limit},
    )
    every, executions = (rows[0]["every"], rows[0]["executions"]) if rows else (0, 0)
    return Frequent(
        tuple(row["value"] for row in rows),
        every - len(rows),
        executions - sum(row["n"] for row in rows),
        executions,
    )


def is_complexity_known(database: Queryable, selection: Selection) -> bool:
    """Tell whether most of the newest executions say how complex their task is."""
    condition, parameters = selection.condition()
    newest = (
        f"SELECT {HAS_COMPLEXITY} AS known FROM executions WHERE {condition} ORDER BY timestamp DESC LIMIT {_SAMPLE}"
    )
    (row,) = database.query(f"SELECT total(known) > count(*) / 2.0 AS is_known FROM ({newest})", parameters)
    return bool(row["is_known"])


def are_rolled_up(database: Queryable, by: str, mix: Sequence[str], selection: Selection) -> bool:
    """Tell whether roll-ups have the cells of each value of the dimension *by*, without bands of complexity."""
    return _are_days(database, by, selection) and has_cube(database, (by, *mix, "day"), selection)


def cells_by_value(
    database: Queryable, by: str, values: Sequence[str], mix: Sequence[str], selection: Selection, with_bands: bool
) -> dict[str, Cells]:
    """Return the cells of each of *values* of the dimension *by*.

    Args:
        database: the one to ask.
        by: a dimension.
        values: those wanted.
        mix: the dimensions that tell cells apart.
        selection: which executions.
        with_bands: whether bands of complexity do as well, as the last one: such as ``"3"``, or ``unknown``.
    """
    if not with_bands and are_rolled_up(database, by, mix, selection):
        groups = totals(database, (by, *mix, "day"), selection, MEASURES, with_durations=True)
        wanted = set(values)
        return _arranged((group, sums_of(of_group)) for group, of_group in groups.items() if group[0] in wanted)
    condition, parameters = selection.condition()
    chosen = ", ".join(f":value{number}" for number in range(len(values)))
    number = f"ntile({_BLOCKS}) OVER (PARTITION BY {dimension(by)} ORDER BY timestamp, execution_id)"
    keys = [
        *map(dimension, (by, *mix)),
        *([f"coalesce(CAST({COMPLEXITY_BAND} AS TEXT), '{UNKNOWN}')"] if with_bands else []),
        dimension("day") if _are_days(database, by, selection) else f"{dimension('day')} || printf(' %03d', {number})",
    ]
    parameters |= {f"value{number}": value for number, value in enumerate(values)}
    return _arranged(_grouped(database, f"{condition} AND {dimension(by)} IN ({chosen})", parameters, keys))


def regrouped(cells: Cells, name: Callable[[CellName], CellName]) -> Cells:
    """Return *cells* under other names, those of one name taken together."""
    groups: defaultdict[CellName, defaultdict[str, list[Sums]]] = defaultdict(lambda: defaultdict(list))
    for of_cell, cell in cells.items():
        for block, sums in cell.blocks.items():
            groups[name(of_cell)][block].append(sums)
    return {of: Cell({block: total(sums) for block, sums in blocks.items()}) for of, blocks in groups.items()}


def _are_days(database: Queryable, by: str, selection: Selection) -> bool:
    """Tell whether the blocks of the selected executions are days."""
    first, last = span(database, selection)
    return by not in TIME_BUCKETS and first is not None and last is not None and (last - first).days + 1 >= ENOUGH_DAYS


def _grouped(
    database: Queryable, condition: str, parameters: Mapping[str, Any], keys: Sequence[str]
) -> Iterable[tuple[tuple[str, ...], Sums]]:
    """Yield the sums of the executions by the SQL of each of *keys*."""
    columns = ", ".join(f"key{number}" for number in range(len(keys)))
    rows = source("executions", condition, MEASURES, keys, BIN)
    found = database.query(
        f"SELECT {columns}, {sum_measures(MEASURES)}, group_concat({BIN}) AS bins FROM {rows} GROUP BY {columns}",
        parameters,
    )
    names = columns.split(", ")
    for row in found:
        numbers = [*map(int, row["bins"].split(","))] if row["bins"] else []
        yield tuple([row[name] for name in names]), _sums(row, numbers, repeat(1))


def _arranged(groups: Iterable[tuple[tuple[str, ...], Sums]]) -> dict[str, Cells]:
    """Return the sums of each (value, cell, block), by value, then cell, then block."""
    arranged: defaultdict[str, defaultdict[CellName, dict[str, Sums]]] = defaultdict(lambda: defaultdict(dict))
    for (value, *cell, block), sums in groups:
        arranged[value][tuple(cell)][block] = sums
    return {value: {name: Cell(blocks) for name, blocks in cells.items()} for value, cells in arranged.items()}


def sums_of(group: GroupTotals) -> Sums:
    """Return the sums of a group of executions, by its totals of :data:`MEASURES` and durations."""
    return _sums(group.sums, *group.bins())


def _sums(sums: Mapping[str, Any], numbers: Iterable[int], counts: Iterable[int]) -> Sums:
    logs = [_LOGS[number] for number in numbers]
    weighted = [*map(mul, logs, counts)]
    return Sums(
        executions=sums["executions"],
        succeeded=sums["succeeded"],
        assumed=sums["assumed"],
        timed=sums["timed"],
        logs=math.fsum(weighted),
        squares=math.fsum(map(mul, logs, weighted)),
        priced=sums["priced"],
        priced_succeeded=sums["priced_succeeded"],
        cost=sums["cost_nano"] / NANO_SCALE,
        partial=sums["partial"],
        unpriced=sums["unpriced"],
        rated=sums["rated"],
        quality=sums["quality_e4"] / QUALITY_SCALE,
    )
