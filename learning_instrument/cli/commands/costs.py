"""``costs``: spend, the accuracy of estimates, and how long a budget lasts."""

import math
from collections.abc import Iterator
from typing import Any, Final

import click

from ...analytics import BurnDown, Costs, DaySpend, EstimateAccuracy, GroupSpend, burn_down, costs, price_tables
from ...analytics.burndown import BURN_DOWN_PERIODS
from ...errors import ConfigurationError
from .. import formatting
from ..grouping import group_columns, group_names, group_notes, group_row, grouping_options
from ..options import Question, count, reporting_command
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
    TableColumn("factor", "multiply by", formatting.times, is_number=True),
    TableColumn("compared", "learned from", "{:,}".format, is_number=True, rank=1),
    TableColumn("raw_factor", "own factor", formatting.times, is_number=True, rank=2),
    TableColumn("weight", "own weight", formatting.share, is_number=True, rank=3),
)
#: How many corrections are listed.
_LISTED: Final = 20


@reporting_command("costs")
@grouping_options
@click.option("--budget", metavar="USD", type=float, help="Forecast how long this amount lasts.")
@click.option(
    "--period", default="month", type=click.Choice(BURN_DOWN_PERIODS), show_default=True, help="Of the budget, in UTC."
)
@click.option("--days", metavar="N", default=14, type=count(), show_default=True, help="How many days to list.")
def costs_command(
    question: Question, by: tuple[str, ...], limit: int, budget: float | None, period: str, days: int
) -> None:
    """Show spend, and the accuracy of cost estimates.

    Spend by group with --by, on failures and by day; the error of cost estimates, with factors that correct it; and how
    long a budget lasts. The pace of the budget is that of the last four weeks: filters apply to it, --since and --until
    do not. CSV has the groups, else all days.
    """
    if budget is not None and not 0 < budget < math.inf:
        raise ConfigurationError(f"Invalid --budget {budget!r}: expected an amount in US dollars above 0.")
    with question.database(NO_SUMS_BY) as database:
        found = costs(database, question.selection, by=by or None, limit=limit)
        budgeted = None if budget is None else burn_down(database, budget, period, question.selection)
        tables = price_tables(database)
        if not found.executions:
            question.explain_nothing(database)
    groups = [group_row(group, by) for group in found.groups]
    if question.output is Output.JSON:
        lasting = None if budgeted is None else {**plain(budgeted), "lasts": budgeted.lasts}
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
        f" {formatting.when(test.since)}, the last fifth: estimates are typically off by {before},"
        " corrected ones by"
        f" {after}, which is {'no better' if before == after else better_or_worse}."
    )


def _budget(budget: BurnDown) -> Iterator[tuple[str, str]]:
    period = f"{formatting.day(budget.period_start)} to {formatting.day(budget.period_end)}"
    is_bound = bool(budget.partial or budget.unpriced)
    spent = "unknown" if budget.spent_usd is None else formatting.bound(formatting.dollars(budget.spent_usd), is_bound)
    yield "spent", f"{spent} of the period from {period}"
    left = formatting.dollars(abs(budget.left_usd))
    at_most = "at most " if is_bound or budget.spent_usd is None else ""
    yield (
        "left",
        f"{at_most}{left}" if budget.left_usd > 0 else f"none: exceeded by {formatting.bound(left, is_bound)}",
    )
    yield "pace", _pace(budget)
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


def _run_out(budget: BurnDown) -> str:
    if budget.left_usd <= 0:
        return "already exceeded"
    if not budget.history_days:
        return "unknown"
    is_bound = bool(budget.history_unknown or budget.partial or budget.unpriced)
    at_latest = " or earlier" if is_bound else ""
    when = "not within ten years" if budget.run_out is None else f"{formatting.day(budget.run_out)}{at_latest}"
    renewal = f"{'after' if budget.lasts else 'before'} it is renewed on {formatting.day(budget.period_end)}"
    return f"{when}, {renewal}{_band(budget)}"


def _band(budget: BurnDown) -> str:
    if budget.earliest is None:
        return "" if budget.run_out is None else "; too few days for a band"
    latest = "later than in ten years" if budget.latest is None else formatting.day(budget.latest)
    return f"; 80% band: {formatting.day(budget.earliest)} to {latest}"
