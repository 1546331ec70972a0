"""How long a budget lasts at the pace of the last four weeks."""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Final

from ..errors import ConfigurationError
from ..rollups.measures import NANO_SCALE
from ..sqlite.selection import Queryable, Selection
from ..timestamps import from_iso
from .group_totals import totals
from .intervals import normal_quantile

BURN_DOWN_PERIODS: Final = ("day", "week", "month", "quarter", "year")
_HISTORY_DAYS: Final = 28
#: A spread says something from so many days on.
_FEWEST_DAYS: Final = 3
_CONFIDENCE: Final = 0.8
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
    #: When the budget runs out at this pace, were it not renewed: now, where it has already. None: not in ten years.
    run_out: datetime | None
    #: The 80% band of that date. *earliest* is None where the days are too few to tell; *latest* also where in the
    #: better case it does not run out in ten years.
    earliest: datetime | None
    latest: datetime | None
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


def burn_down(
    database: Queryable,
    amount_usd: float,
    period: str = "month",
    selection: Selection | None = None,
    now: datetime | None = None,
) -> BurnDown:
    """Return the rest of a budget of *amount_usd* for each *period*, and when it runs out.

    Days are taken as independent draws of the last 28 whole days; the band has their scatter in it and that of
    their mean, and knows nothing of weekends.

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
    history = today - timedelta(days=_HISTORY_DAYS)
    chosen = replace(selection or Selection(), since=min(start, history), until=moment + timedelta(microseconds=1))
    days = totals(database, ("day",), chosen, ("cost_nano", "priced", "partial", "unpriced"))
    spend = {from_iso(f"{group[0]}T00:00:00+00:00"): day for group, day in days.items()}
    this_period = [of_day for day, of_day in spend.items() if day >= start]
    spent = sum(of_day.sums["cost_nano"] for of_day in this_period) / NANO_SCALE
    executions, priced, partial, unpriced = (
        sum(of_day.count(name) for of_day in this_period) for name in ("executions", "priced", "partial", "unpriced")
    )
    first = max(history, min((day for day, of_day in spend.items() if of_day.sums["priced"]), default=today))
    every_day = (first + timedelta(days=number) for number in range((today - first).days))
    # Of a day whose costs are all unknown, so is the sum.
    daily = [
        spend[day].sums["cost_nano"] / NANO_SCALE if day in spend else 0.0
        for day in every_day
        if day not in spend or spend[day].sums["priced"]
    ]
    pace = _Pace.of(daily)
    left = amount_usd - spent
    run_out, earliest, latest = (
        _after(moment, days_left) for days_left in (pace.days(left, 0), pace.days(left, 1), pace.days(left, -1))
    )
    return BurnDown(
        amount_usd=amount_usd,
        period_start=start,
        period_end=end,
        spent_usd=spent if priced or not executions else None,
        left_usd=left,
        daily_mean_usd=pace.mean,
        history_days=pace.count,
        history_unknown=sum(
            of_day.count("partial") + of_day.count("unpriced") for day, of_day in spend.items() if first <= day < today
        ),
        run_out=run_out,
        earliest=earliest if pace.has_spread else None,
        latest=latest if pace.has_spread else None,
        partial=partial,
        unpriced=unpriced,
        unreported=executions - priced - unpriced,
    )


def period_around(moment: datetime, period: str) -> tuple[datetime, datetime]:
    """Return the first moment of the *period* around *moment*, in UTC, and that of the next.

    Raises:
        ConfigurationError: for a period that is none of :data:`BURN_DOWN_PERIODS`.
    """
    today = moment.astimezone(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return today, today + timedelta(days=1)
    if period == "week":
        monday = today - timedelta(days=today.weekday())
        return monday, monday + timedelta(days=7)
    months = {"month": 1, "quarter": 3, "year": 12}.get(period)
    if months is None:
        raise ConfigurationError(f"Invalid period {period!r}: expected one of {', '.join(BURN_DOWN_PERIODS)}.")
    first = today.replace(month=(today.month - 1) // months * months + 1, day=1)
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return first, first.replace(year=year, month=month + 1)


@dataclass(frozen=True, slots=True)
class _Pace:
    """The cost of a day."""

    mean: float
    variance: float
    count: int

    @classmethod
    def of(cls, daily: list[float]) -> "_Pace":
        count = len(daily)
        mean = sum(daily) / count if count else 0.0
        variance = sum((cost - mean) ** 2 for cost in daily) / (count - 1) if count > 1 else 0.0
        return cls(mean, variance, count)

    @property
    def has_spread(self) -> bool:
        return self.count >= _FEWEST_DAYS

    def days(self, left: float, side: int) -> float | None:
        """Return after how many days *left* is spent; None: not within the horizon.

        Args:
            left: US dollars.
            side: 0 for the expected value, 1 for the expensive edge of the band, -1 for the cheap one.
        """
        if left <= 0:
            return 0.0
        z = side * normal_quantile(_CONFIDENCE)

        def spent(days: float) -> float:
            scatter = self.variance * (days + days * days / self.count) if self.count else 0.0
            return self.mean * days + z * math.sqrt(scatter)

        low, high = 0.0, float(_HORIZON_DAYS)
        if side < 0:  # first falls, by chance, and rises later, if at all
            low = next((float(day) for day in range(_HORIZON_DAYS) if spent(day + 1.0) >= left), high)
            high = low + 1.0
        if spent(high) < left:
            return None
        for _ in range(60):
            between = (low + high) / 2
            low, high = (low, between) if spent(between) >= left else (between, high)
        return high


def _after(moment: datetime, days: float | None) -> datetime | None:
    return None if days is None else moment + timedelta(days=days)
