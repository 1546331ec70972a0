"""``index``: sums by a name of one's own choice, so that reports by it are as fast as others."""

from typing import Final

import click

from ... import formatting
from ...errors import ConfigurationError
from ...maintenance import IndexedName, drop_index, index, indexed
from ...sqlite.paths import absolute
from ..options import database_option, database_path, output_options, output_wanted
from ..progress import progress_bar
from ..rendering import Output, TableColumn, print_note, render

_COLUMNS: Final = (
    TableColumn("name", "name"),
    TableColumn("executions", "executions", "{:,}".format, is_number=True),
    TableColumn("cells", "sums", "{:,}".format, is_number=True),
    TableColumn("state", "state"),
)


@click.command("index")
@database_option
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--drop", is_flag=True, help="Delete the sums by NAME.")
@output_options
def index_command(database: str | None, name: str | None, drop: bool, as_json: bool, as_csv: bool) -> None:
    """Keep sums by NAME, for fast reports by it.

    NAME is metadata.KEY, model or worker_id. Reports by one that is not indexed read the executions, which takes some
    seconds for each million. The sums are kept up to date as all roll-ups are. Without NAME, it lists what is indexed;
    so do --json and --csv after a change.
    """
    output = output_wanted(as_json, as_csv)
    path = absolute(database_path(database))
    said = None
    if name is None:
        if drop:
            raise ConfigurationError("--drop needs a NAME; learning-instrument index lists the names that are indexed.")
    elif drop:
        drop_index(path, name)
        said = f"Reports by {name} read the executions again."
    else:
        with progress_bar() as progress:
            found = index(path, name, progress=progress)
        sums = formatting.counted(found.cells, "sum")
        said = f"Reports by {name} read {sums} of {formatting.counted(found.executions, 'execution')}."
    if said is not None and output is Output.TEXT:
        print_note(said)
        return
    rows = [{"name": each.name, "executions": each.executions, "cells": each.cells, "state": _state(each)}
            for each in indexed(path)]  # fmt: skip
    render(rows, _COLUMNS, output, names=[column.name for column in _COLUMNS], nothing="No name is indexed.")


def _state(found: IndexedName) -> str:
    if found.is_stopped:
        return "stopped: nearly as many values as executions"
    return "complete" if found.is_complete else "behind"
