"""What the days to come cost: level, trend and weekdays of the last weeks, with an 80% band.

The week is the unit: it has every weekday, and days that resemble their neighbours mostly share it. Level and trend are
a regression of the weeks' sums with a logarithmic link and a variance that grows with the square of the mean
(quasi-likelihood, McCullagh and Nelder 1989, chapter 9), so that weeks without spend count as they are. The trend has a
prior, 0 with a standard deviation of 2% a day: few weeks cannot tell a trend, and the band says by how much.
"""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from .significance import t_quantile

_WEEK: Final = 7
#: Fewer whole weeks tell no trend from scatter; more than the last eight say little of the next.
FEWEST_DAYS: Final = 4 * _WEEK
MOST_DAYS: Final = 8 * _WEEK
#: Nor do fewer days on which something was spent, say the firsts of two months.
FEWEST_SPENDING_DAYS: Final = 4
#: Of which the mean stands where there are too few.
MEAN_DAYS: Final = 4 * _WEEK
_CONFIDENCE: Final = 0.8
#: Standard deviation of the trend before any week was seen: of the logarithm, for one week.
_TREND_PRIOR: Final = _WEEK * 0.02
#: A trend goes on for so many days, then the spend stays where it is.
_TREND_DAYS: Final = 28
_MOST_STEPS: Final = 200
#: In units of the logarithm; a larger step may not find its way back.
_LARGEST_STEP: Final = 0.5
_MOST_AUTOCORRELATION: Final = 0.9


class Spend(NamedTuple):
    """What is spent from now on until a day ends, in US dollars; low and high are the 80% band."""

    days: float
    low: float
    expected: float
    high: float


class RunOut(NamedTuple):
    """After how many days an amount is spent; None: not within the days asked for. The outer two are the 80% band."""

    earliest: float | None
    expected: float | None
    latest: float | None


