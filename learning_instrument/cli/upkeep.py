"""``prune`` and ``rebuild``: what a database needs from time to time."""

import os

import click

from ..database import LearningDatabase
from ..moments import age
from ..pruning import limits, prune
from ..read_only import ReadOnlyDatabase
from . import words
from .options import database_option, database_path
from .rendering import may_go_on, progress_bar


@click.command("prune")
@database_option
@click.option("--older-than", metavar="AGE", help="Delete what started longer ago, such as 90d.")
@click.option("--keep", metavar="N", type=click.IntRange(min=0), help="Keep so many of the newest executions.")
@click.option("--max-size", metavar="SIZE", help="Delete the oldest until the database is no larger, such as 1GB.")
@click.option("--archive", metavar="FILE", type=click.Path(), help="Write them to this new Parquet file first.")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune_command(
    database: str | None,
    older_than: str | None,
    keep: int | None,
    max_size: str | None,
    archive: str | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Delete old executions, and give the space back.

    With several limits, what is beyond any of them goes. After Ctrl-C, what was deleted by then stays deleted.
    """
    beyond = limits(age(older_than) if older_than else None, keep, max_size)
    path = os.path.abspath(database_path(database))
    plan = prune(path, beyond, is_rehearsal=True)
    what = f"{plan.executions:,} of {words.counted(plan.of, 'execution')}"
    if dry_run or not plan.executions:
        click.echo(f"{what} {'is' if plan.executions == 1 else 'are'} beyond the limits.")
    elif may_go_on(f"Delete {what} in {path}?", yes):
        with progress_bar() as progress:
            done = prune(path, beyond, archive, progress=progress)
        if archive is not None:
            click.echo(f"Archived {words.counted(done.archived, 'execution')} in {archive}.")
        size = f"{words.size(done.bytes_before)} before, {words.size(done.bytes_after)} now"
        click.echo(f"Deleted {words.counted(done.executions, 'execution')}: {size}.")


@click.command("rebuild")
@database_option
def rebuild_command(database: str | None) -> None:
    """Bring the file up to date with this release."""
    path = database_path(database)
    with ReadOnlyDatabase(path), LearningDatabase(path) as learning_db:
        click.echo(f"{learning_db.path} is up to date.")
