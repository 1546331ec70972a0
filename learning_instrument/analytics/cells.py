"""Reads the executions of a side into cells, those of one task type and model tier, and these into bands of complexity.

The executions of a cell are compared within strata: those of one band.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from ..rollups.measures import HAS_COMPLEXITY, IS_ASSUMED, IS_PARTIAL, IS_PRICED, IS_TIMED
from ..sqlite.dimensions import DIMENSIONS
from ..sqlite.selection import Queryable, Selection
from .clustering import Sample
from .sides import MIX

Metric = Literal["success", "duration", "cost"]

COMPLEXITY: Final = "complexity_score"
#: Of executions on each side whose complexity has to be known for it to be in the mix.
_MOST: Final = 0.5
#: The bands of complexity, of 0 to 100: so wide, or so many times that, the first with this many executions a side for
#: each on average.
_BAND: Final = 10
_WIDTHS: Final = (1, 2, 5)
_ENOUGH_IN_BAND: Final = 8
#: The least duration, in seconds: a logarithm needs one above 0.
_SHORTEST_SECONDS: Final = 1e-6


@dataclass(slots=True)
class Stratum:
    """The executions of one side in one cell and one band."""

    partial: int = 0
    samples: dict[Metric, Sample] = field(
        default_factory=lambda: {"success": Sample(), "duration": Sample(), "cost": Sample()}
    )
    #: The start and the duration in seconds of each execution.
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

_Rows = Sequence[dict[str, Any]]


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
    before, after = (_read(database, side, mix) for side in chosen)
    share = min(_complexity_share(before), _complexity_share(after))
    widths = _widths(before, after) if share >= _MOST else {}
    return Cells(_cells(before, widths), _cells(after, widths), share, share >= _MOST)


def _read(database: Queryable, chosen: Selection, mix: Collection[str]) -> _Rows:
    band = f"min(CAST({COMPLEXITY} / {_BAND} AS INTEGER), {100 // _BAND - 1})"
    names = ", ".join(f"{DIMENSIONS[name] if name in mix else 'NULL'} AS {name}" for name in MIX)
    condition, parameters = chosen.condition()
    return database.query(
        f"SELECT {names}, timestamp AS moment, success,"
        f" {IS_ASSUMED} AS assumed, {IS_PARTIAL} AS partial,"
        f" CASE WHEN {HAS_COMPLEXITY} THEN {band} END AS band,"
        f" CASE WHEN {IS_TIMED} THEN duration_seconds END AS seconds,"
        f" CASE WHEN {IS_PRICED} AND NOT {IS_PARTIAL} THEN actual_cost END AS cost"
        f" FROM executions WHERE {condition} ORDER BY timestamp",
        parameters,
    )


def _complexity_share(rows: _Rows) -> float:
    return sum(row["band"] is not None for row in rows) / max(1, len(rows))


def _widths(*sides: _Rows) -> dict[CellName, int]:
    """Return how many narrow bands of each cell are one; a cell that is not named has one band in all."""
    counts = [Counter((row["task_type"], row["model_tier"]) for row in rows) for rows in sides]
    bands: defaultdict[CellName, set[int]] = defaultdict(set)
    for rows in sides:
        for row in rows:
            if row["band"] is not None:
                bands[row["task_type"], row["model_tier"]].add(row["band"])
    found: dict[CellName, int] = {}
    for name, narrow in bands.items():
        for width in _WIDTHS:
            number = len({band // width for band in narrow})
            if name not in found and min(count[name] for count in counts) >= _ENOUGH_IN_BAND * number:
                found[name] = width
    return found


def _cells(rows: _Rows, widths: Mapping[CellName, int]) -> dict[CellName, Cell]:
    cells: defaultdict[CellName, Cell] = defaultdict(Cell)
    for row in rows:
        name = row["task_type"], row["model_tier"]
        cell, width, band = cells[name], widths.get(name), row["band"]
        cell.assumed += row["assumed"]
        stratum = cell.strata[None if width is None or band is None else band // width]
        stratum.partial += row["partial"]
        moment, samples = row["moment"], stratum.samples
        samples["success"].add(moment, row["success"])
        if row["seconds"] is not None:
            stratum.seconds.append((moment, row["seconds"]))
            samples["duration"].add(moment, math.log(max(row["seconds"], _SHORTEST_SECONDS)))
        if (row["cost"] or 0) > 0:  # a cost of 0, or an imported negative one, has no logarithm, and is excluded
            samples["cost"].add(moment, math.log(row["cost"]))
    return dict(cells)
