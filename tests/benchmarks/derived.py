"""What each table that is derived from the executions costs a row: many rows at once, and little by little.

Processor time; the executions have the task types, tiers, pools, repositories and failures of pools of agents.
"""

import contextlib
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final
from unittest import mock

from learning_instrument.rollups import catch_up
from learning_instrument.sqlite.connection import WriteConnection
from learning_instrument.sqlite.yielding import SliceSizer

from .pace import Pace, Stopwatch
from .recorded_files import DRAWN, copy_of, record_again

KINDS: Final[dict[str, ModuleType]] = {
    module.__name__.rpartition(".")[2].replace("_", " "): module for module in catch_up._ALL
}
AT_ONCE: Final = f"{DRAWN:,} rows at once"
LITTLE_BY_LITTLE: Final = "1,000 rows at a time"
_STEP: Final = 1000
_STEPS: Final = 20


@dataclass(frozen=True)
class Derived:
    """What a row costs, in µs of processor time."""

    way: str
    rows: int
    #: The kind -> its share.
    kinds: dict[str, float]
    #: All of it: the kinds, checkpoints, waiting for a quiet moment.
    everything: float


def measure(pace: Pace) -> list[Derived]:
    """Measure on a file that has as many executions as are missing."""
    with tempfile.TemporaryDirectory() as folder:
        path = copy_of(DRAWN, Path(folder, "derived.db"))
        target = WriteConnection(str(path), 1.0)
        with contextlib.closing(target):
            at_once = _derived(AT_ONCE, DRAWN, pace, lambda: _all_at_once(path, target))
            sizer = SliceSizer()
            steps = _derived(
                LITTLE_BY_LITTLE, _STEPS * _STEP, pace, lambda: _little_by_little(path, target, sizer, pace)
            )
    return [at_once, steps]


def _all_at_once(path: Path, target: WriteConnection) -> float:
    _insert(path, 1, DRAWN, 1)
    started = time.process_time()
    catch_up.catch_up_fully(target, lambda label, done, of: None)
    return time.process_time() - started


def _little_by_little(path: Path, target: WriteConnection, sizer: SliceSizer, pace: Pace) -> float:
    seconds = 0.0
    for step in range(_STEPS):
        _insert(path, step * _STEP + 1, (step + 1) * _STEP, 2)
        started = time.process_time()
        while catch_up.catch_up(target, sizer):
            pass
        seconds += time.process_time() - started
    started = time.process_time()
    catch_up.catch_up_fully(target, lambda label, done, of: None)  # the tail that is left to reports
    return seconds + time.process_time() - started


def _insert(path: Path, first: int, last: int, repetition: int) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        record_again(connection, first, last, repetition)
        connection.execute("COMMIT")


def _derived(way: str, rows: int, pace: Pace, run: Callable[[], float]) -> Derived:
    pace.sample()
    with _watched() as watches:
        everything = run()
    pace.sample()
    return Derived(
        way, rows, {kind: watch.seconds / rows * 1e6 for kind, watch in watches.items()}, everything / rows * 1e6
    )


@contextlib.contextmanager
def _watched() -> Iterator[dict[str, Stopwatch]]:
    """Time the slices of each kind, as the package itself takes them."""
    watches = {kind: Stopwatch() for kind in KINDS}
    with contextlib.ExitStack() as stack:
        for kind, module in KINDS.items():
            stack.enter_context(mock.patch.object(module, "advance", watches[kind].timed(module.advance)))
        yield watches
