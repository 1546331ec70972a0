"""How long a fork takes, and opening and closing a database, alone and while others record into it.

Wall time, for waiting counts, and beside it the processor time of the thread, which a busy machine stretches less.
Run as a module it measures, in a process of its own, and prints the figures as JSON.
"""

import contextlib
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TypeVar

from learning_instrument import LearningDatabase
from learning_instrument.database import store_of
from learning_instrument.record import Row

from .processes import run_module
from .recorded_files import DRAWN, copy_of, next_rows
from .upkeep import commit_steadily

T = TypeVar("T")

NO_DATABASE: Final = "fork without a database"
FORK: Final = "fork"
OPEN: Final = "open"
CLOSE: Final = "close"
ALONE: Final = "alone"
THREADS_RECORD: Final = "2 threads record"
OTHERS_RECORD: Final = "2 other processes record"
_FORKS: Final = 40
_OPENED: Final = 25
_PAUSE_SECONDS: Final = 0.02
_THREAD_PAUSE_SECONDS: Final = 0.002
#: Executions that each of the other processes commits in a second.
_A_SECOND: Final = 200
#: Enough for all that is recorded here. Few: a fork takes as much longer as the process is larger.
_ROWS: Final = 20_000


@dataclass(frozen=True)
class Step:
    """How long one step takes, in ms."""

    step: str
    durability: str
    situation: str
    median: float
    longest: float
    #: Of the thread, the median.
    processor: float


def measure() -> list[Step]:
    """Measure in another process, which has no other threads."""
    return [Step(**step) for step in run_module(sys.executable, f"{__package__}.forks")]


def run() -> list[Step]:
    """Measure here."""
    with tempfile.TemporaryDirectory() as folder:
        path = copy_of(DRAWN, Path(folder, "forks.db"))
        rows = _rows(path)
        without = _Taken()
        for _ in range(_FORKS):
            _fork(without)
        steps = [without.step(NO_DATABASE, "", "")]
        for durability in ("commit", "batch"):
            steps += _steps(path, durability, ALONE, rows)
            with _other_processes(path):
                steps += _steps(path, durability, OTHERS_RECORD, rows)
    return steps


def _steps(path: Path, durability: str, situation: str, rows: Iterator[Row]) -> list[Step]:
    forks, after, opening, closing = _Taken(), _Taken(), _Taken(), _Taken()
    with LearningDatabase(path, durability) as database:
        for _ in range(_FORKS):
            _record(database, rows)
            time.sleep(_PAUSE_SECONDS)
            _fork(forks)
            after.time(lambda: _record(database, rows))
        with_threads = _Taken()
        if situation == ALONE:
            with _threads(database, rows):
                for _ in range(_FORKS):
                    time.sleep(_PAUSE_SECONDS)
                    _fork(with_threads)
    for _ in range(_OPENED):
        database = LearningDatabase(path, durability)
        opening.time(database.open)
        _record(database, rows)
        time.sleep(_PAUSE_SECONDS)
        closing.time(database.close)
    named = {FORK: forks, "first record after it": after, OPEN: opening, CLOSE: closing}
    steps = [taken.step(name, durability, situation) for name, taken in named.items()]
    return steps + ([with_threads.step(FORK, durability, THREADS_RECORD)] if with_threads.wall else [])


class _Taken:
    """What one step took each time, in ms."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.processor: list[float] = []

    def time(self, action: Callable[[], T]) -> T:
        wall, processor = time.perf_counter(), time.thread_time()
        answer = action()
        self.processor.append(1000 * (time.thread_time() - processor))
        self.wall.append(1000 * (time.perf_counter() - wall))
        return answer

    def step(self, name: str, durability: str, situation: str) -> Step:
        median = statistics.median
        return Step(name, durability, situation, median(self.wall), max(self.wall), median(self.processor))


def _rows(path: Path) -> Iterator[Row]:
    for first in range(1, _ROWS, 100):
        yield from next_rows(path, first, first + 99, 1)


def _record(database: LearningDatabase, rows: Iterator[Row]) -> None:
    store_of(database).append([next(rows)], lambda row: row)


def _fork(taken: _Taken) -> None:
    """Time the fork in the parent."""
    child = taken.time(_child)
    os.waitpid(child, 0)


def _child() -> int:
    child = os.fork()
    if child == 0:
        os._exit(0)
    return child


@contextlib.contextmanager
def _threads(database: LearningDatabase, rows: Iterator[Row]) -> Iterator[None]:
    """Have two threads record, every few milliseconds."""
    is_over, lock = threading.Event(), threading.Lock()

    def work() -> None:
        while not is_over.wait(_THREAD_PAUSE_SECONDS):
            with lock:
                row = next(rows)
            store_of(database).append([row], lambda row: row)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


@contextlib.contextmanager
def _other_processes(path: Path) -> Iterator[None]:
    """Have two other processes commit steadily."""
    spawn = multiprocessing.get_context("spawn")
    others = [
        spawn.Process(target=commit_steadily, args=(path, number * 30_000, 30_000, _A_SECOND)) for number in (1, 2)
    ]
    for other in others:
        other.start()
    time.sleep(2.0)  # they import
    try:
        yield
    finally:
        for other in others:
            other.terminate()
            other.join()


if __name__ == "__main__":
    print(json.dumps([asdict(step) for step in run()]))