@dataclass(frozen=True, slots=True)
class SpendForecast:
    """The spend of the days to come."""

    #: Expected of today, were all weekdays alike, in US dollars.
    daily_usd: float
    #: Growth a day, 0.02 being 2%, and its 80% band.
    trend: float
    trend_low: float
    trend_high: float
    #: Of today, tomorrow and so on; 1 is a mean day.
    weekdays: tuple[float, ...]
    #: The days learned from; 0: too few for more than their mean.
    days: int
    _line: "_Line"
    _autocorrelation: float

    @classmethod
    def of(cls, daily: Sequence[float | None]) -> "SpendForecast":
        """Return the forecast from the US dollars of each past day.

        Args:
            daily: 0 and more; the last day is yesterday's; None: the spend of the day is unknown.
        """
        weeks = _whole_weeks(daily)
        known = {age: seen for age, week in weeks.items() if (seen := _known(week))}
        spending_days = sum(cost > 0 for seen in known.values() for cost in seen)
        sums = {-(age + 0.5): statistics.fmean(seen) * _WEEK for age, seen in known.items()}
        if len(sums) * _WEEK < FEWEST_DAYS or spending_days < FEWEST_SPENDING_DAYS:
            latest = [cost for cost in daily[-MEAN_DAYS:] if cost is not None]
            mean = statistics.fmean(latest) if latest else 0.0
            return cls(mean, 0.0, 0.0, 0.0, (1.0,) * _WEEK, 0, _Line.flat(mean * _WEEK), 0.0)
        line = _Line.through(sums)
        relative = _relative(weeks, line)
        weekdays = _weekdays(relative)
        margin = line.quantile * math.sqrt(line.covariance[2])
        trend, low, high = (
            math.expm1(slope / _WEEK) for slope in (line.trend, line.trend - margin, line.trend + margin)
        )
        return cls(
            daily_usd=math.exp(line.level) / _WEEK,
            trend=trend,
            trend_low=low,
            trend_high=high,
            weekdays=weekdays,
            days=len(sums) * _WEEK,
            _line=line,
            _autocorrelation=_autocorrelation(relative, weekdays),
        )

    def run_out(self, left_usd: float, elapsed: float, days: int) -> "RunOut":
        """Return after how many days *left_usd* is spent.

        Args:
            left_usd: US dollars; 0 or less are spent already.
            elapsed: the share of today that is over.
            days: later than so many days it is not worth a date.
        """
        if left_usd <= 0:
            return RunOut(0.0, 0.0, 0.0)
        found: list[float | None] = [None, None, None]
        before = Spend(0.0, 0.0, 0.0, 0.0)
        for spend in self.path(elapsed, days):
            for place, (least, most) in enumerate(zip(before[:0:-1], spend[:0:-1], strict=True)):
                if found[place] is None and most >= left_usd:
                    portion = (left_usd - least) / (most - least)
                    found[place] = before.days + portion * (spend.days - before.days)
            if found[2] is not None:
                break
            before = spend
        return RunOut(*found)

    def path(self, elapsed: float, days: int) -> Iterator[Spend]:
        """Yield what is spent from now on until the end of today, of tomorrow, and so on.

        Args:
            elapsed: the share of today that is over.
            days: how many days ahead.
        """
        spent = moment = share = low = high = 0.0
        line, learned = self._line, _inflation(self._autocorrelation, self.days or _WEEK)
        for day in range(days):
            portion = (1.0 - elapsed if day == 0 else 1.0) * self.weekdays[day % _WEEK]
            ahead = min(day + 0.5, _TREND_DAYS) / _WEEK
            cost = math.exp(line.level + line.trend * ahead) / _WEEK * portion
            spent, moment, share = spent + cost, moment + cost * ahead, share + portion
            length = day + 1.0 - elapsed
            if spent > 0:
                scatter = line.scatter * _WEEK / share * _inflation(self._autocorrelation, max(1.0, length))
                variance = line.variance(moment / spent) * learned + scatter
                ratio = variance / _inflation(self._autocorrelation, _WEEK)
                # As time goes on no less is spent.
                low = max(low, spent * _gamma_quantile(ratio, -line.quantile))
                high = max(high, spent * max(1.0, _gamma_quantile(ratio, line.quantile)))
            yield Spend(length, low, spent, high)


@dataclass(frozen=True, slots=True)
class _Line:
    """The logarithm of a week's spend over time in weeks, 0 being this midnight."""

    level: float
    trend: float
    #: Of level, of both, of trend.
    covariance: tuple[float, float, float]
    #: Variance of a week around the line, relative to the square of its mean.
    scatter: float
    #: Of Student's t.
    quantile: float

    @classmethod
    def flat(cls, week: float) -> "_Line":
        return cls(math.log(week) if week else -math.inf, 0.0, (0.0, 0.0, 0.0), 0.0, 0.0)

    @classmethod
    def through(cls, weeks: dict[float, float]) -> "_Line":
        """Return the line through the sums of *weeks*, by their time."""
        count, total, squares = len(weeks), sum(weeks), sum(time * time for time in weeks)
        level, trend, scatter = math.log(statistics.fmean(weeks.values())), 0.0, 0.1
        for _ in range(_MOST_STEPS):
            residuals = {time: cost / math.exp(level + trend * time) - 1 for time, cost in weeks.items()}
            prior = scatter / _TREND_PRIOR**2
            determinant = count * (squares + prior) - total * total
            inverse = (squares + prior) / determinant, -total / determinant, count / determinant
            slope = sum(time * residual for time, residual in residuals.items()) - prior * trend
            mean = sum(residuals.values())
            steps = inverse[0] * mean + inverse[1] * slope, inverse[1] * mean + inverse[2] * slope
            level, trend = (old + _limited(step) for old, step in zip((level, trend), steps, strict=True))
            # The trend counts as a parameter as far as the prior left it free.
            parameters = count * inverse[0] + 2 * total * inverse[1] + squares * inverse[2]
            scatter = sum(residual * residual for residual in residuals.values()) / (count - parameters)
            if max(map(abs, steps)) < 1e-9:
                break
        variances = inverse[0] * scatter, inverse[1] * scatter, inverse[2] * scatter
        return cls(level, trend, variances, scatter, t_quantile(1 - _CONFIDENCE, count - parameters))

    def variance(self, time: float) -> float:
        """Return that of the line at *time*."""
        of_level, of_both, of_trend = self.covariance
        return of_level + 2 * time * of_both + time * time * of_trend


