"""Days in a row on which a figure differs from the other days, over the same mix of tasks.

Every run of days of a period is held against its other days, and those of four weeks before or more, and what is found
is corrected for all runs that were looked at (Bonferroni). Days differ by more than chance also where nothing happens:
how much, the other days tell, as the dispersion of a quasi-likelihood (McCullagh and Nelder 1989, "Generalized Linear
Models", chapter 9), which for success is at least 1. Shares are held against each other by their likelihood ratio,
since few failures are expected, and sums of costs and waits by that of a gamma distribution, since they are skewed.
"""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal

from ..rollups.measures import MICRO_SCALE
from .blocks import CellName, Sums
from .clustering import ENOUGH_DAYS
from .mix import ENOUGH
from .significance import exp, t_tail
from .sources.cube_rows import GroupTotals

Watched = Literal["success", "cost", "duration", "queue wait", "tokens"]
"""A figure: a share, a mean in US dollars, a geometric mean in seconds, a mean in seconds, and a mean."""

Parts = Mapping[str, Mapping[CellName, tuple[float, float]]]
"""Day -> cell -> the sum of a figure, and of how many executions. Of a duration it is that of logarithms."""

#: How often each is found where nothing happened, as in a comparison.
LEVELS: Final[Mapping[Watched, float]] = {"success": 0.02, "cost": 0.01, "duration": 0.01, "queue wait": 0.01}
#: The least difference that is worth a word: of a share, and the ratio of means.
_LEAST_SHARE: Final = 0.02
_LEAST_RATIO: Final[Mapping[Watched, float]] = {"cost": 1.1, "duration": 1.2, "queue wait": 1.5}
_PARTS: Final[Mapping[Watched, Callable[[GroupTotals, Sums], tuple[float, float]]]] = {
    "success": lambda group, sums: (sums.succeeded, sums.executions),
    "cost": lambda group, sums: (sums.cost, sums.priced),
    "duration": lambda group, sums: (sums.logs, sums.timed),
    "tokens": lambda group, sums: (group.sums["input_tokens"] + group.sums["output_tokens"], group.sums["counted"]),
    "queue wait": lambda group, sums: (group.sums["queue_us"] / MICRO_SCALE, group.sums["queued"]),
}


#: In longer periods, runs have one of these lengths, or last until the end.
_MANY: Final = 14
_LENGTHS: Final = frozenset((*range(1, 8), 10, 14, 21, 30, 45, 60))
#: So much of a change is in one place, which has hardly more than that share of what is expected.
_MOST: Final = 0.8
_LARGEST_PLACE: Final = 0.7
#: A rest that is so many standard errors off, or less, is as before.
_UNMOVED: Final = 2.0
#: The square of a distance that is far from telling, also where it is not exact.
_NEAR: Final = 4.0
_NONE: Final = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Contrast:
    """A figure on some days, and what the other days have for the same mix of tasks."""

    inside: float
    outside: float

    @property
    def ratio(self) -> float:
        """How many times the figure is that of the other days."""
        return self.inside / self.outside if self.outside else math.inf


@dataclass(frozen=True, slots=True)
class Spell:
    """A run of days that differs from the others."""

    figure: Watched
    #: Such as ``2026-11-22``.
    first: str
    last: str
    #: Whether there were executions on later days.
    is_over: bool
    contrast: Contrast
    #: How many there are, of the period and before.
    other_days: int
    #: Corrected for all runs of days that were looked at.
    p_value: float
    #: How many there were.
    tests: int

    @property
    def is_higher(self) -> bool:
        """Whether the figure is higher than on the other days."""
        return self.contrast.inside > self.contrast.outside


@dataclass(frozen=True, slots=True)
class Place:
    """Where a spell was: the executions that have one value."""

    by: str
    value: str
    contrast: Contrast
    #: Whether the other executions were as on other days.
    is_all: bool


def parts(figure: Watched, days: Mapping[str, Mapping[CellName, tuple[GroupTotals, Sums]]]) -> Parts:
    """Return what each day and cell adds to a figure."""
    part = _PARTS[figure]
    return {
        day: {name: added for name, cell in cells.items() if (added := part(*cell))[1]} for day, cells in days.items()
    }


def by_value(days: Parts, number: int) -> dict[str, Parts]:
    """Return *days* of each value of one dimension, the one of that *number* in the names of cells."""
    found: defaultdict[str, dict[str, dict[CellName, tuple[float, float]]]] = defaultdict(dict)
    for day, cells in days.items():
        for name, part in cells.items():
            found[name[number]].setdefault(day, {})[name] = part
    return dict(found)


