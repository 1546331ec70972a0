"""``open``: the database in Datasette."""

import click

from ... import formatting
from ...maintenance import datasette
from ...sqlite.paths import absolute
from ..options import database_option, database_path
from ..rendering import print_json, print_note


@click.command("open")
@database_option
@click.option(
    "--port",
    metavar="N",
    default=8001,
    type=click.IntRange(0, 65535),
    show_default=True,
    help="The port to listen on; 0 takes a free one.",
)
@click.option("--no-browser", is_flag=True, help="Open no browser.")
@click.option("--print-metadata", is_flag=True, help="Only print the metadata, for a Datasette of your own.")
def open_command(database: str | None, port: int, no_browser: bool, print_metadata: bool) -> None:
    """Show the database in Datasette, in a browser.

    For this machine alone, until Ctrl-C; others can go on recording. Tables and columns are described, and private
    tables hidden. It needs pip install 'learning_instrument[datasette]'.
    """
    path = absolute(database_path(database))
    found = datasette.metadata(path)
    if print_metadata:
        print_json(found)
        return
    datasette.check_installed()
    port = datasette.free_port(port)
    if left := datasette.unindexed(path):
        print_note(
            f"Its search field does not find {formatting.counted(left, 'execution')} yet; learning-instrument rebuild"
            " brings the index up to date."
        )
    print_note(f"Datasette shows {path} at {datasette.address(port)}; Ctrl-C ends it.")
    datasette.become(path, port, is_browser_opened=not no_browser)
