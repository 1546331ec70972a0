"""Means over a weighted mix of cells, with their variance between blocks: not narrower than for independent executions.

The variance is that of sums over blocks (Kish and Frankel 1974, "Inference from Complex Samples"): executions of one
block may go wrong together, in whatever cell.
"""

import functools
import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from .blocks import Blocks, CellName, Sums, total
from .intervals import Estimate, Proportion, score_interval
from .significance import t_quantile

_TAILS: Final = 0.05

Weights = Mapping[CellName, float]


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean, the variance of its error, and how many degrees of freedom that variance has."""

    mean: float
    variance: float
    degrees: int

    @property
    def t(self) -> float:
        """How many standard errors either side are in the 95% interval."""
        return _t(self.degrees)


def success(blocks: Blocks, weights: Weights) -> tuple[Mean, Proportion]:
    """Return the share that succeeded, and with its 95% score interval.

    The variance of the mean is above 0 also where all succeeded.
    """
    share, errors = _mean(blocks, weights, lambda sums: sums.succeeded, lambda sums: sums.executions)
    cells = {cell: total(blocks[cell].values()) for cell in weights}
    independent = math.fsum(
        weight**2
        * cells[cell].succeeded
        * (cells[cell].executions - cells[cell].succeeded)
        / cells[cell].executions ** 3
        for cell, weight in weights.items()
    )
    trials = 1 / math.fsum(weight**2 / cells[cell].executions for cell, weight in weights.items())
    variance = _at_least(independent, errors)
    if variance > 0 and 0 < share < 1:
        trials = min(trials, share * (1 - share) / variance)
    cautious = (share * trials + 1) / (trials + 2)
    mean = Mean(share, cautious * (1 - cautious) / trials, _degrees(errors))
    return mean, score_interval(min(1.0, share), trials, mean.t)


def log_duration(blocks: Blocks, weights: Weights) -> Mean:
    """Return the mean logarithm of the durations in seconds."""
    mean, errors = _mean(blocks, weights, lambda sums: sums.logs, lambda sums: sums.timed)
    independent = 0.0
    for cell, weight in weights.items():
        of_cell = total(blocks[cell].values())
        if of_cell.timed < 2:
            continue
        spread = max(0.0, of_cell.squares - of_cell.logs**2 / of_cell.timed) / (of_cell.timed - 1)
        independent += weight**2 * spread / of_cell.timed
    return Mean(mean, _at_least(independent, errors) or _variance(errors), _degrees(errors))


def log_cost(blocks: Blocks, weights: Weights) -> Mean:
    """Return the logarithm of the mean cost in US dollars; minus infinity where that is 0."""
    cost, errors = _mean(blocks, weights, lambda sums: sums.cost, lambda sums: sums.priced)
    return _logarithm(cost, errors)


def log_cost_per_success(blocks: Blocks, weights: Weights) -> Mean:
    """Return the logarithm of the cost of all for each that succeeded; infinity where none did."""
    cost, of_cost = _mean(blocks, weights, lambda sums: sums.cost, lambda sums: sums.priced)
    share, of_share = _mean(blocks, weights, lambda sums: sums.priced_succeeded, lambda sums: sums.priced)
    if share <= 0:
        return Mean(math.inf, math.inf, _degrees(of_cost))
    errors = {block: error / share - cost * of_share[block] / share**2 for block, error in of_cost.items()}
    return _logarithm(cost / share, errors)


def exponential(log: Mean | None) -> Estimate | None:
    """Return what a mean is the logarithm of, with its 95% interval; None where that is infinite."""
    if log is None or log.mean == math.inf:
        return None
    if log.variance == math.inf:
        return Estimate(math.exp(log.mean), None, None)
    margin = log.t * math.sqrt(log.variance)
    return Estimate(math.exp(log.mean), math.exp(log.mean - margin), math.exp(log.mean + margin))


@functools.lru_cache(maxsize=256)
def _t(degrees: int) -> float:
    return t_quantile(_TAILS, degrees)


_Errors = Mapping[str, float]
"""Block -> its part in the error of a mean. They add up to 0."""


def _mean(
    blocks: Blocks, weights: Weights, top: Callable[[Sums], float], bottom: Callable[[Sums], float]
) -> tuple[float, "_Errors"]:
    """Return the weighted mean of the cells' ratios of *top* to *bottom*, and its errors."""
    mean = 0.0
    errors: defaultdict[str, float] = defaultdict(float)
    for cell, weight in weights.items():
        of_cell = blocks[cell]
        whole = math.fsum(map(bottom, of_cell.values()))
        ratio = math.fsum(map(top, of_cell.values())) / whole
        mean += weight * ratio
        for block, sums in of_cell.items():
            errors[block] += weight * (top(sums) - ratio * bottom(sums)) / whole
    return mean, errors


def _logarithm(mean: float, errors: _Errors) -> Mean:
    if mean <= 0:  # so may an imported cost be
        return Mean(-math.inf, 0.0, _degrees(errors))
    return Mean(math.log(mean), _variance(errors) / mean**2, _degrees(errors))


def _variance(errors: _Errors) -> float:
    """Return the variance of the mean by its errors; infinity where one block shows none."""
    count = len(errors)
    return count / (count - 1) * math.fsum(error**2 for error in errors.values()) if count > 1 else math.inf


def _at_least(independent: float, errors: _Errors) -> float:
    """Return the variance of the mean by its errors, but not less than that of independent executions."""
    return max(independent, _variance(errors)) if len(errors) > 1 else independent


def _degrees(errors: _Errors) -> int:
    return max(1, len(errors) - 1)