def find_spell(figure: Watched, days: Parts, within: Sequence[str], looks: int = 1) -> Spell | None:
    """Return the run of days that differs most, where one does.

    Args:
        figure: in what.
        days: those of the period, and those before to hold them against.
        within: the days of the period, in order: the run begins on one of them.
        looks: how many times it is looked for, in other executions: they all count for the correction.
    """
    series = _Series(figure, days)
    runs = [*_runs(sorted({series.number_of(day) for day in within}), series.length)]
    distance, (start, end) = max(((series.distance(*run) or 0.0, run) for run in runs), default=(0.0, (0, 0)))
    if not distance:
        return None
    tests = len(runs) * looks
    p_value = min(1.0, t_tail(distance, series.length - 2) * tests)
    if p_value > LEVELS[figure]:
        return None
    first, last = series.dates[start], series.dates[end - 1]
    contrast = contrast_of(figure, days, first, last)
    if not _matters(figure, contrast):
        return None
    return Spell(figure, first, last, end < series.length, contrast, series.length - (end - start), p_value, tests)


def is_still_one(spell: Spell, days: Parts, share: float) -> bool:
    """Tell whether *spell*, found in *days*, is one as well where only a *share* of its sum counts.

    A few large values can make a sum, and the variance of sums of days does not tell.
    """
    less = {
        day: {
            name: (total * share if spell.first <= day <= spell.last else total, count)
            for name, (total, count) in cells.items()
        }
        for day, cells in days.items()
    }
    series = _Series(spell.figure, less)
    start, end = series.number_of(spell.first), series.number_of(spell.last, after=True)
    p_value = t_tail(series.distance(start, end) or 0.0, series.length - 2) * spell.tests
    contrast = contrast_of(spell.figure, less, spell.first, spell.last)
    return p_value <= LEVELS[spell.figure] and contrast.ratio > 1 and _matters(spell.figure, contrast)


def find_place(spell: Spell, by: str, groups: Mapping[str, Parts]) -> Place | None:
    """Return the value in which most of the change is, where it is in one; *groups* are the days of each value."""
    found = {value: contrast_of(spell.figure, days, spell.first, spell.last) for value, days in groups.items()}
    counts = {value: _within(days, spell.first, spell.last)[1] for value, days in groups.items()}
    weights = {
        value: counts[value] * (1.0 if spell.figure == "duration" else contrast.outside)
        for value, contrast in found.items()
    }
    changes = {
        value: counts[value] * _difference(spell.figure, contrast) for value, contrast in found.items() if counts[value]
    }
    whole = sum(changes.values())
    if len(changes) < 2 or not whole:
        return None
    for value in sorted(changes, key=weights.__getitem__):
        if changes[value] / whole >= _MOST and weights[value] <= _LARGEST_PLACE * sum(weights.values()):
            rest = _Series(spell.figure, _together([days for other, days in groups.items() if other != value]))
            start, end = rest.number_of(spell.first), rest.number_of(spell.last, after=True)
            distance = rest.distance(start, end, fewest=1)
            return Place(by, value, found[value], is_all=distance is None or distance < _UNMOVED)
    return None


def contrast_of(figure: Watched, days: Parts, first: str, last: str) -> Contrast:
    """Return a figure from *first* to *last*, and what the other days have for the same mix of tasks."""
    total, count = _within(days, first, last)
    if not count:
        return Contrast(0.0, 0.0)
    rates = _rates(days) | _rates({day: cells for day, cells in days.items() if not first <= day <= last})
    expected = math.fsum(
        rates[name] * of for day, cells in days.items() if first <= day <= last for name, (_, of) in cells.items()
    )
    inside, outside = total / count, expected / count
    return Contrast(exp(inside), exp(outside)) if figure == "duration" else Contrast(inside, outside)


def _matters(figure: Watched, contrast: Contrast) -> bool:
    """Tell whether the difference is worth a word."""
    if figure == "success":
        return abs(contrast.inside - contrast.outside) >= _LEAST_SHARE
    if min(contrast.inside, contrast.outside) <= 0:
        return False
    return abs(math.log(contrast.ratio)) >= math.log(_LEAST_RATIO[figure])


def _difference(figure: Watched, contrast: Contrast) -> float:
    if figure == "duration":
        return math.log(contrast.ratio)
    return contrast.inside - contrast.outside


def _within(days: Parts, first: str, last: str) -> tuple[float, float]:
    found = [part for day, cells in days.items() if first <= day <= last for part in cells.values()]
    return math.fsum(total for total, _ in found), math.fsum(count for _, count in found)