_Weeks = dict[int, list[float | None]]  # how many weeks ago -> its days, the oldest first


def _whole_weeks(daily: Sequence[float | None]) -> _Weeks:
    count = min(len(daily), MOST_DAYS) // _WEEK
    return {age: list(daily[len(daily) - (age + 1) * _WEEK : len(daily) - age * _WEEK]) for age in range(count)}


def _known(week: Sequence[float | None]) -> list[float]:
    """Return the known costs of a week, if they are those of most of its days."""
    known = [cost for cost in week if cost is not None]
    return known if 2 * len(known) > _WEEK else []


def _relative(weeks: _Weeks, line: _Line) -> list[float | None]:
    """Return the cost of each day over that of a mean day of its week, the oldest first."""
    return [
        None if cost is None else cost * _WEEK / math.exp(line.level - line.trend * (age + 0.5))
        for age, week in sorted(weeks.items(), reverse=True)
        for cost in week
    ]


def _weekdays(relative: Sequence[float | None]) -> tuple[float, ...]:
    """Return the factor of each weekday, today's first, drawn towards 1 as far as chance explains their differences.

    The share of chance is 1 over the F of a one-way analysis of variance: empirical Bayes.
    """
    groups = [[cost for cost in relative[day::_WEEK] if cost is not None] for day in range(_WEEK)]
    if not all(groups):
        return (1.0,) * _WEEK
    means = [statistics.fmean(group) for group in groups]
    centre = statistics.fmean(means)
    between = sum(len(group) * (mean - centre) ** 2 for group, mean in zip(groups, means, strict=True)) / (_WEEK - 1)
    within = sum((cost - mean) ** 2 for group, mean in zip(groups, means, strict=True) for cost in group)
    within /= max(1, sum(map(len, groups)) - _WEEK)
    weight = 1 - within / between if between > within else 0.0
    return tuple(1 + weight * (mean / centre - 1) for mean in means)


def _autocorrelation(relative: Sequence[float | None], weekdays: Sequence[float]) -> float:
    """Return the correlation of a day with the next, once level, trend and weekday are taken out; 0 and more.

    Corrected for its bias in short series (Kendall 1954, "Note on bias in the estimation of autocorrelation").
    """
    left = [None if cost is None else cost - weekdays[day % _WEEK] for day, cost in enumerate(relative)]
    known = [cost for cost in left if cost is not None]
    mean, count = statistics.fmean(known), len(known)
    variance = sum((cost - mean) ** 2 for cost in known)
    if variance == 0:
        return 0.0
    product = sum((one - mean) * (two - mean) for one, two in pairwise(left) if one is not None and two is not None)
    return max(0.0, min(_MOST_AUTOCORRELATION, (product / variance * count + 1) / (count - 3)))


def _inflation(autocorrelation: float, days: float) -> float:
    """Return by how much the variance of a sum of *days* of a first-order autoregression exceeds independent days'."""
    rest = 1 - autocorrelation
    return (1 + autocorrelation) / rest - 2 * autocorrelation * (1 - math.pow(autocorrelation, days)) / (
        days * rest * rest
    )


def _gamma_quantile(variance: float, deviate: float) -> float:
    """Return the quantile of a gamma distribution of mean 1: sums of spend are skewed (Wilson and Hilferty 1931)."""
    root: float = max(0.0, 1 - variance / 9 + deviate * math.sqrt(variance) / 3)
    return root * root * root


def _limited(step: float) -> float:
    return max(-_LARGEST_STEP, min(_LARGEST_STEP, step))
