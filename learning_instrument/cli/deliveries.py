"""Work that must not keep a following command from following: one item at a time, in order, on a thread."""

import contextlib
import json
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import click

from ..safety import threads
from ..safety.clocks import time
from .rendering import plain

T = TypeVar("T")

#: What a shell reports of a process that SIGTERM ended.
_TERMINATED = 128 + signal.SIGTERM


class Deliveries(Generic[T]):
    """Calls a function with each item, on a thread, or at once where none can be started.

    Args:
        deliver: the function.
        capacity: how many items may wait.
    """

    def __init__(self, deliver: Callable[[T], object], capacity: int) -> None:
        self._deliver = deliver
        self._items: queue.Queue[T] = queue.Queue(capacity)
        self._has_thread = threads.start("learning-instrument-deliveries", self._run)

    def put(self, item: T) -> bool:
        """Add *item*; tell whether there was room."""
        if not self._has_thread:
            self._deliver(item)
            return True
        try:
            self._items.put_nowait(item)
        except queue.Full:
            return False
        return True

    def wait(self, seconds: float) -> int:
        """Wait until all items are delivered, at most *seconds*; return how many are not."""
        end = time.monotonic() + seconds
        while self._items.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.01)
        return self._items.unfinished_tasks

    def _run(self) -> None:
        threads.take_signals()
        while True:
            item = self._items.get()
            try:
                self._deliver(item)
            finally:
                self._items.task_done()


def document_bytes(document: Any) -> bytes:
    """Return *document* as JSON that is ASCII: readable in any encoding, and obeyed by no terminal."""
    return json.dumps(plain(document), allow_nan=False).encode() + b"\n"


@contextlib.contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as an exception does, so that what it started is ended with it."""

    def end(number: int, frame: Any) -> None:
        raise click.exceptions.Exit(_TERMINATED)

    if threading.current_thread() is not threading.main_thread():  # only that one may set it
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
