"""Answers of a database that readers share: each is made once for all who ask meanwhile, and until the file changes."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Final

from ...fleet.address import is_address
from ...fleet.opening import opened
from ...safety.clocks import time
from ...sqlite.paths import log_of
from ...sqlite.selection import OpenDatabase

#: The answers that are kept.
_MOST: Final = 50
#: Answers that are made at a time; others wait. A pool that writes has the rest of the machine.
_AT_ONCE: Final = 2
#: How many times as long as it took an answer is kept at the least, and the most seconds of that: however often
#: executions are stored, those who look at one page keep a fifth of a processor busy.
_REST: Final = 4.0
_LONGEST_REST: Final = 30.0
#: The clocks of file systems are no finer: a file that changed less than this ago may change again under one time.
_CLOCK_NANOSECONDS: Final = 2_000_000_000

_State = tuple[tuple[int, ...], ...]


class _Answer:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        #: When it was begun; None: there is none yet.
        self.began: float | None = None
        self.kept_until = 0.0
        self.moment: datetime | None = None
        #: The files as they were then; None: unknown.
        self.state: _State | None = None
        self.body = b""


class SharedAnswers:
    """Keeps the last answers of the database at *path*, or at an address. Threads share it.

    Each answer is made on a connection of its own, and no transaction lasts longer than one statement: it would keep
    the write-ahead log from starting over.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._at_once = threading.BoundedSemaphore(_AT_ONCE)
        self._answers: OrderedDict[Hashable, _Answer] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[OpenDatabase], bytes], moment: datetime | None = None) -> bytes:
        """Return the answer to a question: one that was begun after this call, or since which nothing has changed.

        Or, where it took long, an older one.

        Args:
            key: the question.
            make: makes the answer.
            moment: what the answer takes for the present; None: it is the same at any time.

        Raises:
            LearningInstrumentError: what *make* raises.
        """
        asked = time.monotonic()
        with self._lock:
            answer = self._answers[key] = self._answers.pop(key) if key in self._answers else _Answer()
            if len(self._answers) > _MOST:
                self._answers.popitem(last=False)
        with answer.lock:
            if not self._is_good(answer, asked, moment):
                with self._at_once:
                    began, state = time.monotonic(), self._state()
                    with opened(self._path) as database:
                        answer.body = make(database)
                    ended = time.monotonic()
                answer.kept_until = ended + min(_REST * (ended - began), _LONGEST_REST)
                answer.began, answer.state, answer.moment = began, state, moment
            return answer.body

    def _is_good(self, answer: _Answer, asked: float, moment: datetime | None) -> bool:
        if answer.began is None:
            return False
        if answer.began >= asked or time.monotonic() < answer.kept_until:
            return True
        return answer.moment == moment and answer.state is not None and answer.state == self._state()

    def _state(self) -> _State | None:
        """Return what each commit changes of the files; None where a further one might not, and of a fleet."""
        if is_address(self._path):
            return None
        found = []
        for file in (os.path.realpath(self._path), log_of(self._path)):
            try:
                status = os.stat(file)
            except OSError:
                found.append((0, 0, 0, 0))
            else:
                found.append((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))
        is_settled = max(changed for *_, changed in found) < time.time_ns() - _CLOCK_NANOSECONDS
        return tuple(found) if is_settled else None
