"""Which of several values are dominated: another is as good in success and in cost per success, and better in one.

*Better* means beyond chance: all pairs are tested in both figures, and at most 5% of the differences that are believed
are chance (by the procedure of Benjamini and Hochberg). *As good* means that the figure is not behind, and that a loss
that matters is ruled out at 95%: 5 points of success, a quarter of the cost. A lower bound of a cost shows no saving.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from .significance import benjamini_hochberg, t_quantile, t_tail
from .weighted import Mean

Standing = Literal[
    "dominated", "not dominated", "no difference shown", "too little data", "cost unknown", "not compared"
]

_FALSE_RATE: Final = 0.05
_LOSS_LEVEL: Final = 0.05
#: The losses that matter: of the share that succeeds, and the logarithm of a ratio of costs.
_SUCCESS_LOSS: Final = 0.05
_COST_LOSS: Final = math.log(1.25)
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Rival:
    """What is compared of one value."""

    success: Mean
    #: The logarithm of the cost per success; minus infinity: it is 0; infinity: nothing succeeded; None: unknown.
    cost: Mean | None
    #: Whether that is a lower bound.
    is_bound: bool = False


@dataclass(frozen=True, slots=True)
class _Gain:
    """How much better one value is than another in one figure: above 0, better."""

    size: float
    error: float
    degrees: float

    @classmethod
    def between(cls, higher: Mean, lower: Mean) -> "_Gain":
        """Return how much *higher* is above *lower*."""
        size = 0.0 if higher.mean == lower.mean else higher.mean - lower.mean  # both may be infinite
        variance = higher.variance + lower.variance
        parts = [(mean.variance**2, mean.degrees) for mean in (higher, lower)]
        whole = math.fsum(part / degrees for part, degrees in parts)
        degrees = variance**2 / whole if 0 < whole < math.inf else min(higher.degrees, lower.degrees)
        return cls(size, math.sqrt(variance), degrees)

    @property
    def p_value(self) -> float:
        """How likely so large a difference is by chance."""
        if abs(self.size) <= _ROUNDING or self.error == math.inf:
            return 1.0
        return t_tail(self.size / self.error, self.degrees) if self.error else 0.0

    def rules_out(self, loss: float) -> bool:
        """Tell whether the value is not behind, and not by so much worse in truth."""
        margin = t_quantile(2 * _LOSS_LEVEL, self.degrees) * self.error
        return self.size == math.inf or (self.size >= -_ROUNDING and self.size - margin > -loss)


@dataclass(frozen=True, slots=True)
class _Duel:
    """One value against another: what it gains in success and in cost, and whether that is beyond chance."""

    success: _Gain
    #: None: one of the costs is unknown.
    cost: _Gain | None
    is_success_believed: bool
    is_cost_believed: bool
    #: Whether the cost of this value, and that of the other one, is a lower bound.
    is_bound: bool
    is_other_bound: bool

    @property
    def is_better(self) -> bool:
        """Whether it is better in one, beyond chance."""
        return (self.is_success_believed and self.success.size > 0) or (
            self.cost is not None and self.is_cost_believed and self.cost.size > 0 and not self.is_bound
        )

    @property
    def is_worse(self) -> bool:
        """Whether the other one is better in one, beyond chance."""
        return (self.is_success_believed and self.success.size < 0) or (
            self.cost is not None and self.is_cost_believed and self.cost.size < 0 and not self.is_other_bound
        )

    @property
    def dominates(self) -> bool:
        """Whether it is as good in both, and better in one."""
        return (
            self.is_better
            and self.cost is not None
            and not self.is_bound
            and self.success.rules_out(_SUCCESS_LOSS)
            and self.cost.rules_out(_COST_LOSS)
        )


def standings(rivals: Mapping[str, Rival]) -> dict[str, tuple[Standing, tuple[str, ...]]]:
    """Return how each value stands among the others, and which of them dominate it."""
    duels = _duels(rivals)
    answers: dict[str, tuple[Standing, tuple[str, ...]]] = {}
    for value in rivals:
        against = {other: duels[other, value] for other in rivals if other != value}
        dominating = tuple(other for other, duel in against.items() if duel.dominates)
        undecided = [duel for duel in against.values() if not duel.is_worse]
        # A value of unknown cost cannot be seen to dominate another; it says nothing of those whose cost is known.
        known = [duel for duel in undecided if duel.cost is not None]
        if dominating:
            answers[value] = "dominated", dominating
        elif not undecided or (not known and any(duel.cost is not None for duel in against.values())):
            answers[value] = "not dominated", ()
        elif not known:
            answers[value] = "cost unknown", ()
        elif any(duel.is_better for duel in known):
            answers[value] = "too little data", ()
        else:
            answers[value] = "no difference shown", ()
    return answers


def _duels(rivals: Mapping[str, Rival]) -> dict[tuple[str, str], _Duel]:
    gains: dict[tuple[str, str], tuple[_Gain, _Gain | None]] = {}
    for one, other in itertools.combinations(rivals, 2):
        costs = rivals[one].cost, rivals[other].cost
        cost = None if costs[0] is None or costs[1] is None else _Gain.between(costs[1], costs[0])
        gains[one, other] = _Gain.between(rivals[one].success, rivals[other].success), cost
    tests = [gain for pair in gains.values() for gain in pair if gain is not None]
    believed = iter(benjamini_hochberg([gain.p_value for gain in tests], _FALSE_RATE))
    duels: dict[tuple[str, str], _Duel] = {}
    for (one, other), (success, cost) in gains.items():
        is_believed = next(believed), cost is not None and next(believed)
        bounds = rivals[one].is_bound, rivals[other].is_bound
        duels[one, other] = _Duel(success, cost, *is_believed, *bounds)
        duels[other, one] = _Duel(_reversed(success), cost and _reversed(cost), *is_believed, *reversed(bounds))
    return duels


def _reversed(gain: _Gain) -> _Gain:
    return _Gain(-gain.size, gain.error, gain.degrees)
