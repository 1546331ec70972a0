"""The distributions of Student's t and of F, and which of many tests to believe."""

import math
import sys
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

_TINY: Final = 1e-300
_STEPS: Final = 500
_LARGEST_LOG: Final = math.log(sys.float_info.max)


def exp(log: float) -> float:
    """Return e to the power of *log*; the largest float where that is beyond it, as bounds of wide intervals are."""
    return math.exp(log) if log < _LARGEST_LOG else sys.float_info.max


def t_tail(t: float, degrees: float) -> float:
    """Return how likely a t as far from 0 as this one is, or further, on both sides, with so many *degrees* of freedom.

    Infinitely many are those of the normal distribution. NIST Digital Library of Mathematical Functions, 8.17.
    """
    if math.isinf(degrees):
        return math.erfc(abs(t) / math.sqrt(2))
    return _incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t))


def t_quantile(tail: float, degrees: float) -> float:
    """Return the t that both tails together are *tail* likely to lie beyond."""
    t = NormalDist().inv_cdf(1 - tail / 2)
    if math.isinf(degrees):
        return t
    log_front = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - math.log(math.pi * degrees) / 2
    for _ in range(_STEPS):  # Newton's method on logarithms, between which and the tail's lies nearly a line
        reached = t_tail(t, degrees)
        density = math.exp(log_front - (degrees + 1) / 2 * math.log1p(t * t / degrees))
        step = math.log(reached / tail) * reached / (2 * density * t)
        t *= math.exp(step)
        if abs(step) < 1e-12:
            break
    return t


def f_tail(ratio: float, above: float, below: float) -> float:
    """Return how likely the *ratio* of two estimates of one variance is this large, or larger.

    Args:
        ratio: of the estimate with *above* degrees of freedom, over the one with *below*.
        above: positive.
        below: positive.
    """
    return _incomplete_beta(below / 2, above / 2, below / (below + above * ratio))


def binomial_tail(successes: int, trials: int, probability: float) -> float:
    """Return how likely so many successes, or more, are in *trials* of *probability* each.

    NIST Digital Library of Mathematical Functions, 8.17.5.
    """
    return _incomplete_beta(successes, trials - successes + 1, probability) if successes else 1.0


def benjamini_hochberg(p_values: Sequence[float], rate: float) -> list[bool]:
    """Tell which tests to believe so that at most *rate* of those believed, on average, are chance.

    Benjamini and Hochberg 1995, "Controlling the False Discovery Rate".
    """
    count = len(p_values)
    order = sorted(range(count), key=p_values.__getitem__)
    last = max((rank for rank, index in enumerate(order, 1) if p_values[index] <= rate * rank / count), default=0)
    believed = set(order[:last])
    return [index in believed for index in range(count)]


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularized incomplete beta function I_x(a, b)."""
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    if x > (a + 1) / (a + b + 2):  # where the fraction converges fast (DLMF 8.17.4)
        return 1.0 - _incomplete_beta(b, a, 1.0 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) / a / _continued_fraction(a, b, x)


def _continued_fraction(a: float, b: float, x: float) -> float:
    """Return 1 + d1/(1 + d2/(1 + ...)) of DLMF 8.17.22, by Lentz's method (DLMF 3.10)."""
    value, c, d = 1.0, 1.0, 0.0
    for n in range(1, _STEPS):
        m = n // 2
        if n % 2:
            step = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            step = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1.0 / ((1.0 + step * d) or _TINY)
        c = (1.0 + step / c) or _TINY
        value *= c * d
        if abs(c * d - 1.0) < 1e-14:
            break
    return value
