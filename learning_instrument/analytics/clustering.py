"""How much less a number of executions says where they depend on one another: outages, retries, days.

The variance of an effect is worked out from the sums of its executions' influences over clusters of them: blocks of
consecutive executions, and days. Liang and Zeger 1986, "Longitudinal Data Analysis Using Generalized Linear Models";
for blocks of a series Künsch 1989, "The Jackknife and the Bootstrap for General Stationary Observations", and for their
few degrees of freedom Ibragimov and Müller 2010, "t-Statistic Based Correlation and Heterogeneity Robust Inference".
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Final

from .significance import f_tail

#: Blocks of consecutive executions on a side, and how many of these are put together where they depend on one another.
BLOCKS: Final = 20
_COARSER: Final = (2, 4)
#: How likely blocks, or days, of independent executions are taken for dependent ones; days err on the safe side
#: where there are few.
_BLOCKS_LEVEL: Final = 0.1
_DAYS_LEVEL: Final = 0.1
_FEW_DAYS_LEVEL: Final = 0.25
#: Fewer days on a side than this cannot tell a change from a difference of days.
ENOUGH_DAYS: Final = 5
#: Of blocks that count without a sign that executions depend on one another.
_ENOUGH_BLOCKS: Final = 10
_LENGTH_OF_DAY: Final = 10
#: So many degrees of freedom are as good as any number.
_MANY: Final = 10_000


@dataclass(slots=True)
class Sample:
    """The values of one side in one stratum, added up by the moment at which their executions started, in its order."""

    moments: list[str] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    #: Of all values together.
    executions: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, moment: str, value: float) -> None:
        """Add the value of an execution that started no earlier than those before it."""
        self.add_sums(moment, 1, value, value * value)

    def add_sums(self, moment: str, count: int, total: float, squares: float) -> None:
        """Add so many values, their sum and that of their squares, of executions of one moment."""
        if self.moments and self.moments[-1] == moment:
            self.counts[-1] += count
            self.totals[-1] += total
        else:
            self.moments.append(moment)
            self.counts.append(count)
            self.totals.append(total)
        self.executions += count
        self.total += total
        self.squares += squares

    @classmethod
    def merged(cls, samples: Sequence["Sample"]) -> "Sample":
        """Return all values of *samples*."""
        merged = cls()
        rows = (row for sample in samples for row in zip(sample.moments, sample.counts, sample.totals, strict=True))
        for moment, of_it in groupby(sorted(rows), key=itemgetter(0)):
            parts = list(of_it)
            merged.moments.append(moment)
            merged.counts.append(sum(count for _, count, _ in parts))
            merged.totals.append(math.fsum(total for _, _, total in parts))
        merged.executions = sum(sample.executions for sample in samples)
        merged.total = math.fsum(sample.total for sample in samples)
        merged.squares = math.fsum(sample.squares for sample in samples)
        return merged

    @property
    def days(self) -> set[str]:
        """The days of its moments."""
        return {moment[:_LENGTH_OF_DAY] for moment in self.moments}

    @property
    def mean(self) -> float:
        """The mean of its values; it has some."""
        return self.total / self.executions

    @property
    def variance(self) -> float:
        """The variance of its values; it has at least two."""
        spread = self.squares - self.total * self.mean
        # What rounding leaves where all values are the same is no variance.
        return spread / (self.executions - 1) if spread > 1e-12 * self.squares else 0.0


Weighted = tuple[float, Sample]
"""A stratum: its weight, and one side's values."""


@dataclass(frozen=True, slots=True)
class Design:
    """What the dependence of executions costs.

    Args:
        effect: how many times the variance is that of independent executions, at least 1.
        degrees: the degrees of freedom of that variance.
        within: both, of blocks that are shorter than days.
        has_few_days: whether days differ, and there are fewer than :data:`ENOUGH_DAYS` on a side.
    """

    effect: float
    degrees: float
    within: tuple[float, float]
    has_few_days: bool = False


@dataclass(frozen=True, slots=True)
class _Clusters:
    """Sums of influences over clusters of executions, of one or both sides."""

    sums: Sequence[float]
    counts: Sequence[float]

    @property
    def number(self) -> float:
        """How many clusters of equal size say as much (Kish 1965)."""
        squares = sum(count * count for count in self.counts)
        return sum(self.counts) ** 2 / squares if squares else 0.0

    @property
    def variance(self) -> float:
        """The variance of the sum of all influences."""
        return self.number / (self.number - 1) * math.fsum(each * each for each in self.sums)

    def merged(self, number: int) -> "_Clusters":
        """Return them with that *number* of consecutive ones put together."""
        starts = range(0, len(self.sums), number)
        return _Clusters(
            [math.fsum(self.sums[start : start + number]) for start in starts],
            [sum(self.counts[start : start + number]) for start in starts],
        )


