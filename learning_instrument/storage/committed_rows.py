"""The rows that this process has committed: restored, or counted as lost, when the file turns out to lack them.

Another program may delete, empty or overwrite the files of a database in use. What was committed since the last
checkpoint is kept here, up to a limit, for the write-ahead log is what goes first.
"""

import os
from collections import deque
from collections.abc import Sequence
from typing import Final

from ..columns import COLUMNS
from ..record import Row
from ..safety.clocks import time
from ..safety.forks import ForkLock
from ..sqlite.connection import WriteConnection
from ..sqlite.file_watch import FileWatch, Mends, identity
from ..sqlite.renewal import set_aside_files
from ..timestamps import iso_of_nanoseconds
from .insertion import Insertion
from .statistics import Counters

_KEPT_ROWS: Final = 2048
_BOOKMARKS: Final = 256
#: Two questions: SQLite finds one end of a table at once, and reads all of it for both.
_ENDS: Final = "SELECT (SELECT min(rowid) FROM executions), (SELECT max(rowid) FROM executions)"
_EXECUTION_ID: Final = COLUMNS.index("execution_id")
_TIMESTAMP: Final = COLUMNS.index("timestamp")
_PROCESS_ID: Final = COLUMNS.index("process_id")


class CommittedRows:
    """Knows which rows of this process the file should have.

    Args:
        insertion: stores rows again.
        counts: counts the rows stored and lost.
        lock: held by tasks that commit.
    """

    def __init__(self, insertion: Insertion, counts: Counters, lock: ForkLock) -> None:
        self._insertion = insertion
        self._counts = counts
        self._lock = lock
        self.reset()

    def reset(self) -> None:
        """Start over in a forked child: the rows are the parent's."""
        self._rows: deque[Row] = deque(maxlen=_KEPT_ROWS)
        #: Notes committed rows. Called by tasks.
        self.extend = self._rows.extend
        self._file: tuple[int, int] | None = None
        self._mends = Mends()  # of that file
        self._mends_seen = 0
        self._could_not_be_written = False
        #: Some rows, each with the number of rows of this process that the file had with it; the oldest first.
        self._bookmarks: list[tuple[str, int]] = []
        self._most = 0
        #: The time from which on a deletion in the file can be of rows of this process.
        self._began = iso_of_nanoseconds(time.time_ns())
        #: Rows that went with files that were deleted.
        self._deleted = 0

    def kept(self) -> Sequence[Row]:
        """Return the rows that may not have reached the database itself yet."""
        return tuple(self._rows)

    def has_file(self, path: str) -> bool:
        """Tell whether the file at *path* is the one that has the rows."""
        return identity(path) == self._file is not None

    @property
    def is_in_doubt(self) -> bool:
        """Whether to look for the rows although the file may be the same: it was mended, or could not be written."""
        return self._could_not_be_written or self._mends.count != self._mends_seen

    def doubt(self) -> None:
        """Look for the rows with the next look at the file: it could not be written."""
        self._could_not_be_written = True

    def opened(self, target: WriteConnection) -> None:
        """Note the file of the first rows."""
        if self._file is None and target.watch is not None:
            self._note_file(target.watch)

    def _note_file(self, watch: FileWatch) -> None:
        self._file = watch.file
        if self._mends is not watch.mends:
            self._mends, self._mends_seen = watch.mends, 0

    def checkpoint(self, target: WriteConnection) -> bool:
        """Move the write-ahead log into the database; tell whether all of it is. Rows in the file are kept no longer.

        Raises:
            sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
        """
        number = len(self._rows)
        if not target.checkpoint():
            return False
        self._note(target)
        for _ in range(min(number, len(self._rows))):
            self._rows.popleft()
        return True

    def check(self, target: WriteConnection) -> None:
        """Restore the rows that the file lacks, if it is another than before, and count those that are gone.

        Raises:
            sqlite3.Error, OSError, DatabaseError: if the database cannot be read or written.
        """
        if not self._rows and not os.path.exists(target.path):  # only an execution makes the file again
            self._deleted += max(0, self._expected)
            self._file, self._most, self._bookmarks = None, 0, []
            return
        target.open()
        self.opened(target)
        if target.watch is not None and (target.watch.file != self._file or self.is_in_doubt):
            seen = self._mends.count
            self._lock.call(self._adapt, target)
            self._mends_seen = seen
            self._could_not_be_written = False
            self._note_file(target.watch)
        self._note(target)

    def _adapt(self, target: WriteConnection) -> None:
        if self.is_in_doubt or not self._was_made_anew(target):
            self._restore(target)
        else:
            self._forget(target)

    def _was_made_anew(self, target: WriteConnection) -> bool:
        """Tell whether the file that had the rows was deleted, with them: the new one has none of before."""
        if self._file in map(identity, set_aside_files(target.path)):  # another process found it damaged
            return False
        first = self._rows[0][_TIMESTAMP] if self._rows else "9"
        return not target.execute("SELECT 1 FROM executions WHERE timestamp < ? LIMIT 1", (first,))

    def _forget(self, target: WriteConnection) -> None:
        """Keep only the rows that the new file has: the others were deleted with the old one."""
        there = [row for row in self._rows if self._has(target, row)]
        self._rows.clear()
        self._rows.extend(there)
        self._deleted += max(0, self._expected - len(there))
        self._bookmarks = []

    def _has(self, target: WriteConnection, row: Row) -> bool:
        return bool(target.execute("SELECT 1 FROM executions WHERE execution_id = ?", (row[_EXECUTION_ID],)))

    def _note(self, target: WriteConnection) -> None:
        """Note how many rows the file has: it may lack them later, when they are no longer kept."""
        ((low, high),) = target.execute(_ENDS)
        self._most = 0 if high is None else high - low + 1
        self._lock.call(self._add_bookmark)
        if len(self._bookmarks) > _BOOKMARKS:
            del self._bookmarks[1::2]

    def _add_bookmark(self) -> None:
        if self._rows:
            self._bookmarks.append((self._rows[-1][_EXECUTION_ID], self._expected))

    @property
    def _expected(self) -> int:
        """The number of rows of this process that the file should have."""
        statistics = self._counts.statistics()
        return statistics.stored - statistics.lost.get("file changed", 0) - self._deleted

    def _restore(self, target: WriteConnection) -> None:
        expected, rows = self._expected, list(self._rows)
        ((deleted,),) = target.execute("SELECT max(since) FROM deletions")
        if deleted is not None:  # chosen rows are not to come back, and are not lost
            rows = [row for row in rows if row[_TIMESTAMP] > deleted]
        there, last = self._found(target)
        after = next((number + 1 for number, row in enumerate(rows) if row[_EXECUTION_ID] == last), 0)
        ((newest,),) = target.execute("SELECT coalesce(max(rowid), 0) FROM executions WHERE execution_id = ?", (last,))
        self._insertion.insert(target, rows)
        there += sum(row[_PROCESS_ID] != os.getpid() for row in rows[after:])
        ((ours,),) = target.execute(
            "SELECT count(*) FROM executions WHERE rowid > ? AND process_id = ?", (newest, os.getpid())
        )
        if deleted is None or deleted < self._began:
            # Rows that were pruned are in no file either.
            self._lose(min(expected - there - ours, self._most + len(rows)))
        self._insertion.insert(target, ())  # stores the loss

    def _lose(self, missing: int) -> None:
        if missing > 0:
            self._counts.lose("file changed", None, missing)

    def _found(self, target: WriteConnection) -> tuple[int, str | None]:
        """Return how many rows the file had with the last bookmark that it has, and that row's id."""
        while self._bookmarks:
            last, there = self._bookmarks[-1]
            if target.execute("SELECT 1 FROM executions WHERE execution_id = ?", (last,)):
                return there, last
            self._bookmarks.pop()
        return 0, None
