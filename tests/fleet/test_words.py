"""Words are looked for in the newest executions, however many there are."""

from datetime import timedelta

import pytest

from learning_instrument.analytics import Selection, similar_executions
from learning_instrument.fleet import words

from .same_executions import START, executions, fill


@pytest.fixture
def few_are_looked_at(monkeypatch, database, client, fleet):
    """A fleet with 300 executions, five minutes apart, of which 50 are looked at."""
    monkeypatch.setattr(words, "_NEWEST", 50)
    fill(database, client, executions(300))
    return fleet


def test_older_ones_are_not_looked_at(few_are_looked_at):
    """Nor for how rare a word is."""
    found = similar_executions(few_are_looked_at, "mend part", limit=300)

    assert len(found) == 40  # of 50, each fifth is a manual
    assert min(each.timestamp for each in found) >= START + timedelta(minutes=5 * 250)
    assert few_are_looked_at.frequencies({"mend", "manual", "part", "nothing"}) == (
        50,
        {"mend": 40, "manual": 10, "part": 40, "nothing": 0},
    )


def test_newest_of_the_time_asked_for_are_looked_at(few_are_looked_at):
    """Whatever came after it."""
    until = START + timedelta(minutes=5 * 100)
    found = similar_executions(few_are_looked_at, "mend part", Selection(until=until), limit=300)

    assert {each.timestamp > until - timedelta(minutes=5 * 51) for each in found} == {True}
    assert len(found) > 35
