"""What changed between two sides whose executions are known as sums of days: success, duration and cost.

The tests, levels and verdicts are those of a comparison. The cost is the mean of an execution, for sums have no
logarithms of it.
"""

import math
from typing import Final

from . import weighted
from .blocks import Cell, Cells
from .cells import Stratum
from .comparison import LEVELS, Change, Gate, judged, overall
from .effects import Effect
from .mix import ENOUGH, ENOUGH_IN_MIX, MOST_PARTIAL
from .significance import exp, t_quantile, t_tail

_CONFIDENCE: Final = 0.95
_POWER: Final = 0.8
_GATE: Final = Gate()


def changes_of(before: Cells, after: Cells) -> tuple[Change, Change, Change]:
    """Return the changes over the same mix of the share that succeeds, the mean duration (geometric), and the cost."""
    strata = _strata(before, after)
    return overall("success", strata, _GATE), overall("duration", strata, _GATE), _cost_change(before, after)


def _cost_change(before: Cells, after: Cells) -> Change:
    """Return the change of the mean known cost of an execution, over the same mix."""
    level = LEVELS["cost"]
    names = [
        name
        for name in before.keys() & after.keys()
        if min(side[name].total.priced for side in (before, after)) >= ENOUGH_IN_MIX
    ]
    counts = (
        round(sum(before[name].total.priced for name in names)),
        round(sum(after[name].total.priced for name in names)),
    )
    is_bound = any(
        sum(side[name].total.partial for name in names) > MOST_PARTIAL * count
        for side, count in zip((before, after), counts, strict=True)
    )
    if min(counts) < ENOUGH or is_bound:
        return Change("cost", "too little data", *counts)
    weights = {name: sum(side[name].total.priced for side in (before, after)) / sum(counts) for name in sorted(names)}
    measured = _ratio(weighted.log_cost(before, weights), weighted.log_cost(after, weights), level)
    if measured is None:
        return Change("cost", "too little data", *counts)
    is_believed = measured.p_value <= level
    return judged("cost", measured, is_believed, level, counts, _GATE)


def _ratio(before: weighted.Mean, after: weighted.Mean, level: float) -> Effect | None:
    """Return the ratio of two means by their logarithms; None where either is 0."""
    variance = before.variance + after.variance
    if math.isinf(before.mean) or math.isinf(after.mean):
        return None
    difference = after.mean - before.mean
    parts = math.fsum(mean.variance**2 / mean.degrees for mean in (before, after))
    degrees = variance**2 / parts if 0 < parts < math.inf else min(before.degrees, after.degrees)
    error = math.sqrt(variance)
    margin = t_quantile(1 - _CONFIDENCE, degrees) * error
    detectable = (t_quantile(level, degrees) + t_quantile(2 * (1 - _POWER), degrees)) * error
    is_same = abs(difference) <= 1e-9
    p_value = t_tail(difference / error, degrees) if error else float(is_same)
    return Effect(
        before=exp(before.mean),
        after=exp(after.mean),
        effect=exp(difference),
        low=exp(difference - margin),
        high=exp(difference + margin),
        p_value=p_value,
        detectable=exp(detectable),
        needed=None,
        # Days tell the variance: with few of them it is hardly known.
        p_within_days=0.0 if before.has_few_days or after.has_few_days else None,
    )


def _strata(before: Cells, after: Cells) -> list[tuple[Stratum, Stratum]]:
    pairs = ((_stratum(before[name]), _stratum(after[name])) for name in sorted(before.keys() & after.keys()))
    return [pair for pair in pairs if min(stratum.executions for stratum in pair) >= ENOUGH_IN_MIX]


def _stratum(cell: Cell) -> Stratum:
    stratum = Stratum(partial=round(cell.total.partial))
    for day, sums in sorted(cell.blocks.items()):
        stratum.samples["success"].add_sums(day, round(sums.executions), sums.succeeded, sums.succeeded)
        if sums.timed:
            stratum.samples["duration"].add_sums(day, round(sums.timed), sums.logs, sums.squares)
    return stratum
