"""``list`` and ``tail``: single executions."""

import itertools
from collections.abc import Sequence
from typing import Any, Final

import click

from ... import formatting
from ...analytics.executions import (
    bookmark,
    is_cost_partial,
    latest,
    measured_seconds,
    reported_values,
    stored_after,
)
from ...columns import COLUMNS
from ...record import ExecutionRecord
from ...safety.clocks import time
from ...sqlite.following import FollowedDatabase
from .. import moments, styles
from ..child_command import ChildCommand
from ..execution_handler import ExecutionHandler
from ..options import Count, NumberRange, Question, limit_option, reporting_command, tell_of_spill_files
from ..progress import NO_SUMS, waiting
from ..rendering import (
    Output,
    TableColumn,
    fitted,
    is_terminal,
    print_csv,
    print_json,
    render,
    write,
)
from ..terminal import terminal_width

_COLUMNS: Final = (
    TableColumn("timestamp", "started", moments.clock, rank=4),
    TableColumn("execution_id", "id", formatting.short_id, rank=1),
    TableColumn("task_type", "task type", is_text=True, least=8, rank=2),
    TableColumn("pool_type", "pool", is_text=True, least=8, rank=7),
    TableColumn("model_tier", "tier", is_text=True, least=6),
    TableColumn("outcome", "outcome", lambda outcome: outcome.value, style=styles.outcome_style),
    TableColumn("duration_seconds", "duration", formatting.seconds, is_number=True, rank=5),
    TableColumn("reported_cost", "cost", formatting.dollars, is_number=True, rank=6, bound_if=("is_partial",)),
    TableColumn("about", "about", is_text=True),
)

#: How many executions a table has.
_IN_A_TABLE: Final = 20
_failed_option = click.option(
    "--failed", "--failures", "failed", is_flag=True, help="Only executions that did not succeed."
)


@reporting_command("list")
@limit_option(_IN_A_TABLE, "How many executions.")
@_failed_option
def list_command(question: Question, limit: int | None, failed: bool) -> None:
    """Show executions, the newest first."""
    row = _line if question.output is Output.TEXT else reported_values
    with question.database(None) as database:
        found = latest(database, question.selection, question.limit(limit, _IN_A_TABLE), failed)
        with waiting(NO_SUMS):
            first = next(found, None)
        if first is None:
            question.explain_nothing(database)
        rows = map(row, () if first is None else itertools.chain([first], found))
        render(rows, _COLUMNS, question.output, names=COLUMNS, nothing="No executions.")


@reporting_command("tail")
@_failed_option
@click.option(
    "--lines",
    metavar="N",
    default=10,
    type=Count(0),
    show_default=True,
    help="How many earlier executions to print first.",
)
@click.option(
    "--every",
    metavar="SECONDS",
    default=0.5,
    type=NumberRange(0.05, 86_400),
    show_default=True,
    help="How many seconds to wait between two looks.",
)
@click.option(
    "--for",
    "seconds",
    type=NumberRange(min=0),
    metavar="SECONDS",
    help="How many seconds to follow.  [default: until Ctrl-C]",
)
@click.option(
    "--exec",
    "command",
    metavar="COMMAND",
    help="Run this for each new execution, with its JSON on standard input; no shell is involved.",
)
def tail_command(
    question: Question, failed: bool, lines: int, every: float, seconds: float | None, command: str | None
) -> None:
    """Show executions as they are stored, until Ctrl-C.

    COMMAND is a program and its arguments, such as --exec "python notify.py". It is run for one execution at a time, in
    order, and ended after 30 seconds. While it runs, 1,000 executions wait; further ones are only shown.
    """
    if command is None:
        _follow(question, failed, lines, every, seconds)
    else:
        with ExecutionHandler(ChildCommand(command)) as handler:
            _follow(question, failed, lines, every, seconds, handler)


def _follow(
    question: Question,
    failed: bool,
    lines: int,
    every: float,
    seconds: float | None,
    handler: ExecutionHandler | None = None,
) -> None:
    end = None if seconds is None else time.monotonic() + seconds
    tell_of_spill_files(question.file)
    database = FollowedDatabase(question.file)
    with database:
        place = bookmark(database)
        shown = list(latest(database, question.selection, lines, failed))[::-1] if lines else []
        if lines and not shown:
            question.explain_nothing(database)
        is_first = True
        while True:
            if shown:
                _print_followed(shown, question.output, is_first)
                is_first = False
            if end is not None and time.monotonic() >= end:
                return
            time.sleep(every)
            database.follow()
            shown, place = stored_after(database, question.selection, place, failed)
            if handler is not None:
                handler.handle([reported_values(record) for record in shown])


def _line(record: ExecutionRecord) -> dict[str, Any]:
    """Return the columns of the line for *record*."""
    values = {column.name: getattr(record, column.name, None) for column in _COLUMNS}
    values["duration_seconds"] = measured_seconds(record)
    values["reported_cost"] = reported_values(record)["actual_cost"]
    values["is_partial"] = is_cost_partial(record)
    values["about"] = record.error_message or record.task_description
    return values


#: The columns of a line of ``tail``, and their widths; then those that go where a terminal is narrow, the first first.
_FOLLOWED: Final = {
    "timestamp": 23, "execution_id": 16, "outcome": 9, "duration_seconds": 9, "model_tier": 6, "task_type": 8,
    "about": 20,
}  # fmt: skip
_LESS_IMPORTANT: Final = ("duration_seconds", "execution_id", "timestamp", "task_type")
#: Of a tier and a task type, a terminal shows no more.
_LONGEST_NAME: Final = 16


def _print_followed(records: Sequence[ExecutionRecord], output: Output, is_first: bool) -> None:
    """Print new executions, in columns of fixed width: later values are not known yet."""
    if output is Output.JSON:  # one document could never end: one for each execution, on a line of its own
        for record in records:
            print_json(reported_values(record), indent=None)
    elif output is Output.CSV:
        print_csv(map(reported_values, records), COLUMNS, with_heading=is_first)
    else:
        for record in records:
            write(_followed(record))


def _followed(record: ExecutionRecord) -> str:
    row = _line(record)
    cells = {column.name: column.cell(row) for column in _COLUMNS} | {"timestamp": moments.when(record.timestamp)}
    cells["duration_seconds"] = cells["duration_seconds"].rjust(_FOLLOWED["duration_seconds"])
    names = list(_FOLLOWED)
    if is_terminal():
        for name in _LESS_IMPORTANT:
            if sum(_FOLLOWED[name] + 2 for name in names) - 2 > terminal_width():
                names.remove(name)
        cells |= {name: fitted(cells[name], _LONGEST_NAME) for name in ("model_tier", "task_type")}
    line = "  ".join(cells[name].ljust(_FOLLOWED[name]) for name in names).rstrip()
    return fitted(line) if is_terminal() else line
