"""What a database needs from time to time and no task may wait for: checkpoints, retention, roll-ups."""

import time
from collections.abc import Callable
from typing import Final

from ..rollups import catch_up
from ..sqlite.connection import WriteConnection
from ..sqlite.yielding import SliceSizer
from .retention import Limits, trim

#: Rows after which the write-ahead log is moved into the database. A log that grows makes each commit slower.
_CHECKPOINT_ROWS: Final = 1000
#: How often retention is looked after while executions come in.
_RETENTION_SECONDS: Final = 30.0


class Housekeeping:
    """What is due, and when."""

    def __init__(self) -> None:
        self.limit(Limits())
        self._pace = SliceSizer()
        self.reset()

    def limit(self, limits: Limits) -> None:
        """Delete the oldest executions beyond *limits* from now on."""
        self._limits = limits
        self._has_limits = limits != Limits()
        self._trimmed = float("-inf")

    def reset(self) -> None:
        """Forget what is the parent's, after a fork."""
        self._since_checkpoint = 0

    def count(self, rows: int) -> bool:
        """Count *rows* that were written; tell whether something is due."""
        self._since_checkpoint += rows
        return self._since_checkpoint >= _CHECKPOINT_ROWS or (
            self._has_limits and time.monotonic() - self._trimmed > _RETENTION_SECONDS
        )

    def run(
        self, target: WriteConnection, is_waited_for: Callable[[], object], is_locked: Callable[[], object]
    ) -> bool:
        """Do what is due; tell whether there is more to do.

        Args:
            target: what to write with.
            is_waited_for: tells whether somebody waits for this to end, which it then does.
            is_locked: tells whether a task of this process commits just now.

        Raises:
            sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
        """
        if self._since_checkpoint >= _CHECKPOINT_ROWS:
            self._since_checkpoint = 0
            target.checkpoint()
        has_trimmed = self._trim(target)
        # What was deleted takes room until it is counted out.
        has_more = catch_up.catch_up(target, self._pace, is_waited_for, is_locked, is_urgent=has_trimmed)
        return has_more or has_trimmed

    def _trim(self, target: WriteConnection) -> bool:
        if not self._has_limits:
            return False
        self._trimmed = time.monotonic()
        return trim(target, self._limits)
