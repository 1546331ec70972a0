"""``pull`` and ``push``: executions of a fleet to a file, and those of a file to a fleet."""

import os
from typing import Final

import click

from ... import formatting
from ...fleet.address import Address
from ...sqlite.paths import absolute
from ...sqlite.read_only import ReadOnlyDatabase
from ...sqlite.selection import Selection
from ..options import FilePath, Question, fleet_argument, reporting_command, tell_of_spill_files
from ..progress import progress_bar
from ..rendering import tell
from .transfer import tell_answer, tell_first, told_of_conflict, told_of_import, visibility_of, visibility_options

_INTERRUPTED: Final = "Interrupted. What was stored stays; run the same command again for the rest."


def _named(context: click.Context, parameter: click.Parameter, path: str) -> str:
    """Refuse an empty path, which would be that of the default database."""
    if not path:
        raise click.BadParameter("expected the path of a file.", context, parameter)
    return path


_OUTPUT: Final = click.option(
    "--output",
    "-o",
    "database",
    metavar="FILE",
    type=FilePath(),
    required=True,
    callback=_named,
    help="The database to add to.",
)


@reporting_command("pull", file_option=_OUTPUT)
@fleet_argument
@visibility_options
def pull_command(question: Question, address: Address, public_only: bool, include_private: bool) -> None:
    """Copy executions of a fleet into a file.

    ADDRESS is clickhouse://USER:PASSWORD@HOST:PORT/DATABASE, by default $LEARNING_INSTRUMENT_FLEET. Model calls, costs
    as the fleet has them and feedback for the team or the public go along. The file is made if it is missing. Pulled
    again, nothing is doubled: what is new is added, and what changed in the fleet since is brought up to date. An
    interrupted pull is started again with the same command.
    """
    from ...fleet.database import FleetDatabase  # here: the plain install lacks what they need
    from ...fleet.pulling import pull

    visibility = visibility_of(public_only, include_private)
    is_new = not os.path.exists(absolute(question.file))
    try:
        with progress_bar() as progress:
            answer = pull(address, question.file, question.selection, visibility=visibility, progress=progress)
    except KeyboardInterrupt:
        tell(_INTERRUPTED)
        raise
    lines = told_of_import(answer, question.file)
    if not answer.read:
        with FleetDatabase(address) as fleet:
            question.explain_nothing(fleet)
        if is_new:  # a gate that reads it says that it has no executions, and not that there is no file
            lines = [*lines, f"Made {question.file}, without executions."]
    tell_answer(question, answer, lines)
    tell_first([f"{each.place}: {each.reason}" for each in answer.refusals], answer.refused)
    tell_first([told_of_conflict(each) for each in answer.conflicting], answer.conflicts)


@reporting_command("push")
@fleet_argument
@visibility_options
def push_command(question: Question, address: Address, public_only: bool, include_private: bool) -> None:
    """Send the executions of a file to a fleet, without a collector.

    ADDRESS is clickhouse://USER:PASSWORD@HOST:PORT/DATABASE, by default $LEARNING_INSTRUMENT_FLEET. Model calls and
    feedback for the team or the public go along. Executions that the fleet has, also by a collector, count once. The
    next push goes on where the last one was, and sends what changed since: run it every minute. With --since or another
    filter, all that is selected is looked at again. What is deleted in the file stays in the fleet.
    """
    from ...fleet.pushing import push  # here: most commands need none of it

    visibility = visibility_of(public_only, include_private)
    tell_of_spill_files(question.file)
    try:
        with progress_bar() as progress:
            answer = push(address, question.file, question.selection, visibility=visibility, progress=progress)
    except KeyboardInterrupt:
        tell(_INTERRUPTED)
        raise
    more = {"already there": answer.already_there, "refused": answer.refused}
    counts = ", ".join(f"{count:,} {what}" for what, count in more.items() if count)
    lines = [f"Sent {answer.sent:,} of {formatting.counted(answer.read, 'execution')}{counts and f'; {counts}'}."]
    if not answer.read:
        lines = ["Nothing is new."]
        if question.selection != Selection():
            lines = ["No executions."]
            with ReadOnlyDatabase(question.file) as database:
                question.explain_nothing(database)
    if answer.model_calls:
        lines.append(f"Sent {formatting.counted(answer.model_calls, 'model call')}.")
    if answer.feedback:
        lines.append(f"Sent {formatting.counted(answer.feedback, 'piece')} of feedback.")
    tell_answer(question, answer, lines)
    tell_first([f"{each.place}: {each.reason}" for each in answer.refusals], answer.refused)
