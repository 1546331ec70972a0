"""A pool of a library, and what it has, for ``check_adapter()``."""

import atexit
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Run = Callable[[Callable[[Any], Any], Any], Any]


class Pool(NamedTuple):
    """One line of the table."""

    #: As the table calls it.
    name: str
    adapter: str
    #: ``(function, task) -> result``: gives the task to the library, and waits for its end.
    run: Run
    #: The same where the library tries a task that failed again; None: it does not.
    retried: Run | None = None
    is_async: bool = False
    #: Whether its tasks wait in a queue.
    queued: bool = True
    #: ``function -> task type`` that is due; by default the function's name.
    task_type: Callable[[Any], str] | None = None
    #: Case -> why the library has no such thing.
    without: Mapping[str, str] = {}
    #: Whether it raises exceptions of its own, whose message contains that of the task.
    wrapped: bool = False
    #: ``(function, tasks)``: gives all of them to the library at once and waits, to measure what the adapter adds.
    run_all: Callable[[Callable[[Any], Any], Any], Any] | None = None
    #: How many it is given then: enough that the start of a worker does not matter.
    tasks: int = 500


class Kept:
    """Workers that are slow to start: kept for all tasks that are recorded into one database, and replaced then."""

    def __init__(self, make: Callable[[], Any], close: Callable[[Any], Any]) -> None:
        self._make, self._close = make, close
        self._pool: Any = None
        self._database: str | None = None
        atexit.register(self.close)

    def get(self) -> Any:
        """Return the pool."""
        database = os.environ.get("LEARNING_INSTRUMENT_DATABASE", self._database)
        if database != self._database:
            self.close()
        if self._pool is None:
            self._pool, self._database = self._make(), database
        return self._pool

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._close(self._pool)
            self._pool = None


def in_turn(run: Run) -> Callable[[Callable[[Any], Any], Any], None]:
    """Return a ``run_all`` for a library that runs a task where it is called: *run* for each."""

    def run_all(function: Callable[[Any], Any], tasks: Any) -> None:
        for task in tasks:
            run(function, task)

    return run_all
