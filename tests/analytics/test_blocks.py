"""Sums by value, cell and block: of roll-ups, of rows, and of cells taken together."""

import math
from datetime import timedelta

import pytest
from asking import NOON, record
from executions import database_of

from learning_instrument.analytics import Selection
from learning_instrument.analytics.blocks import (
    Cell,
    Frequent,
    Sums,
    cells_by_value,
    frequent,
    is_complexity_known,
    regrouped,
)


def some(days, **fields):
    """Return an execution of each of so many days."""
    return [record(timestamp=NOON + timedelta(days=day), duration_seconds=2.0, **fields) for day in range(days)]


@pytest.mark.parametrize("rolled_up", [0, 60])
def test_blocks_are_days_where_there_are_enough(rolled_up):
    """However far roll-ups are; each execution is in one block of its value and cell."""
    records = [*some(30, model_tier="small", actual_cost=0.5), *some(30, model_tier="large", success=False)]
    with database_of(records, rolled_up) as database:
        found = cells_by_value(database, "model_tier", ["small", "large"], ("task_type",), Selection(), False)

    small, large = found["small"][("fix",)], found["large"][("fix",)]
    assert len(small.blocks) == len(large.blocks) == 30
    assert min(small.blocks) == "2026-11-20"
    assert small.total.cost == 15.0
    assert (small.total.priced, large.total.priced) == (30, 0)
    assert (small.total.succeeded, large.total.succeeded) == (30, 0)
    assert small.total.logs == pytest.approx(30 * math.log(2.0), rel=0.02)


@pytest.mark.parametrize(("by", "days"), [("model_tier", 10), ("worker_id", 10), ("day", 40)])
def test_blocks_are_pieces_of_a_day_elsewhere(by, days):
    """Where days are few: consecutive executions, named in their order."""
    records = [each for _ in range(4) for each in some(days, model_tier="small", worker_id="w")]
    with database_of(records, 160) as database:
        value = {"model_tier": "small", "worker_id": "w", "day": "2026-11-20"}[by]
        found = cells_by_value(database, by, [value], ("task_type",), Selection(), False)

    blocks = found[value][("fix",)].blocks
    assert sum(sums.executions for sums in blocks.values()) == (4 if by == "day" else 4 * days)
    assert len(blocks) > (3 if by == "day" else days)
    assert {len(name) for name in blocks} == {len("2026-11-20 001")}
    assert len({name[:10] for name in blocks}) == (1 if by == "day" else days)
    numbers = [name[-3:] for name in sorted(blocks)]
    assert numbers == sorted(numbers)


def test_only_the_wanted_values_of_the_selection_are_read(database):
    """By column and by key of metadata."""
    database.append(
        [
            record(metadata={"task": {"version": version}}, repo=repo)
            for version, repo in [("1", "a"), ("2", "a"), ("2", "b"), ("3", "a")]
        ]
    )

    mix = ("task_type", "model_tier")
    found = cells_by_value(database, "metadata.version", ["1", "2"], mix, Selection(repo="a"), False)

    assert {value: list(cells) for value, cells in found.items()} == {
        "1": [("fix", "unknown")], "2": [("fix", "unknown")]
    }  # fmt: skip
    assert found["2"][("fix", "unknown")].total.executions == 1


def test_bands_of_complexity_tell_cells_apart(database):
    """Where it was reported; a default is none."""
    scores = [0, 9.9, 10, 55, 100]
    database.append([record(complexity_score=score) for score in scores])
    database.append([record(complexity_score=50, defaulted=("complexity_score",))])

    found = cells_by_value(database, "task_type", ["fix"], (), Selection(), True)

    assert {name: cell.total.executions for name, cell in found["fix"].items()} == {
        ("0",): 2, ("1",): 1, ("5",): 1, ("9",): 1, ("unknown",): 1
    }  # fmt: skip


@pytest.mark.parametrize(("known", "others", "is_known"), [(2, 1, True), (1, 1, False), (0, 0, False)])
def test_complexity_is_known_where_most_say_it(database, known, others, is_known):
    """Of those selected."""
    database.append([record(complexity_score=30, repo="a") for _ in range(known)])
    database.append([record(complexity_score=50, defaulted=("complexity_score",), repo="a") for _ in range(others)])

    assert is_complexity_known(database, Selection(repo="a")) == is_known
    assert not is_complexity_known(database, Selection(repo="b"))


@pytest.mark.parametrize("name", ["model", "pool_type"])
def test_frequent_values_come_first_and_the_others_are_counted(database, name):
    """With roll-ups and without."""
    database.append([record(**{name: value}) for value in "abbccc"] + [record()])

    assert frequent(database, name, Selection(), 2) == Frequent(("c", "b"), 2, 2, 7)
    assert frequent(database, name, Selection(), -1).others == 0
    assert frequent(database, name, Selection(task_type="none"), 2) == Frequent((), 0, 0, 0)


def test_cells_are_taken_together_block_by_block():
    """What is known by the block stays so."""
    one = Cell({"1": Sums(executions=1), "2": Sums(executions=2)})
    cells = {("fix", "small"): one, ("fix", "large"): Cell({"2": Sums(executions=5)}), ("docs", "small"): one}

    found = regrouped(cells, lambda name: name[:1])

    assert found[("fix",)].blocks == {"1": Sums(executions=1), "2": Sums(executions=7)}
    assert found[("fix",)].total == Sums(executions=8)
    assert found[("docs",)].blocks == one.blocks
