"""What the background does for one database: batches, spill files, and housekeeping between them."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from ..costs.call_store import ModelCallBatch, ModelCallStore
from ..errors import DatabaseError
from ..record import Row
from ..safety.exit import DATABASES, seconds_left
from ..safety.forks import ForkLock
from ..sqlite.connection import WriteConnection
from .background_writer import GATHER_SECONDS, BackgroundWriter
from .committed_rows import CommittedRows
from .file_care import FileCare
from .housekeeping import Housekeeping
from .insertion import Insertion
from .spill import SpillFiles
from .statistics import Counters

#: How long the background waits for another writer's lock.
BUSY_SECONDS: Final = 2.0


class BackgroundWork:
    """Does with one connection what would delay a task; its :attr:`writer` calls it.

    Args:
        back: the connection of the background.
        back_lock: held while that is used.
        task_lock: held by tasks that commit.
        insertion: stores rows.
        counts: counts the rows stored and lost.
        model_calls: stores model calls.
        committed: the rows that the file should have.
        care: looks at the files.
        failed: called with each exception; tells whether it ends by itself. Its owner lives as long as the thread.
        is_batch: whether batches are gathered.
    """

    def __init__(
        self,
        back: WriteConnection,
        back_lock: ForkLock,
        task_lock: ForkLock,
        insertion: Insertion,
        counts: Counters,
        model_calls: ModelCallStore,
        committed: CommittedRows,
        care: FileCare,
        failed: Callable[[BaseException], bool],
        *,
        is_batch: bool,
    ) -> None:
        self._back = back
        self._task_lock = task_lock
        self._insertion = insertion
        self._counts = counts
        self._model_calls = model_calls
        self._committed = committed
        self._care = care
        self._failed = failed
        self._spill_files = SpillFiles(back.path, insertion, counts)
        self.housekeeping = Housekeeping(committed, back.path)
        self.writer = BackgroundWriter(
            insertion.rows,
            self._write,
            self._spill,
            failed,
            self._run_housekeeping,
            care.look,
            care.rest,
            care.is_open,
            # In ``commit`` mode a backlog is an exception that should end soon, so batches are not gathered.
            gather_seconds=GATHER_SECONDS if is_batch else 0.0,
            write_lock=back_lock,
        )
        self._reset_spilled()

    def reset(self) -> None:
        """Start over in a forked child."""
        self.writer.reset()
        self.housekeeping.reset()
        self._reset_spilled()

    def _reset_spilled(self) -> None:
        self._has_spill_files = False
        self._unsettled = 0  # rows that were deferred, then spilled

    def _write(self, items: Sequence[Row | ModelCallBatch]) -> None:
        """Commit rows and model calls. The writer retries it after an exception."""
        rows = [item for item in items if type(item) is not ModelCallBatch]
        batches = [item for item in items if type(item) is ModelCallBatch]
        try:
            self._insertion.store(self._back, rows, batches, self._stored)
        except sqlite3.DatabaseError as error:
            self._care.set_aside(error)
            raise
        self._committed.extend(rows)
        self.housekeeping.count(len(rows) + sum(batch.size for batch in batches))
        self._counts.rearm_warnings()

    def _stored(self, stored: int, rows: int) -> None:
        self._counts.stored_in_background += stored
        self._counts.settle(rows)
        self._settle_spilled()

    def _settle_spilled(self) -> None:
        self._counts.settle(self._unsettled)
        self._unsettled = 0

    def _spill(self, items: Sequence[Row | ModelCallBatch]) -> None:
        """Keep rows and model calls in a spill file: the process ends before they can be committed."""
        # Not settled yet, so that rows after them do not try again, each for some time.
        self._unsettled += self._spill_files.write(items)

    def take_in_spilled(self) -> None:
        """Take in spill files before a question, which sees their rows then."""
        if self._spill_files.are_there():
            try:
                self.writer.between_batches(lambda: self._spill_files.take_in(self._back))
                self._settle_spilled()  # the database can be written again
            except (sqlite3.Error, OSError, DatabaseError) as error:  # they wait for the next process
                self._failed(error)

    def look_for_spill_files(self) -> None:
        """Let the writer take in spill files, if there are any."""
        if self._spill_files.are_there():
            self._has_spill_files = True
            self.writer.request_housekeeping()

    def _run_housekeeping(self) -> None:
        if not self._care.is_open():
            return  # closed by now; housekeeping must not open it again
        if self._has_spill_files:
            self._has_spill_files = False
            self._spill_files.take_in(self._back, lambda: self.writer.is_paused, lambda: self.writer.is_contended)
        if not self.writer.backlog:  # a time limit may have come between the count of rows and their way to the queue
            self._counts.settle(max(0, self._counts.rows_deferred - self._unsettled))
        self._care.look()
        has_more = self._model_calls.run_housekeeping(self._back)
        is_contended = self.housekeeping.run(
            self._back, lambda: self.writer.is_contended, self._task_lock.is_held_elsewhere
        )
        if is_contended or has_more:
            self.writer.request_housekeeping()

    def is_settled(self, seconds: float) -> bool:
        """Look at the files; tell whether they have all rows of this process, or the loss of these is counted.

        The one look of a task's thread does not notice all that other programs do to the files.

        Args:
            seconds: how long to wait at most for other programs that change the files.
        """
        return not self._doubtful(seconds)

    def _doubtful(self, seconds: float) -> Sequence[Row]:
        """Return the committed rows that the files may lack, when no batch is written."""

        def settle() -> Sequence[Row]:
            return self._care.settle(min(seconds, max(0.0, seconds_left(DATABASES) - BUSY_SECONDS)))

        return self.writer.between_batches(settle, min(seconds, seconds_left(DATABASES))) or ()

    def settle(self, seconds: float) -> None:
        """Like :meth:`is_settled`, before the database closes: rows that the file may lack go into a spill file."""
        if doubtful := self._doubtful(seconds):
            self._spill_files.write(doubtful)  # stored once, if the file has them after all

    def close(self) -> None:
        """Close the connections, as far as the deadline of the process allows."""
        self._care.close_front(seconds_left(DATABASES))
        self.writer.between_batches(self._back.close, seconds_left(DATABASES))

    def end(self, seconds: float) -> None:
        """Do the last work of the process, and close; wait at most *seconds* for the writer."""
        self.writer.between_batches(self._do_last_work, seconds)
        self.close()

    def _do_last_work(self) -> None:
        """Store losses not yet reported, take in spill files, and attribute calls that wait for other processes.

        A fleet may have short processes alone.
        """

        def is_late() -> bool:
            return seconds_left(DATABASES) < BUSY_SECONDS

        try:
            if self._counts.has_unreported and not is_late():
                self._insertion.insert(self._back, ())
            if self._care.is_open() and not is_late() and self._spill_files.are_there():
                self._spill_files.take_in(self._back, is_late)
            if self._care.is_open() and not is_late():
                self._model_calls.run_housekeeping(self._back)
                # It looks at the files, too: what another program has done to them since, it mends without the rows.
                if doubtful := self._care.settle(0.0):
                    self._spill_files.write(doubtful)
        except (sqlite3.Error, OSError, DatabaseError) as error:
            self._failed(error)

    def spill_losses(self) -> None:
        """Keep losses not yet reported in a spill file."""
        if self._counts.has_unreported:
            self._spill_files.write(())
