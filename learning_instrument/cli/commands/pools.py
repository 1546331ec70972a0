"""``pools``: the libraries whose pools are recorded by name."""

from typing import Final

import click

from ...instrumentation.listing import ListedAdapter, listed_adapters
from ..options import output_options, output_wanted
from ..rendering import TableColumn, csv_names, fields_of, render

_COLUMNS: Final = (
    TableColumn("name", "name"),
    TableColumn("installed", "installed"),
    TableColumn("records", "records", lambda text: text.replace("`", "")),
)


@click.command("pools")
@output_options
def pools_command(as_json: bool, as_csv: bool) -> None:
    """List the libraries whose pools are recorded by name.

    Give the names to run --pools or to LEARNING_INSTRUMENT_POOLS; auto stands for all that are installed.
    """
    render(
        [fields_of(adapter) for adapter in listed_adapters()],
        _COLUMNS,
        output_wanted(as_json, as_csv),
        names=csv_names(ListedAdapter),
        nothing="There is no adapter.",
    )
