"""``serve``: a database as a page that stays up to date, and as metrics for Prometheus."""

import functools

import click

from ...dashboard.metrics.counters import ExecutionCounters
from ...dashboard.metrics.exposition import CONTENT_TYPE, exposition
from ...dashboard.serving.access import Access, kept_token, new_token
from ...dashboard.serving.live import LivePages
from ...dashboard.serving.server import Document, DocumentServer, Request, Routes
from ...errors import ConfigurationError
from ...fleet.address import Address, is_address
from ...sqlite.paths import absolute
from ..options import FilePath, database_address, database_option, tell_of_spill_files
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
    help="The address to listen at. Others read what is served with the token alone, but it is not encrypted.",
)
@click.option(
    "--token-file",
    metavar="FILE",
    type=FilePath(),
    help="Where the token is kept, for Prometheus and from one start to the next; made where there is none."
    "  [default: a new token]",
)
@click.option("--no-token", is_flag=True, help="Let every user and program of this machine read.")
def serve_command(database: str | None, port: int, host: str, token_file: str | None, no_token: bool) -> None:
    """Serve a page that stays up to date, and metrics.

    The page has what report shows, for any period and filters, a search and each execution. It is read at the address
    that is printed, whose token the browser keeps. The metrics are at /metrics, of all processes that write the
    database: the counters begin with all executions of the file, or at 0 where some were deleted from it, and never
    decrease. A fleet has none here: its collectors count. For this machine alone, until Ctrl-C; others can go on
    recording.
    """
    if no_token and token_file is not None:
        raise ConfigurationError("--no-token and --token-file exclude each other; leave one out.")
    where = database_address(database)
    path = str(Address.parse(where)) if is_address(where) else absolute(where)
    token = None if no_token else new_token() if token_file is None else kept_token(token_file)
    counters = None if is_address(where) else ExecutionCounters(path)
    pages = LivePages(where if counters is None else path)
    metrics = {} if counters is None else {"/metrics": functools.partial(_metrics, counters)}
    routes: Routes = {**pages.routes(), **metrics}
    with DocumentServer(host, port, routes, Access(token), pages.error) as server:
        if no_token and not server.is_local:
            raise ConfigurationError(f"--no-token would let others than this machine read at {host}; leave one out.")
        if counters is not None:
            tell_of_spill_files(path)
            with progress_bar() as progress:
                counters.begin(functools.partial(progress, "Executions"))
        print_note(f"Serving {path} at {server.url}{_query(token, token_file)}; Ctrl-C ends it.")
        server.serve_forever()


def _query(token: str | None, token_file: str | None) -> str:
    """Return the rest of the address; without a token that lasts, for what is printed may be kept in a log."""
    if token_file is not None:
        return f"/?token=..., with the token in {token_file}"
    return "/" if token is None else f"/?token={token}"


def _metrics(counters: ExecutionCounters, request: Request) -> Document:
    return Document(CONTENT_TYPE, exposition(counters.read()))
