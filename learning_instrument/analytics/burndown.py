"""How long a budget lasts, and how much of it is left when it is renewed."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any, Final, Literal, get_args

from ..errors import ConfigurationError
from ..rollups.measures import NANO_SCALE
from ..sqlite.selection import Queryable, Selection
from ..timestamps import from_iso
from .group_totals import totals
from .sources.cube_rows import GroupTotals
from .spend_forecast import MEAN_DAYS, MOST_DAYS, SpendForecast

Period = Literal["day", "week", "month", "quarter", "year"]
"""How often a budget is renewed."""

BURN_DOWN_PERIODS: Final = get_args(Period)
_DAY: Final = timedelta(days=1)
#: Later than this it is not worth a date.
_HORIZON_DAYS: Final = 3653


@dataclass(frozen=True, slots=True)
class BurnDown:
    """The rest of a budget, in US dollars, and when it runs out."""

    amount_usd: float
    #: The period that *now* is in, in UTC; its end is the start of the next.
    period_start: datetime
    period_end: datetime
    #: None where the cost of none of its executions is known; a lower bound where ``partial`` or ``unpriced`` is not 0.
    spent_usd: float | None
    #: Below 0: overspent. Unknown costs are not deducted.
    left_usd: float
    #: Spent a day, on average of the last four weeks (or since the first known cost), and the days this is known from.
    daily_mean_usd: float
    history_days: int
    #: The executions of these days of which a part of the cost, or all of it, is unknown: the pace is a lower bound.
    history_unknown: int
    #: When the budget is expected to run out, were it not renewed: now, where it has already. None: not in ten years.
    run_out: datetime | None
    #: The 80% band of that date. *earliest* is None where the days are too few to tell; *latest* also where in the
    #: better case it does not run out in ten years.
    earliest: datetime | None
    latest: datetime | None
    #: What is expected to be left when the period ends, with its 80% band; below 0: overspent. None where no whole day
    #: tells the pace yet; the band also where the days are too few.
    expected_left_usd: float | None
    left_low_usd: float | None
    left_high_usd: float | None
    #: The days that the forecast has level, trend and weekdays from; 0: too few, it goes by the mean.
    forecast_days: int
    #: Expected of a mean day now.
    expected_daily_usd: float
    #: Growth a day, 0.02 being 2%, with its 80% band. None where the days are too few.
    trend: float | None
    trend_low: float | None
    trend_high: float | None
    #: Spend of each weekday over that of a mean day, Monday first; all 1 where no difference is seen.
    weekdays: tuple[float, ...]
    #: Executions of this period of which a part of the cost is unknown; those whose model calls could not be priced,
    #: and those without a reported cost: what is unknown is not included.
    partial: int
    unpriced: int
    unreported: int

    @property
    def lasts(self) -> bool | None:
        """Whether the budget is expected to last until its period ends; None where no whole day tells the pace yet."""
        if self.left_usd > 0 and not self.history_days:
            return None
        return self.left_usd > 0 and (self.run_out is None or self.run_out >= self.period_end)

    def until_renewal(self) -> "BurnDown":
        """Return the same without the dates after the period's end, when the budget is renewed."""
        run_out, earliest, latest = (
            date if date is not None and date < self.period_end else None
            for date in (self.run_out, self.earliest, self.latest)
        )
        return replace(self, run_out=run_out, earliest=earliest, latest=latest)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield its fields, once: it is one row of a table."""
        return iter((asdict(self),))


def burn_down(
    database: Queryable,
    amount_usd: float,
    period: Period = "month",
    selection: Selection | None = None,
    now: datetime | None = None,
) -> BurnDown:
    """Return the rest of a budget of *amount_usd* for each *period*, and when it runs out.

    The forecast has its level, its trend and its weekdays from the last eight weeks, as far as there are costs;
    :mod:`.spend_forecast` says how. From less than four weeks it goes by the mean, without a band.

    Args:
        database: the one to ask.
        amount_usd: the budget, in US dollars.
        period: ``day``, ``week`` (from Monday), ``month``, ``quarter`` or ``year``, in UTC.
        selection: whose budget it is; its times do not count.
        now: the moment to look from, with a time zone; None: the present.

    Raises:
        ConfigurationError: for another period, or an amount that is no positive number.
        DatabaseError: if the database cannot be read.
    """
    if not (isinstance(amount_usd, (int, float)) and 0 < amount_usd < math.inf):
        raise ConfigurationError(f"Invalid amount_usd {amount_usd!r}: expected an amount in US dollars above 0.")
    moment = (now or datetime.now(timezone.utc)).astimezone(timezone.utc)
    start, end = period_around(moment, period)
    today = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    oldest = today - timedelta(days=MOST_DAYS)
    chosen = replace(selection or Selection(), since=min(start, oldest), until=moment + timedelta(microseconds=1))
    days = totals(database, ("day",), chosen, ("cost_nano", "priced", "partial", "unpriced"))
    spend = {from_iso(f"{group[0]}T00:00:00+00:00"): day for group, day in days.items()}
    this_period = [of_day for day, of_day in spend.items() if day >= start]
    spent = sum(of_day.sums["cost_nano"] for of_day in this_period) / NANO_SCALE
    executions, priced, partial, unpriced = (
        sum(of_day.count(name) for of_day in this_period) for name in ("executions", "priced", "partial", "unpriced")
    )
    first = max(oldest, min((day for day, of_day in spend.items() if of_day.sums["priced"]), default=today))
    every_day = [first + timedelta(days=number) for number in range((today - first).days)]
    daily = [_cost(spend.get(day)) for day in every_day]
    latest = [cost for cost in daily[-MEAN_DAYS:] if cost is not None]
    forecast = SpendForecast.of(daily)
    is_learned = forecast.days > 0
    left, elapsed = amount_usd - spent, (moment - today) / _DAY
    dates = [_after(moment, days) for days in forecast.run_out(left, elapsed, _HORIZON_DAYS)]
    *_, until_end = forecast.path(elapsed, (end - today) // _DAY)
    return BurnDown(
        amount_usd=amount_usd,
        period_start=start,
        period_end=end,
        spent_usd=spent if priced or not executions else None,
        left_usd=left,
        daily_mean_usd=sum(latest) / max(1, len(latest)),
        history_days=len(latest),
        history_unknown=sum(
            of_day.count("partial") + of_day.count("unpriced")
            for day, of_day in spend.items()
            if day in every_day[-MEAN_DAYS:]
        ),
        run_out=dates[1],
        earliest=dates[0] if is_learned else None,
        latest=dates[2] if is_learned else None,
        expected_left_usd=left - until_end.expected if latest else None,
        left_low_usd=left - until_end.high if is_learned else None,
        left_high_usd=left - until_end.low if is_learned else None,
        forecast_days=forecast.days,
        expected_daily_usd=forecast.daily_usd,
        trend=forecast.trend if is_learned else None,
        trend_low=forecast.trend_low if is_learned else None,
        trend_high=forecast.trend_high if is_learned else None,
        weekdays=tuple(forecast.weekdays[(day - today.weekday()) % len(forecast.weekdays)] for day in range(7)),
        partial=partial,
        unpriced=unpriced,
        unreported=executions - priced - unpriced,
    )


def _cost(of_day: GroupTotals | None) -> float | None:
    """Return the US dollars of a day; None where all its costs are unknown, for so is their sum.

    At least 0: imported credits, of costs below 0, are no spend that days to come will have.
    """
    if of_day is None:
        return 0.0
    return max(0.0, of_day.sums["cost_nano"] / NANO_SCALE) if of_day.sums["priced"] else None


def period_around(moment: datetime, period: str) -> tuple[datetime, datetime]:
    """Return the first moment of the *period* around *moment*, in UTC, and that of the next.

    Raises:
        ConfigurationError: for a period that is none of :data:`BURN_DOWN_PERIODS`.
    """
    today = moment.astimezone(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return today, today + _DAY
    if period == "week":
        monday = today - timedelta(days=today.weekday())
        return monday, monday + timedelta(days=7)
    months = {"month": 1, "quarter": 3, "year": 12}.get(period)
    if months is None:
        raise ConfigurationError(f"Invalid period {period!r}: expected one of {', '.join(BURN_DOWN_PERIODS)}.")
    first = today.replace(month=(today.month - 1) // months * months + 1, day=1)
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return first, first.replace(year=year, month=month + 1)


def _after(moment: datetime, days: float | None) -> datetime | None:
    return None if days is None else moment + timedelta(days=days)
