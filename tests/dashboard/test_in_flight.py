"""Executions in flight, as the crash ledger has them."""

import contextlib
import sqlite3

import pytest
from asking import store
from watched import NOBODY, before, run

from learning_instrument.dashboard.in_flight import in_flight
from learning_instrument.sqlite.read_only import ReadOnlyDatabase
from learning_instrument.sqlite.selection import Selection


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / "learning.db")
    store(path)
    return path


def found(path, **selected):
    with ReadOnlyDatabase(path) as database:
        return in_flight(database, Selection(**selected))


def test_entries_of_dead_processes_are_told_from_those_of_living_ones(path):
    """The oldest entry first."""
    run(path, "alive", task_type="fix", pool_type="agents", model_tier="small", task_description="Fix it")
    run(path, "dead", process_id=NOBODY)

    alive, dead = found(path)

    assert (alive.execution_id, alive.is_dead, dead.execution_id, dead.is_dead) == ("alive", False, "dead", True)
    assert (alive.task_type, alive.pool_type, alive.model_tier, alive.about) == ("fix", "agents", "small", "Fix it")
    assert alive.started == before(seconds=90)


@pytest.mark.parametrize(
    "where",
    ["model_tier=small", "pool_type=agents", "task_type=fix", "metadata.customer=acme", "repo=shop", "attempt=2"],
)
def test_filters_are_those_of_finished_executions(path, where):
    """Of columns and of metadata; a missing value is ``unknown``."""
    fields = {"task_type": "fix", "pool_type": "agents", "model_tier": "small", "repo": "shop", "attempt": 2}
    run(path, "one", **fields, metadata={"task": {"customer": "acme"}})
    run(path, "other", task_type="review")

    assert [each.execution_id for each in found(path, where=where)] == ["one"]
    assert [each.execution_id for each in found(path, where=f"{where.partition('=')[0]}=unknown")] == (
        [] if where.startswith("task_type") else ["other"]
    )


def test_function_tells_executions_of_an_unknown_type_apart(path):
    """As everywhere."""
    run(path, "one", task_type="unknown", function_name="shop.Crawler.fetch", defaulted=("task_type",))

    assert [each.task_type for each in found(path)] == ["unknown: Crawler.fetch"]


@pytest.mark.parametrize(
    ("damage", "is_left"),
    [
        ("record = 'no JSON'", True),
        ("record = x'ff00'", True),
        ("record = '[1]'", True),
        ("started = 'never'", True),
        ("started = 7", True),
        ("process_id = 'no number'", False),
        ("heartbeat = 'never'", False),
        ("task_type = NULL, pool_type = NULL", True),
    ],
)
def test_damaged_entry_is_shown_as_far_as_it_can_be_read(path, damage, is_left):
    """One whose process is not known is left out; the others stay."""
    run(path, "damaged")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE running SET {damage}")
    run(path, "whole")

    assert [each.execution_id for each in found(path)] == ["damaged"] * is_left + ["whole"]
