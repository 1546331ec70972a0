"""``list``, ``show`` and ``tail``: single executions."""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import click

from ...analytics.executions import (
    Relatives,
    bookmark,
    execution_id_of,
    is_cost_known,
    is_cost_partial,
    is_selected,
    latest,
    relatives,
    stored_after,
)
from ...columns import COLUMNS
from ...costs.model_calls import PARTIAL
from ...errors import UnknownExecutionError
from ...record import ExecutionRecord
from ...safety.clocks import time
from ...sqlite.following import FollowedDatabase
from ...storage.feedback import history
from .. import formatting
from ..child_command import ChildCommand
from ..execution_handler import ExecutionHandler
from ..options import NumberRange, Question, count, limit_option, reporting_command, tell_of_spill_files
from ..progress import NO_SUMS, waiting
from ..rendering import (
    Output,
    TableColumn,
    fitted,
    is_terminal,
    plain,
    print_csv,
    print_fields,
    print_json,
    print_note,
    print_section,
    render,
    write,
)

_COLUMNS: Final = (
    TableColumn("timestamp", "started", formatting.clock, rank=4),
    TableColumn("execution_id", "id", formatting.short_id, rank=1),
    TableColumn("task_type", "task type", is_text=True, least=8, rank=2),
    TableColumn("pool_type", "pool", is_text=True, least=8, rank=7),
    TableColumn("model_tier", "tier", is_text=True, least=6),
    TableColumn("outcome", "outcome", lambda outcome: outcome.value, style=formatting.outcome_style),
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
    row = _line if question.output is Output.TEXT else _values
    with question.database(None) as database:
        found = latest(database, question.selection, question.limit(limit, _IN_A_TABLE), failed)
        with waiting(NO_SUMS):
            first = next(found, None)
        if first is None:
            question.explain_nothing(database)
        rows = map(row, () if first is None else itertools.chain([first], found))
        render(rows, _COLUMNS, question.output, names=COLUMNS, nothing="No executions.")


@reporting_command("show")
@click.argument("execution", metavar="ID")
def show_command(question: Question, execution: str) -> None:
    """Show everything about one execution.

    ID is an execution's id or a task's, or the beginning of either.
    """
    with question.database() as database:
        execution_id = execution_id_of(database, execution)
        if not is_selected(database, execution_id, question.selection):
            raise UnknownExecutionError(f"Execution {execution!r} is excluded by the filters; leave them out.")
        found = relatives(database, execution_id)
        said = history(database, found.execution.execution_id)
    if question.output is Output.TEXT:
        _print_fields(found)
        print_section("Feedback", said, _FEEDBACK_COLUMNS)
        calls = [{**call, "is_partial": call["cost_source"] == PARTIAL} for call in found.model_calls]
        print_section("Model calls", calls, _model_call_columns(found.model_calls))
        print_section("Executions within it", [_line(record) for record in found.children], _COLUMNS)
    elif question.output is Output.JSON:
        executions = {"execution": _values(found.execution), "children": [_values(child) for child in found.children]}
        print_json({**plain(found), **executions, "feedback": said})
    else:
        print_csv([_values(found.execution)], COLUMNS)


@reporting_command("tail")
@_failed_option
@click.option(
    "--lines",
    metavar="N",
    default=10,
    type=count(0),
    show_default=True,
    help="How many earlier executions to print first.",
)
@click.option("--every", default=0.5, type=NumberRange(min=0.05), metavar="SECONDS", help="How often to look.")
@click.option(
    "--for",
    "seconds",
    type=NumberRange(min=0),
    metavar="SECONDS",
    help="How long to follow.  [default: until Ctrl-C]",
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
    tell_of_spill_files(question.path)
    database = FollowedDatabase(question.path)
    with database:
        place = bookmark(database)
        shown = list(latest(database, question.selection, lines, failed))[::-1] if lines else []
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
                handler.handle([_values(record) for record in shown])


def _values(record: ExecutionRecord) -> dict[str, Any]:
    """Return the columns of *record* for other programs; an unknown cost, for which a 0 is stored, is None."""
    values = record.to_dict()
    if not is_cost_known(record):
        values["actual_cost"] = None
        if "cost_estimate" in record.defaulted:
            values["cost_estimate"] = None  # it stands for the actual cost
    return values


def _line(record: ExecutionRecord) -> dict[str, Any]:
    """Return the columns of the line for *record*."""
    values = {column.name: getattr(record, column.name, None) for column in _COLUMNS}
    values["reported_cost"] = _values(record)["actual_cost"]
    values["is_partial"] = is_cost_partial(record)
    values["about"] = record.error_message or record.task_description
    return values


_FOLLOWED: Final = "{timestamp}  {execution_id}  {outcome:<9}  {duration_seconds:>9}  {task_type:<8}  {about}"


def _print_followed(records: Sequence[ExecutionRecord], output: Output, is_first: bool) -> None:
    """Print new executions, in columns of fixed width: later values are not known yet."""
    if output is Output.JSON:  # one document could never end: one for each execution, on a line of its own
        for record in records:
            print_json(_values(record), indent=None)
    elif output is Output.CSV:
        print_csv(map(_values, records), COLUMNS, with_heading=is_first)
    else:
        for record in records:
            row = _line(record)
            cells = {column.name: column.cell(row) for column in _COLUMNS}
            cells["timestamp"] = formatting.when(record.timestamp)
            line = _FOLLOWED.format(**cells)
            write(fitted(line) if is_terminal() else line)


_FEEDBACK_COLUMNS: Final = (
    TableColumn("timestamp", "when", formatting.clock),
    TableColumn("accepted", "accepted", formatting.yes_or_no),
    TableColumn("rating", "rating", is_number=True),
    TableColumn("source", "source", is_text=True, rank=2),
    TableColumn("visibility", "visibility", rank=1),
    TableColumn("comment", "comment", is_text=True),
)

#: Fields that say it in a unit, or in short, that people read.
_SHOWN: Final[dict[str, Callable[[Any], str]]] = {
    "timestamp": lambda moment: f"{moment:%Y-%m-%d %H:%M:%S.%f} UTC",
    "duration_seconds": formatting.seconds,
    "queue_seconds": formatting.seconds,
    "cost_estimate": formatting.dollars,
    "actual_cost": formatting.dollars,
    "outcome": lambda outcome: str(outcome.value),
    "error_type": lambda error_type: str(error_type.value),
    "success": formatting.yes_or_no,
    "user_accepted": formatting.yes_or_no,
    "metadata": json.dumps,
}


def _print_fields(found: Relatives) -> None:
    """Print every field that has a value; defaults are marked."""
    execution = found.execution
    values = {name: getattr(execution, name) for name in COLUMNS if name != "defaulted"}
    fields = {
        name: _SHOWN.get(name, str)(value) + (" (default)" if name in execution.defaulted else "")
        for name, value in values.items()
        if value is not None and value != {}
    }
    if is_cost_partial(execution):
        fields["actual_cost"] = f"{formatting.bound(fields['actual_cost'], True)} (partial: the rest is unknown)"
        if "cost_estimate" in execution.defaulted:  # it stands for the actual cost
            fields["cost_estimate"] = formatting.bound(fields["cost_estimate"], True)
    known = _values(execution)
    for name in ("actual_cost", "cost_estimate"):
        if known[name] is None:
            fields[name] = f"unknown ({'unpriced' if execution.cost_source == 'unpriced' else 'not reported'})"
    print_fields(fields)
    missing = [name for name, value in values.items() if value is None]
    if missing:
        print_note(f"Not reported: {', '.join(missing)}.")


def _model_call_columns(calls: Sequence[Mapping[str, Any]]) -> list[TableColumn]:
    """Return the columns of model calls that any of them has a value in."""
    named = dict.fromkeys(name for call in calls for name, value in call.items() if value is not None)
    hidden = {"execution_id", "trace_id", "span_id", "parent_span_id"}
    shown = [name for name in named if name not in hidden]
    return [
        TableColumn(
            name,
            name.replace("_", " "),
            is_text=True,
            rank=rank,
            bound_if=("is_partial",) if name == "cost" else (),
        )
        for rank, name in enumerate(shown)
    ]
