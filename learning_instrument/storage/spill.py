"""Spill files: what a process could not commit before its end, kept beside the database for the next writer.

The next writer of the same user takes them in: their rows are committed, then the file is deleted. This may be
repeated: a row, a model call and a loss are stored once, so a crash between commit and deletion is harmless. A lock on
the file keeps several processes from doing the same work.
"""

import logging
import os
from collections.abc import Callable, Sequence
from typing import BinaryIO, Final

from ..costs.call_store import ModelCallBatch, ModelCallStore, merged
from ..record import Row
from ..safety.clocks import time
from ..safety.file_lock import lock
from ..safety.guards import inform, warn
from ..sqlite.connection import WriteConnection
from . import spill_format, spill_names
from .insertion import Insertion
from .statistics import Counters

log = logging.getLogger(__name__)

#: Rows of one transaction, so that tasks can commit in between.
_PART: Final = 256
#: The age from which a file that was never finished belongs to a process that was killed.
_UNFINISHED_SECONDS: Final = 3600.0


class SpillFiles:
    """Writes spill files beside one database, and takes in those of this user.

    Args:
        path: the absolute path of the database.
        insertion: stores the rows that are taken in.
        counts: counts the rows that this process spills or loses.
    """

    def __init__(self, path: str, insertion: Insertion, counts: Counters) -> None:
        self._path = path
        self._insertion = insertion
        self._counts = counts

    def are_there(self) -> bool:
        """Tell whether there are any, of any user."""
        return bool(spill_names.files(self._path))

    def write(self, items: Sequence[Row | ModelCallBatch]) -> int:
        """Write rows, priced model calls and losses not yet reported to a new file; return the number of rows.

        It raises nothing: a folder that cannot be written is a counted loss.
        """
        batches = [item for item in items if isinstance(item, ModelCallBatch)]
        rows = [item for item in items if not isinstance(item, ModelCallBatch)]
        losses = self._counts.take_all_unreported()
        readable = [row for row in rows if spill_format.can_be_written(row)]
        # Without counts of unknown spans, which say something of a database, not of one process.
        spilled = spill_format.Spilled(readable, merged(batches)._replace(unknown=()), losses)
        try:
            if not spilled.is_empty:
                self._counts.spill(spill_format.write(self._path, spilled), len(readable))
            self._counts.reported(losses)
        except (OSError, TypeError, ValueError) as error:
            self._counts.give_back(losses)
            if readable:
                self._counts.lose("process ended", error, len(readable))
            if calls := spilled.model_calls.calls:
                self._counts.lose("model calls, process ended", error, len(calls))
        if len(rows) > len(readable):
            self._counts.lose("unreadable", None, len(rows) - len(readable))
        return len(rows)

    def take_in(
        self,
        target: WriteConnection,
        is_over: Callable[[], object] = lambda: False,
        is_contended: Callable[[], object] = lambda: False,
    ) -> None:
        """Take in the files of this user. For one thread at a time.

        Args:
            target: the connection to write with.
            is_over: tells whether to stop at once; the next call begins the file again.
            is_contended: tells whether to stop after a file.

        Raises:
            sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
        """
        for file in spill_names.files(self._path):
            if is_over():
                return
            try:
                handle = spill_names.open_own(file)
            except OSError:  # another user's, or taken in by another process meanwhile
                continue
            with handle:
                if _is_first(handle, file):
                    self._take_in_one(target, handle, file, is_over)
            if is_contended():  # the rows of this process come first, or they would be spilled in turn
                return
        for file in spill_names.unfinished_files(self._path):
            _delete_old(file, _UNFINISHED_SECONDS)

    def _take_in_one(self, target: WriteConnection, handle: BinaryIO, file: str, is_over: Callable[[], object]) -> None:
        try:
            spilled = spill_format.read(handle)
        except spill_names.NewerSpillError as error:
            inform(log, "%s waits for a newer release of learning_instrument: %s", file, error)
            return
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            warn(log, "The spill file %s cannot be read (%s); kept as %s.", file, error, spill_names.set_aside(file))
            return
        rows, calls = spilled.executions, spilled.model_calls
        stored: list[int] = []
        for start in range(0, len(rows), _PART):
            self._insertion.store(target, rows[start : start + _PART], committed=lambda new, _: stored.append(new))
            if is_over():
                return
        if calls.size or calls.due:
            self._insertion.store(target, (), [calls])
        if spilled.losses:
            target.insert((), spilled.losses)
        os.unlink(file)
        self._counts.take_in(file, sum(stored))
        inform(log, "Took in %d executions from %s.", len(rows), file)


def take_in(path: str, target: WriteConnection) -> None:
    """Take in the spill files beside the database at *path*, before maintenance.

    Raises:
        sqlite3.Error, OSError, DatabaseError: if the database cannot be written.
    """
    counts = Counters(path)
    SpillFiles(path, Insertion(counts, ModelCallStore()), counts).take_in(target)


def delete_unreadable(path: str, seconds: float) -> None:
    """Delete the spill files that were set aside more than *seconds* ago: retention reaches them too."""
    for file in spill_names.unreadable_files(path):
        _delete_old(file, seconds)


def _is_first(handle: BinaryIO, file: str) -> bool:
    """Lock the open *file*; tell whether no other process has it, or has taken it in."""
    try:
        is_free = lock(handle.fileno())
    except OSError:  # a file system without locks: the work is done twice, and stored once
        is_free = True
    return is_free and os.path.exists(file)


def _delete_old(file: str, seconds: float) -> None:
    try:
        if time.time() - os.stat(file).st_mtime > seconds:
            os.unlink(file)
    except OSError:
        pass  # deleted meanwhile, or another user's
