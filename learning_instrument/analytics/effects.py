"""The difference of two sides over strata weighted alike on both: one task mix for both.

The weight of a stratum is its share of the executions of both sides together. Variances, intervals and tests hold where
executions come in outages and other clusters as well: see :mod:`.clustering`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from .clustering import Design, Sample, Weighted, design
from .intervals import score_interval
from .significance import exp, t_quantile, t_tail

#: Of the intervals.
_CONFIDENCE: Final = 0.95
#: Of the smallest difference that could have been shown: how likely it would have been.
_POWER: Final = 0.8

#: A difference that is so much smaller than what is detectable takes more executions than there will ever be.
_HARDLY_ANY: Final = 1e-9

Strata = Sequence[tuple[Sample, Sample]]
"""The values before and after in each stratum."""


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
    #: How many executions a side would show the difference that was asked for in 80% of cases; None where that takes
    #: more days, and where no difference was asked for.
    needed: int | None
    #: The p-value were the difference of the days, of which there are too few, no matter; None: there are enough of
    #: them, or they do not differ.
    p_within_days: float | None


def success_effect(strata: Strata, level: float, least: float) -> Effect:
    """Return the difference of two success rates.

    The interval is Newcombe's for a difference of independent proportions (1998, method 10), made of the intervals of
    weighted rates as Yan and Su 2010, "Stratified Wilson and Newcombe Confidence Intervals"; with as many trials as are
    worth of independent ones, as Korn and Graubard 1998. The test is the score test, by Campbell 2007 with N - 1.

    Args:
        strata: the successes (1, else 0); at least two executions on each side of each.
        level: the p-value below which a difference is accepted; the detectable change depends on it.
        least: the difference to ask for.
    """
    weights = _weights(strata)
    rates, trials = [0.0, 0.0], [0.0, 0.0]
    pooled = planned = 0.0
    alike = [[0.0, 0.0], [0.0, 0.0]]  # of each side: the variance were the rates those of both, and that of a share
    middle = 0.0
    for weight, pair in zip(weights, strata, strict=True):
        both, successes = sum(side.executions for side in pair), sum(side.total for side in pair)
        rate = successes / both
        spread = weight**2 * sum(1 / side.executions for side in pair)
        pooled += spread * rate * (1 - rate) * both / (both - 1)
        # One more of each: where all succeeded there is no spread to plan with.
        guess = (successes + 1) / (both + 2)
        planned += spread * guess * (1 - guess)
        middle += weight * rate
        for index, side in enumerate(pair):
            rates[index] += weight * side.mean
            alike[index][0] += weight**2 * rate * (1 - rate) / side.executions
            alike[index][1] += weight**2 / side.executions
    dependence = _design(weights, strata)
    deviations = t_quantile(1 - _CONFIDENCE, dependence.degrees)
    for index, (variance, share) in enumerate(alike):
        trials[index] = (middle * (1 - middle) / variance if variance else 1 / share) / dependence.effect
    before, after = (score_interval(rate, number, deviations) for rate, number in zip(rates, trials, strict=True))
    difference = rates[1] - rates[0]
    below = math.hypot(rates[1] - after.low, before.high - rates[0])
    above = math.hypot(after.high - rates[1], rates[0] - before.low)
    detectable = _needed_deviations(level, dependence) * math.sqrt(planned * dependence.effect)
    return Effect(
        before=rates[0],
        after=rates[1],
        effect=difference,
        low=max(-1.0, difference - below),
        high=min(1.0, difference + above),
        p_value=_p_value(difference, pooled, (dependence.effect, dependence.degrees)),
        detectable=min(1.0, detectable),
        needed=_needed(strata, detectable, least, dependence),
        p_within_days=_p_value(difference, pooled, dependence.within) if dependence.has_few_days else None,
    )


def ratio_effect(strata: Strata, level: float, least: float) -> Effect:
    """Return the ratio of two geometric means: Welch's test on logarithms, with Satterthwaite's degrees of freedom.

    Args:
        strata: the logarithms; at least two on each side of each.
        level: the p-value below which a difference is accepted; the detectable change depends on it.
        least: the ratio to ask for.
    """
    weights = _weights(strata)
    means = [0.0, 0.0]
    parts: list[tuple[float, int]] = []  # a term of the variance of the difference, its degrees of freedom
    for weight, pair in zip(weights, strata, strict=True):
        for index, side in enumerate(pair):
            means[index] += weight * side.mean
            parts.append((weight**2 * side.variance / side.executions, side.executions - 1))
    difference = means[1] - means[0]
    independent = math.fsum(part for part, _ in parts)
    # The same value everywhere has no error, as far as rounding lets it: a difference is then no chance.
    squares = math.fsum(part**2 / free for part, free in parts)
    if not squares:  # also of an error that is so small that its square is 0
        is_same = abs(difference) <= 1e-9 * max(1.0, abs(means[0]))
        ratio = 1.0 if is_same else exp(difference)
        before, after = (exp(mean) for mean in means)
        return Effect(before, after, ratio, ratio, ratio, float(is_same), 1.0, 0 if least > 1 else None, None)
    degrees = independent**2 / squares
    dependence = _design(weights, strata, degrees)
    error = math.sqrt(independent * dependence.effect)
    margin = t_quantile(1 - _CONFIDENCE, dependence.degrees) * error
    detectable = _needed_deviations(level, dependence) * error
    return Effect(
        before=exp(means[0]),
        after=exp(means[1]),
        effect=exp(difference),
        low=exp(difference - margin),
        high=exp(difference + margin),
        p_value=_p_value(difference, independent, (dependence.effect, dependence.degrees)),
        detectable=exp(detectable),
        needed=_needed(strata, detectable, math.log(least), dependence),
        p_within_days=_p_value(difference, independent, dependence.within) if dependence.has_few_days else None,
    )


def weighted_quantile(
    strata: Sequence[tuple[Sequence[tuple[str, float]], float]], share: float
) -> tuple[float, float | None, float | None] | None:
    """Return the value that *share* of one side does not exceed, with its 95% interval; None where there are none.

    A bound is None where there are too few values for one. The interval is that of the share (Woodruff 1952).

    Args:
        strata: the values of each, with the moments of their executions in order, and its weight.
        share: between 0 and 1.
    """
    values = sorted((value, weight / len(stratum)) for stratum, weight in strata for _, value in stratum)
    if not values:
        return None
    whole = math.fsum(weight for _, weight in values)

    def at(bound: float) -> float:
        weights = accumulate(weight for _, weight in values)
        reached = next((index for index, seen in enumerate(weights) if seen >= bound * whole * (1 - 1e-12)), -1)
        return values[reached][0]

    found = at(share)
    below: list[Weighted] = []
    for stratum, weight in strata:
        sample = Sample()
        for moment, value in stratum:
            sample.add(moment, float(value <= found))
        below.append((weight / whole, sample))
    dependence = design([below], math.fsum(w * w * s.variance / s.executions for w, s in below if s.executions > 1))
    effective = whole**2 / math.fsum(weight**2 for _, weight in values) / dependence.effect
    margin = t_quantile(1 - _CONFIDENCE, dependence.degrees) * math.sqrt(share * (1 - share) / effective)
    low, high = share - margin, share + margin
    return found, at(low) if low > 0 else None, at(high) if high < 1 else None


def _weights(strata: Strata) -> list[float]:
    sizes = [before.executions + after.executions for before, after in strata]
    return [size / sum(sizes) for size in sizes]


def _design(weights: Sequence[float], strata: Strata, degrees: float = math.inf) -> Design:
    sides = [[(weight, pair[index]) for weight, pair in zip(weights, strata, strict=True)] for index in (0, 1)]
    independent = math.fsum(w * w * sample.variance / sample.executions for side in sides for w, sample in side)
    return design(sides, independent, degrees)


def _p_value(difference: float, variance: float, dependence: tuple[float, float]) -> float:
    effect, degrees = dependence
    return t_tail(difference / math.sqrt(variance * effect), degrees) if variance else 1.0


def _needed_deviations(level: float, dependence: Design) -> float:
    """Return how many standard errors a difference has to be to be accepted in 80% of cases."""
    return t_quantile(level, dependence.degrees) + t_quantile(2 * (1 - _POWER), dependence.degrees)


def _needed(strata: Strata, detectable: float, least: float, dependence: Design) -> int | None:
    if dependence.has_few_days or least <= _HARDLY_ANY * detectable:
        return None
    a_side = 2 / sum(1 / sum(pair[index].executions for pair in strata) for index in (0, 1))
    return math.ceil(a_side * (detectable / least) ** 2)
