"""Sections about money: how long a budget lasts, and how far estimates are off."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Final

from ... import formatting
from ...analytics import BurnDown, Correction, Costs, burn_down, costs
from ...analytics.headings import of_accuracy, of_spend
from ...sqlite.selection import Queryable, Selection
from ..charts import daily_charts as charts
from ..charts.row_charts import Estimate, Panel, WhiskerRow, whisker_rows
from ..tables import Column, Table
from ..views import Budget
from .section import Section, cost_notes

#: Corrections that are shown, of the cells with the most executions.
_CORRECTIONS: Final = 8
_CORRECTION_COLUMNS: Final = (
    Column("Task type, tier"),
    Column("Executions", is_number=True),
    Column("Multiply by", is_number=True),
    Column("Own factor", is_number=True),
)
_BUDGET_COLUMNS: Final = (Column("Budget"), Column("", is_number=True))
_DAY: Final = timedelta(days=1)


def accuracy(found: Costs) -> Section | None:
    """Return how far cost estimates are off, and the factors that correct them; None where there are no estimates."""
    if found.accuracy is None:
        return None
    heading, shown = of_accuracy(found), found.corrections[:_CORRECTIONS]
    rows = [WhiskerRow(_cell(each), (Estimate(each.factor, text=formatting.factor(each.factor)),)) for each in shown]
    bias = "unknown, nothing was spent" if found.accuracy.bias is None else f"{found.accuracy.bias:+.1%}"
    within = formatting.interval(found.accuracy.within_20_percent)
    notes = (f"Bias of all estimates: {bias}. Off by at most a fifth: {within}.",)
    table = Table(
        _CORRECTION_COLUMNS,
        tuple(
            (_cell(each), f"{each.compared:,}", formatting.factor(each.factor), formatting.factor(each.raw_factor))
            for each in shown
        ),
    )
    return Section(
        "estimates",
        heading,
        "What to multiply estimates by: above 1 they were too low",
        whisker_rows(heading.text, rows, (Panel("Actual cost over estimate", "count"),)) if rows else None,
        table if rows else None,
        notes,
    )


def budget(database: Queryable, selection: Selection, asked: Budget, now: datetime) -> Section:
    """Return how long a budget lasts that began before *now*."""
    lasting = burn_down(database, asked.amount_usd, asked.period, selection, now)
    start, length = lasting.period_start, (lasting.period_end - lasting.period_start).days
    found = costs(database, replace(selection, since=start, until=max(now, start + timedelta(seconds=1))))
    heading, ending = of_spend(found, lasting), lasting.until_renewal()
    elapsed = (now - start) / _DAY
    spend = {day.day: day.cost_usd for day in found.by_day}
    days = [start + number * _DAY for number in range(min(length, int(elapsed) + 1))]
    sums = accumulate(spend.get(formatting.day(day)) or 0.0 for day in days)
    amount = lasting.amount_usd
    drawn = charts.Budget(
        labels=tuple(formatting.day(start + number * _DAY) for number in range(length)),
        spent=tuple(sums) if lasting.spent_usd is not None else (),
        amount=amount,
        elapsed=elapsed,
        expected=_spent(amount, lasting.expected_left_usd),
        low=_spent(amount, lasting.left_high_usd),
        high=_spent(amount, lasting.left_low_usd),
        run_out=_days(start, ending.run_out),
        earliest=_days(start, ending.earliest),
        latest=_days(start, ending.latest),
    )
    is_bound = bool(lasting.partial or lasting.unpriced)
    rows: list[tuple[str, str | None]] = [
        (f"Budget of the {asked.period}", formatting.dollars(amount)),
        (
            "Spent",
            None if lasting.spent_usd is None else formatting.bound(formatting.dollars(lasting.spent_usd), is_bound),
        ),
        ("Expected until its end", _expected(drawn)),
        ("Runs out", _run_out(lasting, ending)),
    ]
    return Section(
        "budget",
        heading,
        "Spent so far and expected, in US dollars, with the 80% band",
        charts.burn_down(heading.text, drawn),
        Table(_BUDGET_COLUMNS, tuple(rows)),
        cost_notes(lasting.partial, lasting.unpriced, lasting.unreported),
    )


def _spent(amount: float, left: float | None) -> float | None:
    return None if left is None else amount - left


def _days(start: datetime, moment: datetime | None) -> float | None:
    return None if moment is None else (moment - start) / _DAY


def _expected(drawn: charts.Budget) -> str | None:
    if drawn.expected is None:
        return None
    if drawn.low is None or drawn.high is None:
        return formatting.dollars(drawn.expected)
    return f"{formatting.dollars(drawn.expected)} ({formatting.dollars(drawn.low)} to {formatting.dollars(drawn.high)})"


def _run_out(lasting: BurnDown, ending: BurnDown) -> str:
    if lasting.left_usd <= 0:
        return "it is spent"
    if ending.run_out is None:
        return "not before it is renewed" if lasting.lasts else "unknown"
    if ending.earliest is None:
        return formatting.day(ending.run_out)
    latest = "after its renewal" if ending.latest is None else formatting.day(ending.latest)
    return f"{formatting.day(ending.run_out)} ({formatting.day(ending.earliest)} to {latest})"


def _cell(each: Correction) -> str:
    return f"{each.task_type}, {each.model_tier}"
