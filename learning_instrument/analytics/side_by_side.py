"""All values of a dimension side by side: success against cost, over the same mix of tasks, and which are dominated."""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from ..sqlite.selection import Queryable, Selection
from . import weighted
from .blocks import Blocks, CellName, Sums, blocks_of, frequent, total, without
from .dominance import Rival, Standing, standings
from .group_totals import check_limit, dimensions_of
from .intervals import Estimate, Proportion
from .sides import mix_without

#: Executions without which nothing is said of a value, and without which a cell is not in the mix.
ENOUGH: Final = 20
_ENOUGH_IN_MIX: Final = 5
#: A value joins the mix if this share of its executions, and of those of each value before, are in it then.
_COMMON: Final = 0.5

CostStatus = Literal["known", "lower bound", "unknown"]


@dataclass(frozen=True, slots=True)
class Alternative:
    """The executions that have one value. Figures are None where nothing is known of them."""

    value: str
    executions: int
    #: Of those that succeeded: how many returned without saying so.
    assumed: int
    #: Executions in the mix that it shares with others; 0: it shares none, and its figures are those of its own tasks.
    compared: int
    success: Proportion
    #: The geometric mean of the measured durations.
    duration_seconds: Estimate | None
    #: The mean known cost, and that of all executions for each that succeeded.
    cost_usd: Estimate | None
    cost_per_success_usd: Estimate | None
    #: Whether costs are known, lower bounds (a part of some is unknown), or not known at all.
    cost_status: CostStatus
    #: Executions whose cost is known; of these, those of which a part of it is unknown; those that could not be priced.
    priced: int
    partial: int
    unpriced: int
    standing: Standing
    #: The values that dominate it.
    dominated_by: tuple[str, ...]

    @property
    def unreported(self) -> int:
        """The number of executions without a reported cost."""
        return self.executions - self.priced - self.unpriced


@dataclass(frozen=True, slots=True)
class SideBySide:
    """The most frequent values of one dimension."""

    by: str
    #: The dimensions of the mix.
    mix: tuple[str, ...]
    #: The most frequent first.
    alternatives: tuple[Alternative, ...]
    #: How many further values there are, and how many executions have them.
    others: int
    others_executions: int

    @property
    def inconclusive(self) -> bool:
        """Whether no two values share a mix of tasks with enough executions."""
        return sum(alternative.compared > 0 for alternative in self.alternatives) < 2


def side_by_side(
    database: Queryable, by: str, selection: Selection | None = None, *, limit: int | None = 10
) -> SideBySide:
    """Return success, duration, cost and cost per success of each value of *by*, over the mix of tasks that they share.

    A value is dominated by another that is better beyond chance in success or in cost per success, and at least as good
    in the other: not behind in the figure, and a loss of 5 points of success or a quarter of the cost is ruled out.

    Roll-ups answer for model tier, pool type and repository, where they have 20 days; others take some seconds for each
    million executions.

    Args:
        database: the one to ask.
        by: a column, such as ``model_tier``, or ``metadata.KEY``.
        selection: which executions; None: all.
        limit: how many values, the most frequent ones; None: all.

    Raises:
        ConfigurationError: for another name, or a limit below 1.
        DatabaseError: if the database cannot be read.
    """
    (name,) = dimensions_of(by) if isinstance(by, str) else dimensions_of([by])
    check_limit(limit)
    selection = selection or Selection()
    mix = mix_without({name})
    found = frequent(database, name, selection, -1 if limit is None else limit)
    blocks = blocks_of(database, name, found.values, mix, selection) if found.values else {}
    blocks = {value: blocks[value] for value in found.values if value in blocks}
    common = _Common.of(blocks)
    if len(common.values) < 2 and "model_tier" in mix:
        across = {value: without(of_value, mix.index("model_tier")) for value, of_value in blocks.items()}
        if len(_Common.of(across).values) >= 2:
            blocks, common = across, _Common.of(across)
            mix = mix_without({name, "model_tier"})
    return SideBySide(name, mix, _alternatives(blocks, common), found.others, found.others_executions)


