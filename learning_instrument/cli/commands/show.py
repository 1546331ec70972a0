"""``show``: the whole story of one execution."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from ... import formatting
from ...analytics import execution_words
from ...analytics.executions import execution_id_of, is_selected, reported_values
from ...columns import COLUMNS
from ...dashboard.pages.execution_page import execution_content, title_of
from ...dashboard.pages.page import document
from ...dashboard.whole_story import WholeStory, whole_story
from ...errors import ConfigurationError, UnknownExecutionError
from ...record import ExecutionRecord
from ...sqlite.selection import Queryable
from ...transfer import STDOUT
from .. import moments
from ..documents import document_file, document_path
from ..options import FilePath, Question, reporting_command
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
MOST_CALLS: Final = 20


@reporting_command("show")
@click.argument("execution", metavar="ID")
@click.option(
    "--out",
    metavar="FILE",
    type=FilePath(),
    help="Write it as a page, one HTML file, to this file; - is standard output.",
)
def show_command(question: Question, execution: str, out: str | None) -> None:
    """Show the whole story of one execution.

    ID is an execution's id or a task's, or the beginning of either. The page of --out needs no network and no server;
    its times are UTC.
    """
    in_full = question.output is Output.JSON
    if out is not None and question.output is not Output.TEXT:
        raise ConfigurationError("--out writes a page: leave out --json and --csv.")
    if out is not None:
        _write_page(question, execution, out)
        return
    with question.database() as database:
        execution_id = _chosen(database, execution, question)
        told = whole_story(database, execution_id, -1 if in_full else MOST_CALLS + 1)
    found = told.relatives
    if question.output is Output.TEXT:
        print_whole_story(told)
    elif in_full:
        children = [reported_values(child) for child in found.children]
        executions = {"execution": reported_values(found.execution), "children": children}
        print_json({**plain(found), **executions, "story": told.story, "feedback": told.feedback})
    else:
        print_csv([reported_values(found.execution)], COLUMNS)


def _write_page(question: Question, execution: str, out: str) -> None:
    with document_file(out) as file:
        with question.database() as database:
            execution_id = _chosen(database, execution, question)
            page = document(title_of(execution_id), execution_content(database, execution_id))
        file.write(page)
    if out != STDOUT:
        print_note(document_path(out))


def _chosen(database: Queryable, execution: str, question: Question) -> str:
    execution_id = execution_id_of(database, execution)
    if not is_selected(database, execution_id, question.selection):
        raise UnknownExecutionError(f"Execution {execution!r} is excluded by the filters; leave them out.")
    return execution_id


def print_whole_story(told: WholeStory) -> None:
    """Print all that is known of one execution for people."""
    _print_fields(told.relatives.execution)
    print_section("Feedback", told.feedback, _FEEDBACK_COLUMNS)
    print_story(told.story)
    spans = told.relatives.model_calls
    calls = [{**call, "is_partial": execution_words.is_call_partial(call)} for call in spans[:MOST_CALLS]]
    print_section("Model calls", calls, _model_call_columns(spans))
    if len(spans) > MOST_CALLS:
        print_note(f"The first {MOST_CALLS} spans of model calls; learning-instrument show --json has all.")


_FEEDBACK_COLUMNS: Final = (
    TableColumn("timestamp", "when", moments.clock),
    TableColumn("accepted", "accepted", formatting.yes_or_no),
    TableColumn("rating", "rating", is_number=True),
    TableColumn("source", "source", is_text=True, rank=2),
    TableColumn("visibility", "visibility", rank=1),
    TableColumn("comment", "comment", is_text=True),
)


def _print_fields(execution: ExecutionRecord) -> None:
    """Print every field that has a value; defaults are marked."""
    found = execution_words.fields(execution, lambda moment: moments.when(moment, "microseconds"))
    print_fields({name: f"{said.text} (default)" if said.is_default else said.text for name, said in found.items()})
    missing = execution_words.missing(execution)
    if missing:
        print_note(f"Not reported: {', '.join(missing)}.")


def _model_call_columns(calls: Sequence[Mapping[str, Any]]) -> list[TableColumn]:
    """Return the columns of model calls that any of them has a value in."""
    return [
        TableColumn(
            name,
            name.replace("_", " "),
            is_text=True,
            rank=rank,
            bound_if=("is_partial",) if name == "cost" else (),
        )
        for rank, name in enumerate(execution_words.call_columns(calls))
    ]
