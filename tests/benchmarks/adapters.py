"""What sending a function to a pool costs, plain and with the pool's adapter, in turn and to the same workers.

Run as a module it measures, in a process of its own, and prints the figures as JSON.
"""

import contextlib
import functools
import gc
import json
import multiprocessing.pool
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from .processes import run_module
from .workload import Result, Task, tasks

_WORKERS = os.cpu_count() or 2
_RETURNED = {"success": True, "cost": 0.0125, "quality_score": 87.5, "model_tier": "medium"}

Send = Callable[[Task], Callable[[], Result]]
"""Sends a task to a pool, and returns what waits for its result."""


def work(task: Task) -> Result:
    """Be a task that costs next to nothing."""
    return _RETURNED


class Seconds(NamedTuple):
    """What one task took in seconds: its caller to send it, and all in all until the last one was done."""

    to_send: float
    to_finish: float


@dataclass(frozen=True)
class Sent:
    """What a task costs that is sent by *name*: medians plain and recorded, and the median of the ratios."""

    name: str
    plain: Seconds
    recorded: Seconds
    ratios: Seconds
    executions: int
    rows: int


@dataclass(frozen=True)
class Way:
    """A way to send a task to a pool."""

    name: str
    #: Opens a pool; gives the plain way to send it a task, and the one that is recorded.
    open: Callable[[], contextlib.AbstractContextManager[tuple[Send, Send]]]
    #: So many tasks are sent first, in one go.
    at_first: int
    #: And so many in each block.
    block: int


def measure(rounds: int) -> list[Sent]:
    """Measure all ways, in another process."""
    return [
        Sent(**{**way, **{key: Seconds(*way[key]) for key in ("plain", "recorded", "ratios")}})
        for way in run_module(sys.executable, f"{__package__}.adapters", str(rounds))
    ]


def run(rounds: int) -> list[Sent]:
    """Measure all ways, here."""
    from learning_instrument import PoolInstrumentor

    ways = [
        Way("ThreadPoolExecutor.submit", functools.partial(_executor, ThreadPoolExecutor), 10_000, 1000),
        Way("ProcessPoolExecutor.submit", functools.partial(_executor, ProcessPoolExecutor), 2_000, 500),
        Way("multiprocessing.Pool.apply_async", _processes, 2_000, 500),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "adapters.db")
        PoolInstrumentor().instrument(targets="concurrent.futures, multiprocessing", database=path)
        measured = [_run(way, path, rounds) for way in ways]
        PoolInstrumentor().uninstrument()
    return measured


def _run(way: Way, path: Path, rounds: int) -> Sent:
    before = _rows(path)
    timed: dict[str, list[Seconds]] = {"plain": [], "recorded": []}
    order = list(timed)
    shuffle = random.Random(2).shuffle
    with way.open() as (plain, recorded):
        sends = {"plain": plain, "recorded": recorded}
        for send in sends.values():
            _block(send, way.at_first)
        for _ in range(rounds):
            shuffle(order)
            for name in order:
                timed[name].append(_block(sends[name], way.block))
    pairs = zip(timed["recorded"], timed["plain"], strict=True)
    return Sent(
        way.name,
        _medians(timed["plain"]),
        _medians(timed["recorded"]),
        _medians([Seconds(*[this / that for this, that in zip(*pair, strict=True)]) for pair in pairs]),
        executions=way.at_first + rounds * way.block,
        rows=_rows(path) - before,
    )


def _block(send: Send, count: int) -> Seconds:
    """Send *count* tasks, and wait for all of them."""
    waiting = tasks(count)
    gc.collect()
    started = time.perf_counter()
    results = [send(task) for task in waiting]
    sent = time.perf_counter()
    for result in results:
        result()
    return Seconds((sent - started) / count, (time.perf_counter() - started) / count)


def _medians(blocks: list[Seconds]) -> Seconds:
    return Seconds(*[statistics.median(column) for column in zip(*blocks, strict=True)])


def _rows(path: Path) -> int:
    """Return how many rows there are, now that the processes which write some have ended."""
    from learning_instrument import LearningDatabase
    from learning_instrument.configuration import configured_database

    configured: Any = configured_database()
    if not configured.flush(60):
        raise RuntimeError(f"Executions are missing: {configured.statistics()}")
    with LearningDatabase(path) as database:
        return int(database.query("SELECT count(*) AS rows FROM executions")[0]["rows"])


@contextlib.contextmanager
def _executor(kind: type[Executor]) -> Iterator[tuple[Send, Send]]:
    original = vars(kind)["submit"].__wrapped__
    with kind(_WORKERS) as pool:  # type: ignore[call-arg]
        yield lambda task: original(pool, work, task).result, lambda task: pool.submit(work, task).result


@contextlib.contextmanager
def _processes() -> Iterator[tuple[Send, Send]]:
    original = vars(multiprocessing.pool.Pool)["apply_async"].__wrapped__
    pool = multiprocessing.Pool(_WORKERS)
    yield lambda task: original(pool, work, (task,)).get, lambda task: pool.apply_async(work, (task,)).get
    pool.close()
    pool.join()


if __name__ == "__main__":
    print(json.dumps([asdict(way) for way in run(int(sys.argv[1]))]))
