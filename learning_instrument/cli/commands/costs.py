"""``costs``: spend, the accuracy of estimates, and how long a budget lasts."""

import calendar
from collections.abc import Iterator
from typing import Any, Final

import click

from ... import formatting
from ...analytics import BurnDown, Costs, DaySpend, EstimateAccuracy, GroupSpend, burn_down, costs, price_tables
from ...analytics.burndown import Period
from ...analytics.spend_forecast import FEWEST_DAYS, FEWEST_SPENDING_DAYS
from .. import moments
from ..grouping import group_columns, group_names, group_notes, group_row, grouping_options
from ..options import Count, Question, budget_options, reporting_command
from ..progress import NO_SUMS_BY
from ..rendering import (
    Output,
    TableColumn,
    bar,
    csv_names,
    fields_of,
    plain,
    print_csv,
    print_fields,
    print_json,
    print_note,
    print_section,
    write,
)

_DAY: Final = TableColumn("day", "day")
_SPEND_COLUMNS: Final = (
    TableColumn("executions", "executions", "{:,}".format, is_number=True, rank=3),
    TableColumn("cost_usd", "cost", formatting.dollars, is_number=True, bound_if=("partial", "unpriced")),
    TableColumn(
        "failures_cost_usd",
        "on failures",
        formatting.dollars,
        is_number=True,
        rank=2,
        bound_if=("failures_unknown",),
    ),
)
_UNKNOWN_COLUMNS: Final = (
    TableColumn("partial", "partial", "{:,}".format, is_number=True, rank=1),
    TableColumn("unpriced", "unpriced", "{:,}".format, is_number=True, rank=1),
)
_BAR: Final = TableColumn("bar", "", is_text=True, rank=4)
_CORRECTION_COLUMNS: Final = (
    TableColumn("task_type", "task type", is_text=True),
    TableColumn("model_tier", "tier", is_text=True),
    TableColumn("factor", "multiply by", formatting.factor, is_number=True),
    TableColumn("compared", "learned from", "{:,}".format, is_number=True, rank=1),
    TableColumn("raw_factor", "own factor", formatting.factor, is_number=True, rank=2),
    TableColumn("weight", "own weight", formatting.share, is_number=True, rank=3),
)
#: A weekday whose spend is less, or more, of a mean day's is mentioned.
_USUAL_WEEKDAY: Final = (0.5, 1.5)
_TOO_FEW_DAYS: Final = (
    f"too few days for a trend or a band: they take {FEWEST_DAYS} days, {FEWEST_SPENDING_DAYS} of them with spend"
)
#: How many corrections are listed.
_LISTED: Final = 20


@reporting_command("costs")
@grouping_options
@budget_options("Forecast how long this amount of US dollars lasts, such as 200.", "The period of the budget, in UTC.")
@click.option("--days", metavar="N", default=14, type=Count(), show_default=True, help="How many days to list.")
def costs_command(
    question: Question, by: tuple[str, ...], limit: int, budget: float | None, period: Period, days: int
) -> None:
    """Show spend, and the accuracy of cost estimates.

    Spend by group with --by, on failures and by day; the error of cost estimates, with factors that correct it; and how
    long a budget lasts. The forecast of the budget learns from the last eight weeks: filters apply to it, --since and
    --until do not. CSV has the groups, else all days.
    """
    with question.database(NO_SUMS_BY) as database:
        found = costs(database, question.selection, by=by or None, limit=limit)
        budgeted = None if budget is None else burn_down(database, budget, period, question.selection)
        tables = price_tables(database)
        if not found.executions:
            question.explain_nothing(database)
    groups = [group_row(group, by) for group in found.groups]
    if question.output is Output.JSON:
        lasting = None if budgeted is None else {**plain(budgeted.until_renewal()), "lasts": budgeted.lasts}
        more = {"unreported": found.unreported, "price_tables": tables, "budget": lasting}
        print_json({**plain(found), **more, "by": by, "groups": groups})
    elif question.output is Output.CSV:
        if by:
            print_csv(groups, group_names(GroupSpend, by))
        else:
            print_csv(found.by_day, csv_names(DaySpend))
    else:
        if found.executions:
            _print_costs(found, tables, days, by)
        else:
            print_note("No executions.")
        if budgeted is not None:
            write("")
            print_note(f"Budget of {formatting.dollars(budgeted.amount_usd)} a {period}")
            print_fields(dict(_budget(budgeted)))


