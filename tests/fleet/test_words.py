"""Words are looked for in the newest executions, however many there are."""

from datetime import timedelta

import pytest

from learning_instrument.analytics import Selection, similar_executions, vectors
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


def lengths(texts):
    """Vectors of texts, of no use but to compare."""
    return [[len(text), text.count("e"), text.count("m") + 1] for text in texts]


def test_vectors_find_what_they_find_in_a_file(database, client, fleet):
    """By a caller's model; which rows have one description is text of numbers of 128 bits."""
    fill(database, client, executions(300))

    in_file, in_fleet = (
        {(found.execution_id, found.score) for found in similar_executions(each, "mend it", embed=lengths, limit=1000)}
        for each in (database, fleet)
    )

    assert len(in_file) == 300
    assert in_fleet == in_file


def test_vectors_are_made_for_the_newest_executions_alone(monkeypatch, database, client, fleet):
    """A fleet keeps none, so each question makes them anew."""
    monkeypatch.setattr(vectors, "_NEWEST", 50)
    fill(database, client, executions(300))

    found = similar_executions(fleet, "mend it", embed=lengths, limit=1000, threshold=0.1)

    assert len(found) == 50
    assert min(each.timestamp for each in found) >= START + timedelta(minutes=5 * 250)