def _rates(days: Parts) -> dict[CellName, float]:
    sums: dict[CellName, tuple[float, float]] = {}
    for cells in days.values():
        for name, (total, count) in cells.items():
            before = sums.get(name, _NONE)
            sums[name] = before[0] + total, before[1] + count
    return {name: total / count for name, (total, count) in sums.items()}


def _together(groups: Iterable[Parts]) -> Parts:
    """Return the days of several values, whose cells have different names."""
    found: defaultdict[str, dict[CellName, tuple[float, float]]] = defaultdict(dict)
    for number, days in enumerate(groups):
        for day, cells in days.items():
            found[day] |= {(str(number), *name): part for name, part in cells.items()}
    return found


def _runs(starts: Sequence[int], end: int) -> Iterator[tuple[int, int]]:
    """Yield the runs that begin on one of *starts*: the first day, and the one after the last."""
    for start in starts:
        for after in range(start + 1, end + 1):
            if len(starts) <= _MANY or after - start in _LENGTHS or after == end:
                yield start, after


class _Series:
    """What each day with executions adds to a figure, beside what is expected of its mix were all days alike."""

    def __init__(self, figure: Watched, days: Parts) -> None:
        rates = _rates(days)
        self._figure = figure
        self.dates = sorted(day for day, cells in days.items() if cells)
        self.length = len(self.dates)

        def variance(rate: float) -> float:
            return rate * (1 - rate) if figure == "success" else 1.0 if figure == "duration" else rate * rate

        variances = {name: variance(rate) for name, rate in rates.items()}
        sums: list[tuple[float, float, float, float]] = []
        for day in self.dates:
            observed = expected = count = of_day = 0.0
            for name, (total, of) in days[day].items():
                observed += total
                expected += rates[name] * of
                count += of
                of_day += variances[name] * of
            sums.append((observed, expected, count, of_day))
        columns = [*zip(*sums, strict=True)] or [(), (), (), ()]
        self._observed, self._expected, self._counts, self._variances = ([0.0, *accumulate(each)] for each in columns)
        self._squares = math.fsum((mine - theirs) ** 2 / of for mine, theirs, _, of in sums if of)

    def number_of(self, day: str, *, after: bool = False) -> int:
        """Return how many of its days are before *day*; or before the next one."""
        return (bisect_right if after else bisect_left)(self.dates, day)

    def distance(self, start: int, end: int, fewest: int = ENOUGH) -> float | None:
        """Return by how many standard errors a run of days differs from the others; None: too little is known."""
        others = self.length - (end - start)
        variance = self._variances[end] - self._variances[start]
        rest = self._variances[-1] - variance
        count = self._counts[end] - self._counts[start]
        if others < ENOUGH_DAYS or min(variance, rest) <= 0 or min(count, self._counts[-1] - count) < fewest:
            return None
        observed = self._observed[end] - self._observed[start]
        expected = self._expected[end] - self._expected[start]
        excess = observed - expected
        # Together all days are as expected.
        left = self._squares - excess * excess * (1 / variance + 1 / rest)
        dispersion = max(0.0, left) / (self.length - 2)
        if self._figure == "success":
            dispersion = max(1.0, dispersion)
        if not dispersion:
            return None
        squares = excess * excess * (1 / variance + 1 / rest) / dispersion
        if squares < _NEAR or self._figure == "duration":  # the mean of logarithms has no other deviance
            return math.sqrt(squares)
        both = (
            (observed, expected, count, variance),
            (self._observed[-1] - observed, self._expected[-1] - expected, self._counts[-1] - count, rest),
        )
        deviance = math.fsum((_binomial if self._figure == "success" else _gamma)(*each) for each in both)
        return math.sqrt(max(0.0, deviance) / dispersion)


def _binomial(observed: float, expected: float, count: float, variance: float) -> float:
    """Return the deviance of *observed* successes of *count*, where so many are *expected*."""
    return 2 * (_term(observed, expected) + _term(count - observed, count - expected))


def _term(observed: float, expected: float) -> float:
    return observed * math.log(observed / expected) if observed > 0 and expected > 0 else 0.0


def _gamma(observed: float, expected: float, count: float, variance: float) -> float:
    """Return the deviance of an *observed* sum of values that are skewed, as costs and waits are."""
    if observed <= 0 or expected <= 0:
        return 0.0
    return 2 * expected * expected / variance * (observed / expected - 1 - math.log(observed / expected))
