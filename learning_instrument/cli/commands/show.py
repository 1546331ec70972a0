"""``show``: the whole story of one execution."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import click

from ... import formatting
from ...analytics.executions import (
    execution_id_of,
    is_cost_partial,
    is_selected,
    relatives,
    reported_values,
)
from ...analytics.story import story
from ...columns import COLUMNS
from ...costs.model_calls import PARTIAL
from ...errors import UnknownExecutionError
from ...record import ExecutionRecord
from ...storage.feedback import history
from .. import moments
from ..options import Question, reporting_command
from ..rendering import (
    Output,
    TableColumn,
    plain,
    print_csv,
    print_fields,
    print_json,
    print_note,
    print_section,
)
from ..waterfall import print_story

#: Spans of model calls in the table of their details.
_CALLS: Final = 20


@reporting_command("show")
@click.argument("execution", metavar="ID")
def show_command(question: Question, execution: str) -> None:
    """Show the whole story of one execution.

    ID is an execution's id or a task's, or the beginning of either.
    """
    in_full = question.output is Output.JSON
    with question.database() as database:
        execution_id = execution_id_of(database, execution)
        if not is_selected(database, execution_id, question.selection):
            raise UnknownExecutionError(f"Execution {execution!r} is excluded by the filters; leave them out.")
        found = relatives(database, execution_id, -1 if in_full else _CALLS + 1)
        told = story(database, execution_id)
        said = history(database, execution_id)
    if question.output is Output.TEXT:
        _print_fields(found.execution)
        print_section("Feedback", said, _FEEDBACK_COLUMNS)
        print_story(told)
        calls = [{**call, "is_partial": call["cost_source"] == PARTIAL} for call in found.model_calls[:_CALLS]]
        print_section("Model calls", calls, _model_call_columns(found.model_calls))
        if len(found.model_calls) > _CALLS:
            print_note(f"The first {_CALLS} spans of model calls; --json has all.")
    elif in_full:
        children = [reported_values(child) for child in found.children]
        executions = {"execution": reported_values(found.execution), "children": children}
        print_json({**plain(found), **executions, "story": told, "feedback": said})
    else:
        print_csv([reported_values(found.execution)], COLUMNS)


_FEEDBACK_COLUMNS: Final = (
    TableColumn("timestamp", "when", moments.clock),
    TableColumn("accepted", "accepted", formatting.yes_or_no),
    TableColumn("rating", "rating", is_number=True),
    TableColumn("source", "source", is_text=True, rank=2),
    TableColumn("visibility", "visibility", rank=1),
    TableColumn("comment", "comment", is_text=True),
)

#: Fields that say it in a unit, or in short, that people read.
_SHOWN: Final[dict[str, Callable[[Any], str]]] = {
    "timestamp": lambda moment: moments.when(moment, "microseconds"),
    "duration_seconds": formatting.seconds,
    "queue_seconds": formatting.seconds,
    "wait_seconds": formatting.seconds,
    "cost_estimate": formatting.dollars,
    "actual_cost": formatting.dollars,
    "outcome": lambda outcome: str(outcome.value),
    "error_type": lambda error_type: str(error_type.value),
    "success": formatting.yes_or_no,
    "user_accepted": formatting.yes_or_no,
    "metadata": json.dumps,
}


def _print_fields(execution: ExecutionRecord) -> None:
    """Print every field that has a value; defaults are marked."""
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
    known = reported_values(execution)
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
