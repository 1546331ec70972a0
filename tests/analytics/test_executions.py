"""Executions as they are stored: the newest, and what came after a place."""

import random
from datetime import timedelta
from unittest import mock

import pytest
from executions import START, database_of

from learning_instrument import ExecutionRecord
from learning_instrument.analytics import Selection
from learning_instrument.analytics.executions import bookmark, latest, stored_after
from learning_instrument.database import store_of
from learning_instrument.outcome import Outcome


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


def test_outcome_decides_where_the_success_was_changed(database):
    """Another program may have changed one of both; the row is read all the same."""
    store(database, "a")
    store_of(database).transact(lambda execute: execute("UPDATE executions SET success = 0"))

    (record,) = latest(database, Selection(), 1)
    assert (record.success, record.outcome) == (True, Outcome.SUCCEEDED)


def test_table_that_is_emptied_each_time_is_followed(database):
    store(database, *map(str, range(20)))
    place = bookmark(database)

    for round_ in range(3):
        store_of(database).transact(lambda execute: execute("DELETE FROM executions"))
        store(database, f"{round_}a", f"{round_}b")
        found, place = after(database, place)
        assert found == [f"{round_}a", f"{round_}b"]


@pytest.fixture(scope="module")
def history():
    """Executions of forty days, three in five of them without any, and a few whose roll-ups lag behind."""
    chance = random.Random(5)
    days = chance.sample(range(40), 16)
    records = [
        ExecutionRecord(
            task_type=chance.choice(("common", "common", "common", "rare")),
            timestamp=START + timedelta(days=chance.choice(days), seconds=chance.randrange(86_400)),
            outcome=chance.choice((Outcome.SUCCEEDED, Outcome.SUCCEEDED, Outcome.FAILED)),
        )
        for _ in range(200)
    ]
    with database_of(records, rolled_up=190) as database:
        yield database, sorted(records, key=lambda record: record.timestamp, reverse=True)


@pytest.mark.parametrize("task_type", [None, "common", "rare", "none"])
@pytest.mark.parametrize("failed", [False, True])
@pytest.mark.parametrize("limit", [1, 7, None])
@pytest.mark.parametrize("window", [(None, None), (10.5, None), (None, 20.25), (10.5, 30.75), (12.1, 12.2)])
def test_latest_are_the_newest_of_those_selected(history, task_type, failed, limit, window, monkeypatch):
    """Page by page; days that roll-ups count none for are not read, and none of the others is left out."""
    monkeypatch.setattr("learning_instrument.analytics.executions._PAGE", 5)
    database, records = history
    since, until = (None if days is None else START + timedelta(days=days) for days in window)

    found = latest(database, Selection(since=since, until=until, task_type=task_type), limit, failed)

    expected = [
        record.execution_id
        for record in records
        if task_type in (None, record.task_type)
        and not (failed and record.success)
        and (since is None or record.timestamp >= since)
        and (until is None or record.timestamp < until)
    ]
    assert [record.execution_id for record in found] == expected[:limit]


def test_executions_that_no_day_has_are_not_read(history):
    """However many others there are."""
    database, _ = history
    asked = mock.Mock(query=mock.Mock(side_effect=database.query))

    assert list(latest(asked, Selection(task_type="none"), 20)) == []
    assert not any("ORDER BY timestamp" in call.args[0] for call in asked.query.call_args_list)
