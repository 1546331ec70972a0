"""Shows on standard error, at a terminal, how far a long command is, or why an answer takes long."""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from ..safety import threads
from ..safety.control_characters import one_line
from ..safety.guards import guarded
from .terminal import is_coloured

#: An answer that takes no longer needs no explanation.
_PATIENCE_SECONDS: Final = 0.5
#: The longest that showing it takes to begin.
_START_SECONDS: Final = 5.0
#: Why an answer may take long.
NO_SUMS: Final = "No sums are kept for this question: all selected executions are read."
NO_SUMS_BY: Final = f"{NO_SUMS} learning-instrument index keeps some by model, worker_id or metadata.KEY."


def _console() -> Console:
    """Return standard error; rich alone would take FORCE_COLOR for a terminal."""
    return Console(stderr=True, force_terminal=sys.stderr.isatty(), no_color=not is_coloured(sys.stderr))


@contextlib.contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function that shows progress: it takes a label, the count done, and the total (0: unknown)."""
    console = _console()
    with Progress(console=console, transient=True, disable=not console.is_interactive) as progress:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(escape(one_line(what)), total=of or None)
            progress.update(tasks[what], completed=done)

        yield tell


@contextlib.contextmanager
def waiting(reason: str) -> Iterator[None]:
    """Show *reason*, a moving bar and the seconds so far, from half a second on, until the block ends.

    How far a question is, SQLite does not say. The block prints nothing.
    """
    console = _console()
    if not console.is_interactive:  # a dumb terminal cannot take it back
        yield
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    progress = Progress(*columns, console=console, transient=True)
    progress.add_task(escape(reason), total=None)
    has_ended = threading.Event()
    known: list[threads.BackgroundThread | None] = []

    def show() -> None:
        if not has_ended.wait(_PATIENCE_SECONDS):
            guarded(progress.start)  # rich needs another thread

    threads.start("learning-instrument-waiting", show, known=known.append)
    try:
        yield
    finally:
        has_ended.set()
        for thread in filter(None, known):
            thread.join(_START_SECONDS)
        progress.stop()
