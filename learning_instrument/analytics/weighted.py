"""Means over a weighted mix of cells, with intervals that hold where executions depend on one another.

What the dependence costs is worked out from the sums of blocks and days, as for a comparison of two sides.
"""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from .blocks import CellName, Cells, Sums
from .clustering import Design, Sample, design
from .intervals import Estimate, Proportion, score_interval
from .significance import exp, t_quantile

_TAILS: Final = 0.05
#: The highest quality.
_BEST: Final = 100.0

Weights = Mapping[CellName, float]
Figure = Callable[[Sums], float]


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean, the variance of its error, and how many degrees of freedom that variance has."""

    mean: float
    variance: float
    degrees: float
    #: Whether days differ, and are too few to tell by how much.
    has_few_days: bool = False

    @property
    def t(self) -> float:
        """How many standard errors either side are in the 95% interval."""
        return _t(self.degrees)


def success(cells: Cells, weights: Weights) -> tuple[Mean, Proportion]:
    """Return the share that succeeded, and with its 95% score interval.

    The variance of the mean is above 0 also where all succeeded.
    """
    samples = _samples(cells, weights, lambda sums: sums.succeeded, lambda sums: sums.executions)
    share = _mean(samples)
    independent = math.fsum(
        weight**2 * sample.mean * (1 - sample.mean) / sample.executions for weight, sample in samples
    )
    shape = design([samples], max(0.0, independent))
    trials = 1 / math.fsum(weight**2 / sample.executions for weight, sample in samples)
    if independent > 0 and 0 < share < 1:
        trials = min(trials, share * (1 - share) / independent) / shape.effect
    cautious = (share * trials + 1) / (trials + 2)
    mean = Mean(share, cautious * (1 - cautious) / trials, shape.degrees, shape.has_few_days)
    return mean, score_interval(min(1.0, share), trials, mean.t)


def log_duration(cells: Cells, weights: Weights) -> Mean:
    """Return the mean logarithm of the durations in seconds."""
    samples = _samples(cells, weights, lambda sums: sums.logs, lambda sums: sums.timed, lambda sums: sums.squares)
    several = [(weight, sample) for weight, sample in samples if sample.executions > 1]
    independent = math.fsum(weight**2 * sample.variance / sample.executions for weight, sample in several)
    if not several:
        return Mean(_mean(samples), math.inf, 1.0)
    return _with_dependence(_mean(samples), samples, independent, math.inf)


def log_cost(cells: Cells, weights: Weights) -> Mean:
    """Return the logarithm of the mean cost in US dollars; minus infinity where that is 0."""
    samples = _samples(cells, weights, lambda sums: sums.cost, lambda sums: sums.priced)
    return _logarithm(_mean(samples), samples, 1.0)


def log_cost_per_success(cells: Cells, weights: Weights) -> Mean:
    """Return the logarithm of the cost of all for each that succeeded; infinity where none did."""
    cost = _mean(_samples(cells, weights, lambda sums: sums.cost, lambda sums: sums.priced))
    share = _mean(_samples(cells, weights, lambda sums: sums.priced_succeeded, lambda sums: sums.priced))
    if share <= 0:
        return Mean(math.inf, math.inf, 1.0)
    ratio = cost / share
    # The ratio is off by what costs are beside it, for each success (Cochran 1977, "Sampling Techniques", 6.3).
    beside = _samples(cells, weights, lambda sums: sums.cost - ratio * sums.priced_succeeded, lambda sums: sums.priced)
    return _logarithm(ratio, beside, share)


def quality(cells: Cells, weights: Weights) -> Estimate:
    """Return the mean quality, with its 95% interval; scores that do not differ tell of none."""
    samples = _samples(cells, weights, lambda sums: sums.quality, lambda sums: sums.rated)
    variance, number = _variance_of_blocks(samples)
    mean = _with_dependence(_mean(samples), samples, variance, number - 1)
    if not 0 < mean.variance < math.inf:
        return Estimate(mean.mean, None, None)
    margin = mean.t * math.sqrt(mean.variance)
    # A score that another program has left may be out of range.
    low, high = max(min(0.0, mean.mean), mean.mean - margin), min(max(_BEST, mean.mean), mean.mean + margin)
    return Estimate(mean.mean, low, high)


def exponential(log: Mean | None) -> Estimate | None:
    """Return what a mean is the logarithm of, with its 95% interval; None where that is infinite."""
    if log is None or log.mean == math.inf:
        return None
    if log.variance == math.inf:
        return Estimate(exp(log.mean), None, None)
    margin = log.t * math.sqrt(log.variance)
    return Estimate(exp(log.mean), exp(log.mean - margin), exp(log.mean + margin))


@functools.lru_cache(maxsize=1024)
def _t(degrees: float) -> float:
    return t_quantile(_TAILS, degrees)


_Samples = list[tuple[float, Sample]]


def _samples(
    cells: Cells, weights: Weights, top: Figure, bottom: Figure, squares: Figure = lambda sums: 0.0
) -> _Samples:
    """Return the values of each cell, added up by block, with its weight: *top* is their sum, *bottom* their number."""
    samples: _Samples = []
    for name, weight in weights.items():
        cell = cells[name]
        blocks = [
            (block, count, top(sums)) for block, sums in sorted(cell.blocks.items()) if (count := round(bottom(sums)))
        ]
        moments, counts, totals = (list(each) for each in zip(*blocks, strict=True))
        values = round(bottom(cell.total)), top(cell.total), squares(cell.total)
        samples.append((weight, Sample(moments, counts, totals, *values)))
    return samples


def _mean(samples: _Samples) -> float:
    return math.fsum(weight * sample.mean for weight, sample in samples)


def _logarithm(mean: float, samples: _Samples, unit: float) -> Mean:
    """Return the logarithm of a *mean*, whose error is that of *samples* divided by *unit*."""
    if mean <= 0:  # so may an imported cost be
        return Mean(-math.inf, 0.0, 1.0)
    variance, number = _variance_of_blocks(samples)
    return _with_dependence(math.log(mean), samples, variance, number - 1, (unit * mean) ** 2)


def _variance_of_blocks(samples: _Samples) -> tuple[float, int]:
    """Return the variance of a mean of which the squares are not known, and the number of blocks that tell it."""
    errors: dict[str, float] = {}
    for weight, sample in samples:
        for moment, count, total in zip(sample.moments, sample.counts, sample.totals, strict=True):
            error = weight * (total - count * sample.mean) / sample.executions
            errors[moment] = errors.get(moment, 0.0) + error
    number = len(errors)
    if number < 2:
        return math.inf, 2
    return number / (number - 1) * math.fsum(error * error for error in errors.values()), number


def _with_dependence(mean: float, samples: _Samples, independent: float, degrees: float, unit: float = 1.0) -> Mean:
    if independent == math.inf:
        return Mean(mean, math.inf, degrees)
    shape: Design = design([samples], independent, degrees)
    return Mean(mean, independent * shape.effect / unit, shape.degrees, shape.has_few_days)
