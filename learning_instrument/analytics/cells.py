"""Reads the executions of a side into cells, those of one task type and model tier, and these into bands of complexity.

The executions of a cell are compared within strata: those of one band.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from ..sqlite.selection import Queryable, Selection
from .clustering import Sample
from .mix import WIDTHS
from .side_rows import SHORTEST_SECONDS, SideRows, read

Metric = Literal["success", "duration", "cost"]

_LOGARITHMS: Final[tuple[Metric, ...]] = ("duration", "cost")
#: Of executions on each side whose complexity has to be known for it to be in the mix.
_MOST: Final = 0.5
#: Bands of complexity are as wide as the first width with this many executions a side for each band on average.
_ENOUGH_IN_BAND: Final = 8


@dataclass(slots=True)
class Stratum:
    """The executions of one side in one cell and one band."""

    partial: int = 0
    samples: dict[Metric, Sample] = field(
        default_factory=lambda: {"success": Sample(), "duration": Sample(), "cost": Sample()}
    )
    #: The start and the duration in seconds of each execution; of some, where there are many.
    seconds: list[tuple[str, float]] = field(default_factory=list)

    @property
    def executions(self) -> int:
        """How many there are."""
        return self.samples["success"].executions

    def count(self, metric: Metric) -> int:
        """Return how many executions say something of *metric*."""
        return self.samples[metric].executions


@dataclass(slots=True)
class Cell:
    """The executions of one side in one cell."""

    assumed: int = 0
    strata: defaultdict[int | None, Stratum] = field(default_factory=lambda: defaultdict(Stratum))

    @property
    def executions(self) -> int:
        """How many there are."""
        return sum(stratum.executions for stratum in self.strata.values())


CellName = tuple[str | None, str | None]
"""Task type and model tier; None: the mix is without it."""


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of both sides."""

    before: dict[CellName, Cell]
    after: dict[CellName, Cell]
    #: The share of executions of which the complexity is known, on the side where that is fewer.
    complexity_share: float
    #: Whether cells have a stratum for each band of complexity.
    has_bands: bool

    @property
    def sides(self) -> tuple[dict[CellName, Cell], dict[CellName, Cell]]:
        """Both sides."""
        return self.before, self.after


def cells_of(database: Queryable, chosen: Iterable[Selection], mix: Collection[str]) -> Cells:
    """Return the cells of two sides, by the dimensions of *mix*."""
    before, after = (read(database, side, mix) for side in chosen)
    share = min(_complexity_share(before), _complexity_share(after))
    widths = _widths(before, after) if share >= _MOST else {}
    return Cells(_cells(before, widths), _cells(after, widths), share, share >= _MOST)


def _complexity_share(side: SideRows) -> float:
    every = sum(row["executions"] for row in side.rows)
    return float(sum(row["executions"] for row in side.rows if row["band"] is not None) / max(1, every))


def _widths(*sides: SideRows) -> dict[CellName, int]:
    """Return how many narrow bands of each cell are one; a cell that is not named has one band in all."""
    counts: list[Counter[CellName]] = [Counter(), Counter()]
    bands: defaultdict[CellName, set[int]] = defaultdict(set)
    for count, side in zip(counts, sides, strict=True):
        for row in side.rows:
            name = row["task_type"], row["model_tier"]
            count[name] += row["executions"]
            if row["band"] is not None:
                bands[name].add(row["band"])
    found: dict[CellName, int] = {}
    for name, narrow in bands.items():
        for width in WIDTHS:
            number = len({band // width for band in narrow})
            if name not in found and min(count[name] for count in counts) >= _ENOUGH_IN_BAND * number:
                found[name] = width
    return found


def _cells(side: SideRows, widths: Mapping[CellName, int]) -> dict[CellName, Cell]:
    cells: defaultdict[CellName, Cell] = defaultdict(Cell)

    def stratum_of(row: dict[str, Any]) -> Stratum:
        name = row["task_type"], row["model_tier"]
        width, band = widths.get(name), row["band"]
        return cells[name].strata[None if width is None or band is None else band // width]

    add = _add_sums if side.are_sums else _add_execution
    for row in side.rows:
        cells[row["task_type"], row["model_tier"]].assumed += row["assumed"]
        stratum = stratum_of(row)
        stratum.partial += row["partial"]
        add(stratum.samples, row)
    for row in side.durations:
        if row["seconds"] is not None:
            stratum_of(row).seconds.append((row["moment"], row["seconds"]))
    return dict(cells)


def _add_execution(samples: dict[Metric, Sample], row: dict[str, Any]) -> None:
    moment = row["moment"]
    samples["success"].add(moment, row["succeeded"])
    if row["seconds"] is not None:
        samples["duration"].add(moment, math.log(max(row["seconds"], SHORTEST_SECONDS)))
    if row["cost"] is not None:
        samples["cost"].add(moment, math.log(row["cost"]))


def _add_sums(samples: dict[Metric, Sample], row: dict[str, Any]) -> None:
    moment, succeeded = row["moment"], row["succeeded"]
    samples["success"].add_sums(moment, row["executions"], succeeded, succeeded)
    for metric in _LOGARITHMS:
        if row[f"{metric}_count"]:
            sums = row[f"{metric}_count"], row[f"{metric}_total"], row[f"{metric}_squares"]
            samples[metric].add_sums(moment, *sums)
