"""``prune``, ``rebuild``, ``backup``, ``recover`` and ``reprice``: maintenance of a database."""

import functools
import os

import click

from ... import formatting
from ...costs.price_list import price_table
from ...costs.prices import Prices, prices_of
from ...database import LearningDatabase
from ...errors import ConfigurationError
from ...maintenance.pruning import limits, prune, take_in_spilled
from ...maintenance.recovery import Recovered, recover
from ...maintenance.repricing import Repriced, reprice
from ...maintenance.vectors import delete_vectors, stored_vectors
from ...sqlite.backup import backup
from ...sqlite.paths import absolute
from ...sqlite.read_only import ReadOnlyDatabase
from ...timestamps import age
from ..options import (
    Count,
    FilePath,
    database_option,
    database_path,
    output_options,
    output_wanted,
    tell_of_spill_files,
)
from ..progress import progress_bar
from ..rendering import Output, csv_names, is_confirmed, print_note, render


@click.command("prune")
@database_option
@click.option("--older-than", metavar="AGE", help="Delete executions that started longer ago, such as 90d.")
@click.option("--keep", metavar="N", type=Count(0), help="Keep this many of the newest executions.")
@click.option("--max-size", metavar="SIZE", help="Delete the oldest until the database is no larger, such as 1GB.")
@click.option("--archive", metavar="FILE", type=FilePath(), help="Write them to this new Parquet file first.")
@click.option("--vectors", metavar="MODEL", help="Delete the vectors by this model, in place of executions.")
@click.option("--dry-run", is_flag=True, help="Only count what would be deleted.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune_command(
    database: str | None,
    older_than: str | None,
    keep: int | None,
    max_size: str | None,
    archive: str | None,
    vectors: str | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Delete old executions, and return the space.

    An execution beyond any of several limits is deleted. After Ctrl-C, deleted executions stay deleted. The vectors of
    similar_executions(embed=) go with the last execution of their description; --vectors deletes those by one model.
    """
    if vectors is not None:
        if (older_than, keep, max_size, archive) != (None, None, None, None):
            raise ConfigurationError("--vectors deletes no executions: leave out the limits and --archive.")
        _prune_vectors(absolute(database_path(database)), vectors, dry_run, yes)
        return
    beyond = limits(age(older_than) if older_than else None, keep, max_size)
    path = absolute(database_path(database))
    if dry_run:
        tell_of_spill_files(path)
    else:
        take_in_spilled(path)
    plan = prune(path, beyond, is_rehearsal=True)
    what = f"{plan.executions:,} of {formatting.counted(plan.of, 'execution')}"
    if dry_run or not plan.executions:
        print_note(f"{what} {'is' if plan.executions == 1 else 'are'} beyond the limits.")
    elif is_confirmed(f"Delete {what} in {path}?", yes):
        with progress_bar() as progress:
            done = prune(path, beyond, archive, progress=progress)
        if archive is not None:
            print_note(f"Archived {formatting.counted(done.archived, 'execution')} in {archive}.")
        size = f"{formatting.size(done.bytes_before)} before, {formatting.size(done.bytes_after)} now"
        print_note(f"Deleted {formatting.counted(done.executions, 'execution')}: {size}.")


def _prune_vectors(path: str, model: str, is_rehearsal: bool, is_agreed: bool) -> None:
    with ReadOnlyDatabase(path) as database:
        found = next((each for each in stored_vectors(database) if each.model == model), None)
    what = None if found is None else f"{formatting.counted(found.descriptions, 'vector')} by {model}"
    if is_rehearsal and found is not None:
        click.echo(f"{what} would be deleted: {formatting.size(found.bytes)}.")
    elif found is None or is_confirmed(f"Delete {what} in {path}?", is_agreed):
        with progress_bar() as progress:
            done = delete_vectors(path, model, progress=progress)
        click.echo(f"Deleted {formatting.counted(done.descriptions, 'vector')}: {formatting.size(done.bytes)}.")


@click.command("rebuild")
@database_option
def rebuild_command(database: str | None) -> None:
    """Migrate the file, and rebuild its roll-ups.

    And the error counts and the search index. Executions do not change, and other processes can go
    on recording. After Ctrl-C the work done stays, and the next rebuild continues there.
    """
    path = database_path(database)
    with ReadOnlyDatabase(path), LearningDatabase(path) as learning_db:
        with progress_bar() as tell:
            counts: list[int] = []

            def progress(left: int) -> None:
                counts.append(left)
                tell("Executions", counts[0] - left, counts[0])

            learning_db.rebuild_rollups(progress)
        (found,) = learning_db.query("SELECT count(*) AS executions FROM executions")
        what = formatting.counted(found["executions"], "execution")
        print_note(f"Rebuilt roll-ups, error counts and search index of {learning_db.path}: {what}.")


@click.command("backup")
@database_option
@click.argument("file", metavar="FILE", type=FilePath())
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
def backup_command(database: str | None, file: str, force: bool) -> None:
    """Copy the database to FILE, while others write to it.

    The copy is whole, what is in the write-ahead log included, and only its owner can read it.
    """
    path = absolute(database_path(database))
    with progress_bar() as tell:
        copy = backup(path, file, is_replacing=force, progress=functools.partial(tell, "Pages"))
    print_note(f"Copied {path} to {copy}: {formatting.size(os.path.getsize(copy))}.")


@click.command("recover")
@database_option
@click.argument("file", metavar="[FILE]", required=False, type=FilePath())
@click.option("--delete", is_flag=True, help="Delete the damaged file after it was read.")
@output_options
def recover_command(database: str | None, file: str | None, delete: bool, as_json: bool, as_csv: bool) -> None:
    """Bring back the rows of a damaged database.

    FILE is the damaged one; by default it is every file that was set aside beside the database
    (learning.db.corrupt-...). What the database has already stays as it is, so it can be repeated.
    """
    path, output = absolute(database_path(database)), output_wanted(as_json, as_csv)
    with progress_bar() as progress:
        found = recover(path, file, is_deleting=delete, progress=progress)
    if output is not Output.TEXT:
        render(found, (), output, names=csv_names(Recovered))
        return
    if not found:
        print_note(f"No damaged database was set aside beside {path}.")
    for each in found:
        print_note(
            f"{each.file}: {formatting.counted(each.executions, 'execution')} came back, {each.known:,} were there,"
            f" {each.unreadable:,} cannot be read{'; deleted' if delete else ''}."
        )


@click.command("reprice")
@database_option
@click.option(
    "--prices",
    metavar="FILE",
    type=FilePath(),
    help="Your own prices: a TOML file.  [default: $LEARNING_INSTRUMENT_PRICES]",
)
@output_options
def reprice_command(database: str | None, prices: str | None, as_json: bool, as_csv: bool) -> None:
    """Recompute the cost of stored model calls.

    Use it after prices changed or were added. Reported costs stay. After Ctrl-C the work done stays, and another run
    does the rest.
    """
    output = output_wanted(as_json, as_csv)
    own = prices_of(prices)
    table = price_table()
    if table.name is None and not own.own:  # or every priced call would become unpriced
        raise ConfigurationError(
            "No prices found: pip install 'learning_instrument[prices]', or pass your own with --prices."
        )
    path = database_path(database)
    with ReadOnlyDatabase(path), LearningDatabase(path) as learning_db, progress_bar() as tell:
        done = reprice(learning_db, own, functools.partial(tell, "Model calls"))
    if output is not Output.TEXT:
        render([done], (), output, names=csv_names(Repriced), document=done)
        return
    more_or_less = "more" if done.difference >= 0 else "less"
    print_note(
        f"Priced {formatting.counted(done.calls, 'model call')} with {_prices(own, done)}; {done.changed:,} changed."
    )
    if not done.executions:
        print_note("No execution changed cost.")
        return
    print_note(
        f"{formatting.counted(done.executions, 'execution')} changed cost:"
        f" {formatting.dollars(abs(done.difference))} {more_or_less} than before."
    )


def _prices(own: Prices, done: Repriced) -> str:
    if not own.own:
        return done.price_table
    return f"own prices ({own.day or 'no date'}), else {done.price_table}"
