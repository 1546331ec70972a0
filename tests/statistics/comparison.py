"""How often a comparison reports a change where there is none, and sees one where success falls."""

import random
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple

from learning_instrument.analytics import Selection
from learning_instrument.analytics.comparison import Comparison, compare
from learning_instrument.timestamps import iso

from .worlds import HARDER, WORLDS, Execution, World

_FALL: Final = 0.1
_TABLE: Final = """
CREATE TABLE executions (timestamp, task_type, model_tier, complexity_score, success, duration_seconds, actual_cost,
outcome_source, cost_source, defaulted, function_name)"""


class Row(NamedTuple):
    """One world. Shares of the pairs."""

    world: str
    executions: str
    #: Any change is reported of two equal sides, or what is no change is said to be too few days.
    false_alarms: float
    too_few_days: float
    #: The 95% interval of success holds 0.
    covered: float
    #: Success is found worse where it fell from 0.90 to 0.80; None: it was not asked.
    power: float | None


class Simulated:
    """Executions that are made up, in a table of the columns that a comparison reads."""

    def __init__(self, executions: Sequence[Execution]) -> None:
        self._connection = sqlite3.connect(":memory:")
        self._connection.row_factory = sqlite3.Row
        self._connection.execute(_TABLE)
        self._connection.executemany(
            "INSERT INTO executions VALUES (?, ?, ?, ?, ?, ?, ?, 'reported', 'reported', ?, NULL)",
            [
                (
                    iso(each.started),
                    each.task_type,
                    each.model_tier,
                    50.0 if each.complexity is None else each.complexity,
                    int(each.is_success),
                    each.seconds,
                    each.dollars,
                    '["complexity_score"]' if each.complexity is None else "[]",
                )
                for each in executions
            ],
        )

    def query(self, sql: str, parameters: Any = ()) -> list[dict[str, Any]]:
        """Return the rows."""
        return [dict(row) for row in self._connection.execute(sql, parameters)]

    def close(self) -> None:
        """Forget them."""
        self._connection.close()


def compared(world: World, seed: int, falls_by: float = 0.0) -> Comparison:
    """Return what is said of one pair of sides."""
    database = Simulated(world.pair(random.Random(f"{seed} {world.name} {falls_by}"), falls_by))
    try:
        split = world.end_of_before
        return compare(database, Selection(until=split), Selection(since=split))
    finally:
        database.close()


def measure(pairs: int, worlds: Sequence[World] = (*WORLDS, *HARDER), processes: int = 1) -> list[Row]:
    """Compare so many pairs of equal sides of each world, and as many where success falls by ten points."""
    if processes == 1:
        return [_measure(world, pairs) for world in worlds]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(partial(_measure, pairs=pairs), worlds))


def _measure(world: World, pairs: int) -> Row:
    equal = [compared(world, seed) for seed in range(pairs)]
    bounds = [(found.success.low, found.success.high) for found in equal]
    power = None
    if world.complexity is None:
        power = _share(compared(world, seed, _FALL).success.verdict == "worse" for seed in range(pairs))
    return Row(
        world.name,
        f"{world.before:,}" if world.before == world.after else f"{world.before:,}; {world.after:,}",
        _share(bool(found.changes) or found.regression for found in equal),
        _share(_has_too_few_days(found) for found in equal),
        _share(low is not None and high is not None and low <= 0 <= high for low, high in bounds),
        power,
    )


def _has_too_few_days(found: Comparison) -> bool:
    return any(change.verdict == "too few days" for change in (found.success, found.duration, found.cost))


def _share(these: Any) -> float:
    told = list(these)
    return sum(told) / len(told)
