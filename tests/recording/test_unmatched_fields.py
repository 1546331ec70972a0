"""Entries of ``fields=`` that find nothing, or raise: one warning, and a word in the row."""

import json

import pytest

from learning_instrument import current_execution, record_execution
from learning_instrument.recording.unmatched_fields import ENOUGH


@pytest.fixture
def unmatched(rows):
    """Return what each row says of entries that found nothing."""
    return lambda: [json.loads(row["metadata"]).get("unmatched") for row in rows()]


def test_path_that_never_matches_is_named_once(database, unmatched, caplog):
    """After so many executions that the next would be no different."""
    run = record_execution(lambda task: None, learning_db=database, fields={"task_type": "kindd"})
    for _ in range(ENOUGH - 1):
        run({"kind": "fix"})
    assert caplog.messages == []

    for _ in range(ENOUGH):
        run({"kind": "fix"})

    (message,) = caplog.messages
    assert "fields['task_type'] found nothing in 20 executions: kindd." in message
    assert unmatched() == [{"task_type": "kindd"}] * (2 * ENOUGH - 1)


@pytest.mark.parametrize("error", [KeyError, SystemExit])
def test_function_that_raises_is_named_once(database, unmatched, caplog, error):
    """At once, also where it found values before."""

    def price_of(pool, task, result):
        if task["number"]:
            raise error("secret=hunter2")
        return 0.5

    run = record_execution(lambda task: None, learning_db=database, fields={"actual_cost": price_of})
    for number in range(3):
        run({"number": number})

    (message,) = caplog.messages
    assert message.startswith("fields['actual_cost'] failed: ")
    assert f"price_of raised {error.__name__}." in message
    said = {"actual_cost": f"{price_of.__qualname__} raised {error.__name__}"}
    assert unmatched() == [None, said, said]


def test_field_that_some_tasks_lack_is_not_named(database, unmatched, caplog):
    """From the first value on the rows are silent too."""
    run = record_execution(lambda task: task, learning_db=database, fields={"input_tokens": "usage.tokens"})
    for number in range(2 * ENOUGH):
        run({"usage": {"tokens": 7}} if number == 2 else {})

    assert caplog.messages == []
    assert unmatched() == [{"input_tokens": "usage.tokens"}] * 2 + [None] * (2 * ENOUGH - 2)


def test_task_that_raised_has_no_result_to_look_in(database, unmatched, caplog):
    """A function that expects one may raise then, and a path to it leads nowhere."""

    @record_execution(learning_db=database, fields={"actual_cost": lambda pool, task, result: result["cost"]})
    def fail(task):
        raise ValueError("broken")

    for _ in range(ENOUGH + 1):
        with pytest.raises(ValueError, match="broken"):
            fail({})

    assert caplog.messages == []
    assert unmatched() == [None] * (ENOUGH + 1)


def test_value_that_was_set_takes_the_place_of_the_entry(database, unmatched):
    """It is not looked for."""

    @record_execution(learning_db=database, fields={"model": "nowhere"})
    def run(task):
        current_execution().set(model="m-1")

    run({})

    assert unmatched() == [None]
