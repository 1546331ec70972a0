"""``top``: the executions of a database as they run and end, on a screen of their own."""

import contextlib
import functools
import importlib.util
import io
import json
import os
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Final

import click

from ...dashboard.in_flight import InFlight, in_flight
from ...dashboard.whole_story import whole_story
from ...errors import ConfigurationError, UnknownExecutionError
from ...sqlite.paths import absolute
from ...sqlite.selection import Queryable
from .. import moments
from ..options import NumberRange, Question, filtered_command, local_option
from ..rendering import print_fields, print_note
from ..terminal import LOCAL, is_coloured, is_told
from .show import MOST_CALLS, print_whole_story


@filtered_command("top")
@local_option
@click.option(
    "--every",
    metavar="SECONDS",
    default=2.0,
    type=NumberRange(0.2, 86_400),
    show_default=True,
    help="How many seconds to wait between two looks.",
)
def top_command(question: Question, every: float) -> int:
    """Watch what runs, how fast, and what fails.

    A screen of what runs and for how long, rates and p95 by pool and tier, the executions that ended last, and errors
    by template, the new ones marked: read-only, until q. Its last line names the keys. It needs pip install
    'learning_instrument[tui]'.
    """
    _check_terminal()
    with question.database(None):
        pass  # a missing one is said before the screen is taken
    from ...dashboard.top.app import TopApp  # here: it needs the extra, and imports much
    from ...dashboard.top.state import Asked, Observer

    app = TopApp(
        Observer(absolute(question.file), _local_time if is_told(LOCAL) else _utc),
        Asked(question.selection),
        os.path.basename(question.file),
        every,
        _story,
        is_coloured(sys.stderr),
    )
    app.run(mouse=False)
    return app.return_code or 0 if app.return_value is None else app.return_value


def _utc() -> datetime:
    return datetime.now(timezone.utc)


def _local_time() -> datetime:
    return _utc().astimezone()


def _check_terminal() -> None:
    """Check that there is a terminal, and what draws on it.

    Raises:
        ConfigurationError: if there is not.
    """
    if importlib.util.find_spec("textual") is None:
        raise ConfigurationError("top needs textual; run: pip install 'learning_instrument[tui]'.")
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise ConfigurationError("top needs a terminal; summary, list and tail write to a pipe.")


def _story(database: Queryable, execution_id: str) -> Callable[[], str]:
    """Ask for the story of an execution; return what lays it out, as ``show`` prints it."""
    try:
        told = whole_story(database, execution_id, MOST_CALLS + 1)
        return functools.partial(_printed, functools.partial(print_whole_story, told))
    except UnknownExecutionError:
        for entry in in_flight(database):
            if entry.execution_id == execution_id:
                return functools.partial(_printed, functools.partial(_print_entry, entry))
        raise


def _print_entry(entry: InFlight) -> None:
    print_note(
        "Its process has died; it ends as lost when a process opens the file for writing."
        if entry.is_dead
        else "It is running. This is known of it so far."
    )
    started = {} if entry.started is None else {"started": moments.when(entry.started)}
    print_fields({**started, "process": f"{entry.host}:{entry.process_id}", **_known(entry.record)})


#: Of the row of a lost execution: what is not known before its end, and what is said otherwise.
_NOT_YET: Final = {"timestamp", "success", "outcome", "duration_seconds", "process_id", "defaulted"}


def _known(record: str) -> dict[str, str]:
    """Return what the *record* of an entry says, a row as JSON; of a damaged one nothing."""
    try:
        values = json.loads(record)
        left_out = _NOT_YET.union(json.loads(values.get("defaulted") or "[]"))
        return {str(name): str(value) for name, value in values.items() if name not in left_out}
    except (AttributeError, TypeError, ValueError):
        return {}


class _Screen(io.StringIO):
    """A standard output that is printed to as to the terminal."""

    encoding: Final = "utf-8"  # type: ignore[misc]

    def isatty(self) -> bool:
        """Tell that it is one."""
        return True


def _printed(show: Callable[[], None]) -> str:
    """Return what *show* prints."""
    with contextlib.redirect_stdout(_Screen()) as screen:
        show()
    return screen.getvalue()