@dataclass(frozen=True, slots=True)
class _Variance:
    """A variance and its degrees of freedom."""

    variance: float
    degrees: float
    #: Of the side that has fewest.
    clusters: float


def design(sides: Sequence[Sequence[Weighted]], independent: float, degrees: float = math.inf) -> Design:
    """Return what the dependence of executions costs a weighted mean, or the difference of two.

    Args:
        sides: one or two, each its strata.
        independent: the variance, were all executions independent.
        degrees: its degrees of freedom.
    """
    if not independent:
        return Design(1.0, degrees, (1.0, degrees))
    influences = [_influences(side, sign) for side, sign in zip(sides, (-1.0, 1.0), strict=False)]
    if len(sides) > 1 and _are_concurrent(*influences):
        # What happens to both sides at one time is no difference of theirs.
        influences = [sorted((*influences[0], *influences[1]), key=itemgetter(0))]
    days = _together([_days(side) for side in influences])
    blocks = [_blocks(side) for side in influences]
    finest = _together(blocks)
    chosen = _Variance(independent, degrees, math.inf)
    within = chosen
    # Fewer moments than this are told apart by their days, if by anything.
    has_many = finest is not None and finest.clusters >= _ENOUGH_BLOCKS
    if finest is not None and (has_many or days is None):
        if has_many and finest.variance > independent:
            chosen = within = finest
        executions = sum(count for side in blocks for count in side.counts)
        if f_tail(finest.variance / independent, finest.degrees, min(executions, _MANY)) < _BLOCKS_LEVEL:
            for coarser in (finest, *(_together([side.merged(many) for side in blocks]) for many in _COARSER)):
                if coarser is not None and coarser.variance > chosen.variance:
                    chosen = coarser
    is_by_day = has_few = False
    if days is not None and days.variance > chosen.variance:
        has_few = days.clusters < ENOUGH_DAYS
        share = f_tail(days.variance / chosen.variance, days.degrees, min(chosen.degrees, _MANY))
        is_by_day = share < (_FEW_DAYS_LEVEL if has_few else _DAYS_LEVEL)
    if is_by_day and days is not None:
        chosen = days
    effect, effect_within = (each.variance / independent for each in (chosen, within))
    return Design(effect, chosen.degrees, (effect_within, within.degrees), is_by_day and has_few)


_Influence = tuple[str, int, float]
"""A moment, the executions of it, and what they add to the weighted mean of their side beside its expectation."""


def _influences(side: Iterable[Weighted], sign: float) -> list[_Influence]:
    every: list[_Influence] = []
    for weight, sample in side:
        scale, mean = sign * weight / sample.executions, sample.mean
        for moment, count, total in zip(sample.moments, sample.counts, sample.totals, strict=True):
            every.append((moment, count, scale * (total - count * mean)))
    every.sort(key=itemgetter(0))
    return every


def _are_concurrent(one: Sequence[_Influence], other: Sequence[_Influence]) -> bool:
    """Tell whether most executions started between the first and the last one of the other side."""
    between = executions = 0
    for side, against in ((one, other), (other, one)):
        first, last = against[0][0], against[-1][0]
        executions += sum(count for _, count, _ in side)
        between += sum(count for moment, count, _ in side if first < moment < last)
    return 2 * between > executions


def _blocks(side: Sequence[_Influence]) -> _Clusters:
    """Return blocks of about equally many consecutive executions; those of one moment stay together."""
    sums, counts = [0.0] * BLOCKS, [0] * BLOCKS
    executions, seen = sum(count for _, count, _ in side), 0
    for _, together in groupby(side, key=itemgetter(0)):
        count, influence = 0, 0.0
        for _, some, theirs in together:
            count += some
            influence += theirs
        block = (2 * seen + count) * BLOCKS // (2 * executions)
        sums[block] += influence
        counts[block] += count
        seen += count
    return _Clusters(sums, counts)


def _days(side: Iterable[_Influence]) -> _Clusters:
    """Return the days."""
    sums: defaultdict[str, float] = defaultdict(float)
    counts: defaultdict[str, int] = defaultdict(int)
    for moment, count, influence in side:
        day = moment[:_LENGTH_OF_DAY]
        sums[day] += influence
        counts[day] += count
    return _Clusters(list(sums.values()), list(counts.values()))


def _together(sides: Sequence[_Clusters]) -> _Variance | None:
    """Return the variance of the difference of *sides*, with Satterthwaite's degrees of freedom; None without any."""
    numbers = [side.number for side in sides]
    if min(numbers) < 1.5:
        return None
    variances = [side.variance for side in sides]
    spread = math.fsum(v * v / (number - 1) for v, number in zip(variances, numbers, strict=True))
    if not spread:
        return None
    return _Variance(math.fsum(variances), math.fsum(variances) ** 2 / spread, min(numbers))
