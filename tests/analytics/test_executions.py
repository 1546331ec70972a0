"""Executions as they are stored: what came after a place."""

import pytest

from learning_instrument import ExecutionRecord
from learning_instrument.analytics import Selection
from learning_instrument.analytics.executions import bookmark, stored_after
from learning_instrument.database import store_of


def store(database, *names):
    database.append([ExecutionRecord(task_type="t", task_id=name) for name in names])


def after(database, place):
    records, place = stored_after(database, Selection(), place)
    return [record.task_id for record in records], place


@pytest.mark.parametrize("before", [0, 3, 250])
@pytest.mark.parametrize("kept", ["none", "all"])
def test_executions_after_a_place_are_those_stored_since(database, before, kept):
    """Also where the table was emptied, and new rows got the numbers of old ones, fewer or more of them."""
    store(database, *map(str, range(before)))
    place = bookmark(database)
    assert after(database, place) == ([], place)
    if kept == "none":
        store_of(database).transact(lambda execute: execute("DELETE FROM executions"))

    store(database, "a", "b")

    found, place = after(database, place)
    assert found == ["a", "b"]
    assert after(database, place) == ([], place)


def test_newest_rows_that_were_deleted_take_none_of_the_older_ones_along(database):
    """Older ones are not shown again."""
    store(database, "old", "newer", "newest")
    place = bookmark(database)
    store_of(database).transact(lambda execute: execute("DELETE FROM executions WHERE task_id LIKE 'new%'"))
    store(database, "a", "b", "c")

    assert after(database, place)[0] == ["a", "b", "c"]


def test_table_that_is_emptied_each_time_is_followed(database):
    store(database, *map(str, range(20)))
    place = bookmark(database)

    for round_ in range(3):
        store_of(database).transact(lambda execute: execute("DELETE FROM executions"))
        store(database, f"{round_}a", f"{round_}b")
        found, place = after(database, place)
        assert found == [f"{round_}a", f"{round_}b"]
