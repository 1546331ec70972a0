"""Answers become tables of pandas."""

from datetime import datetime, timezone

import pytest

from learning_instrument.analytics import (
    BurnDown,
    Selection,
    burn_down,
    compare,
    costs,
    error_groups,
    extremes,
    performance,
    queue_waits,
    routing_calibration,
    side,
    side_by_side,
    similar_executions,
    solution_patterns,
    story,
    summary,
    unmatched,
    values_of,
    worth_asking,
)
from learning_instrument.maintenance import write_demo

NOW = datetime(2026, 11, 1, tzinfo=timezone.utc)


@pytest.fixture
def answers(tmp_path):
    """Give an answer of every question that has rows, each with how many it has."""
    database = write_demo(tmp_path / "demo.db", now=NOW)
    (newest,) = database.query("SELECT execution_id FROM executions ORDER BY timestamp DESC LIMIT 1")
    halves = side("2026-10-01..2026-10-15"), side("2026-10-15..2026-11-01")
    found = [
        (summary(database), lambda answer: answer.tiers),
        (costs(database), lambda answer: answer.by_day),
        (costs(database, by="repo"), lambda answer: answer.groups),
        (burn_down(database, 100.0, now=NOW), lambda answer: [answer]),
        (error_groups(database, with_costs=True), lambda answer: answer.groups),
        (compare(database, *halves), lambda answer: [answer.success, answer.duration, answer.cost]),
        (side_by_side(database, "model_tier"), lambda answer: answer.alternatives),
        (routing_calibration(database), lambda answer: answer.bins),
        (values_of(database, "repo"), lambda answer: answer.executions),
        (story(database, newest["execution_id"]), lambda answer: answer.lines),
        (extremes(database), lambda answer: {each.execution_id for each in (*answer.slowest, *answer.dearest)}),
        (performance(database), list),
        (queue_waits(database), list),
        (solution_patterns(database), list),
        (similar_executions(database, "fix a bug"), list),
        (worth_asking(database), list),
        (unmatched(database, Selection(repo="nobody")), list),
    ]
    return [(answer, len(rows(answer))) for answer, rows in found]


def test_answers_are_true_and_their_rows_come_twice(answers):
    """Going through the rows uses nothing up, and an answer is no empty list."""
    for answer, rows in answers:
        assert answer
        assert len(list(answer)) == len(list(answer)) == rows


@pytest.mark.slow
def test_every_answer_becomes_a_table(answers):
    """With the rows it has, and the names of their fields as columns."""
    pandas = pytest.importorskip("pandas")

    for answer, rows in answers:
        frame = pandas.DataFrame(answer)

        assert len(frame) == rows > 0, type(answer)
        assert all(isinstance(column, str) for column in frame.columns), type(answer)
        assert len(frame.columns) > 1, type(answer)
        assert not isinstance(answer, BurnDown) or frame.amount_usd[0] == 100.0


@pytest.mark.slow
def test_intervals_become_columns(answers):
    """By json_normalize of pandas; each row has them as a dictionary before."""
    pandas = pytest.importorskip("pandas")
    found = next(answer for answer, _ in answers if hasattr(answer, "alternatives"))

    frame = pandas.json_normalize(pandas.DataFrame(found).to_dict("records"))

    first = found.alternatives[0]
    assert frame["success.low"][0] == first.success.low
    assert frame["cost_per_success_usd.estimate"][0] == first.cost_per_success_usd.estimate