def _print_costs(found: Costs, tables: tuple[str, ...], days: int, by: tuple[str, ...]) -> None:
    partly = f", that of {found.partial:,} of them in part" if found.partial else ""
    fields = {
        "executions": f"{found.executions:,}; the cost of {found.priced:,} is known{partly}",
        "cost": formatting.cost(found.cost_usd, found.failures_cost_usd, bool(found.partial or found.unpriced)),
        "excluded": "; ".join(formatting.excluded_costs(found.partial, found.unpriced, found.unreported)) or "none",
    }
    if tables:
        fields["prices"] = formatting.prices(tables)
    print_fields(fields)
    unknown = [column for column in _UNKNOWN_COLUMNS if getattr(found, column.name)]
    if by:
        rows = [group_row(group, by) | _row(group) for group in found.groups]
        print_section(f"Spend by {' and '.join(by)}", rows, [*group_columns(by), *_SPEND_COLUMNS, *unknown])
        for note in group_notes(found.groups):
            print_note(note)
    _print_days(found, days, unknown)
    write("")
    print_note("Estimates beside actual costs")
    if found.accuracy is None:
        print_note("No execution has both an estimate and a known actual cost, so accuracy is unknown.")
    else:
        print_fields(_accuracy(found.accuracy))
    print_section("Corrections of cost estimates", found.corrections[:_LISTED], _CORRECTION_COLUMNS)
    if len(found.corrections) > _LISTED:
        print_note(f"The {_LISTED} with the most executions of {len(found.corrections):,}; --json has all.")
    if found.accuracy is not None:
        print_note(_test(found))


def _row(spend: DaySpend | GroupSpend) -> dict[str, Any]:
    # There may be no failures, so that 0 is all of it.
    return {
        **fields_of(spend),
        "failures_unknown": (spend.partial + spend.unpriced) if spend.failures_cost_usd else 0,
    }


def _print_days(found: Costs, days: int, unknown: list[TableColumn]) -> None:
    shown = found.by_day[-days:]
    most = max(day.cost_usd or 0.0 for day in shown)
    rows = [{**_row(day), "bar": bar(day.cost_usd, most)} for day in shown]
    print_section("Spend by day (UTC)", rows, [_DAY, *_SPEND_COLUMNS, *unknown, _BAR])
    earlier = len(found.by_day) - len(shown)
    if earlier:
        print_note(f"{formatting.counted(earlier, 'earlier day')} not listed; --days lists more.")


def _accuracy(accuracy: EstimateAccuracy) -> dict[str, str]:
    return {
        "compared": f"{formatting.counted(accuracy.compared, 'execution')}:"
        f" estimated {formatting.dollars(accuracy.estimate_usd)}, spent {formatting.dollars(accuracy.actual_usd)}",
        "bias": _or_unknown(accuracy.bias, "{:+.1%} of what was spent"),
        "WAPE": _or_unknown(accuracy.wape, "{:.1%} of what was spent, all errors added up"),
        "MAPE": _or_unknown(accuracy.mape, "{:.1%} of an execution's cost, on average"),
        "within 20%": f"{formatting.interval(accuracy.within_20_percent)} of them",
    }


def _or_unknown(value: float | None, text: str) -> str:
    return "unknown: nothing was spent" if value is None else text.format(value)


