"""Before and after: two windows of time, or two values of any dimension, over the same mix of tasks.

Executions are compared within cells of one task type and model tier, and where it is known one band of complexity, and
these are weighted alike on both sides. A dimension in which the sides differ is not in the mix: within it there is no
common cell.
The false-alarm rate of 5% is shared out: 2% for success, 1% each for duration and cost, 1% for all cells together, by
the procedure of Benjamini and Hochberg. It holds where executions depend on one another as well, in outages and
by days: where too few days differ too much to tell a change from them, the verdict says so.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ..errors import ConfigurationError
from ..sqlite.selection import Queryable, Selection
from .cells import Cell, CellName, Cells, Metric, Stratum, cells_of
from .effects import Effect, ratio_effect, success_effect, weighted_quantile
from .findings import Finding, find
from .mix import ENOUGH, ENOUGH_IN_MIX, MIX, mix_without
from .sides import Side, check_apart, mix_between, narrowed
from .significance import benjamini_hochberg

Pair = tuple[Stratum, Stratum]
ChangeVerdict = Literal["better", "worse", "negligible", "no change", "too little data", "too few days"]

#: How often each may report a change where there is none.
LEVELS: Final[dict[Metric, float]] = {"success": 0.02, "duration": 0.01, "cost": 0.01}
CELLS_LEVEL: Final = 0.01
_P95: Final = 0.95
#: Of the executions of both sides that have to be in the mix for a comparison to be conclusive.
_ENOUGH_COMPARED: Final = 0.5


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one metric. Figures are None where there is too little data."""

    metric: Metric
    verdict: ChangeVerdict
    before_executions: int
    after_executions: int
    #: Success rates, or geometric means in seconds or US dollars, both over the same mix of tasks.
    before: float | None = None
    after: float | None = None
    #: Of success after minus before, of the others after over before; with its 95% interval.
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    #: The smallest effect, up or down, that so many executions would have shown in 80% of cases.
    detectable: float | None = None
    #: How many executions on each side would show a change of the gate's size in 80% of cases. None where that cannot
    #: be said: without data, without a gate, and where it takes more days.
    needed: int | None = None


@dataclass(frozen=True, slots=True)
class Quantile:
    """The 95th percentile of one side's durations in seconds, over the same mix, with its 95% interval."""

    p95: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class CellComparison:
    """One task type and model tier, before and after; None: the mix is without it."""

    task_type: str | None
    model_tier: str | None
    before_executions: int
    after_executions: int
    #: Of those that succeeded on each side: how many returned without saying so.
    before_assumed: int
    after_assumed: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The changes between two sides, and the detectable ones."""

    before_executions: int
    after_executions: int
    #: Of those that succeeded on each side: how many returned without saying so.
    before_assumed: int
    after_assumed: int
    #: Of those in the mix: of how many a part of the cost is unknown. A lower bound would look like a saving, so costs
    #: leave them out.
    before_partial: int
    after_partial: int
    #: The share of all executions that is in cells which both sides have, and so in the mix.
    compared_share: float
    success: Change
    duration: Change
    cost: Change
    p95_before: Quantile | None
    p95_after: Quantile | None
    cells: tuple[CellComparison, ...]
    #: The dimensions of the mix: what of task type and model tier the sides do not differ in.
    mix: tuple[str, ...] = MIX
    #: Whether the complexity is in the mix as well, in bands: where it is known of most executions of both sides.
    has_complexity: bool = False
    #: The share of executions of which the complexity is known, on the side where that is fewer.
    complexity_share: float = 0.0
    #: What the comparison had to leave out of the side after, and fails.
    findings: tuple[Finding, ...] = ()
    #: Whether each side is of one day, and these differ: a difference of days would look like a change of sides.
    is_day_against_day: bool = False

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes for better or worse, overall or in a cell."""
        every = [self.success, self.duration, self.cost, *[change for cell in self.cells for change in cell.changes]]
        return tuple(change for change in every if change.verdict in ("better", "worse"))

    @property
    def regression(self) -> bool:
        """Whether anything got worse, or fails that has no like before."""
        return bool(self.findings) or any(change.verdict == "worse" for change in self.changes)

    @property
    def inconclusive(self) -> bool:
        """Whether nothing got worse, and success has too little data, too few days, or too little of it is compared."""
        is_open = self.success.verdict in ("too little data", "too few days")
        return not self.regression and (is_open or self.compared_share < _ENOUGH_COMPARED)

    def __iter__(self) -> Iterator[Change]:
        """Yield the changes overall, whatever their verdicts."""
        return iter((self.success, self.duration, self.cost))