@dataclass(frozen=True, slots=True)
class _Common:
    """The cells that several values share."""

    values: tuple[str, ...]
    cells: frozenset[CellName]

    @classmethod
    def of(cls, blocks: Mapping[str, Blocks]) -> "_Common":
        """Return those of *blocks*: each value joins, in its turn, that keeps enough of the executions comparable."""
        values: list[str] = []
        cells: frozenset[CellName] = frozenset()
        counts = {value: _counts(of_value) for value, of_value in blocks.items()}
        for value, count in counts.items():
            own = frozenset(cell for cell, executions in count.items() if executions >= _ENOUGH_IN_MIX)
            both = cells & own if values else own
            joined = [*values, value]
            shares = [sum(counts[each][cell] for cell in both) / sum(counts[each].values()) for each in joined]
            fewest = min(sum(counts[each][cell] for cell in both) for each in joined)
            if fewest >= ENOUGH and min(shares) >= _COMMON:
                values, cells = joined, both
        return cls(tuple(values), cells) if len(values) > 1 else cls((), frozenset())


def _counts(blocks: Blocks) -> dict[CellName, float]:
    return {cell: total(of_cell.values()).executions for cell, of_cell in blocks.items()}


@dataclass(frozen=True, slots=True)
class _Mixes:
    """The cells that figures of several values are over, weighted alike: one mix for each figure."""

    success: weighted.Weights
    duration: weighted.Weights
    cost: weighted.Weights
    #: The values that have a duration, and those that have a cost, for it.
    timed: frozenset[str]
    priced: frozenset[str]

    @classmethod
    def of(cls, blocks: Mapping[str, Blocks], cells: Collection[CellName], enough: int, enough_in_mix: int) -> "_Mixes":
        """Return the mixes of the values with so many executions that have a figure, each with some in each cell."""
        sums = {value: {cell: total(of_value[cell].values()) for cell in cells} for value, of_value in blocks.items()}

        def mix(count: Callable[[Sums], float]) -> tuple[weighted.Weights, frozenset[str]]:
            known = frozenset(value for value in sums if math.fsum(map(count, sums[value].values())) >= enough)
            kept = [cell for cell in cells if all(count(sums[value][cell]) >= enough_in_mix for value in known)]
            if not known or not kept:
                return {}, frozenset()
            executions = {cell: sum(of_value[cell].executions for of_value in sums.values()) for cell in kept}
            whole = sum(executions.values())
            return {cell: count / whole for cell, count in executions.items()}, known

        (success, _), (duration, timed), (cost, priced) = map(
            mix, (lambda each: each.executions, lambda each: each.timed, lambda each: each.priced)
        )
        return cls(success, duration, cost, timed, priced)


def _alternatives(blocks: Mapping[str, Blocks], common: _Common) -> tuple[Alternative, ...]:
    shared = {value: blocks[value] for value in common.values}
    of_shared = _Mixes.of(shared, common.cells, ENOUGH, _ENOUGH_IN_MIX)
    mixes = {
        value: of_shared if value in shared else _Mixes.of({value: of_value}, of_value.keys(), 1, 1)
        for value, of_value in blocks.items()
    }
    sums = {
        value: total(block for of_cell in of_value.values() for block in of_cell.values())
        for value, of_value in blocks.items()
    }
    standing = standings(
        {
            value: Rival(
                weighted.success(of_value, of_shared.success)[0],
                weighted.log_cost_per_success(of_value, of_shared.cost) if value in of_shared.priced else None,
                is_bound=sums[value].partial > 0,
            )
            for value, of_value in shared.items()
        }
    )
    return tuple(
        _alternative(value, of_value, sums[value], mixes[value], standing.get(value), common)
        for value, of_value in blocks.items()
    )


def _alternative(
    value: str,
    blocks: Blocks,
    sums: Sums,
    mixes: _Mixes,
    standing: tuple[Standing, tuple[str, ...]] | None,
    common: _Common,
) -> Alternative:
    is_timed, is_priced = value in mixes.timed, value in mixes.priced
    counts = _counts(blocks)
    alone: Standing = "too little data" if sums.executions < ENOUGH else "not compared"
    stands, dominated_by = standing or (alone, ())
    return Alternative(
        value=value,
        executions=round(sums.executions),
        assumed=round(sums.assumed),
        compared=round(sum(counts[cell] for cell in common.cells)) if standing else 0,
        success=weighted.success(blocks, mixes.success)[1],
        duration_seconds=weighted.exponential(weighted.log_duration(blocks, mixes.duration)) if is_timed else None,
        cost_usd=weighted.exponential(weighted.log_cost(blocks, mixes.cost)) if is_priced else None,
        cost_per_success_usd=(
            weighted.exponential(weighted.log_cost_per_success(blocks, mixes.cost)) if is_priced else None
        ),
        cost_status="unknown" if not is_priced else "lower bound" if sums.partial else "known",
        priced=round(sums.priced),
        partial=round(sums.partial),
        unpriced=round(sums.unpriced),
        standing=stands,
        dominated_by=dominated_by,
    )
