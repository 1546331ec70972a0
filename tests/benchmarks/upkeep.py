"""What ``rebuild`` and ``prune`` cost a row, and how long the write-ahead log becomes meanwhile.

And how long it becomes while executions are committed at a steady rate, for as many seconds as it takes to show.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from learning_instrument import LearningDatabase
from learning_instrument.database import store_of
from learning_instrument.maintenance.pruning import limits, prune

from ..log_watch import LogWatch
from .pace import Pace
from .recorded_files import DRAWN, copy_of, next_rows

#: The executions of the file that is rebuilt and pruned.
ROWS: Final = 300_000
#: Of those, the ones that are pruned.
PRUNED: Final = 150_000
#: The longest that the log should become.
MOST_LOG_MB: Final = 64.0
COMMITS_A_SECOND: Final = 400
_SECONDS: Final = 20


@dataclass(frozen=True)
class Upkeep:
    """What was measured of one kind of work."""

    name: str
    #: Processor time; None where it is not what is asked.
    microseconds_per_row: float | None
    log_mb: float


def measure(pace: Pace) -> list[Upkeep]:
    """Measure on a copy of a file that has been recorded into for long."""
    with tempfile.TemporaryDirectory() as folder:
        path = copy_of(ROWS, Path(folder, "upkeep.db"))
        found = [
            _work("rebuild", path, ROWS, lambda: _rebuild(path), pace),
            _work("prune", path, PRUNED, lambda: prune(path, limits(None, ROWS - PRUNED, None)), pace),
        ]
        path.unlink()
        return found + [_committing(processes, Path(folder, f"commits{processes}.db")) for processes in (1, 4)]


def _rebuild(path: Path) -> None:
    with LearningDatabase(path) as database:
        database.rebuild_rollups()


def _work(name: str, path: Path, rows: int, work: Callable[[], object], pace: Pace) -> Upkeep:
    pace.sample()
    with LogWatch(path) as watch:
        started = time.process_time()
        work()
        seconds = time.process_time() - started
    pace.sample()
    return Upkeep(f"{name}, {rows:,} rows", seconds / rows * 1e6, watch.bytes / 1e6)


def _committing(processes: int, path: Path) -> Upkeep:
    """Commit from so many processes, together at the rate."""
    copy_of(DRAWN, path)
    of_each = COMMITS_A_SECOND * _SECONDS // processes
    spawn = multiprocessing.get_context("spawn")
    workers = [
        spawn.Process(target=commit_steadily, args=(path, number * of_each, of_each, COMMITS_A_SECOND / processes))
        for number in range(processes)
    ]
    with LogWatch(path) as watch:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    if any(worker.exitcode for worker in workers):
        raise RuntimeError(f"A process failed: {[worker.exitcode for worker in workers]}")
    who = "one process" if processes == 1 else f"{processes} processes"
    return Upkeep(f"{COMMITS_A_SECOND} commits a second for {_SECONDS} s, {who}", None, watch.bytes / 1e6)


def commit_steadily(path: Path, first: int, count: int, per_second: float) -> None:
    """Commit *count* of the drawn rows once more, one by one, so many in a second."""
    rows: list[Any] = next_rows(path, first + 1, first + count, 1)
    with LearningDatabase(path, durability="commit") as database:
        store, start = store_of(database), time.monotonic()
        for number, row in enumerate(rows):
            time.sleep(max(0.0, start + number / per_second - time.monotonic()))
            store.append([row], lambda row: row)
