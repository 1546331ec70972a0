"""What became of the executions of one process: stored, deferred, lost; and a warning for each kind of fault."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

log = logging.getLogger(__name__)


#: After a warning, how long a fault that came and went is not worth another.
_STALE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Statistics:
    """What became of the records given to one LearningDatabase, in this process."""

    #: Rows committed.
    stored: int = 0
    #: Rows that took the way through the background writer though ``commit`` was asked for.
    deferred: int = 0
    #: Executions that could not be recorded, by reason.
    lost: Mapping[str, int] = field(default_factory=dict)


class Counters:
    """The counts of one database in this process.

    Args:
        path: the database, for the warnings.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self.reset()

    def reset(self) -> None:
        """Count from nothing: after a fork, what was counted is the parent's."""
        self._lock = threading.RLock()  # a signal handler may record in the thread that holds it
        #: Rows committed on the threads of tasks, and in the background.
        self.stored = 0
        self.stored_behind = 0
        #: Rows that were deferred and are not written yet.
        self.rows_behind = 0
        self._deferred = 0
        self._lost: Counter[str] = Counter()
        self._untold: Counter[str] = Counter()  # lost, and not yet in the table ``losses``
        self._warned: dict[str, float] = {}  # what was warned of, and when

    def statistics(self) -> Statistics:
        """Return the counts as they are now."""
        with self._lock:
            return Statistics(self.stored + self.stored_behind, self._deferred, dict(self._lost))

    def defer(self, rows: int) -> None:
        """Count *rows* that take the way through the background writer."""
        with self._lock:
            self._deferred += rows
            self.rows_behind += rows

    def settle(self, rows: int) -> None:
        """Count *rows* as behind no more: they were written, or refused."""
        with self._lock:
            self.rows_behind = max(0, self.rows_behind - rows)

    def count_lost(self, reason: str, count: int) -> None:
        """Count *count* executions as lost for *reason*."""
        with self._lock:
            self._lost[reason] += count
            self._untold[reason] += count

    def lose(self, reason: str, error: BaseException | None, count: int = 1) -> None:
        """Count *count* executions as lost for *reason*, and warn of it."""
        self.count_lost(reason, count)
        self._warn_once(
            reason, "%s: executions are lost (%s)%s. LearningDatabase.statistics() has the count.", reason, error
        )

    def take_unreported(self) -> dict[str, int] | None:
        """Return the losses that the table ``losses`` does not have yet, for whoever stores them now."""
        if not self._untold:
            return None
        with self._lock:
            unreported, self._untold = dict(self._untold), Counter()
        return unreported

    def give_back(self, unreported: Mapping[str, int]) -> None:
        """Take back losses that could not be stored."""
        with self._lock:
            self._untold.update(unreported)

    def warn_of_failure(self, error: BaseException) -> None:
        """Say that the database cannot be written."""
        self._warn_once(
            "failed",
            "%s cannot be written (%s)%s. Executions are kept in memory and tried again.",
            type(error).__name__,
            error,
        )

    def rearm_warnings(self) -> None:
        """Make the next fault news. Not at once: on a disk that is nearly full every other write works."""
        now = time.monotonic()
        self._warned = {kind: at for kind, at in self._warned.items() if now - at < _STALE_SECONDS}

    def _warn_once(self, kind: str, message: str, what: str, error: BaseException | None) -> None:
        if kind not in self._warned:
            self._warned[kind] = time.monotonic()
            try:
                log.warning(message, self._path, what, f": {error}" if error is not None else "")
            except Exception:  # a log handler of the host's: neither a task nor the writer may end by it
                self._warned.pop(kind, None)
