"""The days of executions by cell of the mix, in all or of each value of a dimension: one pass for every period.

Totals of days can be added, so that periods that have days in common are read once.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from ..rollups.measures import NANO_SCALE
from ..sqlite.selection import Queryable, Selection
from .blocks import Cell as BlocksOfCell
from .blocks import CellName, Cells, Sums, sums_of
from .clustering import ENOUGH_DAYS
from .group_totals import largest, totals
from .intervals import Proportion, wilson
from .mix import mix_without
from .performance import MEASURES as _OF_PERFORMANCE
from .periods import Period
from .sources.cube_rows import GroupTotals, merged

MEASURES: Final = (*_OF_PERFORMANCE, "failure_nano", "lost")
#: A dimension with more values than this is not in the mix: hardly two days have a cell in common.
_MOST_VALUES: Final = 40

#: Days are held against those of the period before, and of so many before at least: a week tells little.
_FEWEST_OTHERS: Final = timedelta(days=28)

CellParts = Mapping[CellName, tuple[GroupTotals, Sums]]
_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class Day:
    """The executions of one day. None: not known of any of them."""

    #: Such as ``2026-11-22``, in UTC.
    day: str
    executions: int
    #: The share that succeeded, with its 95% Wilson interval; None of no executions.
    success: Proportion | None
    #: The known cost, in US dollars, and the part of it spent on executions that did not succeed.
    cost_usd: float | None
    failures_cost_usd: float | None
    #: Executions of which a part of the cost is unknown, whose model calls could not be priced, without a reported one.
    partial: int
    unpriced: int
    unreported: int
    #: Within 1.5% of exact; of the executions whose duration was measured.
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None


class Days:
    """The totals of executions, by day and cell.

    Args:
        mix: the dimensions that tell cells apart.
        whole: day -> cell -> totals and sums.
        parts: the same of days of which a period has a part.
    """

    def __init__(self, mix: tuple[str, ...], whole: Mapping[str, CellParts], parts: Mapping[Period, CellParts]) -> None:
        #: The dimensions that tell cells apart.
        self.mix = mix
        self._whole = whole
        self._parts = parts
        self._days: dict[str | Period, tuple[GroupTotals, Day]] = {}
        self._totals: dict[Period, GroupTotals] = {}

    def of_values(self, by: str, values: Sequence[str]) -> dict[str, "Days"]:
        """Return the days of each of *values* of one dimension of the mix."""
        number = self.mix.index(by)
        mix = (*self.mix[:number], *self.mix[number + 1 :])
        whole, parts = _by_value(self._whole, number), _by_value(self._parts, number)
        return {
            value: Days(
                mix,
                whole.get(value, {}),
                # Also where a value has nothing in a part: the whole day is not in the period.
                {part: parts.get(value, {}).get(part, {}) for part in self._parts},
            )
            for value in values
        }

    def totals(self, period: Period) -> GroupTotals:
        """Return the totals of all executions of *period*."""
        if period not in self._totals:
            days = (self._day(key)[0] for key in self._keys(period) if self._cells(key))
            self._totals[period] = merged(days, MEASURES)
        return self._totals[period]

    def days(self, period: Period) -> tuple[Day, ...]:
        """Return every day of *period*, also those without executions."""
        return tuple(self._day(key)[1] for key in self._keys(period))

    def are_enough(self, period: Period) -> bool:
        """Tell whether there are so many days, of *period* and the one before, that one may stand out."""
        return sum(bool(self._cells(key)) for key in self._held(period).values()) > ENOUGH_DAYS

    def cells(self, period: Period) -> Cells:
        """Return the sums of *period*, by cell and day."""
        found: defaultdict[CellName, dict[str, Sums]] = defaultdict(dict)
        for date, key in zip(period.dates, self._keys(period), strict=True):
            for name, (_, sums) in self._cells(key).items():
                found[name][date] = sums
        return {name: BlocksOfCell(blocks) for name, blocks in found.items()}

    def by_day(self, period: Period) -> dict[str, Mapping[CellName, tuple[GroupTotals, Sums]]]:
        """Return the totals and sums of each cell on each day of *period*, and on those before to hold them against."""
        return {date: self._cells(key) for date, key in self._held(period).items() if self._cells(key)}

    def _held(self, period: Period) -> dict[str, str | Period]:
        """Return the days of *period*, and those before to hold them against, each with its key."""
        before = Period(_start_of_others(period), period.since).dates
        return {**dict(zip(before, before, strict=True)), **dict(zip(period.dates, self._keys(period), strict=True))}

    def _keys(self, period: Period) -> Iterable[str | Period]:
        cut = {date: period.of_date(date) for date in period.cut_dates}
        for date in period.dates:
            part = cut.get(date)
            yield date if part is None or part not in self._parts else part

    def _cells(self, key: str | Period) -> CellParts:
        return self._parts.get(key, {}) if isinstance(key, Period) else self._whole.get(key, {})

    def _day(self, key: str | Period) -> tuple[GroupTotals, Day]:
        if key not in self._days:
            group = merged((group for group, _ in self._cells(key).values()), MEASURES)
            self._days[key] = group, _day(key.dates[0] if isinstance(key, Period) else key, group)
        return self._days[key]


def read_days(
    database: Queryable,
    periods: Sequence[Period],
    selection: Selection,
    by: str | None = None,
    values: Sequence[str] = (),
) -> Days:
    """Return the days of all *periods*, and of the periods before these.

    Args:
        database: the one to ask.
        periods: at least one.
        selection: which executions; the periods are in place of its times.
        by: a dimension that tells cells apart as well, the first one of the mix.
        values: those of it that are wanted.
    """
    wanted = [each for period in periods for each in (period, period.before)]
    mix = mix_for(database, ()) if by is None else (by, *mix_for(database, (by,)))
    among = None if by is None else values
    every = Period(min(map(_start_of_others, periods)), max(period.until for period in periods))
    parts = {
        part: {name: (group, sums_of(group)) for name, group in _read(database, mix, part, selection, among).items()}
        for part in sorted(
            {period.of_date(date) for period in wanted for date in period.cut_dates}
            - {every.of_date(date) for date in every.cut_dates},
            key=lambda part: (part.since, part.until),
        )
    }
    whole: defaultdict[str, dict[CellName, tuple[GroupTotals, Sums]]] = defaultdict(dict)
    for name, group in _read(database, (*mix, "day"), every, selection, among).items():
        whole[name[-1]][name[:-1]] = group, sums_of(group)
    return Days(mix, whole, parts)


def _by_value(days: Mapping[_Key, CellParts], number: int) -> dict[str, dict[_Key, CellParts]]:
    """Return the days of each value of the dimension of that *number*, which cells are without then."""
    found: dict[str, dict[_Key, dict[CellName, tuple[GroupTotals, Sums]]]] = {}
    for day, cells in days.items():
        for name, part in cells.items():
            others = *name[:number], *name[number + 1 :]
            found.setdefault(name[number], {}).setdefault(day, {})[others] = part
    return {value: dict(of_value) for value, of_value in found.items()}


def _start_of_others(period: Period) -> datetime:
    """Return from when on days are those that the days of *period* are held against."""
    return min(period.before.since, period.since - _FEWEST_OTHERS)


def mix_for(database: Queryable, names: Sequence[str]) -> tuple[str, ...]:
    """Return the dimensions of the mix in which values of *names* are compared: those that have few values."""
    return tuple(
        name for name in mix_without(names) if largest(database, (name,), Selection(), (), _MOST_VALUES).merged <= 0
    )


def _read(
    database: Queryable, by: Sequence[str], period: Period, selection: Selection, among: Sequence[str] | None
) -> dict[tuple[str, ...], GroupTotals]:
    return totals(database, by, within(selection, period), MEASURES, with_durations=True, among=among)


def within(selection: Selection, period: Period) -> Selection:
    """Return the executions of *period* for which the filters of *selection* hold."""
    return Selection(since=period.since, until=period.until).narrowed(selection.filters)


def _day(day: str, group: GroupTotals) -> Day:
    executions = group.count("executions")
    return Day(
        day=day,
        executions=executions,
        success=wilson(group.count("succeeded"), executions),
        cost_usd=group.total("cost_nano", NANO_SCALE, "priced"),
        failures_cost_usd=group.failures_cost(),
        partial=group.count("partial"),
        unpriced=group.count("unpriced"),
        unreported=executions - group.count("priced") - group.count("unpriced"),
        p50_seconds=group.quantile(0.5),
        p95_seconds=group.quantile(0.95),
        p99_seconds=group.quantile(0.99),
    )
