"""Which value of a dimension to use, as all figures of it side by side tell: one decision for every page and sentence.

A value that all others lose to is the one. Else it is the cheapest of those whose success is not shown to be worse than
that of the one which succeeds most, where a large loss is ruled out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..columns import UNKNOWN
from .intervals import is_beyond_chance
from .mix import MOST_PARTIAL
from .side_by_side import Alternative, SideBySide

#: The loss of success that has to be ruled out, where a lead may be chance.
_LARGEST_LOSS: Final = 0.15


@dataclass(frozen=True, slots=True)
class Choice:
    """The values to use: several, where nothing tells them apart."""

    #: The cheapest first.
    best: tuple[Alternative, ...]
    #: What a reader would ask about: a cheaper value, the one that succeeds most, else the most frequent one.
    rival: Alternative | None
    #: Whether the success of that one is shown to be worse; and to be better.
    is_rival_worse: bool = False
    is_rival_better: bool = False


def choose(found: SideBySide, failing: str | None = None) -> Choice | None:
    """Return the values of *found* to use; None: too little is known of success or cost.

    Args:
        found: the values.
        failing: a value that is not to be used, for the time being.
    """
    compared = [each for each in found.alternatives if each.compared and each.value not in (failing, UNKNOWN)]
    if not compared or (len(compared) < 2 and failing is None):
        return None
    names = {each.value for each in compared}
    left = [each for each in compared if not names.intersection(each.dominated_by)]
    surest = max(compared, key=success_rate)
    if all(each.cost_status == "unknown" for each in compared):
        if all(is_shown_worse(each, surest, len(compared)) for each in compared if each is not surest):
            return _choice([surest], compared)
        return None
    if len(left) > 1 and not all(map(_is_cost_known, left)):
        return None
    good = sorted((each for each in left if not is_shown_worse(each, surest, len(compared))), key=cost_per_success)
    if not good or not math.isfinite(cost_per_success(good[0])):
        return None
    if len(left) > 1:
        if _largest_loss(good[0], surest) > _LARGEST_LOSS:
            return None
        good = [each for each in good if _largest_loss(each, surest) <= _LARGEST_LOSS]
    return _choice([each for each in good if _costs_overlap(good[0], each)], compared)


def _choice(best: Sequence[Alternative], compared: Sequence[Alternative]) -> Choice:
    first, others = best[0], [each for each in compared if each not in best]
    if not others:
        return Choice(tuple(best), None)
    surest = max(others, key=success_rate)
    cheaper = [each for each in others if cost_per_success(each) < cost_per_success(first)]
    if cheaper:
        rival = min(cheaper, key=cost_per_success)
    elif surest.success.estimate > first.success.estimate:
        rival = surest
    else:
        rival = max(others, key=lambda each: each.executions)
    return Choice(
        tuple(best),
        rival,
        is_rival_worse=is_shown_worse(rival, first, len(compared)),
        is_rival_better=is_shown_worse(first, rival, len(compared)),
    )


def is_shown_worse(lower: Alternative, higher: Alternative, values: int) -> bool:
    """Tell whether the success of *lower* is worse beyond chance, *higher* being picked of so many *values*."""
    return is_beyond_chance(lower.success, higher.success, max(1, values - 1))


def success_rate(alternative: Alternative) -> float:
    """Return the share of its executions that succeed, over the common mix."""
    return alternative.success.estimate


def cost_per_success(alternative: Alternative) -> float:
    """Return what a success costs, in US dollars; infinity where that is not known."""
    cost = alternative.cost_per_success_usd
    return math.inf if cost is None else cost.estimate


def _largest_loss(lower: Alternative, higher: Alternative) -> float:
    lead = higher.success.estimate - lower.success.estimate
    return lead + math.hypot(higher.success.high - higher.success.estimate, lower.success.estimate - lower.success.low)


def _is_cost_known(alternative: Alternative) -> bool:
    """Tell whether the cost is known, and no lower bound beyond the usual."""
    return alternative.cost_per_success_usd is not None and alternative.partial <= MOST_PARTIAL * alternative.priced


def _costs_overlap(one: Alternative, other: Alternative) -> bool:
    costs = [each.cost_per_success_usd for each in (one, other)]
    (low, high), (other_low, other_high) = (
        (-math.inf, math.inf) if cost is None or cost.low is None or cost.high is None else (cost.low, cost.high)
        for cost in costs
    )
    return low <= other_high and other_low <= high
