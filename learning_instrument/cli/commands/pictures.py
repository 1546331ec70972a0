"""``report``: one page, in a file."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone

import click

from ... import formatting
from ...analytics.burndown import Period as BudgetPeriod
from ...analytics.periods import Period, default_periods
from ...dashboard.pages.report import report
from ...dashboard.views import Budget
from ...sqlite.selection import OpenDatabase
from ...transfer import STDOUT
from ..documents import document_file
from ..options import FilePath, Question, budget_options, filtered_command
from ..rendering import print_note


@filtered_command("report", has_window=True)
@click.option(
    "--out",
    metavar="FILE",
    default="report.html",
    type=FilePath(),
    show_default=True,
    help="The file to write; - is standard output.",
)
@budget_options("Show how long this amount of US dollars lasts, such as 200.", "The period of the budget, in UTC.")
def report_command(question: Question, out: str, budget: float | None, period: BudgetPeriod) -> None:
    """Write a page of findings, charts and failures to a file.

    One HTML file that needs no network and no server. It has the last 7, 30 and 90 days, each of all executions, and of
    the 8 most frequent pools, tiers, models, task types and repositories; with --since only that window. Times and days
    are UTC. The file appears when it is whole, and replaces another.
    """
    with document_file(out) as file:  # before the question, which may take long
        with question.database("The page is made: all its figures are computed.") as database:
            filters = replace(question.selection, since=None, until=None)
            budgeted = None if budget is None else Budget(budget, period)
            made = report(database, _periods(database, question), filters, budgeted)
            question.explain_nothing(database)
        file.write(made.document)
    if out != STDOUT:
        print_note(f"{out} ({formatting.size(len(made.document))}): {made.verdict.text}.")


def _periods(database: OpenDatabase, question: Question) -> Sequence[Period]:
    since, until = question.selection.since, question.selection.until or datetime.now(timezone.utc)
    return default_periods(database, until) if since is None else (Period(since, until),)
