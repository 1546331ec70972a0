"""Housekeeping of one database in the background: checkpoints, retention, derived tables."""

from collections.abc import Callable
from typing import Final

from ..rollups import catch_up
from ..safety.clocks import time
from ..sqlite.connection import WriteConnection
from ..sqlite.file_watch import LOG_BYTES
from ..sqlite.paths import log_of, size_of
from ..sqlite.yielding import SliceSizer
from . import spill
from .announced_rounds import AnnouncedRounds
from .committed_rows import CommittedRows
from .retention import Limits

#: Rows after which the write-ahead log is moved into the database: a long log makes each commit slower.
_CHECKPOINT_ROWS: Final = 1000
#: The interval of rows at which the length of the log is looked at, for which other processes write as well.
_LOOK_ROWS: Final = 64
#: The size of the log that is no longer cut when it starts over, and from which it is checkpointed at once.
_LONG_LOG_BYTES: Final = LOG_BYTES + 4_000_000
#: The interval of retention while executions are stored.
_RETENTION_SECONDS: Final = 30.0


class Housekeeping:
    """Knows which work is due, and does it.

    Args:
        committed: the rows that a checkpoint moves into the file.
        path: the absolute path of the database.
    """

    def __init__(self, committed: CommittedRows, path: str) -> None:
        self._committed = committed
        self._log = log_of(path)
        self.limit(Limits())
        self._slices = SliceSizer()
        self.reset()

    def limit(self, limits: Limits) -> None:
        """Delete the oldest executions beyond *limits* from now on."""
        self._limits = limits
        self._rounds = AnnouncedRounds(limits)
        self._has_limits = limits != Limits()
        self._trimmed = float("-inf")

    def reset(self) -> None:
        """Start over in a forked child: the rows counted are the parent's."""
        self._since_checkpoint = self._since_look = 0

    def _is_log_long(self) -> bool:
        return size_of(self._log) > _LONG_LOG_BYTES

    def count(self, rows: int) -> bool:
        """Count *rows* as written; tell whether work is due."""
        self._since_checkpoint += rows
        self._since_look += rows
        if self._since_look >= _LOOK_ROWS:
            self._since_look = 0
            if self._is_log_long():
                self._since_checkpoint = _CHECKPOINT_ROWS
        return self._since_checkpoint >= _CHECKPOINT_ROWS or (
            self._has_limits and time.monotonic() - self._trimmed > _RETENTION_SECONDS
        )

    def run(self, target: WriteConnection, is_contended: Callable[[], object], is_locked: Callable[[], object]) -> bool:
        """Do the work that is due; tell whether more is left.

        Args:
            target: the connection to write with.
            is_contended: tells whether a thread waits for this to end; then it ends early.
            is_locked: tells whether a task of this process is committing.

        Raises:
            sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
        """
        if self._since_checkpoint >= _CHECKPOINT_ROWS:
            self._since_checkpoint = 0
            self._committed.checkpoint(target)
        has_trimmed = self._trim(target)
        # Deleted executions take space in the roll-ups until these are advanced.
        has_more = catch_up.catch_up(target, self._slices, is_contended, is_locked, is_urgent=has_trimmed)
        return has_more or has_trimmed

    def _trim(self, target: WriteConnection) -> bool:
        if not self._has_limits:
            return False
        self._trimmed = time.monotonic()
        has_more = self._rounds.trim(target)
        if self._limits.older_than is not None and not self._rounds.is_waiting:
            spill.delete_unreadable(target.path, self._limits.older_than.total_seconds())
        return has_more
