"""``demo``: writes a synthetic database to try the reports on."""

import shlex

import click

from ... import formatting
from ...maintenance.demo import LABEL, write_demo
from ..options import FilePath
from ..progress import progress_bar
from ..rendering import print_note


@click.command("demo")
@click.argument("path", type=FilePath())
@click.option(
    "--executions",
    metavar="N",
    default=2000,
    type=click.IntRange(1, 1_000_000),
    show_default=True,
    help="How many executions to write.",
)
@click.option(
    "--seed", metavar="N", default=1, show_default=True, help="A number; the same one gives the same executions."
)
def demo_command(path: str, executions: int, seed: int) -> None:
    """Write a file of synthetic executions to try the reports on.

    PATH is the file, which must not exist. It comes with its roll-ups, error counts and search index.
    """
    with progress_bar() as progress:
        write_demo(path, executions, seed, progress=progress)
    print_note(f"Wrote {formatting.counted(executions, 'synthetic execution')} to {path} (service_name is {LABEL}).")
    print_note(f"Try: learning-instrument --database {shlex.quote(path)} list")
