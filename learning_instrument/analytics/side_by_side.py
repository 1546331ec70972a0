"""All values of a dimension side by side: success against cost, over the same mix of tasks, and which are dominated."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ..sqlite.selection import Queryable, Selection
from . import weighted
from .blocks import CellName, Cells, Sums, are_rolled_up, cells_by_value, frequent, is_complexity_known, total
from .common_mix import CommonMix, compared, find_mix
from .dominance import Rival, Standing, standings
from .group_totals import check_limit, dimensions_of
from .intervals import Estimate, Proportion
from .mix import ENOUGH, ENOUGH_IN_MIX, MOST_PARTIAL, mix_without

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
    #: Whether its days differ, and are too few to tell by how much: intervals may be too narrow.
    has_few_days: bool = False
    #: Executions with a quality, and the mean of these, from 0 to 100.
    rated: int = 0
    quality: Estimate | None = None

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
    #: Whether the complexity is in the mix as well, in bands: where it is known of most executions of each value.
    has_complexity: bool = False
    #: Whether it is not, although it is known, since there are more executions than were to be read.
    skips_complexity: bool = False

    @property
    def inconclusive(self) -> bool:
        """Whether no two values share a mix of tasks with enough executions."""
        return sum(alternative.compared > 0 for alternative in self.alternatives) < 2

    def __iter__(self) -> Iterator[Alternative]:
        """Yield the values."""
        return iter(self.alternatives)


def side_by_side(
    database: Queryable,
    by: str,
    selection: Selection | None = None,
    *,
    limit: int | None = 10,
    most_read: int | None = None,
) -> SideBySide:
    """Return success, duration, cost and quality of each value of *by*, over the mix of tasks that they share.

    A value is dominated by another that is better beyond chance in success or in cost per success, and at least as good
    in the other: not behind in the figure, and a loss of 5 points of success or a quarter of the cost is ruled out.

    Roll-ups answer for model tier, pool type and repository, where they have 20 days; others take some seconds for each
    million executions.

    Args:
        database: the one to ask.
        by: a column, such as ``model_tier``, or ``metadata.KEY``.
        selection: which executions; None: all.
        limit: how many values, the most frequent ones; None: all.
        most_read: of more executions the complexity is not in the mix, where roll-ups answer without it; None: it is.

    Raises:
        ConfigurationError: for another name, or a limit below 1.
        DatabaseError: if the database cannot be read.
    """
    (name,) = dimensions_of(by) if isinstance(by, str) else dimensions_of([by])
    check_limit(limit)
    selection = selection or Selection()
    mix = mix_without({name})
    found = frequent(database, name, selection, -1 if limit is None else limit)
    is_known = is_complexity_known(database, selection)
    is_skipped = (
        is_known
        and most_read is not None
        and are_rolled_up(database, name, mix, selection)
        and found.executions > most_read
    )
    has_bands = is_known and not is_skipped
    by_value = cells_by_value(database, name, found.values, mix, selection, has_bands) if found.values else {}
    cells = {value: by_value[value] for value in found.values if value in by_value}
    shared = find_mix(cells, mix, mix_without({name, "model_tier"}), has_bands)
    return SideBySide(
        by=name,
        mix=shared.dimensions,
        alternatives=_alternatives(shared),
        others=found.others,
        others_executions=found.others_executions,
        has_complexity=shared.has_complexity,
        skips_complexity=is_skipped,
    )


@dataclass(frozen=True, slots=True)
class _Mixes:
    """The cells that figures of several values are over, weighted alike: one mix for each figure."""

    success: weighted.Weights
    duration: weighted.Weights
    cost: weighted.Weights
    quality: weighted.Weights
    #: The values that have a duration, those that have a cost, and those that have a quality, for it.
    timed: frozenset[str]
    priced: frozenset[str]
    rated: frozenset[str]

    @classmethod
    def of(cls, cells: Mapping[str, Cells], names: Collection[CellName], enough: int, enough_in_mix: int) -> "_Mixes":
        """Return the mixes of the values with so many executions that have a figure, each with some in each cell."""

        def mix(count: weighted.Figure) -> tuple[weighted.Weights, frozenset[str]]:
            counts = {value: {name: count(of_value[name].total) for name in names} for value, of_value in cells.items()}
            known = frozenset(value for value, of_value in counts.items() if sum(of_value.values()) >= enough)
            kept = [name for name in names if all(counts[value][name] >= enough_in_mix for value in known)]
            if not known or not kept:
                return {}, frozenset()
            executions = {name: sum(of_value[name].total.executions for of_value in cells.values()) for name in kept}
            whole = sum(executions.values())
            return {name: of_name / whole for name, of_name in executions.items()}, known

        success, _ = mix(lambda sums: sums.executions)
        duration, timed = mix(lambda sums: sums.timed)
        cost, priced = mix(lambda sums: sums.priced)
        quality, rated = mix(lambda sums: sums.rated)
        return cls(success, duration, cost, quality, timed, priced, rated)


def _alternatives(mix: CommonMix) -> tuple[Alternative, ...]:
    shared = {value: mix.cells[value] for value in mix.values}
    of_shared = _Mixes.of(shared, mix.names, ENOUGH, ENOUGH_IN_MIX)
    standing = standings(
        {
            value: Rival(
                weighted.success(of_value, of_shared.success)[0],
                weighted.log_cost_per_success(of_value, of_shared.cost) if value in of_shared.priced else None,
                is_bound=_is_bound(total(cell.total for cell in of_value.values())),
            )
            for value, of_value in shared.items()
        }
    )
    return tuple(
        _alternative(
            value,
            of_value,
            of_shared if value in shared else _Mixes.of({value: of_value}, of_value.keys(), 1, 1),
            standing.get(value),
            round(compared(of_value, mix.names)) if value in shared else 0,
        )
        for value, of_value in mix.cells.items()
    )


def _is_bound(sums: Sums) -> bool:
    """Tell whether so many costs are lower bounds that their mean may be a saving only since a part is unknown."""
    return sums.partial > MOST_PARTIAL * sums.priced


def _alternative(
    value: str, cells: Cells, mixes: _Mixes, standing: tuple[Standing, tuple[str, ...]] | None, compared: int
) -> Alternative:
    sums = total(cell.total for cell in cells.values())
    is_timed, is_priced = value in mixes.timed, value in mixes.priced
    alone: Standing = "too little data" if sums.executions < ENOUGH else "not compared"
    stands, dominated_by = standing or (alone, ())
    success, share = weighted.success(cells, mixes.success)
    duration = weighted.log_duration(cells, mixes.duration) if is_timed else None
    cost, per_success = (
        (weighted.log_cost(cells, mixes.cost), weighted.log_cost_per_success(cells, mixes.cost))
        if is_priced
        else (None, None)
    )
    return Alternative(
        value=value,
        executions=round(sums.executions),
        assumed=round(sums.assumed),
        compared=compared,
        success=share,
        duration_seconds=weighted.exponential(duration),
        cost_usd=weighted.exponential(cost),
        cost_per_success_usd=weighted.exponential(per_success),
        cost_status="unknown" if not is_priced else "lower bound" if sums.partial else "known",
        priced=round(sums.priced),
        partial=round(sums.partial),
        unpriced=round(sums.unpriced),
        standing=stands,
        dominated_by=dominated_by,
        has_few_days=any(mean is not None and mean.has_few_days for mean in (success, duration, cost, per_success)),
        rated=round(sums.rated),
        quality=weighted.quality(cells, mixes.quality) if value in mixes.rated else None,
    )
