"""Users' feedback on executions."""

import asyncio
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.database import store_of
from learning_instrument.errors import ConfigurationError, UnknownExecutionError
from learning_instrument.storage.feedback import checked, history


@pytest.fixture
def record(database):
    """An execution in ``database``."""
    record = ExecutionRecord(task_type="t", task_id="the task")
    database.append([record])
    return record


def shown(database, record):
    (row,) = database.query(
        "SELECT user_accepted, user_rating FROM executions WHERE execution_id = ?", [record.execution_id]
    )
    return row["user_accepted"], row["user_rating"]


def test_history_is_kept_and_the_record_shows_the_latest(database, record):
    """Of each value: a comment does not reset a rating."""
    database.add_feedback(record.execution_id, accepted=False, rating=2, source="ide")
    database.add_feedback("the task", accepted=True, visibility="team")
    said = database.add_feedback("the task", comment="on second thoughts")

    assert shown(database, record) == (1, 2)
    assert [
        (item.accepted, item.rating, item.comment, item.source, item.visibility)
        for item in history(database, record.execution_id)
    ] == [
        (False, 2, None, "ide", "private"),
        (True, None, None, None, "team"),
        (None, None, "on second thoughts", None, "private"),
    ]
    assert said.execution_id == record.execution_id
    assert history(database, record.execution_id)[-1] == said


def test_task_that_ran_twice_means_its_last_execution(database):
    now = datetime.now(timezone.utc)
    early = ExecutionRecord(task_type="t", task_id="twice", timestamp=now - timedelta(hours=1))
    late = ExecutionRecord(task_type="t", task_id="twice", timestamp=now)
    database.append([late, early])

    database.add_feedback("twice", rating=5)

    assert (shown(database, early), shown(database, late)) == ((None, None), (None, 5))


def test_execution_that_is_still_queued_can_be_rated(tmp_path):
    """The queue is written first."""
    with LearningDatabase(tmp_path / "batch.db", durability="batch") as database:
        database.append([ExecutionRecord(task_type="t", task_id="queued")])

        database.add_feedback("queued", rating=1)

        assert database.query("SELECT user_rating FROM executions") == [{"user_rating": 1}]


def test_ratings_are_whole_numbers_from_1_to_5(database, record, subtests):
    """Feedback with another rating is not stored at all."""
    for rating in [0, 6, -1, 3.5, 3.0, "5", True, False, float("nan")]:
        with subtests.test(rating=rating):
            with pytest.raises(ConfigurationError, match="rating"):
                database.add_feedback(record.execution_id, accepted=True, rating=rating)

            assert history(database, record.execution_id) == []


@given(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.binary()))
def test_any_rating_is_one_of_five_or_refused(rating):
    if type(rating) is int and 1 <= rating <= 5:
        assert checked("id", None, rating, None, None, "private").rating == rating
    else:
        with pytest.raises(ConfigurationError):
            checked("id", None, rating, None, None, "private")


def test_empty_or_invalid_feedback_is_refused(database, record, subtests):
    for said in [
        {},
        {"comment": "  "},
        {"accepted": 1},
        {"accepted": "yes"},
        {"rating": 3, "visibility": "everybody"},
        {"rating": 3, "visibility": None},
        {"rating": 3, "comment": 7},
        {"rating": 3, "source": b"cli"},
    ]:
        with subtests.test(said=said), pytest.raises(ConfigurationError):
            database.add_feedback(record.execution_id, **said)


def test_unknown_id_is_an_error(database, record):
    """Part of an id is not enough."""
    for identifier in ("nobody", record.execution_id[:16], ""):
        with pytest.raises(UnknownExecutionError, match="no execution"):
            database.add_feedback(identifier, rating=3)
        with pytest.raises(UnknownExecutionError):
            database.delete_feedback(identifier)


def test_secrets_do_not_reach_the_file(database, record):
    said = database.add_feedback(record.execution_id, comment="\ud800 it printed api_key=sk-abcdefghijklmnopqrstuvwx")

    assert said.comment == "? it printed api_key=[redacted]"
    assert history(database, record.execution_id)[0].comment == said.comment


def test_delete_removes_the_feedback_of_one_execution(database, record):
    other = ExecutionRecord(task_type="t")
    database.append([other])
    for execution in (record, record, other):
        database.add_feedback(execution.execution_id, rating=4)

    assert database.delete_feedback("the task") == 2

    assert (shown(database, record), shown(database, other)) == ((None, None), (None, 4))


def test_clear_removes_all_feedback(database, record):
    database.add_feedback(record.execution_id, accepted=True, rating=4)

    assert database.clear_feedback() == 1

    assert shown(database, record) == (None, None)
    assert database.query("SELECT * FROM feedback") == []


def test_feedback_is_deleted_with_its_execution(database, record):
    """By retention, by prune or by hand."""
    database.add_feedback(record.execution_id, rating=4)

    store_of(database).transact(lambda execute: execute("DELETE FROM executions"))

    assert database.query("SELECT * FROM feedback") == []


def test_failed_transaction_leaves_nothing_behind(database, record):
    """All of its statements or none."""

    def work(execute):
        execute("DELETE FROM executions")
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        store_of(database).transact(work)

    assert len(database.query("SELECT * FROM executions")) == 1


def test_feedback_from_an_event_loop(database, record):
    """The database belongs to no thread."""

    async def rate():
        await asyncio.to_thread(database.add_feedback, "the task", rating=3)

    asyncio.run(rate())

    assert shown(database, record) == (None, 3)
