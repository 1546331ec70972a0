"""Correction factors for cost estimates: learned for each task type and tier, and shrunk towards the common factor.

The model is that of parametric empirical Bayes (Efron and Morris 1975; Morris 1983, "Parametric Empirical Bayes
Inference"): the logarithms of actual over estimated cost scatter around the mean of their cell, and the cells'
means around a common one. A cell with few executions, or no more different than chance makes cells, gets a
factor near the common one. How far cells differ is estimated by moments (DerSimonian and Laird 1986).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

#: Task type and model tier.
Cell = tuple[str, str]


@dataclass(frozen=True, slots=True)
class LogRatios:
    """How many logarithms of actual over estimated cost there are, their sum, and the sum of their squares."""

    count: int
    total: float
    squares: float

    def __sub__(self, other: "LogRatios") -> "LogRatios":
        return LogRatios(self.count - other.count, self.total - other.total, self.squares - other.squares)

    @property
    def mean(self) -> float:
        """Their mean."""
        return self.total / self.count

    def squared_error(self, shift: float) -> float:
        """Return the sum of squared residuals after *shift*."""
        return max(0.0, self.squares - 2 * shift * self.total + self.count * shift * shift)


@dataclass(frozen=True, slots=True)
class Fit:
    """The learned factors."""

    #: The shift of a cell nothing is known of.
    common: float
    #: The shrunken shift of each cell, and the weight of its own mean in it, 0 to 1.
    cells: Mapping[Cell, tuple[float, float]]

    def shift(self, cell: Cell) -> float:
        """Return the shift of the logarithm of an estimate."""
        return self.cells[cell][0] if cell in self.cells else self.common


def fit(ratios: Mapping[Cell, LogRatios]) -> Fit | None:
    """Return the shrunken shift of each cell; None where there is nothing to learn from."""
    known = {cell: logs for cell, logs in ratios.items() if logs.count > 0}
    if not known:
        return None
    count = sum(logs.count for logs in known.values())
    freedom = count - len(known)
    scatter = sum(logs.squared_error(logs.mean) for logs in known.values()) / freedom if freedom else 0.0
    if not freedom:  # one execution in each cell: effect and chance cannot be separated
        common = sum(logs.total for logs in known.values()) / count
        return Fit(common, dict.fromkeys(known, (common, 0.0)))
    if scatter <= 0:  # every estimate was off by exactly the factor of its cell
        common = sum(logs.mean for logs in known.values()) / len(known)
        return Fit(common, {cell: (logs.mean, 1.0) for cell, logs in known.items()})
    between = _variance_between(known, scatter)
    precisions = {cell: 1 / (between + scatter / logs.count) for cell, logs in known.items()}
    common = sum(precisions[cell] * logs.mean for cell, logs in known.items()) / sum(precisions.values())
    weights = {cell: between * precision for cell, precision in precisions.items()}
    shifts = {cell: common + weights[cell] * (logs.mean - common) for cell, logs in known.items()}
    return Fit(common, {cell: (shifts[cell], weights[cell]) for cell in known})


def typical_error(ratios: Mapping[Cell, LogRatios], fitted: Fit | None = None) -> float:
    """Return how far estimates are typically off: 0.25 means by a factor of 1.25, either way.

    Args:
        ratios: those of at least one execution.
        fitted: correct the estimates by it first.
    """
    shifts = {cell: fitted.shift(cell) if fitted else 0.0 for cell in ratios}
    squares = sum(logs.squared_error(shifts[cell]) for cell, logs in ratios.items())
    return math.expm1(math.sqrt(squares / sum(logs.count for logs in ratios.values())))


def _variance_between(ratios: Mapping[Cell, LogRatios], scatter: float) -> float:
    weights = {cell: logs.count / scatter for cell, logs in ratios.items()}
    total = sum(weights.values())
    mean = sum(weights[cell] * logs.mean for cell, logs in ratios.items()) / total
    spread = sum(weights[cell] * (logs.mean - mean) ** 2 for cell, logs in ratios.items())
    slack = total - sum(weight * weight for weight in weights.values()) / total
    return max(0.0, (spread - (len(ratios) - 1)) / slack) if slack > 0 else 0.0
