"""``serve``: the metrics of a database, for Prometheus."""

import functools

import click

from ...dashboard.counters import ExecutionCounters
from ...dashboard.exposition import CONTENT_TYPE, exposition
from ...dashboard.server import Document, DocumentServer
from ...sqlite.paths import absolute
from ..options import database_option, database_path, tell_of_spill_files
from ..progress import progress_bar
from ..rendering import print_note


@click.command("serve")
@database_option
@click.option(
    "--port",
    metavar="N",
    default=9464,
    type=click.IntRange(0, 65535),
    show_default=True,
    help="The port to listen on; 0 takes a free one.",
)
@click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen at. There is no password: others can read what is served wherever it is reachable.",
)
def serve_command(database: str | None, port: int, host: str) -> None:
    """Serve metrics of the executions for Prometheus, at /metrics.

    Of all processes that write the database, for this machine alone, until Ctrl-C; others can go on recording. The
    counters begin with all executions of the file, or at 0 where some were deleted from it, and never decrease.
    """
    path = absolute(database_path(database))
    counters = ExecutionCounters(path)
    with DocumentServer(host, port, {"/metrics": functools.partial(_metrics, counters)}) as server:
        tell_of_spill_files(path)
        with progress_bar() as progress:
            counters.begin(functools.partial(progress, "Executions"))
        print_note(f"Serving the metrics of {path} at {server.url}/metrics; Ctrl-C ends it.")
        server.serve_forever()


def _metrics(counters: ExecutionCounters) -> Document:
    return Document(CONTENT_TYPE, exposition(counters.read()))
