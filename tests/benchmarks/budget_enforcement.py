"""How much several processes spend of one budget: with our gate, and with a plain one.

The plain gate reads once a second in the background, and counts this process's own spending in between. It is a third
of the code, and would replace ours if processes spent at most 5% more with it. Run as a module this is one process that
spends 2% of the limit a second until it is refused.
"""

import contextlib
import itertools
import logging
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from learning_instrument import (
    Budget,
    BudgetExceeded,
    ExecutionRecord,
    LearningDatabase,
    configure,
    record_execution,
    semconv,
)
from learning_instrument.analytics import budget_status
from learning_instrument.pipeline import budget_gate

from .processes import ROOT

OURS: Final = "ours"
PLAIN: Final = "plain"
PROCESSES: Final = (2, 8)
_BUDGET: Final = Budget(usd=10.0, per="month", on_limit="raise")
#: Shares of the limit: spent before they start, and by each process in a second and with a task.
_SPENT_BEFORE: Final = 0.6
_A_SECOND: Final = 0.02
_A_TASK: Final = 0.0004
#: How long the processes take to get ready, and within what time they start, so that their readings do not coincide.
_READY_SECONDS: Final = 3.0
_APART_SECONDS: Final = 1.0


class PlainGate:
    """Reads once a second in the background, and counts own spending in between."""

    def __init__(self, budget: Budget, database: LearningDatabase) -> None:
        self._budget, self._database = budget, database
        self._own = 0.0
        self._is_read = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            own = self._own
            (status,) = budget_status(self._database, self._budget)
            self._spent_by_others = status.spent_usd - own
            self._is_read.set()
            time.sleep(1.0)

    def check(self, attributes: Mapping[str, Any]) -> None:
        """Check the budget before a task starts."""
        self._is_read.wait()
        if self._spent_by_others + self._own > self._budget.usd - 1e-9:
            raise BudgetExceeded("The budget is spent.")

    def begin(self, attributes: Mapping[str, Any]) -> None:
        """Do nothing: what is being stored counts as what is stored."""

    def add(self, attributes: Mapping[str, Any]) -> None:
        """Add the cost of a task."""
        self._own += attributes[semconv.COST_ACTUAL]


@dataclass(frozen=True)
class Enforcement:
    """What was spent in each round when the last process stopped, as a multiple of the limit."""

    gate: str
    processes: int
    durability: str
    multiples: Sequence[float]

    @property
    def mean(self) -> float:
        """The mean of the rounds."""
        return statistics.mean(self.multiples)


def measure(rounds: int) -> list[Enforcement]:
    """Measure both gates side by side, in each round in another order."""
    draw = random.Random(3)
    ways = list(itertools.product((OURS, PLAIN), PROCESSES, ("commit", "batch")))
    multiples: dict[tuple[str, int, str], list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        delays = [draw.uniform(0, _APART_SECONDS) for _ in range(max(PROCESSES))]
        for gate, processes, durability in draw.sample(ways, len(ways)):
            multiples[gate, processes, durability].append(_spent(gate, durability, delays[:processes]))
    return [Enforcement(*way, found) for way, found in multiples.items()]


def _spent(gate: str, durability: str, delays: Sequence[float]) -> float:
    """Return what as many processes as there are *delays* spend, as a multiple of the limit."""
    with tempfile.TemporaryDirectory() as folder, LearningDatabase(Path(folder, "spent.db")) as database:
        database.append([ExecutionRecord(task_type="before", actual_cost=_BUDGET.usd * _SPENT_BEFORE)])
        start = time.time() + _READY_SECONDS
        command = [sys.executable, "-m", "tests.benchmarks.budget_enforcement", gate, database.path, durability]
        spenders = [subprocess.Popen([*command, repr(start + delay)], cwd=ROOT) for delay in delays]
        if sum(spender.wait() for spender in spenders):
            raise RuntimeError("A process that spends has failed.")
        (status,) = budget_status(database, _BUDGET)
    return status.share


def spend(gate: str, path: str, durability: str, start: float) -> None:
    """Spend 2% of the limit a second from *start* on, in this process, until a task is refused."""
    logging.getLogger("learning_instrument").setLevel("ERROR")
    if gate == PLAIN:
        budget_gate.BudgetGate = PlainGate  # type: ignore[assignment,misc]
    configure(path, durability=durability, budget=_BUDGET)

    @record_execution
    def execute_task(task: object) -> dict[str, float]:
        return {"cost": _BUDGET.usd * _A_TASK}

    start = max(start, time.time())
    with contextlib.suppress(BudgetExceeded):
        for number in itertools.count():
            time.sleep(max(0.0, start + number * _A_TASK / _A_SECOND - time.time()))
            execute_task({})


if __name__ == "__main__":
    spend(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]))
