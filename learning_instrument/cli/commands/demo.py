"""``demo``: writes a synthetic database to try the reports on."""

import click

from ...maintenance.demo import LABEL, write_demo
from .. import formatting


@click.command("demo", short_help="Write a file of synthetic executions to try the reports on.")
@click.argument("path", type=click.Path())
@click.option(
    "--executions", metavar="N", default=2000, type=click.IntRange(1, 1_000_000), show_default=True, help="How many."
)
@click.option("--seed", metavar="N", default=1, show_default=True, help="The same one gives the same executions.")
def demo_command(path: str, executions: int, seed: int) -> None:
    """Write the file PATH with synthetic executions to try the reports on."""
    write_demo(path, executions, seed)
    click.echo(
        f"Wrote {formatting.counted(executions, 'synthetic execution')} to {path} (service_name is {LABEL}).\nTry:"
        f" learning-instrument --database {path} list"
    )
