"""Periods of whole days, each beside the one before it."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

from ..errors import ConfigurationError
from ..sqlite.selection import Queryable, Selection
from .overview import span

#: The days of the periods that a page has.
PERIODS: Final = (7, 30, 90)
_DAY: Final = timedelta(days=1)
#: So many days before are looked at as well.
_SPARE: Final = 100
_FIRST: Final = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Period:
    """The time from ``since`` until ``until``, which is not in it. A day is one of UTC.

    Raises:
        ConfigurationError: for a time without a time zone, an empty period, one without another before it, or one
            that ends on the last day of the calendar.
    """

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        """Check the times, and have them in UTC."""
        Selection(since=self.since, until=self.until)
        for name in ("since", "until"):
            object.__setattr__(self, name, getattr(self, name).astimezone(timezone.utc))
        if self._last == date.max:
            raise ConfigurationError(f"Invalid end {self.until}: the calendar has no day after it.")
        if (self.since - _FIRST).days < self.days + _SPARE:
            raise ConfigurationError(
                f"Invalid since {self.since}: the calendar has no {self.days:,} days before it to compare with; choose"
                " a later one."
            )

    @classmethod
    def last(cls, days: int, until: datetime) -> "Period":
        """Return the *days* that end at *until*: its own day so far, and those before it.

        Raises:
            ConfigurationError: for a number of days below 1, or more than there are.
        """
        if isinstance(days, bool) or not isinstance(days, int) or days < 1:
            raise ConfigurationError(f"Invalid days {days!r}: expected a number of days above 0.")
        try:
            return cls(
                _midnight_of((until - timedelta(microseconds=1)).astimezone(timezone.utc).date(), days - 1), until
            )
        except OverflowError:
            raise ConfigurationError(f"Invalid days {days!r}: the calendar has fewer before {until}.") from None

    @property
    def days(self) -> int:
        """How many days it has, also such as are only in part in it."""
        return (self._last - self.since.date()).days + 1

    @property
    def before(self) -> "Period":
        """As many days just before it. It ends at the same time of day, so that counts compare like with like."""
        shift = timedelta(days=self.days)
        return Period(self.since - shift, self.until - shift)

    @property
    def dates(self) -> tuple[str, ...]:
        """Its days, such as ``2026-11-22``, in order."""
        return _dates(self.since.date(), self.days)

    @property
    def cut_dates(self) -> tuple[str, ...]:
        """Those of its days of which a part is not in it: the first one and the last one may be."""
        whole = Period(_midnight_of(self.since.date()), _midnight_of(self._last, -1))
        ends = {self.since.date(): self.since != whole.since, self._last: self.until != whole.until}
        return tuple(each.isoformat() for each, is_cut in ends.items() if is_cut)

    def of_date(self, day: str) -> "Period":
        """Return what of one of its days is in it."""
        start = _midnight_of(date.fromisoformat(day))
        return Period(max(self.since, start), min(self.until, start + _DAY))

    @property
    def _last(self) -> date:
        return (self.until - timedelta(microseconds=1)).date()


@lru_cache(maxsize=64)
def _dates(first: date, days: int) -> tuple[str, ...]:
    return tuple((first + timedelta(days=number)).isoformat() for number in range(days))


def default_periods(database: Queryable, now: datetime | None = None) -> tuple[Period, ...]:
    """Return the last 7, 30 and 90 days until *now*; until the end of the last execution's day, if that is older.

    Args:
        database: the one to ask.
        now: their end; None: the present.

    Raises:
        DatabaseError: if the database cannot be read.
    """
    now = now or datetime.now(timezone.utc)
    _, last = span(database, Selection(until=now))
    ends_now = Period.last(max(PERIODS), now)
    until = now if last is None or last >= ends_now.since else _midnight_of(last.date(), -1)
    return tuple(Period.last(days, until) for days in PERIODS)


def _midnight_of(day: date, earlier: int = 0) -> datetime:
    """Return the start of *day*, or of the one so many days *earlier*."""
    return datetime(day.year, day.month, day.day, tzinfo=timezone.utc) - timedelta(days=earlier)