@dataclass(frozen=True, slots=True)
class Gate:
    """How large a change has to be to matter: in points of the success rate, and as a ratio of the others."""

    success: float = 0.02
    ratio: float = 1.1

    def __post_init__(self) -> None:
        """Check the values."""
        if not 0 <= self.success <= 1 or not 1 <= self.ratio < math.inf:
            raise ConfigurationError(f"Invalid {self!r}: expected success from 0 to 1, and ratio of at least 1.")


def compare(
    database: Queryable,
    before: Side,
    after: Side,
    selection: Selection | None = None,
    *,
    gate: Gate | None = None,
) -> Comparison:
    """Compare two sides: success, duration, cost, the 95th percentile, overall and in each cell.

    Args:
        database: the one to ask.
        before: a window of time, a value of a column or of a key of metadata, or several of these.
        after: another one. Its window is in place of that of *selection*.
        selection: applies to both sides; by default all executions.
        gate: how large a change has to be to be called one; by default 2 points of success, or 10%.

    Raises:
        ConfigurationError: for sides that have executions in common.
        DatabaseError: if the database cannot be read.
    """
    selection = selection or Selection()
    check_apart(database, before, after, selection)
    chosen = narrowed(selection, before), narrowed(selection, after)
    dimensions = mix_between(before, after)
    cells = cells_of(database, chosen, dimensions)
    if _have_no_tier_in_common(cells):
        dimensions = mix_without({"model_tier"})
        cells = cells_of(database, chosen, dimensions)
    names = sorted(cells.before.keys() | cells.after.keys())
    pairs = {name: (cells.before.get(name) or Cell(), cells.after.get(name) or Cell()) for name in names}
    strata = {name: _strata(before, after) for name, (before, after) in pairs.items()}
    mix = [pair for of_cell in strata.values() for pair in of_cell]
    counts = [sum(cell.executions for cell in side.values()) for side in cells.sides]
    gate = gate or Gate()
    success, duration, cost = (overall(metric, mix, gate) for metric in LEVELS)
    return Comparison(
        before_executions=counts[0],
        after_executions=counts[1],
        before_assumed=sum(cell.assumed for cell in cells.before.values()),
        after_assumed=sum(cell.assumed for cell in cells.after.values()),
        before_partial=sum(before.partial for before, _ in mix),
        after_partial=sum(after.partial for _, after in mix),
        compared_share=sum(stratum.executions for pair in mix for stratum in pair) / max(1, sum(counts)),
        success=success,
        duration=duration,
        cost=cost,
        p95_before=_p95(mix, 0),
        p95_after=_p95(mix, 1),
        cells=_compare_cells(pairs, strata, gate),
        mix=dimensions,
        has_complexity=cells.has_bands,
        complexity_share=cells.complexity_share,
        findings=find(cells.before, cells.after),
        is_day_against_day=_is_day_against_day(mix),
    )


def _have_no_tier_in_common(cells: Cells) -> bool:
    """Tell whether the sides differ in the tier without being told apart by it, as two pools of one tier each do."""
    before, after = ({tier for _, tier in side} for side in cells.sides)
    return bool(before and after) and not before & after


def _is_day_against_day(mix: Sequence[Pair]) -> bool:
    days = [set().union(*(pair[index].samples["success"].days for pair in mix)) for index in (0, 1)]
    return all(len(of_side) == 1 for of_side in days) and days[0] != days[1]


