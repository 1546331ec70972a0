"""The difference of two sides over strata weighted alike on both: one task mix for both.

The weight of a stratum is its share of the executions of both sides together.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import NormalDist
from typing import Final

from .intervals import normal_quantile, wilson
from .significance import t_quantile, t_tail

#: Of the intervals.
_CONFIDENCE: Final = 0.95
#: Of the smallest difference that could have been shown: how likely it would have been.
_POWER: Final = 0.8


@dataclass(frozen=True, slots=True)
class Effect:
    """The difference of two sides with its 95% interval and p-value."""

    before: float
    after: float
    #: Of success rates after minus before, of durations and costs after over before.
    effect: float
    low: float
    high: float
    p_value: float
    #: The smallest difference, in the same unit, that so many executions show in 80% of cases.
    detectable: float


Successes = tuple[int, int]
"""Successes, trials."""


def success_effect(strata: Sequence[tuple[Successes, Successes]], level: float) -> Effect:
    """Return the difference of two success rates.

    The interval is Newcombe's for a difference of independent proportions (1998, method 10), for several strata
    as Zou and Donner 2008 put it together; the test is the score test, by Campbell 2007 with N - 1.

    Args:
        strata: the counts before and after; none without trials.
        level: the p-value below which a difference is accepted; the detectable change depends on it.
    """
    total = sum(before[1] + after[1] for before, after in strata)
    rates = [0.0, 0.0]
    below = above = variance = planned = 0.0
    for sides in strata:
        trials = [side[1] for side in sides]
        weight = sum(trials) / total
        intervals = [wilson(*side, _CONFIDENCE) for side in sides]
        before, after = (interval for interval in intervals if interval is not None)
        rates[0] += weight * before.estimate
        rates[1] += weight * after.estimate
        below += weight**2 * ((after.estimate - after.low) ** 2 + (before.high - before.estimate) ** 2)
        above += weight**2 * ((after.high - after.estimate) ** 2 + (before.estimate - before.low) ** 2)
        both, successes = sum(trials), sum(side[0] for side in sides)
        spread = weight**2 * (1 / trials[0] + 1 / trials[1])
        variance += spread * (successes / both) * (1 - successes / both) * both / (both - 1)
        # One more of each: where all succeeded there is no spread to plan with.
        guess = (successes + 1) / (both + 2)
        planned += spread * guess * (1 - guess)
    difference = rates[1] - rates[0]
    z = abs(difference) / math.sqrt(variance) if variance else 0.0
    needed = normal_quantile(1 - level) + NormalDist().inv_cdf(_POWER)
    return Effect(
        before=rates[0],
        after=rates[1],
        effect=difference,
        low=max(-1.0, difference - math.sqrt(below)),
        high=min(1.0, difference + math.sqrt(above)),
        p_value=math.erfc(z / math.sqrt(2)),
        detectable=min(1.0, needed * math.sqrt(planned)),
    )


def ratio_effect(strata: Sequence[tuple[Sequence[float], Sequence[float]]], level: float) -> Effect:
    """Return the ratio of two geometric means: Welch's test on logarithms, with Satterthwaite's degrees of freedom.

    Args:
        strata: the logarithms before and after, at least two of each.
        level: the p-value below which a difference is accepted; the detectable change depends on it.
    """
    total = sum(len(before) + len(after) for before, after in strata)
    means = [0.0, 0.0]
    parts: list[tuple[float, int]] = []  # a term of the variance of the difference, its degrees of freedom
    for sides in strata:
        weight = sum(map(len, sides)) / total
        for index, logs in enumerate(sides):
            mean = statistics.fmean(logs)
            means[index] += weight * mean
            variance = math.fsum((log - mean) ** 2 for log in logs) / (len(logs) - 1)
            parts.append((weight**2 * variance / len(logs), len(logs) - 1))
    difference = means[1] - means[0]
    error = math.sqrt(math.fsum(part for part, _ in parts))
    # The same value everywhere has no error, as far as rounding lets it: a difference is then no chance.
    if error <= 1e-9 * max(1.0, abs(means[0])):
        is_same = abs(difference) <= 1e-9 * max(1.0, abs(means[0]))
        ratio = 1.0 if is_same else math.exp(difference)
        return Effect(math.exp(means[0]), math.exp(means[1]), ratio, ratio, ratio, float(is_same), 1.0)
    degrees = error**4 / math.fsum(part**2 / free for part, free in parts)
    margin = t_quantile(1 - _CONFIDENCE, degrees) * error
    needed = t_quantile(level, degrees) + t_quantile(2 * (1 - _POWER), degrees)
    return Effect(
        before=math.exp(means[0]),
        after=math.exp(means[1]),
        effect=math.exp(difference),
        low=math.exp(difference - margin),
        high=math.exp(difference + margin),
        p_value=t_tail(difference / error, degrees),
        detectable=math.exp(needed * error),
    )


def weighted_quantile(
    strata: Sequence[tuple[Sequence[float], float]], share: float
) -> tuple[float, float | None, float | None] | None:
    """Return the value that *share* of one side does not exceed, with its 95% interval; None where there are none.

    A bound is None where there are too few values for one.

    Args:
        strata: the values of each, and its weight.
        share: between 0 and 1.
    """
    values = sorted((value, weight / len(stratum)) for stratum, weight in strata for value in stratum)
    if not values:
        return None
    whole = math.fsum(weight for _, weight in values)
    effective = whole**2 / math.fsum(weight**2 for _, weight in values)
    margin = normal_quantile(_CONFIDENCE) * math.sqrt(share * (1 - share) / effective)

    def at(bound: float) -> float:
        weights = accumulate(weight for _, weight in values)
        reached = next((index for index, seen in enumerate(weights) if seen >= bound * whole * (1 - 1e-12)), -1)
        return values[reached][0]

    low, high = share - margin, share + margin
    return at(share), at(low) if low > 0 else None, at(high) if high < 1 else None