def _test(found: Costs) -> str:
    test = found.correction_test
    if test is None:
        return "Too few executions to test these factors: they need some to learn from and others to be tried on."
    before, after = formatting.off_by(test.error_before), formatting.off_by(test.error_after)
    better_or_worse = "better" if test.error_after < test.error_before else "worse"
    return (
        f"Learned from {formatting.counted(test.learned_from, 'execution')} and tried on the {test.tested_on:,} since"
        f" {moments.when(test.since)}, the last fifth: estimates are typically off by {before},"
        " corrected ones by"
        f" {after}, which is {'no better' if before == after else better_or_worse}."
    )


def _budget(budget: BurnDown) -> Iterator[tuple[str, str]]:
    period = f"{formatting.day(budget.period_start)} to {formatting.day(budget.period_end)}"
    is_bound = bool(budget.partial or budget.unpriced)
    spent = formatting.amount(budget.spent_usd, is_bound)
    yield "spent", f"{spent} of the period from {period}"
    left = formatting.dollars(abs(budget.left_usd))
    at_most = "at most " if is_bound or budget.spent_usd is None else ""
    yield (
        "left",
        f"{at_most}{left}" if budget.left_usd > 0 else f"none: exceeded by {formatting.bound(left, is_bound)}",
    )
    yield "pace", _pace(budget)
    if budget.forecast_days:
        yield "forecast", _forecast(budget)
    if budget.lasts:
        yield "lasts", _lasts(budget)
    else:
        yield "runs out", _run_out(budget)
    excluded = formatting.excluded_costs(budget.partial, budget.unpriced, budget.unreported)
    if excluded:
        yield "excluded", "; ".join(excluded)


def _pace(budget: BurnDown) -> str:
    if not budget.history_days:
        return "unknown: no full day of data yet"
    days = formatting.counted(budget.history_days, "day")
    mean = formatting.bound(formatting.dollars(budget.daily_mean_usd), bool(budget.history_unknown))
    return f"{mean} a day, on average of {days}"


def _forecast(budget: BurnDown) -> str:
    trend, low, high = (value or 0.0 for value in (budget.trend, budget.trend_low, budget.trend_high))
    is_clear = low > 0 or high < 0
    change = f"{trend:+.1%} a day" if is_clear else "no clear trend"
    expected = f"{formatting.dollars(budget.expected_daily_usd)} a day now, {change}"
    shares = (
        f"{name} {share:.0%}"
        for name, share in zip(calendar.day_abbr, budget.weekdays, strict=True)
        if not _USUAL_WEEKDAY[0] < share < _USUAL_WEEKDAY[1]
    )
    of_a_mean_day = f"; {listed} of a mean day" if (listed := ", ".join(shares)) else ""
    return f"{expected}{of_a_mean_day}; from {budget.forecast_days} days"


def _run_out(budget: BurnDown) -> str:
    if budget.left_usd <= 0:
        return "already exceeded"
    if budget.run_out is None:
        return "unknown"
    band = _TOO_FEW_DAYS
    if budget.earliest is not None:
        latest = budget.until_renewal().latest
        band = f"80% band: {formatting.day(budget.earliest)} to {formatting.day(latest) if latest else 'after that'}"
    or_earlier = " or earlier" if _is_bound(budget) else ""
    renewal = f"before it is renewed on {formatting.day(budget.period_end)}"
    return f"{formatting.day(budget.run_out)}{or_earlier}, {renewal}; {band}"


def _lasts(budget: BurnDown) -> str:
    """Return until when it lasts, and what is left then."""
    left, low, high = budget.expected_left_usd or 0.0, budget.left_low_usd, budget.left_high_usd
    band = _TOO_FEW_DAYS
    if low is not None and high is not None:
        earliest = budget.until_renewal().earliest
        worst = f"runs out on {formatting.day(earliest)}" if earliest else f"{formatting.dollars(low)} left"
        band = f"80% band: {worst} to {formatting.dollars(high)} left"
    at_most = "at most " if _is_bound(budget) else ""
    rest = f"{at_most}{formatting.dollars(left)} left"
    return f"until it is renewed on {formatting.day(budget.period_end)}, with {rest}; {band}"


def _is_bound(budget: BurnDown) -> bool:
    return bool(budget.history_unknown or budget.partial or budget.unpriced)
