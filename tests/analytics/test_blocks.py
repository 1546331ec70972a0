"""Sums by value, cell and block: of roll-ups, of rows, and of cells taken together."""

import math
from datetime import timedelta

import pytest
from asking import NOON, record
from executions import database_of

from learning_instrument.analytics import Selection
from learning_instrument.analytics.blocks import BLOCKS, Frequent, Sums, blocks_of, frequent, total, without


def some(days, **fields):
    """Return an execution of each of so many days."""
    return [record(timestamp=NOON + timedelta(days=day), duration_seconds=2.0, **fields) for day in range(days)]


@pytest.mark.parametrize("rolled_up", [0, 60])
def test_blocks_are_days_where_roll_ups_have_enough(rolled_up):
    """However far they are; each execution is in one block of its value and cell."""
    records = [*some(30, model_tier="small", actual_cost=0.5), *some(30, model_tier="large", success=False)]
    with database_of(records, rolled_up) as database:
        found = blocks_of(database, "model_tier", ["small", "large"], ("task_type",), Selection())

    small, large = found["small"][("fix",)], found["large"][("fix",)]
    assert len(small) == len(large) == 30
    assert min(small) == "2026-11-20"
    assert total(small.values()).cost == 15.0
    assert (total(small.values()).priced, total(large.values()).priced) == (30, 0)
    assert (total(small.values()).succeeded, total(large.values()).succeeded) == (30, 0)
    assert total(small.values()).logs == pytest.approx(30 * math.log(2.0), rel=0.02)


@pytest.mark.parametrize(("by", "days"), [("model_tier", 10), ("worker_id", 40), ("day", 40)])
def test_blocks_are_pieces_of_the_rows_elsewhere(by, days):
    """Where days are few, or no roll-up has the name: consecutive executions, as many in each."""
    with database_of(
        [each for _ in range(4) for each in some(days, model_tier="small", worker_id="w")], 160
    ) as database:
        value = {"model_tier": "small", "worker_id": "w", "day": "2026-11-20"}[by]
        found = blocks_of(database, by, [value], ("task_type",), Selection())

    sizes = [sums.executions for sums in found[value][("fix",)].values()]
    assert len(sizes) == min(BLOCKS, sum(sizes))
    assert max(sizes) - min(sizes) <= 1


def test_only_the_wanted_values_of_the_selection_are_read(database):
    """By column and by key of metadata."""
    database.append(
        [
            record(metadata={"task": {"version": version}}, repo=repo)
            for version, repo in [("1", "a"), ("2", "a"), ("2", "b"), ("3", "a")]
        ]
    )

    found = blocks_of(database, "metadata.version", ["1", "2"], ("task_type", "model_tier"), Selection(repo="a"))

    assert {value: list(cells) for value, cells in found.items()} == {
        "1": [("fix", "unknown")], "2": [("fix", "unknown")]
    }  # fmt: skip
    assert total(found["2"][("fix", "unknown")].values()).executions == 1


@pytest.mark.parametrize("name", ["model", "pool_type"])
def test_frequent_values_come_first_and_the_others_are_counted(database, name):
    """With roll-ups and without."""
    database.append([record(**{name: value}) for value in "abbccc"] + [record()])

    assert frequent(database, name, Selection(), 2) == Frequent(("c", "b"), 2, 2)
    assert frequent(database, name, Selection(), -1).others == 0
    assert frequent(database, name, Selection(task_type="none"), 2) == Frequent((), 0, 0)


def test_cells_are_taken_together_block_by_block():
    """What is known by the block stays so."""
    one = {"1": Sums(executions=1), "2": Sums(executions=2)}
    found = without({("fix", "small"): one, ("fix", "large"): {"2": Sums(executions=5)}, ("docs", "small"): one}, 1)

    assert found[("fix",)] == {"1": Sums(executions=1), "2": Sums(executions=7)}
    assert found[("docs",)] == one
