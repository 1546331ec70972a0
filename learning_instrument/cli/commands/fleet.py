"""``fleet``: the tables of a fleet in ClickHouse, made, refreshed, looked at and dropped."""

from typing import Final

import click

from ... import formatting
from ...errors import DatabaseError
from ...fleet import schema
from ...fleet.address import Address
from ...fleet.client import connect
from ...safety.clocks import time
from ...timestamps import iso
from ..options import NumberRange, fleet_argument, output_options, output_wanted
from ..progress import progress_bar
from ..rendering import TableColumn, csv_names, fields_of, is_confirmed, print_note, render
from ..terminal import tell

_COLUMNS: Final = (
    TableColumn("schema", "schema"),
    TableColumn("release", "release"),
    TableColumn("attributes", "attributes"),
    TableColumn("is_filled_in", "filled in", lambda is_filled_in: "yes" if is_filled_in else "not yet"),
    TableColumn("executions", "executions", "{:,}".format, is_number=True),
    TableColumn("model_calls", "model calls", "{:,}".format, is_number=True),
    TableColumn("waiting_traces", "traces to refresh", "{:,}".format, is_number=True),
    TableColumn("waiting_hours", "hours to roll up", "{:,}".format, is_number=True),
    TableColumn("refreshed", "refreshed", lambda moment: iso(moment)[:19]),
)


@click.group("fleet")
def fleet_command() -> None:
    """Keep the executions of many machines, in ClickHouse.

    Collectors write the machines' spans to its table otel_traces. ADDRESS is clickhouse://USER:PASSWORD@HOST/DATABASE,
    with the port of HTTP where that is not 8123, or clickhouses:// for HTTPS; by default $LEARNING_INSTRUMENT_FLEET.
    """


@fleet_command.command("init")
@fleet_argument
@click.option(
    "--without-collector",
    is_flag=True,
    help="Make otel_traces as well, where there is none: executions come by push, or later by a Collector.",
)
def init_command(address: Address, without_collector: bool) -> None:
    """Make the tables and views that reports ask.

    Beside otel_traces, which stays as it is, and with the executions of the spans that are there. Run again, it changes
    nothing; after an upgrade it migrates; interrupted, it goes on.
    """
    from ...fleet.status import status  # here: the plain install lacks what it imports

    with connect(address, may_make=True) as client, progress_bar() as progress:
        schema.init(
            client, progress=lambda done, of: progress("hours of spans", done, of), makes_spans=without_collector
        )
        found = status(client)
    print_note(f"{address} has {formatting.counted(found.executions, 'execution')}.")
    if found.attributes == "json":
        print_note(
            "Its attributes are JSON: unless the Collector's connection_params have input_format_try_infer_datetimes=0"
            " and input_format_try_infer_dates=0, ClickHouse rewrites texts that look like a date or a time."
        )


@fleet_command.command("refresh")
@fleet_argument
@click.option(
    "--every",
    type=NumberRange(min=1, max=1e9),
    metavar="SECONDS",
    help="Refresh again after so many seconds, until Ctrl-C.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    default=1,
    metavar="N",
    help="Work out costs in so many processes side by side.",
)
def refresh_command(address: Address, every: float | None, processes: int) -> None:
    """Work out costs, masked messages and sums of what arrived.

    Of what arrived a minute ago and before, and after the last refresh: the costs of executions by their model calls,
    with the prices of $LEARNING_INSTRUMENT_PRICES, the masked messages of failures, and the sums of hours. It may be
    interrupted, and several may run at once: each execution and each call counts once.
    """
    from ...fleet import hours  # here: the plain install lacks what they import
    from ...fleet.refresh import refresh

    while True:
        try:
            with connect(address) as client, progress_bar() as progress:
                done = refresh(client, progress=lambda done: progress("traces", done.traces, 0), processes=processes)
                left = hours.waiting(client) if every is None else 0
        except DatabaseError as error:
            if every is None:
                raise
            tell(str(error))  # the next may go well
        else:
            print_note(
                f"Refreshed {formatting.counted(done.executions, 'execution')},"
                f" {formatting.counted(done.calls, 'model call')} and {formatting.counted(done.hours, 'hour')} of"
                f" {address}."
            )
            if left:
                print_note(f"{formatting.counted(left, 'hour')} changed a moment ago: left for the next refresh.")
        if every is None:
            return
        time.sleep(every)


@fleet_command.command("status")
@fleet_argument
@output_options
def status_command(address: Address, as_json: bool, as_csv: bool) -> None:
    """Show the schema, the executions, and how far refresh is."""
    from ...fleet.status import FleetStatus, status

    with connect(address) as client:
        found = status(client)
    render([fields_of(found)], _COLUMNS, output_wanted(as_json, as_csv), names=csv_names(FleetStatus), nothing="")


@fleet_command.command("drop")
@fleet_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop_command(address: Address, yes: bool) -> None:
    """Drop what init made, feedback included.

    The table otel_traces stays, and init makes the executions anew of the spans that it still has. Older ones are gone
    then, and so are those that were pushed, until they are pushed again.
    """
    with connect(address) as client:
        if is_confirmed(f"Drop the executions, model calls and feedback of {address}?", yes):
            if schema.drop(client):
                print_note(f"Dropped the executions, model calls and feedback of {address}; otel_traces is as it was.")
            else:
                print_note(f"{address} has none of our tables.")
