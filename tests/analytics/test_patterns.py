"""Solutions that worked more than once."""

from datetime import datetime, timedelta, timezone

import pytest

from learning_instrument import ExecutionRecord
from learning_instrument.analytics import patterns, wilson
from learning_instrument.analytics.patterns import solution_patterns
from learning_instrument.errors import ConfigurationError
from learning_instrument.sqlite.selection import Selection

NOW = datetime(2026, 11, 28, tzinfo=timezone.utc)


def solved(summary, description="parse file 1", **values):
    return ExecutionRecord(task_type="fix", task_description=description, solution_summary=summary, **values)


def failed(description="parse file 2", **values):
    return ExecutionRecord(task_type="fix", task_description=description, success=False, **values)


def test_summaries_that_say_the_same_are_one_pattern(database):
    """With any numbers and paths; named by the most frequent."""
    database.append(
        [solved("Added retry with backoff in client.py") for _ in range(2)]
        + [solved("Added a retry with backoff in server.py"), solved("Rewrote the cache")]
    )

    (pattern,) = solution_patterns(database)

    assert (pattern.summary, pattern.task_type, pattern.support) == ("Added retry with backoff in client.py", "fix", 3)


@pytest.mark.parametrize(("count", "found"), [(2, 0), (3, 1)])
def test_pattern_has_the_support_asked_for(database, count, found):
    """Three, unless said otherwise."""
    database.append([solved("Pinned the dependency") for _ in range(count)])

    assert len(solution_patterns(database)) == found
    assert len(solution_patterns(database, min_support=count)) == 1


def test_success_rate_is_of_all_executions_of_such_tasks(database):
    """Failures leave no summary, and count."""
    database.append([solved("Split the parser", f"parse file {n}") for n in range(4)])
    database.append([failed("parse file 77")])
    database.append([ExecutionRecord(task_type="fix", task_description="parse file 5", outcome_source="assumed")])
    database.append([failed("deploy it") for _ in range(6)])

    (pattern,) = solution_patterns(database)

    assert (pattern.support, pattern.executions) == (4, 6)
    assert (pattern.success, pattern.assumed) == (wilson(5, 6), 1)
    assert pattern.lift == pytest.approx((5 / 6) / (5 / 12))


def test_cost_is_of_those_that_reported_one(database):
    """A stand-in is no cost."""
    database.append([solved("Split it", actual_cost=cost) for cost in (0.2, 0.4, None)])

    assert solution_patterns(database)[0].mean_cost_usd == pytest.approx(0.3)


def test_mean_of_which_a_part_is_unknown_is_said(database):
    """It is a lower bound."""
    database.append([solved("Split it", actual_cost=0.2, cost_source=source) for source in ("partial", "priced", None)])

    (pattern,) = solution_patterns(database)
    assert (pattern.mean_cost_usd, pattern.partial) == (pytest.approx(0.2), 1)


def test_cost_nobody_reported_is_none(database):
    """And not 0."""
    database.append([solved("Split it") for _ in range(3)])

    (pattern,) = solution_patterns(database)
    assert pattern.mean_cost_usd is None
    assert pattern.best_tier is None


def test_best_tier_is_the_one_most_surely_good(database):
    """Ten of ten say more than one of one."""
    database.append([solved("Split it", model_tier="small") for _ in range(10)])
    database.append([solved("Split it", model_tier="large")] + [failed(model_tier="medium") for _ in range(5)])

    assert solution_patterns(database)[0].best_tier == "small"


def test_examples_are_the_newest(database):
    """No more than three."""
    records = [solved(f"Split it in {n}", f"parse {n}") for n in range(5)]
    database.append(records)

    assert list(solution_patterns(database)[0].examples) == [record.execution_id for record in records[:1:-1]]


def test_newest_of_the_selected_executions_are_read(database, monkeypatch):
    """However many there are."""
    monkeypatch.setattr(patterns, "_NEWEST", 4)
    database.append(
        solved("Raised the limit", timestamp=NOW - timedelta(minutes=number), repo="ab"[number % 2])
        for number in range(10)
    )

    def support(**selection):
        return [each.support for each in solution_patterns(database, Selection(**selection), min_support=1)]

    assert support() == [4]
    assert support(until=NOW - timedelta(minutes=7)) == [2]
    assert support(repo="a") == [4]


def test_failures_and_empty_summaries_make_no_pattern(database):
    """Only what worked."""
    database.append([failed(solution_summary="Tried again") for _ in range(5)] + [solved("") for _ in range(5)])
    database.append([solved(None) for _ in range(5)])

    assert solution_patterns(database) == []


def test_task_types_have_patterns_of_their_own(database):
    """And filters select; the most supported come first."""
    database.append([solved("Split it", repo="a") for _ in range(3)])
    database.append([ExecutionRecord(task_type="review", solution_summary="Split it", repo="b") for _ in range(4)])

    assert [(one.task_type, one.support) for one in solution_patterns(database)] == [("review", 4), ("fix", 3)]
    assert [one.task_type for one in solution_patterns(database, Selection(repo="a"))] == ["fix"]
    assert [one.task_type for one in solution_patterns(database, limit=1)] == ["review"]
    assert solution_patterns(database, Selection(since=datetime(2100, 1, 1, tzinfo=timezone.utc))) == []


@pytest.mark.parametrize("wrong", [{"min_support": 0}, {"min_support": True}, {"limit": 0}, {"limit": "5"}])
def test_arguments_of_no_use_are_refused(database, wrong):
    """With the value."""
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        solution_patterns(database, **wrong)


def test_database_answers_from_the_view(database):
    """As promised: what was used at least so often, the most used first."""
    database.append([solved("Split it", repo="a") for _ in range(6)] + [solved("Cut it", repo="b") for _ in range(5)])
    database.append([solved("Once", repo="a")])

    rows = database.get_solution_patterns()

    assert [(row["solution_summary"], row["executions"]) for row in rows] == [("Split it", 6), ("Cut it", 5)]
    assert [row["repo"] for row in database.get_solution_patterns(repo="b")] == ["b"]
    assert len(database.get_solution_patterns(min_usage=1, limit=2)) == 2
    with pytest.raises(ConfigurationError, match="min_usage"):
        database.get_solution_patterns(min_usage=0)
