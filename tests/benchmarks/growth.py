"""What a row costs in ``batch`` in a file of 100,000 rows and in one of 3 million, in turn.

Processor time of all threads but the one that records; task ids are random. The rows go the whole way: through the
queue, the background writer and checkpoints; roll-ups, error counts and the index of words are timed apart.
"""

import contextlib
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unittest import mock

from learning_instrument import LearningDatabase
from learning_instrument.analytics.executions import execution_id_of
from learning_instrument.database import store_of
from learning_instrument.record import Row
from learning_instrument.rollups import catch_up, cubes, error_counts, search_index
from learning_instrument.sqlite.connection import WriteConnection
from learning_instrument.sqlite.read_only import ReadOnlyDatabase

from .pace import Pace, Stopwatch
from .recorded_files import DRAWN, copy_of, next_rows

SMALL: Final = 100_000
LARGE: Final = 3_000_000
_BLOCK: Final = 2500
_BLOCKS: Final = 8
#: Rows that come together, and the pause after them: some 5,000 a second.
_TOGETHER: Final = 100
_PAUSE_SECONDS: Final = 0.02
_LOOKED_UP: Final = 200
#: Rows are waited for that long, unless some of them are done with meanwhile.
_PATIENCE_SECONDS: Final = 3.0


@dataclass(frozen=True)
class Written:
    """What a row costs, in µs of processor time."""

    executions: int
    insert: float
    checkpoint: float
    #: Roll-ups, error counts, index of words.
    derived: float
    #: All work of the background.
    everything: float
    #: Milliseconds of processor time of a look-up by the id of a task, the longest of many, with rows not indexed yet.
    look_up: float

    @property
    def write(self) -> float:
        """Everything but what reports derive from the executions: indexes that are filled in the background count."""
        return self.everything - self.derived


class _File:
    """One of the files, and what has been measured of it."""

    def __init__(self, executions: int, path: Path) -> None:
        self._executions = executions
        self._rows = _again(copy_of(executions, path), executions)
        self._database = LearningDatabase(path, "batch")
        self._reading = WriteConnection(str(path), 1.0)
        self._forget()
        self.record()  # opens, and fills the caches
        self._forget()

    def _forget(self) -> None:
        self._everything, self._count = 0.0, 0
        self._insert, self._checkpoint, self._derived = Stopwatch(), Stopwatch(), Stopwatch()

    def record(self) -> None:
        """Record a block, and wait until the background has done its work."""
        block = [next(self._rows) for _ in range(_BLOCK // _TOGETHER)]
        with contextlib.ExitStack() as stack:
            for owner, name, watch in (
                (WriteConnection, "insert", self._insert),
                (WriteConnection, "checkpoint", self._checkpoint),
                (cubes, "advance", self._derived),
                (error_counts, "advance", self._derived),
                (search_index, "advance", self._derived),
            ):
                stack.enter_context(mock.patch.object(owner, name, watch.timed(getattr(owner, name))))
            others = time.process_time() - time.thread_time()
            for rows in block:
                store_of(self._database).append(rows, lambda row: row)
                time.sleep(_PAUSE_SECONDS)
            self._wait()
            self._everything += time.process_time() - time.thread_time() - others
        self._count += _BLOCK

    def _wait(self) -> None:
        """Wait until all rows are stored, and those that lag behind become no fewer."""
        if not self._database.flush(60) or self._database.statistics().lost:
            raise RuntimeError(f"Rows are missing: {self._database.statistics()}")
        lag, since = catch_up.lag(self._reading), time.monotonic()
        while lag and time.monotonic() - since < _PATIENCE_SECONDS:
            time.sleep(_PAUSE_SECONDS)
            now = catch_up.lag(self._reading)
            if now < lag:
                lag, since = now, time.monotonic()

    def written(self) -> Written:
        """Return what a row cost."""
        seconds = (self._insert.seconds, self._checkpoint.seconds, self._derived.seconds, self._everything)
        return Written(self._executions, *(part / self._count * 1e6 for part in seconds), self._longest_look_up())

    def _longest_look_up(self) -> float:
        with ReadOnlyDatabase(self._database.path) as database:
            every = f"SELECT task_id FROM executions WHERE rowid % {self._executions // _LOOKED_UP} = 7"
            times = []
            for row in database.query(every):
                began = time.thread_time()
                execution_id_of(database, row["task_id"])
                times.append(time.thread_time() - began)
        return max(times[1:]) * 1000  # the first prepares the question

    def close(self) -> None:
        """Close the file."""
        self._reading.close()
        self._database.close()


def measure(pace: Pace) -> tuple[Written, Written]:
    """Measure blocks of rows into both files in turn: what a row costs in the small one, and in the large one."""
    with tempfile.TemporaryDirectory() as folder:
        files = [_File(executions, Path(folder, f"{executions}.db")) for executions in (SMALL, LARGE)]
        for _ in range(_BLOCKS):
            pace.sample()
            for file in files:
                file.record()
        small, large = (file.written() for file in files)
        for file in files:
            file.close()
    return small, large


def _again(path: Path, executions: int) -> Iterator[list[Row]]:
    """Yield rows that are later than all others, some together."""
    for first in range(1, DRAWN, _TOGETHER):
        yield next_rows(path, first, first + _TOGETHER - 1, executions // DRAWN)
