"""Sections with figures of each day: success, volume, durations and spend."""

from collections.abc import Iterator
from typing import Final

from ... import formatting
from ...analytics.briefing import Briefing
from ...analytics.days import Day
from ...analytics.headings import Heading
from ..charts.daily_charts import BarPoint, QuantilePoint, SharePoint, daily_bars, daily_quantiles, daily_shares
from ..tables import Column, Table
from .section import Section, cost_notes

_DAY: Final = Column("Day (UTC)")
_EXECUTIONS: Final = Column("Executions", is_number=True)


def success(briefing: Briefing) -> Section:
    """Return the share of each day's executions that succeeded, with its interval."""
    return Section(
        "success",
        briefing.days_heading,
        "Share of each day's executions that succeeded, with its 95% interval",
        daily_shares(
            briefing.days_heading.text,
            [
                SharePoint(day.day, day.success.estimate, day.success.low, day.success.high)
                if day.success
                else SharePoint(day.day, None)
                for day in briefing.days
            ],
        ),
        Table(
            (_DAY, _EXECUTIONS, Column("Succeeded", is_number=True), Column("95% interval", is_number=True)),
            tuple(
                (
                    day.day,
                    f"{day.executions:,}",
                    formatting.share(day.success.estimate),
                    f"{formatting.share(day.success.low)} to {formatting.share(day.success.high)}",
                )
                for day in _with_executions(briefing)
                if day.success
            ),
        ),
    )


def volume(briefing: Briefing) -> Section:
    """Return how many executions each day had."""
    count, change = formatting.counted(round(briefing.executions.after or 0), "execution"), briefing.executions.change
    heading = Heading(f"{count}, {change.text}", change.evidence)
    points = [BarPoint(day.day, day.executions) for day in briefing.days]
    rows = tuple((day.day, f"{day.executions:,}") for day in _with_executions(briefing))
    chart = daily_bars(heading.text, points, "count")
    return Section(
        "volume", heading, "Executions by the day that they started", chart, Table((_DAY, _EXECUTIONS), rows)
    )


def spend(briefing: Briefing) -> Section:
    """Return the known cost of each day, and the part of it that was spent on failures."""
    heading = briefing.spend_heading
    if all(day.cost_usd is None for day in briefing.days):
        return Section("spend", heading, "")
    points = [
        BarPoint(
            day.day,
            day.cost_usd if day.executions else 0.0,
            part=day.failures_cost_usd,
            is_bound=bool(day.partial or day.unpriced),
        )
        for day in briefing.days
    ]
    columns = (
        _DAY, Column("Cost", is_number=True), Column("On failures", is_number=True),
        Column("Cost not known", is_number=True),
    )  # fmt: skip
    rows = tuple(
        (
            day.day,
            _dollars(day.cost_usd, day),
            _dollars(day.failures_cost_usd, day),
            f"{day.unpriced + day.unreported:,}",
        )
        for day in _with_executions(briefing)
    )
    return Section(
        "spend",
        heading,
        "Known cost in US dollars, by day",
        daily_bars(heading.text, points, "dollars", ("on successes", "on failures")),
        Table(columns, rows),
        cost_notes(totals.partial, totals.unpriced, totals.unreported) if (totals := briefing.totals) else (),
    )


def durations(briefing: Briefing) -> Section | None:
    """Return the p50 and p95 of each day's durations; None where none was measured."""
    if all(day.p95_seconds is None for day in briefing.days):
        return None
    heading = briefing.durations_heading
    points = [QuantilePoint(day.day, day.p50_seconds, day.p95_seconds) for day in briefing.days]
    columns = (_DAY, *(Column(name, is_number=True) for name in ("p50", "p95", "p99")))
    rows = tuple(
        (day.day, _seconds(day.p50_seconds), _seconds(day.p95_seconds), _seconds(day.p99_seconds))
        for day in _with_executions(briefing)
    )
    return Section(
        "durations",
        heading,
        "What half of each day's executions took at most (p50), and 1 in 20 longer than (p95)",
        daily_quantiles(heading.text, points),
        Table(columns, rows),
    )


def numbers(briefing: Briefing) -> Table:
    """Return the figures of all charts in one table."""
    columns = (
        _DAY, _EXECUTIONS, Column("Succeeded", is_number=True), Column("95% interval", is_number=True),
        Column("Cost", is_number=True), Column("On failures", is_number=True), Column("p50", is_number=True),
        Column("p95", is_number=True),
    )  # fmt: skip
    rows = tuple(
        (
            day.day,
            f"{day.executions:,}",
            formatting.share(day.success.estimate),
            f"{formatting.share(day.success.low)} to {formatting.share(day.success.high)}",
            _dollars(day.cost_usd, day),
            _dollars(day.failures_cost_usd, day),
            _seconds(day.p50_seconds),
            _seconds(day.p95_seconds),
        )
        for day in _with_executions(briefing)
        if day.success
    )
    return Table(columns, rows)


def _seconds(value: float | None) -> str | None:
    return None if value is None else formatting.seconds(value)


def _dollars(amount: float | None, day: Day) -> str:
    return formatting.amount(amount, bool(day.partial or day.unpriced) and bool(amount))


def _with_executions(briefing: Briefing) -> Iterator[Day]:
    return (day for day in briefing.days if day.executions)
