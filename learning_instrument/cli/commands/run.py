"""``learning-instrument run``."""

import click

from ..launch import prepare, start
from ..options import database_option, database_path


@click.command(
    "run",
    context_settings={"allow_interspersed_args": False, "ignore_unknown_options": False},
    options_metavar="[OPTIONS]",
)
@database_option
@click.option(
    "--pools",
    metavar="TARGETS",
    help="What to record, comma-separated: package.module:Class, package.module:function, a library that"
    " learning-instrument pools lists, or auto for all of those that are installed.",
)
@click.option(
    "--retention-days", metavar="DAYS", help="Delete older executions in the background: a number of days, such as 90."
)
@click.option("--max-size", metavar="SIZE", help="Delete the oldest while the database is larger, such as 1GB.")
@click.option(
    "--budget",
    metavar="BUDGETS",
    help="Warn at 80% of a budget in US dollars and at its end: 1.00/day, '20/month by=pool_type'; comma-separated.",
)
@click.option("--otlp", metavar="URL", help="Send the spans to this collector as well, such as http://localhost:4318.")
@click.option("--service-name", metavar="NAME", help="What the application calls itself (service.name).")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run_command(
    database: str | None,
    pools: str | None,
    retention_days: str | None,
    max_size: str | None,
    budget: str | None,
    otlp: str | None,
    service_name: str | None,
    command: tuple[str, ...],
) -> None:
    """Run COMMAND, and record the executions of its pools.

    COMMAND is a program and its arguments (python app.py, celery worker, ...), or just a script and its
    arguments. It runs under opentelemetry-instrument, as do the Python processes that it starts. What is
    set in the environment already stays as it is; the exit code is that of COMMAND.
    """
    limits = {"retention_days": retention_days, "max_size": max_size, "budget": budget}
    start(prepare(command, database_path(database), pools, otlp, service_name, **limits))
