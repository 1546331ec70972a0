"""``demo``: writes a synthetic database to try the reports on."""

import click

from ...maintenance.demo import LABEL, write_demo
from .. import formatting
from ..options import count
from ..rendering import print_note


@click.command("demo", short_help="Write a file of synthetic executions to try the reports on.")
@click.argument("path", type=click.Path())
@click.option("--executions", metavar="N", default=2000, type=count(1, 1_000_000), show_default=True, help="How many.")
@click.option("--seed", metavar="N", default=1, show_default=True, help="The same one gives the same executions.")
def demo_command(path: str, executions: int, seed: int) -> None:
    """Write the file PATH with synthetic executions to try the reports on."""
    write_demo(path, executions, seed)
    print_note(f"Wrote {formatting.counted(executions, 'synthetic execution')} to {path} (service_name is {LABEL}).")
    print_note(f"Try: learning-instrument --database {path} list")
