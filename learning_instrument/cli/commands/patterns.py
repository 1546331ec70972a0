"""``patterns`` and ``similar``: earlier solutions."""

from typing import Any, Final

import click

from ... import formatting
from ...analytics import SimilarExecution, SolutionPattern, price_tables, similar_executions, solution_patterns
from .. import moments, styles
from ..options import Count, NumberRange, Question, limit_option, reporting_command
from ..rendering import Output, TableColumn, csv_names, fields_of, render

#: How many solutions a table has.
_IN_A_TABLE: Final = 20
_PATTERN_COLUMNS: Final = (
    TableColumn("summary", "solution", is_text=True, least=20),
    TableColumn("support", "worked", "{:,}".format, is_number=True, rank=2),
    TableColumn("task_type", "task type", is_text=True, rank=3),
    TableColumn("success", "success", formatting.interval, brief=formatting.estimate),
    TableColumn("executions", "of", "{:,}".format, is_number=True, rank=6),
    TableColumn("lift", "lift", formatting.factor, is_number=True, rank=4),
    TableColumn("mean_cost_usd", "mean cost", formatting.dollars, is_number=True, rank=5, bound_if=("partial",)),
    TableColumn("best_tier", "best tier", is_text=True, least=6),
    TableColumn("example", "example", formatting.short_id, rank=7),
)


_ASSUMED: Final = TableColumn("assumed", "assumed", "{:,}".format, is_number=True, rank=8)


@reporting_command("patterns")
@click.option(
    "--min-support",
    metavar="N",
    default=3,
    type=Count(),
    show_default=True,
    help="How often a solution worked, at the least.",
)
@limit_option(_IN_A_TABLE, "How many solutions.")
def patterns_command(question: Question, min_support: int, limit: int | None) -> None:
    """Show solutions that worked more than once.

    Those are summaries of successful executions that say the same. The success rate is that of all tasks like theirs,
    failures included, with its 95% interval; the lift is that rate over the one of the task type. The best tier has the
    highest lower bound. Of more than 200,000 executions the newest are read.
    """
    with question.database("Every summary of a solution is read.") as database:
        limit = question.limit(limit, _IN_A_TABLE)
        found = solution_patterns(database, question.selection, min_support=min_support, limit=limit)
        tables = price_tables(database)
        if not found:
            question.explain_nothing(database)
    rows = [_pattern(pattern) for pattern in found] if question.output is Output.TEXT else found
    nothing = f"No solution summary succeeded {min_support:,} times."
    document = {"patterns": found, "price_tables": tables}
    has_assumed = any(pattern.assumed for pattern in found)
    columns = [*_PATTERN_COLUMNS, *([_ASSUMED] if has_assumed else [])]
    notes = [*([formatting.ASSUMED] if has_assumed else []), *_prices(tables)]
    render(
        rows,
        columns,
        question.output,
        names=csv_names(SolutionPattern),
        document=document,
        nothing=nothing,
        notes=notes,
    )


def _pattern(pattern: SolutionPattern) -> dict[str, Any]:
    return {**fields_of(pattern), "example": next(iter(pattern.examples), None)}


_SIMILAR_COLUMNS: Final = (
    TableColumn("likeness", "likeness", style=styles.likeness_style),
    TableColumn("score", "score", "{:.2f}".format, is_number=True, rank=3),
    TableColumn("task_description", "description", is_text=True, least=16),
    TableColumn("outcome", "outcome", style=styles.outcome_style, rank=1),
    TableColumn("execution_id", "id", formatting.short_id, rank=2),
    TableColumn("timestamp", "started", moments.clock, rank=7),
    TableColumn("model_tier", "tier", is_text=True, least=6),
    TableColumn("duration_seconds", "duration", formatting.seconds, is_number=True, rank=5),
    TableColumn("cost_usd", "cost", formatting.dollars, is_number=True, rank=6, bound_if=("is_partial",)),
    TableColumn("solution_summary", "solution", is_text=True, least=16, rank=4),
)


@reporting_command("similar")
@click.argument("description", metavar="DESCRIPTION")
@click.option("--limit", metavar="N", default=10, type=Count(), show_default=True, help="How many executions.")
@click.option(
    "--threshold",
    metavar="SCORE",
    default=0.0,
    type=NumberRange(0, 1),
    help="For scripts: the least score, 1 being the same. By default, an execution that shares a word is shown.",
)
def similar_command(question: Question, description: str, limit: int, threshold: float) -> None:
    """Show executions of tasks like DESCRIPTION.

    The most alike come first. The score is the share of the words, rare words weighing more. A close one is nearly
    always of such a task, a related one about every second time, a far one seldom.
    """
    with question.database("Descriptions that are not indexed yet are read.") as database:
        found = similar_executions(database, description, question.selection, limit=limit, threshold=threshold)
        tables = price_tables(database)
        if not found:
            question.explain_nothing(database)
    nothing = (
        f"No execution has a score of {threshold:g} or more."
        if threshold
        else "No execution shares a word with the description."
    )
    document = {"executions": found, "price_tables": tables}
    render(
        found,
        _SIMILAR_COLUMNS,
        question.output,
        names=csv_names(SimilarExecution),
        document=document,
        nothing=nothing,
        notes=_prices(tables),
    )


def _prices(tables: tuple[str, ...]) -> list[str]:
    return [f"Prices: {formatting.prices(tables)}."] if tables else []
