"""How often a comparison reports a change: where there is none, and where success falls."""

import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from learning_instrument.analytics import Comparison, Version, compare

BEFORE: Final = Version("version", "1")
AFTER: Final = Version("version", "2")
#: Task type and tier: weight, chance of success, median seconds, median dollars.
_ONE_CELL: Final = {("fix", "medium"): (1.0, 0.9, 12.0, 0.02)}
_MIX: Final = {
    ("fix", "medium"): (4.0, 0.9, 12.0, 0.02),
    ("fix", "large"): (2.0, 0.96, 30.0, 0.15),
    ("review", "small"): (3.0, 0.85, 4.0, 0.002),
    ("review", "medium"): (1.0, 0.93, 9.0, 0.02),
}


@dataclass(frozen=True)
class Rates:
    """The shares of simulated pairs."""

    reported: float
    regressions: float


class Simulated:
    """Answers the questions of ``compare`` with executions that are made up, as the table would."""

    def __init__(self, sides: Mapping[str, Sequence[dict[str, Any]]]) -> None:
        self._sides = sides

    def query(self, sql: str, parameters: Any = ()) -> list[dict[str, Any]]:
        """Return the executions of the version that is asked for."""
        return list(self._sides[parameters["filter0"]])


def side(
    generator: random.Random, executions: int, is_mixed: bool, success_falls_by: float = 0.0
) -> list[dict[str, Any]]:
    """Return the executions of one side: log-normal durations and costs, failures shorter and cheaper."""
    cells = _MIX if is_mixed else _ONE_CELL
    weights = [cell[0] for cell in cells.values()]
    rows = []
    for task_type, tier in generator.choices(list(cells), weights, k=executions):
        _, chance, seconds, dollars = cells[task_type, tier]
        success = generator.random() < chance - success_falls_by
        rows.append(
            {
                "task_type": task_type,
                "model_tier": tier,
                "assumed": 0,
                "partial": 0,
                "success": int(success),
                "seconds": seconds * generator.lognormvariate(0, 0.8) * (1 if success else 0.7),
                "cost": dollars * generator.lognormvariate(0, 1.0) * (1 if success else 0.8),
            }
        )
    return rows


def simulate(pairs: int, executions: int, seed: int, *, is_mixed: bool, success_falls_by: float = 0.0) -> Rates:
    """Return how many of so many simulated pairs, of so many executions a side, report a change."""
    generator = random.Random(json.dumps([pairs, executions, seed, is_mixed, success_falls_by]))
    compared: list[Comparison] = []
    for _ in range(pairs):
        before = side(generator, executions, is_mixed)
        after = side(generator, executions, is_mixed, success_falls_by)
        compared.append(compare(Simulated({"1": before, "2": after}), BEFORE, AFTER))
    return Rates(
        sum(bool(comparison.changes) for comparison in compared) / pairs,
        sum(comparison.success.verdict == "worse" for comparison in compared) / pairs,
    )


@dataclass(frozen=True)
class Alarms:
    """Of simulated pairs of one mix of tasks."""

    mix: str
    pairs: int
    #: On each side.
    executions: int
    #: The share that reports any change where there is none.
    false_alarms: float
    #: The share that finds success worse where it fell by ten points.
    power: float
    milliseconds: float


def measure(pairs: int, executions: int = 300, seed: int = 1) -> list[Alarms]:
    """Simulate *pairs* of two sides without a change, and as many of which success falls from 0.90 to 0.80."""
    return [_measure(mix, is_mixed, pairs, executions, seed) for mix, is_mixed in _MIXES.items()]


_MIXES: Final = {"one task type and tier": False, "four cells of differing success": True}


def _measure(mix: str, is_mixed: bool, pairs: int, executions: int, seed: int) -> Alarms:
    started = time.perf_counter()
    none = simulate(pairs, executions, seed, is_mixed=is_mixed)
    falls = simulate(pairs, executions, seed, is_mixed=is_mixed, success_falls_by=0.1)
    milliseconds = (time.perf_counter() - started) / pairs / 2 * 1000
    return Alarms(mix, pairs, executions, none.reported, falls.regressions, milliseconds)
