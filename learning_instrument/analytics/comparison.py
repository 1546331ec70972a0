"""Before and after: two windows of time, or two values of any dimension, over the same mix of tasks.

Executions are compared within cells of one task type and model tier, and the cells are weighted alike on both sides. A
dimension in which the sides differ is not in the mix: within it there is no common cell.
The false-alarm rate of 5% is shared out: 2% for success, 1% each for duration and cost, 1% for all cells together, by
the procedure of Benjamini and Hochberg.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

from ..errors import ConfigurationError
from ..sqlite.selection import Queryable, Selection
from .cells import Cell, CellName, Metric, cells_of
from .effects import Effect, ratio_effect, success_effect, weighted_quantile
from .sides import MIX, Side, check_apart, mix_between, mix_without, narrowed
from .significance import benjamini_hochberg

Pair = tuple[Cell, Cell]
ChangeVerdict = Literal["better", "worse", "negligible", "no change", "too little data", "too few days"]

#: How often each may report a change where there is none.
LEVELS: Final[dict[Metric, float]] = {"success": 0.02, "duration": 0.01, "cost": 0.01}
CELLS_LEVEL: Final = 0.01
#: Executions on each side without which nothing is said, and without which a cell is not in the mix.
ENOUGH: Final = 20
_ENOUGH_IN_MIX: Final = 5
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

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes for better or worse, overall or in a cell."""
        every = [self.success, self.duration, self.cost, *[change for cell in self.cells for change in cell.changes]]
        return tuple(change for change in every if change.verdict in ("better", "worse"))

    @property
    def regression(self) -> bool:
        """Whether anything got worse."""
        return any(change.verdict == "worse" for change in self.changes)

    @property
    def inconclusive(self) -> bool:
        """Whether nothing got worse, and success has too little data, too few days, or too little of it is compared."""
        is_open = self.success.verdict in ("too little data", "too few days")
        return not self.regression and (is_open or self.compared_share < _ENOUGH_COMPARED)


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
    sides = [cells_of(database, side, dimensions) for side in chosen]
    if _have_no_tier_in_common(sides):
        dimensions = mix_without({"model_tier"})
        sides = [cells_of(database, side, dimensions) for side in chosen]
    names = sorted(sides[0].keys() | sides[1].keys())
    pairs = {name: (sides[0].get(name, Cell()), sides[1].get(name, Cell())) for name in names}
    mix = [pair for pair in pairs.values() if min(cell.executions for cell in pair) >= _ENOUGH_IN_MIX]
    counts = [sum(cell.executions for cell in side.values()) for side in sides]
    gate = gate or Gate()
    success, duration, cost = (
        _judged(metric, measured, measured is not None and measured.p_value <= LEVELS[metric], mix, gate)
        for metric, measured in ((metric, _measure(metric, mix, LEVELS[metric])) for metric in LEVELS)
    )
    return Comparison(
        before_executions=counts[0],
        after_executions=counts[1],
        before_assumed=sum(cell.assumed for cell in sides[0].values()),
        after_assumed=sum(cell.assumed for cell in sides[1].values()),
        before_partial=sum(before.partial for before, _ in mix),
        after_partial=sum(after.partial for _, after in mix),
        compared_share=sum(cell.executions for pair in mix for cell in pair) / max(1, sum(counts)),
        success=success,
        duration=duration,
        cost=cost,
        p95_before=_p95(mix, 0),
        p95_after=_p95(mix, 1),
        cells=_compare_cells(pairs, gate),
        mix=dimensions,
    )


def _have_no_tier_in_common(sides: Sequence[Mapping[CellName, Cell]]) -> bool:
    """Tell whether the sides differ in the tier without being told apart by it, as two pools of one tier each do."""
    before, after = ({tier for _, tier in side} for side in sides)
    return bool(before and after) and not before & after


def _compare_cells(pairs: dict[CellName, Pair], gate: Gate) -> tuple[CellComparison, ...]:
    tests = [(name, metric, _measure(metric, [pair], CELLS_LEVEL)) for name, pair in pairs.items() for metric in LEVELS]
    p_values = [measured.p_value for _, _, measured in tests if measured is not None]
    believed = iter(benjamini_hochberg(p_values, CELLS_LEVEL))
    changes: defaultdict[CellName, list[Change]] = defaultdict(list)
    for name, metric, measured in tests:
        is_believed = measured is not None and next(believed)
        changes[name].append(_judged(metric, measured, is_believed, [pairs[name]], gate))
    return tuple(
        CellComparison(*name, before.executions, after.executions, before.assumed, after.assumed, tuple(changes[name]))
        for name, (before, after) in sorted(
            pairs.items(), key=lambda item: (-sum(cell.executions for cell in item[1]), item[0])
        )
    )


def _measure(metric: Metric, mix: Sequence[Pair], level: float) -> Effect | None:
    """Return the effect over the cells of *mix* that have data of the metric; None where that is too little."""
    strata = [pair for pair in mix if min(cell.count(metric) for cell in pair) >= _ENOUGH_IN_MIX]
    if min((sum(pair[index].count(metric) for pair in strata) for index in (0, 1)), default=0) < ENOUGH:
        return None
    if metric == "success":
        return success_effect([((b.succeeded, b.executions), (a.succeeded, a.executions)) for b, a in strata], level)
    return ratio_effect([(before.logs[metric], after.logs[metric]) for before, after in strata], level)


def _judged(metric: Metric, measured: Effect | None, is_believed: bool, mix: Sequence[Pair], gate: Gate) -> Change:
    before, after = (sum(pair[index].count(metric) for pair in mix) for index in (0, 1))
    if measured is None:
        return Change(metric, "too little data", before, after)
    if metric == "success":
        size, least, is_better = abs(measured.effect), gate.success, measured.effect > 0
    else:
        size, least, is_better = abs(math.log(measured.effect)), math.log(gate.ratio), measured.effect < 1
    verdict: ChangeVerdict = "no change"
    if is_believed:
        verdict = "negligible" if size < least else "better" if is_better else "worse"
    return Change(metric, verdict, before, after, **asdict(measured))


def _p95(mix: Sequence[Pair], index: int) -> Quantile | None:
    strata = [
        (pair[index].seconds, float(sum(len(cell.seconds) for cell in pair)))
        for pair in mix
        if min(len(cell.seconds) for cell in pair) >= _ENOUGH_IN_MIX
    ]
    found = weighted_quantile(strata, _P95)
    return None if found is None else Quantile(*found)
