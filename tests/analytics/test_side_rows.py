"""Many executions are added up by the database: the answer is that of each of them."""

import random
from dataclasses import astuple
from datetime import datetime, timedelta, timezone

import pytest

from learning_instrument import ExecutionRecord
from learning_instrument.analytics import Selection, compare, side_rows

NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)


def executions(count, step):
    """Return executions of four cells, of some of which a metric or the complexity is unknown."""
    generator = random.Random(6)
    return [
        ExecutionRecord(
            task_type=generator.choice(["fix", "review"]),
            model_tier=generator.choice(["small", "large"]),
            timestamp=NOON + number * step,
            success=generator.random() < 0.8,
            complexity_score=generator.uniform(0, 100),
            duration_seconds=generator.lognormvariate(2, 1),
            actual_cost=generator.choice([0.0, generator.lognormvariate(-4, 1)]),
            defaulted=generator.choice([(), (), ("duration_seconds",), ("actual_cost",), ("complexity_score",)]),
        )
        for number in range(count)
    ]


def flat(value):
    """Return all that *value* holds."""
    for each in value:
        if isinstance(each, tuple | list):
            yield from flat(each)
        else:
            yield each


def test_sums_give_the_answer_of_each_execution(database, monkeypatch):
    """To rounding, where each has a second of its own."""
    database.append(executions(600, timedelta(seconds=1)))
    split = NOON + timedelta(seconds=300)
    sides = Selection(until=split), Selection(since=split)
    each = compare(database, *sides)

    monkeypatch.setattr(side_rows, "_MANY", 10)
    added = compare(database, *sides)

    assert each.has_complexity
    assert list(flat(astuple(added))) == [
        pytest.approx(value) if isinstance(value, float) else value for value in flat(astuple(each))
    ]


def test_hours_tell_blocks_apart_where_there_are_many(database, monkeypatch):
    """A longer time is cut into coarser moments; the means stay."""
    database.append(executions(600, timedelta(hours=1)))
    split = NOON + timedelta(hours=300)
    sides = Selection(until=split), Selection(since=split)
    each = compare(database, *sides)

    monkeypatch.setattr(side_rows, "_MANY", 10)
    monkeypatch.setattr(side_rows, "_QUANTILE_ROWS", 150)
    added = compare(database, *sides)

    rows = side_rows.read(database, sides[0], ())
    assert {len(row["moment"]) for row in rows.rows} == {13}
    assert len(rows.durations) == pytest.approx(150, abs=5)
    assert (added.success.effect, added.cost.effect) == pytest.approx((each.success.effect, each.cost.effect))
    assert added.p95_before.low < added.p95_before.p95
