"""Reads the executions of a side into cells: those of one task type and model tier, or what of it is in the mix."""

import math
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, Literal

from ..rollups.measures import IS_ASSUMED, IS_PARTIAL, IS_PRICED, IS_TIMED
from ..sqlite.dimensions import DIMENSIONS
from ..sqlite.selection import Queryable, Selection
from .sides import MIX

Metric = Literal["success", "duration", "cost"]

#: The least duration, in seconds: a logarithm needs one above 0.
_SHORTEST_SECONDS: Final = 1e-6


@dataclass(slots=True)
class Cell:
    """The executions of one side in one cell."""

    executions: int = 0
    succeeded: int = 0
    assumed: int = 0
    partial: int = 0
    seconds: list[float] = field(default_factory=list)
    logs: dict[Metric, list[float]] = field(default_factory=lambda: {"duration": [], "cost": []})

    def count(self, metric: Metric) -> int:
        """Return how many executions say something of *metric*."""
        return self.executions if metric == "success" else len(self.logs[metric])


CellName = tuple[str | None, str | None]
"""Task type and model tier; None: the mix is without it."""


def cells_of(database: Queryable, chosen: Selection, mix: Collection[str]) -> dict[CellName, Cell]:
    """Return the cells of one side, by the dimensions of *mix*."""
    names = ", ".join(f"{DIMENSIONS[name] if name in mix else 'NULL'} AS {name}" for name in MIX)
    condition, parameters = chosen.condition()
    rows = database.query(
        f"SELECT {names}, success,"
        f" {IS_ASSUMED} AS assumed, {IS_PARTIAL} AS partial,"
        f" CASE WHEN {IS_TIMED} THEN duration_seconds END AS seconds,"
        f" CASE WHEN {IS_PRICED} AND NOT {IS_PARTIAL} THEN actual_cost END AS cost"
        f" FROM executions WHERE {condition}",
        parameters,
    )
    cells: defaultdict[CellName, Cell] = defaultdict(Cell)
    for row in rows:
        cell = cells[row["task_type"], row["model_tier"]]
        cell.executions += 1
        cell.succeeded += bool(row["success"])
        cell.assumed += row["assumed"]
        cell.partial += row["partial"]
        if row["seconds"] is not None:
            cell.seconds.append(row["seconds"])
            cell.logs["duration"].append(math.log(max(row["seconds"], _SHORTEST_SECONDS)))
        if (row["cost"] or 0) > 0:  # a cost of 0, or an imported negative one, has no logarithm, and is excluded
            cell.logs["cost"].append(math.log(row["cost"]))
    return dict(cells)
