"""Intervals of proportions."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

from ..errors import ConfigurationError

#: How often a difference is told that is chance.
_CHANCE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Proportion:
    """A share, and the interval that holds the true one."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, and the interval that holds the true one; None: there is too little data for one."""

    estimate: float
    low: float | None
    high: float | None


def wilson(successes: int, trials: int, confidence: float = 0.95) -> Proportion | None:
    """Return the share of *successes* with its Wilson score interval; None where there were no *trials*.

    Unlike the textbook interval it stays within 0 and 1, and says something useful of 3 successes in 3 trials.
    Wilson 1927; recommended by Brown, Cai and DasGupta 2001, "Interval Estimation for a Binomial Proportion".

    Args:
        successes: how many of the trials succeeded.
        trials: how many there were.
        confidence: the share of such intervals that hold the true one.

    Raises:
        ConfigurationError: for more successes than trials, a negative number, or a confidence outside 0..1.
    """
    if not 0 <= successes <= trials:
        raise ConfigurationError(
            f"Invalid {successes!r} successes in {trials!r} trials: expected 0 <= successes <= trials."
        )
    if not trials:
        return None
    return score_interval(successes / trials, trials, normal_quantile(confidence))


def score_interval(share: float, trials: float, z: float) -> Proportion:
    """Return *share* with its score interval.

    Args:
        share: from 0 to 1.
        trials: so many independent ones say as much; above 0, no whole number where executions come in bursts.
        z: how many standard errors either side of the share are in the interval.
    """
    shrinkage = 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / shrinkage
    margin = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / shrinkage
    # Rounding may leave the interval slightly outside of 0 to 1.
    low = 0.0 if share == 0 else max(0.0, centre - margin)
    high = 1.0 if share == 1 else min(1.0, centre + margin)
    return Proportion(share, low, high)


def is_beyond_chance(lower: Proportion | Estimate, higher: Proportion | Estimate, tests: float) -> bool:
    """Tell whether two figures differ by more than chance, one of so many *tests*; not where one has no interval.

    By the interval of the difference of Newcombe 1998, method 10, wider for the tests (Bonferroni).

    Args:
        lower: the lower figure, with its 95% interval.
        higher: the other one, with its 95% interval.
        tests: in how many of them a difference could have been found.
    """
    if lower.high is None or higher.low is None:
        return False
    margin = math.hypot(higher.estimate - higher.low, lower.high - lower.estimate)
    wider = normal_quantile(1 - _CHANCE / tests) / normal_quantile(1 - _CHANCE)
    return higher.estimate - lower.estimate > margin * wider


def normal_quantile(confidence: float) -> float:
    """Return how many standard deviations either side of the mean hold *confidence* of a normal distribution.

    Raises:
        ConfigurationError: for a confidence that is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ConfigurationError(f"Invalid confidence {confidence!r}: expected a number between 0 and 1, such as 0.95.")
    return NormalDist().inv_cdf((1 + confidence) / 2)
