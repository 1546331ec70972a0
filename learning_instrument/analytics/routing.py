"""Whether the confidence of routing is what it says: of executions routed with a confidence of 0.8, do 80% succeed?

Tested are the mean confidence against the share that succeeds (calibration in the large), and confidences against
outcomes by the z of Spiegelhalter (1986), "Probabilistic prediction in patient management and clinical trials", which
finds confidences too extreme, or not enough, where the means agree. Executions of one day depend on one another: where
days vary more than independent executions would have it, that is the variance, and Student's t has their number.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

from ..rollups.measures import IS_ASSUMED
from ..sqlite.selection import Queryable, Selection
from .intervals import Proportion, wilson
from .mix import ENOUGH
from .significance import benjamini_hochberg, t_quantile, t_tail

#: Bins of equal width.
_BINS: Final = 10
_LEVEL: Final = 0.05
_POWER: Final = 0.8
#: A bin whose success is nearer to its confidence is none that matters.
_GAP: Final = 0.05
#: A confidence of 1 is taken for one that was rounded to it: a single failure would refute it.
_SUREST: Final = 0.995

_IS_REPORTED: Final = "instr(defaulted, '\"routing_confidence\"') = 0 AND routing_confidence BETWEEN 0 AND 1"
# LIMIT -1 keeps SQLite from working each value out again for every sum.
_QUESTION: Final = f"""
    SELECT day, bin, count(*) AS executions, total(p) AS confidence, total(o) AS succeeded,
        total(is_assumed) AS assumed, total(o - p) AS off, total((o - p) * (1 - 2 * p)) AS skew,
        total((o - p) * (o - p)) AS squares,
        total(q * (1 - q)) AS off_variance, total((1 - 2 * p) * (1 - 2 * p) * q * (1 - q)) AS skew_variance
    FROM (
        SELECT substr(timestamp, 1, 10) AS day, routing_confidence AS p, success IS TRUE AS o,
            {IS_ASSUMED} AS is_assumed, max({1 - _SUREST}, min({_SUREST}, routing_confidence)) AS q,
            min({_BINS - 1}, CAST(routing_confidence * {_BINS} + 1e-9 AS INTEGER)) AS bin
        FROM executions WHERE {_IS_REPORTED} AND {{condition}} LIMIT -1
    ) GROUP BY day, bin ORDER BY day, bin
"""


@dataclass(frozen=True, slots=True)
class RoutingBin:
    """Executions whose routing confidence is at least *low*, and below *high*; the last bin has 1 as well."""

    low: float
    high: float
    executions: int
    mean_confidence: float
    success: Proportion
    #: Of those that succeeded: how many returned without saying so.
    assumed: int
    #: Whether confidence and success differ beyond chance (5%, for all bins together), by 5 points at least.
    is_off: bool

    @property
    def gap(self) -> float:
        """The mean confidence minus the share that succeeded; above 0: too sure."""
        return self.mean_confidence - self.success.estimate


@dataclass(frozen=True, slots=True)
class RoutingCalibration:
    """The confidence of routing beside what became of it, of executions with a reported confidence."""

    executions: int
    #: Executions without a reported confidence: they are in no figure.
    unreported: int
    mean_confidence: float | None
    success: Proportion | None
    #: The mean squared difference of confidence and outcome: 0 is perfect, 0.25 is what a constant 0.5 gets.
    brier: float | None
    #: That of independent executions, standard normal where confidence is what it says. None where all are 0.5.
    spiegelhalter_z: float | None
    #: How likely so large a difference is by chance: of the means or by Spiegelhalter's z, for both together.
    p_value: float | None
    #: The smallest gap of the means, up or down, that so many executions would have shown in 80% of cases.
    detectable: float | None
    #: Those that have executions, in order.
    bins: tuple[RoutingBin, ...]

    @property
    def gap(self) -> float | None:
        """The mean confidence minus the share that succeeded; above 0: too sure."""
        if self.mean_confidence is None or self.success is None:
            return None
        return self.mean_confidence - self.success.estimate

    @property
    def is_off(self) -> bool:
        """Whether confidence is not what it says, beyond chance (5%)."""
        return self.p_value is not None and self.p_value < _LEVEL

    def __iter__(self) -> Iterator[RoutingBin]:
        """Yield the bins."""
        return iter(self.bins)


def routing_calibration(database: Queryable, selection: Selection | None = None) -> RoutingCalibration:
    """Return the reported confidence of routing beside the share that succeeded, in ten bins.

    Read from the executions themselves, which takes some seconds for each million.

    Args:
        database: the one to ask.
        selection: which executions; None: all.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    condition, parameters = (selection or Selection()).condition()
    rows = database.query(_QUESTION.format(condition=condition), parameters)
    (every,) = database.query(f"SELECT count(*) AS executions FROM executions WHERE {condition}", parameters)
    executions = _count(rows, "executions")
    whole = _Excess.of(rows, "off")
    skew = _Excess.of(rows, "skew")
    return RoutingCalibration(
        executions=executions,
        unreported=max(0, every["executions"] - executions),
        mean_confidence=_sum(rows, "confidence") / executions if executions else None,
        success=wilson(_count(rows, "succeeded"), executions),
        brier=_sum(rows, "squares") / executions if executions else None,
        spiegelhalter_z=skew.total / math.sqrt(skew.variance) if skew.variance > 0 else None,
        p_value=min(1.0, 2 * min(whole.p_value, skew.p_value)) if executions else None,
        detectable=whole.detectable if executions else None,
        bins=_bins(rows),
    )


