"""``feedback``: stores or deletes feedback on executions."""

import click

from ... import formatting
from ...analytics.executions import execution_id_of
from ...errors import ConfigurationError
from ...fleet.opening import opened, opened_for_feedback
from ...storage.feedback import VISIBILITIES, Visibility
from ..asking import ask_for_feedback, check_terminal
from ..options import database_address, database_option
from ..rendering import is_confirmed, print_note


@click.command("feedback")
@database_option
@click.argument("execution", metavar="[ID]", required=False)
@click.option("--accept/--reject", "accepted", default=None, help="Whether the result was accepted.")
@click.option(
    "--rating", metavar="N", type=click.IntRange(1, 5), help="How good the result was, from 1 (bad) to 5 (good)."
)
@click.option("--comment", metavar="TEXT", help="A comment; secrets are redacted.")
@click.option("--source", metavar="NAME", default="cli", show_default=True, help="Its author, or the tool.")
@click.option(
    "--visibility",
    type=click.Choice(VISIBILITIES),
    default="private",
    show_default=True,
    help="Who may see it: export includes what is not private.",
)
@click.option("--ask", is_flag=True, help="Walk through the executions that are worth asking about.")
@click.option("--delete", is_flag=True, help="Delete the feedback on this execution.")
@click.option("--clear", is_flag=True, help="Delete all feedback.")
@click.option("--yes", is_flag=True, help="Do not ask before clearing.")
def feedback_command(
    database: str | None,
    execution: str | None,
    accepted: bool | None,
    rating: int | None,
    comment: str | None,
    source: str,
    visibility: Visibility,
    ask: bool,
    delete: bool,
    clear: bool,
    yes: bool,
) -> None:
    """Store feedback on an execution, or delete it.

    ID is an execution's id or a task's, or the beginning of either. --ask shows up to ten executions that failed, took
    long, cost much, used a swarm or had an uncertain choice of model, and takes an answer to each at the terminal.
    """
    says_something = (accepted, rating, comment) != (None, None, None)
    if ask + clear + delete + says_something != 1 or (ask or clear) == (execution is not None):
        raise ConfigurationError(
            "Give an ID with --accept, --reject, --rating or --comment, or with --delete; or --ask or --clear alone."
        )
    where = database_address(database)
    if ask:
        check_terminal()
    with opened(where) as questions:  # which makes no file where there is none
        execution_id = None if execution is None else execution_id_of(questions, execution)
    with opened_for_feedback(where) as learning_db:
        if ask:
            ask_for_feedback(learning_db, source, visibility)
        elif execution_id is None:
            if is_confirmed(f"Delete all feedback in {learning_db.path}?", yes):
                print_note(f"Deleted {formatting.counted(learning_db.clear_feedback(), 'piece')} of feedback.")
        elif delete:
            print_note(f"Deleted {formatting.counted(learning_db.delete_feedback(execution_id), 'piece')} of feedback.")
        else:
            said = learning_db.add_feedback(
                execution_id, accepted=accepted, rating=rating, comment=comment, source=source, visibility=visibility
            )
            print_note(f"Stored feedback on execution {said.execution_id}.")
