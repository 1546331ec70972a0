"""Counts what one process stored, deferred and lost, and warns once of each kind of fault."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

log = logging.getLogger(__name__)


#: How long after a warning the same kind of fault is not logged again.
_STALE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Statistics:
    """The fate of the records given to one LearningDatabase, in this process."""

    #: Rows committed.
    stored: int = 0
    #: Rows handed to the background writer in ``commit`` mode, because the database was locked or failed; refused ones
    #: included.
    deferred: int = 0
    #: Executions that could not be recorded, by reason.
    lost: Mapping[str, int] = field(default_factory=dict)


def lost_noun(reason: str) -> str:
    """Return the noun of a record lost for *reason*, in the singular."""
    return "model call" if reason.startswith("model calls") else "execution"


class Counters:
    """The counts of one database in this process.

    Args:
        path: the path of the database, for the warnings.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self.reset()

    def reset(self) -> None:
        """Start from zero; in a forked child, for the counts are the parent's."""
        self._lock = threading.RLock()  # a signal handler may record in the thread that holds it
        #: Rows committed on the threads of tasks, and in the background.
        self.stored = 0
        self.stored_in_background = 0
        #: Rows deferred and not yet written.
        self.rows_deferred = 0
        self._deferred = 0
        self._lost: Counter[str] = Counter()
        self._unreported: Counter[str] = Counter()  # lost, and not yet in the table ``losses``
        self._warned: dict[str, float] = {}  # kind of fault -> time of its warning

    def statistics(self) -> Statistics:
        """Return the counts as they are now."""
        with self._lock:
            return Statistics(self.stored + self.stored_in_background, self._deferred, dict(self._lost))

    def defer(self, rows: int) -> None:
        """Count *rows* as deferred to the background writer."""
        with self._lock:
            self._deferred += rows
            self.rows_deferred += rows

    def settle(self, rows: int) -> None:
        """Count *rows* as no longer deferred: they were written, or refused."""
        with self._lock:
            self.rows_deferred = max(0, self.rows_deferred - rows)

    def count_lost(self, reason: str, count: int) -> None:
        """Count *count* executions as lost for *reason*."""
        with self._lock:
            self._lost[reason] += count
            self._unreported[reason] += count

    def lose(self, reason: str, error: BaseException | None, count: int = 1) -> None:
        """Count *count* executions as lost for *reason*, and warn of it."""
        self.count_lost(reason, count)
        self._warn_once(
            reason,
            f"%s: {lost_noun(reason)}s are lost (%s)%s. LearningDatabase.statistics() has the count.",
            reason,
            error,
        )

    def take_unreported(self) -> dict[str, int] | None:
        """Return and clear the losses not yet written to the table ``losses``."""
        if not self._unreported:
            return None
        with self._lock:
            unreported, self._unreported = dict(self._unreported), Counter()
        return unreported

    def give_back(self, unreported: Mapping[str, int]) -> None:
        """Take back losses that could not be written."""
        with self._lock:
            self._unreported.update(unreported)

    def warn_of_failure(self, error: BaseException) -> None:
        """Warn that the database cannot be written."""
        self._warn_once(
            "failed",
            "%s cannot be written (%s)%s. Executions are kept in memory and retried.",
            type(error).__name__,
            error,
        )

    def rearm_warnings(self) -> None:
        """Allow faults to be logged again, but not at once: on a nearly full disk every other write succeeds."""
        now = time.monotonic()
        self._warned = {kind: at for kind, at in self._warned.items() if now - at < _STALE_SECONDS}

    def _warn_once(self, kind: str, message: str, what: str, error: BaseException | None) -> None:
        if kind not in self._warned:
            self._warned[kind] = time.monotonic()
            try:
                log.warning(message, self._path, what, f": {error}" if error is not None else "")
            except Exception:  # a log handler of the host's: neither a task nor the writer may end by it
                self._warned.pop(kind, None)