@dataclass(frozen=True, slots=True)
class _Excess:
    """A sum whose expectation is 0 where confidence is what it says."""

    total: float
    executions: int
    #: Of independent executions, and as the days vary.
    variance: float
    clustered: float
    days: int

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]], name: str) -> "_Excess":
        # Bins of one day come one after the other; of a single bin each row is a day.
        by_day: dict[str, list[Mapping[str, Any]]] = {}
        for row in rows:
            by_day.setdefault(row["day"], []).append(row)
        total, executions = _sum(rows, name), _count(rows, "executions")
        clustered = 0.0
        if len(by_day) > 1:
            mean = total / executions
            sums = [(_sum(of_day, name), _count(of_day, "executions")) for of_day in by_day.values()]
            residuals = math.fsum((of_day - count * mean) ** 2 for of_day, count in sums)
            clustered = residuals * len(by_day) / (len(by_day) - 1)
        return cls(total, executions, _sum(rows, f"{name}_variance"), clustered, len(by_day))

    @property
    def degrees(self) -> float:
        """The degrees of freedom of the larger variance."""
        return self.days - 1 if self.clustered > self.variance else math.inf

    @property
    def error(self) -> float:
        """The standard error of the sum."""
        return math.sqrt(max(self.variance, self.clustered))

    @property
    def p_value(self) -> float:
        """How likely so large a sum is by chance."""
        if not self.error or not self.total:
            return 1.0
        return t_tail(self.total / self.error, self.degrees)

    @property
    def detectable(self) -> float:
        """The smallest mean that would have been shown."""
        margin = t_quantile(_LEVEL / 2, self.degrees) + NormalDist().inv_cdf(_POWER)
        return margin * self.error / self.executions


def _bins(rows: Sequence[Mapping[str, Any]]) -> tuple[RoutingBin, ...]:
    by_bin: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_bin.setdefault(row["bin"], []).append(row)
    ordered = sorted(by_bin.items())
    believed = benjamini_hochberg([_Excess.of(of_bin, "off").p_value for _, of_bin in ordered], _LEVEL)
    return tuple(_bin(number, of_bin, is_one) for (number, of_bin), is_one in zip(ordered, believed, strict=True))


def _bin(number: int, rows: Sequence[Mapping[str, Any]], is_believed: bool) -> RoutingBin:
    executions = _count(rows, "executions")
    success = wilson(_count(rows, "succeeded"), executions)
    assert success is not None, "a bin has executions"
    confidence = _sum(rows, "confidence") / executions
    is_large = executions >= ENOUGH and abs(confidence - success.estimate) >= _GAP
    return RoutingBin(
        low=number / _BINS,
        high=(number + 1) / _BINS,
        executions=executions,
        mean_confidence=confidence,
        success=success,
        assumed=_count(rows, "assumed"),
        is_off=is_believed and is_large,
    )


def _sum(rows: Iterable[Mapping[str, Any]], name: str) -> float:
    return math.fsum(row[name] for row in rows)


def _count(rows: Iterable[Mapping[str, Any]], name: str) -> int:
    return round(_sum(rows, name))