def _strata(before: Cell, after: Cell) -> list[Pair]:
    """Return the strata of a cell of which both sides have enough."""
    bands = sorted(before.strata.keys() & after.strata.keys(), key=lambda band: -1 if band is None else band)
    pairs = ((before.strata[band], after.strata[band]) for band in bands)
    return [pair for pair in pairs if min(stratum.executions for stratum in pair) >= ENOUGH_IN_MIX]


def _compare_cells(
    pairs: Mapping[CellName, tuple[Cell, Cell]], strata: Mapping[CellName, Sequence[Pair]], gate: Gate
) -> tuple[CellComparison, ...]:
    tests = [
        (name, metric, _measure(metric, mix, CELLS_LEVEL, gate)) for name, mix in strata.items() for metric in LEVELS
    ]
    p_values = [measured.p_value for _, _, measured in tests if measured is not None]
    believed = iter(benjamini_hochberg(p_values, CELLS_LEVEL))
    changes: defaultdict[CellName, list[Change]] = defaultdict(list)
    for name, metric, measured in tests:
        is_believed = measured is not None and next(believed)
        changes[name].append(judged(metric, measured, is_believed, CELLS_LEVEL, _counts(metric, strata[name]), gate))
    return tuple(
        CellComparison(*name, before.executions, after.executions, before.assumed, after.assumed, tuple(changes[name]))
        for name, (before, after) in sorted(
            pairs.items(), key=lambda item: (-sum(cell.executions for cell in item[1]), item[0])
        )
    )


def overall(metric: Metric, mix: Sequence[Pair], gate: Gate) -> Change:
    """Return the change of *metric* over the strata of *mix*, tested at its level."""
    level = LEVELS[metric]
    measured = _measure(metric, mix, level, gate)
    return judged(
        metric, measured, measured is not None and measured.p_value <= level, level, _counts(metric, mix), gate
    )


def _measure(metric: Metric, mix: Sequence[Pair], level: float, gate: Gate) -> Effect | None:
    """Return the effect over the strata of *mix* that have data of the metric; None where that is too little."""
    pairs = [pair for pair in mix if min(stratum.count(metric) for stratum in pair) >= ENOUGH_IN_MIX]
    if min((sum(pair[index].count(metric) for pair in pairs) for index in (0, 1)), default=0) < ENOUGH:
        return None
    strata = [(before.samples[metric], after.samples[metric]) for before, after in pairs]
    if metric == "success":
        return success_effect(strata, level, gate.success)
    return ratio_effect(strata, level, gate.ratio)


def _counts(metric: Metric, mix: Sequence[Pair]) -> tuple[int, int]:
    before, after = (sum(pair[index].count(metric) for pair in mix) for index in (0, 1))
    return before, after


def judged(
    metric: Metric, measured: Effect | None, is_believed: bool, level: float, counts: tuple[int, int], gate: Gate
) -> Change:
    """Return the change that was *measured* between so many executions, None: they are too few, with its verdict."""
    before, after = counts
    if measured is None:
        return Change(metric, "too little data", before, after)
    if metric == "success":
        size, least, is_better = abs(measured.effect), gate.success, measured.effect > 0
    else:
        size, least, is_better = abs(math.log(measured.effect)), math.log(gate.ratio), measured.effect < 1
    verdict: ChangeVerdict = "no change"
    if is_believed:
        verdict = "negligible" if size < least else "better" if is_better else "worse"
    elif measured.p_within_days is not None and measured.p_within_days <= level:
        verdict = "too few days"
    return Change(
        metric,
        verdict,
        before,
        after,
        before=measured.before,
        after=measured.after,
        effect=measured.effect,
        low=measured.low,
        high=measured.high,
        p_value=measured.p_value,
        detectable=measured.detectable,
        needed=None if measured.needed is None else max(ENOUGH, measured.needed),
    )


def _p95(mix: Sequence[Pair], index: int) -> Quantile | None:
    strata = [
        (pair[index].seconds, float(sum(stratum.count("duration") for stratum in pair)))
        for pair in mix
        if min(len(stratum.seconds) for stratum in pair) >= ENOUGH_IN_MIX
    ]
    found = weighted_quantile(strata, _P95)
    return None if found is None else Quantile(*found)
