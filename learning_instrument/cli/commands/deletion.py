"""``delete``: deletes chosen executions, with what hangs on them, for good."""

from typing import Final

import click

from ... import formatting
from ...analytics.executions import execution_id_of
from ...errors import ConfigurationError, UnknownExecutionError
from ...maintenance.deletion import Deleted, Which, delete, is_unfinished, take_in_waiting
from ...sqlite.paths import absolute
from ...sqlite.read_only import ReadOnlyDatabase
from ...sqlite.selection import Selection
from ..options import Question, reporting_command, tell_of_spill_files
from ..progress import progress_bar
from ..rendering import Output, csv_names, is_confirmed, print_note, render

_REMAINS: Final = 1


@reporting_command("delete")
@click.argument("executions", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Delete all executions.")
@click.option("--dry-run", is_flag=True, help="Only count what would be deleted.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def delete_command(
    context: click.Context,
    question: Question,
    executions: tuple[str, ...],
    everything: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Delete executions for good, by ID or by filters.

    With the executions nested within them, their model calls and feedback, and what every index has of them. Then the
    file is written anew and its log emptied, so that nothing of them is left in it; others can go on recording.
    Backups, archives and exports keep what they hold. ID is an execution's id or a task's, or the beginning of either.
    After Ctrl-C, the same command does the rest. Exit code 1: deleted, but the file may have remains.
    """
    is_selected = question.selection != Selection()
    if bool(executions) + is_selected + everything != 1:
        raise ConfigurationError(
            "Give IDs, or filters such as --where metadata.customer=acme, or --all; one of the three."
        )
    path = absolute(question.file)
    if dry_run:
        tell_of_spill_files(path)
    else:
        take_in_waiting(path)
    which: Which = _ids(path, executions) if executions else question.selection
    plan = delete(path, which, everything=everything, is_rehearsal=True)
    if not (plan.executions or plan.completes_another):
        with ReadOnlyDatabase(path) as database:
            question.explain_nothing(database)
    if dry_run:
        _tell(question, plan, f"{_what(plan)} would be deleted.")
        return
    if not (plan.executions or plan.completes_another):
        _tell(question, plan, "No executions.")
        return
    if not is_confirmed(f"Delete {_what(plan)} in {path}?", yes):
        return
    with progress_bar() as progress:
        done = delete(path, which, everything=everything, progress=progress)
    _tell(question, done, f"Deleted {_what(done)}.", *_remains(done))
    if not done.is_overwritten:
        context.exit(_REMAINS)


def _ids(path: str, given: tuple[str, ...]) -> list[str]:
    ids = []
    with ReadOnlyDatabase(path) as database:
        for each in given:
            try:
                ids.append(execution_id_of(database, each))
            except UnknownExecutionError:
                if not is_unfinished(database):
                    raise
                ids.append(each)  # the interrupted deletion may have deleted it
    return ids


def _what(found: Deleted) -> str:
    parts = [f"{found.executions:,} of {formatting.counted(found.of, 'execution')}"]
    if found.nested:
        parts.append(f"{formatting.counted(found.nested, 'execution')} within them")
    if found.model_calls:
        parts.append(formatting.counted(found.model_calls, "model call"))
    if found.feedback:
        parts.append(f"{formatting.counted(found.feedback, 'piece')} of feedback")
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _remains(done: Deleted) -> list[str]:
    """Return the lines about an earlier deletion, and about what is not overwritten."""
    lines = ["An earlier deletion that was interrupted is completed."] if done.completes_another else []
    if not done.is_rewritten:
        lines.append(
            "The file was not written anew, and may have remains: other processes write all the time, or the disk is"
            " full. Run this again when that is over."
        )
    if not done.is_log_empty:
        lines.append(
            "The write-ahead log still has what was deleted: another process is reading. End it, and run this again."
        )
    return lines


def _tell(question: Question, found: Deleted, *lines: str) -> None:
    if question.output is not Output.TEXT:
        render([found], (), question.output, names=csv_names(Deleted), document=found)
        return
    for line in lines:
        print_note(line)
    if found.in_flight:
        print_note(
            f"{formatting.counted(len(found.in_flight), 'execution')} of these still running:"
            f" {', '.join(found.in_flight)}. Run this again when they have ended."
        )
    if found.recording:
        print_note(
            f"Recording now: process {', '.join(found.recording)}. What has not been stored yet can be deleted by"
            " running this again."
        )
    if found.beyond_reach:
        print_note(f"Not reached, and may have the same executions: {', '.join(found.beyond_reach)}.")
