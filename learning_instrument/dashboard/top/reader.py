"""Asks a database in a thread of its own: a slow answer, or a lock, holds up no key."""

import os
import queue
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ...errors import LearningInstrumentError
from ...safety import threads
from ...safety.clocks import time
from ...sqlite.selection import Queryable
from .state import Asked, Look, Observer

#: The share of the time that is spent on looks: after a slow one, the next comes later.
_LOAD: Final = 0.2
#: How long to wait for the end of a question when all ends.
_END_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Failed:
    """Why there is no answer."""

    what: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The answer about one execution: lays out its text, in which colours are escape sequences."""

    execution_id: str
    text: Callable[[], str]


#: Asks about one execution, and returns what lays the answer out.
Story = Callable[[Queryable, str], Callable[[], str]]


class Reader:
    """Looks at a database every now and then, and when told.

    Args:
        observer: looks; used by the thread alone.
        asked: what to look for at first.
        every: the seconds between two looks.
        story: asks about one execution.
        answer: called in the thread with each answer.
    """

    def __init__(
        self,
        observer: Observer,
        asked: Asked,
        every: float,
        story: Story,
        answer: Callable[[Look | Failed | Opened], object],
    ) -> None:
        self._observer = observer
        self._asked = asked
        self._every = every
        self._story = story
        self._answer = answer
        self._tasks: queue.SimpleQueue[Asked | str | None] = queue.SimpleQueue()
        self._thread: threads.BackgroundThread | None = None

    def start(self) -> bool:
        """Start; tell whether it runs."""
        return threads.start("learning_instrument.top", self._run, known=self._know)

    def look(self, asked: Asked) -> None:
        """Look at once, and from now on for what is *asked*."""
        self._tasks.put(asked)

    def open(self, execution_id: str) -> None:
        """Ask about one execution."""
        self._tasks.put(execution_id)

    def stop(self) -> None:
        """End; do not wait long for a question that takes long."""
        self._tasks.put(None)
        if self._thread is not None:
            self._thread.join(_END_SECONDS)

    def _know(self, thread: threads.BackgroundThread | None) -> None:
        self._thread = thread

    def _run(self) -> None:
        task: Asked | str | None = self._asked
        next_look = 0.0
        while task is not None:
            if isinstance(task, str):
                self._answer(self._guarded(self._open, task))
            else:
                self._asked = task
                began = time.monotonic()
                self._answer(self._guarded(self._observer.look, task))
                ended = time.monotonic()
                next_look = ended + max(self._every, (ended - began) / _LOAD)
            try:
                task = self._tasks.get(timeout=max(0.0, next_look - time.monotonic()))
            except queue.Empty:
                task = self._asked
        self._observer.close()

    def _guarded(self, question: Callable[..., Look | Opened], what: Asked | str) -> Look | Opened | Failed:
        try:
            return question(what)
        except LearningInstrumentError as error:
            return Failed(str(error))
        except Exception as error:  # a value that another program stored; the next look may do without it
            name = os.path.basename(self._observer.database.path)
            return Failed(f"{name} cannot answer ({error!r}); learning-instrument doctor names invalid values.")

    def _open(self, execution_id: str) -> Opened:
        return Opened(execution_id, self._story(self._observer.database, execution_id))
