"""Counts what one process stored, deferred and lost, and warns once of each kind of fault."""

import contextlib
import logging
import os
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ..safety.clocks import time
from ..safety.guards import warn
from ..sqlite.connection import Loss
from ..timestamps import iso_of_nanoseconds

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
    #: Rows in spill files, which the end of this process wrote, and no process has taken in as far as it knows.
    spilled: int = 0


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
        self._lost = defaultdict[str, int](int)
        self._unreported = defaultdict[str, int](int)  # lost, and not yet in the table ``losses``
        self._being_reported: list[Loss] = []  # by a transaction that has not ended
        self._given_back: list[Loss] = []  # by one that failed
        self._spilled: dict[str, int] = {}  # spill file -> its rows
        self._warned: dict[str, float] = {}  # kind of fault -> time of its warning

    @property
    def rows_stored(self) -> int:
        """The number of rows committed."""
        return self.stored + self.stored_in_background

    def statistics(self) -> Statistics:
        """Return the counts as they are now."""
        with self._lock:
            return Statistics(self.rows_stored, self._deferred, dict(self._lost), sum(self._spilled.values()))

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

    @property
    def has_unreported(self) -> bool:
        """Whether losses are not yet in the table ``losses``."""
        return bool(self._unreported or self._given_back or self._being_reported)

    def take_unreported(self) -> Sequence[Loss]:
        """Return the losses to write to the table ``losses`` now: then :meth:`reported`, or :meth:`give_back`."""
        if not (self._unreported or self._given_back):
            return ()
        with self._lock:
            # First all is taken: a signal handler in the middle may count, too.
            unreported, self._unreported = self._unreported, defaultdict(int)
            given_back, self._given_back = self._given_back, []
            now = iso_of_nanoseconds(time.time_ns())
            taken = [*given_back, *((now, os.getpid(), reason, count) for reason, count in unreported.items())]
            self._being_reported += taken
        return taken

    def reported(self, losses: Sequence[Loss]) -> None:
        """Note that *losses* are in the table, or in a spill file."""
        with self._lock:
            for loss in losses:
                with contextlib.suppress(ValueError):  # the end of the process was first
                    self._being_reported.remove(loss)

    def give_back(self, losses: Sequence[Loss]) -> None:
        """Take back losses that could not be written."""
        self.reported(losses)
        with self._lock:
            self._given_back += losses

    def take_all_unreported(self) -> Sequence[Loss]:
        """Like :meth:`take_unreported`, with the losses of a transaction that may never end: they are stored once."""
        with self._lock:
            self.take_unreported()
            return list(self._being_reported)

    def spill(self, file: str, rows: int) -> None:
        """Count *rows* as written to the spill file *file*."""
        with self._lock:
            self._spilled[file] = rows

    def take_in(self, file: str, stored: int) -> None:
        """Count the rows of the spill file *file* as stored, if this process wrote it; *stored* of them were new."""
        with self._lock:
            if self._spilled.pop(file, None) is not None:
                self.stored_in_background += stored

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
            warn(log, message, self._path, what, f": {error}" if error is not None else "")
