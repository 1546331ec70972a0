"""Answers that need more than rows are those of the file."""

import pytest

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.analytics import error_groups, similar_executions, summary
from learning_instrument.analytics.sources.source import source_of
from learning_instrument.fleet.database import FleetDatabase

from .same_executions import executions, fill


@pytest.fixture
def both(database, client, fleet):
    """A SQLite database and a fleet with the same executions."""
    fill(database, client, executions(300))
    return database, fleet


def test_summary_is_that_of_the_file(both):
    """Through the same function."""
    database, fleet = both

    assert summary(fleet) == summary(database)


def test_failures_are_grouped_as_in_the_file(both):
    """Their examples are the newest, as there."""
    database, fleet = both
    answer, expected = error_groups(fleet), error_groups(database)

    assert [(group.template, group.executions, group.first_seen) for group in answer] == [
        (group.template, group.executions, group.first_seen) for group in expected
    ]
    assert answer.groups[0].repos == expected.groups[0].repos


def test_similar_descriptions_are_found_with_the_scores_of_the_file(both):
    """Accents and case apart."""
    database, fleet = both

    found = similar_executions(fleet, "Mend CAFE part 3", limit=5)

    assert [each.score for each in found] == [
        pytest.approx(each.score) for each in similar_executions(database, "Mend CAFE part 3", limit=5)
    ]
    assert {each.task_description for each in found} == {"mend café part 3"}


def test_source_of_a_file_is_found_for_any_object_with_its_query(tmp_path):
    """A fleet is its own."""
    fleet = FleetDatabase("clickhouse://nowhere")
    assert source_of(fleet) is fleet
    with LearningDatabase(tmp_path / "learning.db") as database:
        database.append([ExecutionRecord(task_type="t")])
        assert source_of(database).name() == "learning.db"
        assert source_of(database).size() > 4096
