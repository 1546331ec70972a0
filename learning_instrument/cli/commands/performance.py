"""``summary`` and ``performance``: counts, success, duration and cost."""

from collections.abc import Iterator
from typing import Final

from ... import formatting
from ...analytics import Performance, Summary, TierSummary, performance, price_tables, summary
from ...storage.statistics import lost_noun
from .. import moments
from ..grouping import group_columns, group_names, group_notes, group_row, grouping_options
from ..options import Question, reporting_command
from ..progress import NO_SUMS_BY
from ..rendering import (
    Output,
    TableColumn,
    csv_names,
    plain,
    print_csv,
    print_fields,
    print_json,
    print_note,
    print_section,
    render,
)

_ASSUMED: Final = TableColumn("assumed", "assumed", "{:,}".format, is_number=True, rank=3)
_TIER_COLUMNS: Final = (
    TableColumn("model_tier", "tier", is_text=True),
    TableColumn("executions", "executions", "{:,}".format, is_number=True, rank=2),
    TableColumn("success", "succeeded", formatting.interval, brief=formatting.estimate),
    TableColumn("cost_usd", "cost", formatting.dollars, is_number=True, rank=1, bound_if=("partial", "unpriced")),
)


@reporting_command("summary")
def summary_command(question: Question) -> None:
    """Show counts, success and cost, and what they exclude.

    Assumed are the successes that only mean that nothing was raised. Where executions are retries (attempt above 1),
    tasks are counted by their first attempt. Unknown costs are not in the sum, and are counted;
    so are executions that could not be recorded, which only --since and --until exclude. CSV has the model tiers.
    """
    with question.database() as database:
        found = summary(database, question.selection)
        tables = price_tables(database)
        if not found.executions:
            question.explain_nothing(database)
    if question.output is Output.JSON:
        print_json({**plain(found), "unreported": found.unreported, "price_tables": tables})
    elif question.output is Output.CSV:
        print_csv(found.tiers, csv_names(TierSummary))
    elif not found.executions:
        print_note("No executions.")
        if found.losses:
            print_fields({"excluded": "; ".join(_left_out(found))})
    else:
        print_fields(_fields(found, tables))
        print_section("Model tiers", found.tiers, [*_TIER_COLUMNS, *([_ASSUMED] if found.assumed else [])])


def _fields(found: Summary, tables: tuple[str, ...]) -> dict[str, str]:
    assert found.success is not None, "there are executions"
    assert found.first is not None, "there are executions"
    assert found.last is not None, "there are executions"
    fields = {
        "executions": f"{found.executions:,}, from {moments.clock(found.first)} to {moments.when(found.last)}",
        "tasks": f"{found.tasks:,} begun, in {formatting.counted(found.executions, 'attempt')}",
        "succeeded": formatting.interval(found.success),
        "outcomes": ", ".join(f"{outcome} {count:,}" for outcome, count in found.outcomes.items()),
        "assumed": formatting.assumed_successes(found.assumed, found.outcomes.get("succeeded", 0)),
        "cost": formatting.cost(found.cost_usd, found.failures_cost_usd, bool(found.partial or found.unpriced)),
    }
    if found.tasks == found.executions:
        del fields["tasks"]
    if not found.assumed:
        del fields["assumed"]
    if tables:
        fields["prices"] = formatting.prices(tables)
    return fields | {"excluded": "; ".join(_left_out(found)) or "none"}


def _left_out(found: Summary) -> Iterator[str]:
    yield from formatting.excluded_costs(found.partial, found.unpriced, found.unreported)
    for reason, count in found.losses.items():
        yield f"{formatting.counted(count, lost_noun(reason))} that could not be recorded ({reason})"


_COLUMNS: Final = (
    TableColumn("executions", "executions", "{:,}".format, is_number=True, rank=1),
    TableColumn("success", "succeeded", formatting.interval, brief=formatting.estimate),
    TableColumn("p50_seconds", "p50", formatting.seconds, is_number=True, rank=3),
    TableColumn("p95_seconds", "p95", formatting.seconds, is_number=True, rank=4),
    TableColumn("p99_seconds", "p99", formatting.seconds, is_number=True, rank=7),
    TableColumn("mean_queue_seconds", "queued", formatting.seconds, is_number=True, rank=9),
    TableColumn("mean_quality", "quality", "{:.1f}".format, is_number=True, rank=8),
    TableColumn("cost_usd", "cost", formatting.dollars, is_number=True, rank=6, bound_if=("partial", "unpriced")),
    TableColumn(
        "cost_per_success_usd", "per success", formatting.dollars, is_number=True, rank=5, bound_if=("partial",)
    ),
    TableColumn("input_tokens", "tokens in", "{:,}".format, is_number=True, rank=10),
    TableColumn("output_tokens", "tokens out", "{:,}".format, is_number=True, rank=11),
)
#: Shown where any group has fewer than executions.
_TASKS: Final = TableColumn("tasks", "tasks", "{:,}".format, is_number=True, rank=2)
#: Shown where any group has some.
_COUNTED: Final = (
    _ASSUMED,
    TableColumn("partial", "partial", "{:,}".format, is_number=True, rank=8),
    TableColumn("unpriced", "unpriced", "{:,}".format, is_number=True, rank=8),
)
#: With fewer executions an interval is too wide to be of use.
_FEW: Final = 20


@reporting_command("performance")
@grouping_options
def performance_command(question: Question, by: tuple[str, ...], limit: int) -> None:
    """Show success, duration and cost by group.

    Success comes with its 95% interval, durations as the median and the 95th and 99th percentile, cost per success
    with the cost of failures. Values that were not reported are in no mean. Groups are task types without --by.
    """
    by = by or ("task_type",)
    with question.database(NO_SUMS_BY) as database:
        found = performance(database, by, question.selection, limit=limit)
        tables = price_tables(database)
        if not found:
            question.explain_nothing(database)
    rows = [group_row(answer, by) for answer in found]
    tasks = [_TASKS] if any(answer.tasks < answer.executions for answer in found) else []
    counted = [column for column in _COUNTED if any(getattr(answer, column.name) for answer in found)]
    render(
        rows,
        [*group_columns(by), *_COLUMNS[:1], *tasks, *_COLUMNS[1:], *counted],
        question.output,
        names=group_names(Performance, by),
        document={"by": by, "groups": rows, "price_tables": tables},
        nothing="No executions.",
        notes=_notes(found, tables),
    )


def _notes(found: list[Performance], tables: tuple[str, ...]) -> Iterator[str]:
    yield from group_notes(found)
    if any(answer.executions < _FEW for answer in found):
        yield (
            f"Groups of fewer than {_FEW} executions have wide intervals; their p95 and p99 are their slowest"
            " execution."
        )
    if any(answer.assumed for answer in found):
        yield formatting.ASSUMED
    partial, unpriced, unreported = (
        sum(getattr(answer, name) for answer in found) for name in ("partial", "unpriced", "unreported")
    )
    excluded = formatting.excluded_costs(partial, unpriced, unreported)
    if excluded:
        yield f"Excluded from costs: {'; '.join(excluded)}."
    if tables:
        yield f"Prices: {formatting.prices(tables)}."
