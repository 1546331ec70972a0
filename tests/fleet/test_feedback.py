"""Feedback on executions of a fleet."""

import pytest

from learning_instrument.analytics import summary
from learning_instrument.errors import UnknownExecutionError

from .same_executions import executions, fill


@pytest.fixture
def both(database, client, fleet):
    """A SQLite database and a fleet with the same executions."""
    fill(database, client, executions(300))
    return database, fleet


def test_feedback_is_kept_and_the_latest_of_it_shown(both):
    """A comment resets neither rating nor acceptance."""
    _, fleet = both
    (first,) = fleet.query("SELECT execution_id FROM executions ORDER BY timestamp LIMIT 1")
    for said in ({"accepted": True, "rating": 2}, {"rating": 5}, {"comment": "it's fine"}):
        fleet.add_feedback(first["execution_id"], **said)
    judged = "SELECT execution_id, user_accepted, user_rating FROM executions WHERE user_rating IS NOT NULL"

    assert [tuple(row.values()) for row in fleet.query(judged)] == [(first["execution_id"], 1, 5)]
    assert summary(fleet).executions == 300
    assert fleet.delete_feedback(first["execution_id"]) == 3
    assert fleet.query(judged) == []


def test_feedback_is_cleared(both):
    """Of all executions."""
    _, fleet = both
    for row in fleet.query("SELECT execution_id FROM executions LIMIT 2"):
        fleet.add_feedback(row["execution_id"], accepted=False)

    assert fleet.clear_feedback() == 2
    assert fleet.query("SELECT * FROM feedback") == []
    assert fleet.query("SELECT 1 FROM executions WHERE user_accepted IS NOT NULL") == []


def test_feedback_on_an_unknown_execution_is_refused(both):
    """Nothing is stored."""
    _, fleet = both

    with pytest.raises(UnknownExecutionError, match="'x'"):
        fleet.add_feedback("x", rating=1)
    assert fleet.query("SELECT * FROM feedback") == []
