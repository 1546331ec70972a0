"""Cares for the files of one open database: looks at them, closes them when idle, sets a damaged one aside."""

import logging
import os
import sqlite3
from collections.abc import Sequence
from typing import Final

from ..errors import DatabaseError
from ..record import Row
from ..safety.clocks import time
from ..safety.forks import ForkLock
from ..safety.guards import is_interruption, warn
from ..sqlite.busy import is_busy, retry_while_busy
from ..sqlite.connection import WriteConnection
from ..sqlite.renewal import is_damage, set_aside_damaged
from .committed_rows import CommittedRows
from .statistics import Counters

log = logging.getLogger(__name__)

#: The interval of looking through a file that cannot be written, but is not damaged.
_EXAMINATION_SECONDS: Final = 60.0
#: How long to wait before another try, while another program changes the files.
_PAUSE_SECONDS: Final = 0.01


class FileCare:
    """Cares for the files of one database. What uses the connection of the background is called between two batches.

    Args:
        front: the connection of tasks.
        back: the connection of the background.
        lock: held by tasks that commit.
        committed: the rows that the file should have.
        counts: counts the rows stored.
    """

    def __init__(
        self,
        front: WriteConnection,
        back: WriteConnection,
        lock: ForkLock,
        committed: CommittedRows,
        counts: Counters,
    ) -> None:
        self._front = front
        self._back = back
        self._lock = lock
        self._committed = committed
        self._counts = counts
        self.reset()

    def reset(self) -> None:
        """Start over in a forked child."""
        self._seen = 0  # the number of rows stored at the last look
        self._examined = float("-inf")  # the time of the last look through the file

    def is_open(self) -> bool:
        """Tell whether the database is open."""
        return self._front.is_open or self._back.is_open

    def open(self) -> None:
        """Open the database for tasks; wait for other processes.

        Raises:
            sqlite3.Error, OSError, DatabaseError: if it cannot be opened.
        """
        try:
            self._open_front()
        except sqlite3.DatabaseError as error:
            if not self.set_aside(error):
                raise
            self._open_front()

    def _open_front(self) -> None:
        def look_and_open() -> None:
            self._front.look()
            self._front.open()

        self._lock.call(retry_while_busy, self._front.path, look_and_open)

    def make_missing(self, seconds: float) -> None:
        """Make a missing file at once: made in the background, it would delay the first rows for too long.

        Args:
            seconds: how long to wait at most for other tasks.
        """
        if os.path.exists(self._front.path) or self._lock.is_held():
            return
        try:
            self._lock.call(self._front.open, timeout=seconds)
        except (sqlite3.Error, OSError, DatabaseError) as error:  # the writer logs it when it fails as well
            if is_interruption(error):  # of the task: a TimeoutError is an OSError
                raise

    def close_front(self, seconds: float) -> None:
        """Close the connection of tasks; wait for them at most *seconds*."""
        self._lock.call(self._front.close, timeout=seconds)

    def look(self) -> bool:
        """Look at the files of an open database, and at the rows in it; tell whether any were stored since.

        Raises:
            sqlite3.Error, OSError, DatabaseError: if it cannot be done now.
        """
        if not self.is_open():
            return False
        self._look_at_files()
        stored = self._counts.rows_stored
        is_used, self._seen = stored != self._seen, stored
        if is_used or not self.is_open() or self._committed.is_in_doubt:
            self._committed.check(self._back)
        return is_used

    def settle(self, seconds: float) -> Sequence[Row]:
        """Look at the files before they are closed, and restore or count the rows that they lack.

        Args:
            seconds: how long to wait at most for other programs that change the files.

        Returns:
            The rows of which this cannot be known: they should be kept elsewhere.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                self._settle()
                return ()
            except (sqlite3.Error, OSError, DatabaseError) as error:
                if isinstance(error, sqlite3.DatabaseError) and self.set_aside(error):
                    continue
                is_waiting = is_busy(error)
                if not is_waiting or time.monotonic() >= deadline:
                    is_unknown = is_waiting or is_damage(error) or not self._committed.has_file(self._front.path)
                    return self._committed.kept() if is_unknown else ()
            time.sleep(_PAUSE_SECONDS)

    def _settle(self) -> None:
        if not (self.is_open() or self._committed.is_in_doubt or self._committed.kept()):
            return
        self._look_at_files()
        if self._committed.is_in_doubt or not self._committed.has_file(self._front.path):
            self._committed.check(self._back)

    def _look_at_files(self) -> None:
        self._lock.call(self._front.look)
        self._back.look()

    def rest(self) -> None:
        """Close an idle database, so that the write-ahead log is in the file. A reader may be in the way.

        Raises:
            sqlite3.Error, OSError, DatabaseError: if it cannot be done now.
        """
        if self.is_open() and self._committed.checkpoint(self._back):
            self._lock.call(self._front.close)
            self._back.close()

    def set_aside(self, error: sqlite3.DatabaseError) -> bool:
        """Rename a file of ours that *error* says is damaged, and that is; tell whether it was."""
        now, path = time.monotonic(), self._front.path
        if not is_damage(error) or now - self._examined < _EXAMINATION_SECONDS:
            return False
        try:
            new = set_aside_damaged(path, self._committed.has_file(path))
        except (sqlite3.Error, OSError):  # the next write tries it again
            return False
        if new is None:
            self._examined = now
            return False
        warn(log, "%s is damaged (%s); set aside as %s. Salvage it: learning-instrument recover.", path, error, new)
        return True
