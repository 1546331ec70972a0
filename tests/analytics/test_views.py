"""The views users were promised, and the questions that give their rows."""

import math
from datetime import datetime, timedelta, timezone

import pytest
from executions import NEW, START, database_of
from hypothesis import given, settings
from hypothesis import strategies as st

from learning_instrument import ExecutionRecord
from learning_instrument.analytics import views
from learning_instrument.errors import ConfigurationError

EVER = 365_000


def now(**values):
    return ExecutionRecord(**{"task_type": "fix", "timestamp": datetime.now(timezone.utc)} | values)


def test_tier_performance_is_by_day_repository_and_tier(database):
    """Worked out by hand."""
    moment = datetime.now(timezone.utc)
    database.append(
        [
            now(
                timestamp=moment,
                repo="a",
                model_tier="small",
                actual_cost=1.0,
                duration_seconds=2.0,
                outcome_source="assumed",
            ),
            now(timestamp=moment, repo="a", model_tier="small", actual_cost=2.0, duration_seconds=4.0, success=False),
            now(timestamp=moment, repo="a", model_tier="large", quality_score=90.0),
        ]
    )

    large, small = database.get_tier_performance()

    assert small == {
        "day": moment.astimezone(timezone.utc).date().isoformat(), "repo": "a", "model_tier": "small", "executions": 2,
        "succeeded": 1, "success_rate": 0.5, "assumed": 1, "mean_duration_seconds": 3.0, "mean_quality": None,
        "cost_usd": 3.0, "partial": 0, "unpriced": 0, "cost_per_success_usd": 3.0,
    }  # fmt: skip
    assert (large["model_tier"], large["mean_quality"], large["cost_usd"]) == ("large", 90.0, None)


def test_pool_performance_is_by_hour_repository_and_pool(database):
    """With how long tasks waited."""
    moment = datetime.now(timezone.utc)
    database.append([now(timestamp=moment, repo="a", pool_type="agents", queue_seconds=wait) for wait in (1.0, 3.0)])

    (row,) = database.get_pool_performance()

    assert (row["hour"], row["repo"], row["pool_type"]) == (moment.isoformat()[:13], "a", "agents")
    assert (row["executions"], row["mean_queue_seconds"]) == (2, 2.0)


@pytest.mark.parametrize(("ask", "days"), [("get_tier_performance", 30), ("get_pool_performance", 7)])
def test_days_back_are_as_promised(database, ask, days):
    """30 for tiers, 7 for pools, or as many as asked for; of one repository if asked for."""
    moment = datetime.now(timezone.utc)
    database.append([now(repo="a"), now(repo="b", timestamp=moment - timedelta(days=days - 0.5))])
    database.append([now(repo="c", timestamp=moment - timedelta(days=days + 0.5))])

    def repos(**options):
        return sorted(row["repo"] for row in getattr(database, ask)(**options))

    assert repos() == ["a", "b"]
    assert repos(days_back=0.25) == ["a"]
    assert repos(days_back=days + 1) == ["a", "b", "c"]
    assert repos(repo="b") == ["b"]
    assert repos(repo="' OR 1 --") == []


def test_what_nobody_reported_is_in_no_figure(database):
    """Neither in the view, nor in the answer."""
    database.append(
        [
            now(duration_seconds=1.0, actual_cost=2.0),
            now(duration_seconds=9.0, actual_cost=7.0, defaulted=("duration_seconds", "actual_cost")),
            now(duration_seconds=3.0, actual_cost=5.0, cost_source="unpriced"),
        ]
    )

    for row in (*database.get_tier_performance(), *database.query("SELECT * FROM tier_performance")):
        assert (row["executions"], row["mean_duration_seconds"]) == (3, 2.0)
        assert (row["cost_usd"], row["cost_per_success_usd"]) == (2.0, 2.0)


def test_costs_that_are_lower_bounds_are_counted_apart(database):
    """In all three views, so that none of them looks cheap for what it does not know."""
    known = {"repo": "a", "model_tier": "small", "pool_type": "agents", "solution_summary": "often"}
    database.append(
        [
            now(**known, actual_cost=2.0, cost_source="partial"),
            now(**known, actual_cost=2.0, cost_source="partial", defaulted=("actual_cost",)),
            now(**known, actual_cost=4.0, cost_source="priced"),
            now(**known, cost_source="unpriced"),
        ]
    )

    for row in (
        *database.get_tier_performance(),
        *database.get_pool_performance(),
        *database.get_solution_patterns(min_usage=1),
    ):
        assert (row["cost_usd"], row["partial"], row["unpriced"]) == (6.0, 1, 1)


def test_invalid_days_are_refused(database, subtests):
    """In words."""
    for days_back in [0, -1, math.nan, math.inf, "7"]:
        with subtests.test(days_back=days_back):
            for ask in (database.get_tier_performance, database.get_pool_performance):
                with pytest.raises(ConfigurationError, match="days_back"):
                    ask(days_back=days_back)


@settings(max_examples=25)
@given(records=st.lists(NEW, max_size=12), rolled_up=st.integers(0, 12), repo=st.sampled_from([None, "a"]))
def test_answers_are_the_rows_of_the_views(records, rolled_up, repo):
    """However much is rolled up: the views count every execution."""
    with database_of(records, rolled_up) as asked:
        for name, ask in (("tier_performance", views.tier_performance), ("pool_performance", views.pool_performance)):
            keys = ("day", "repo", "model_tier") if name == "tier_performance" else ("hour", "repo", "pool_type")
            where = " WHERE repo = 'a'" if repo else ""
            rows = asked.query(f"SELECT * FROM {name}{where} ORDER BY {', '.join(keys)}")
            answer = ask(asked, repo, EVER)
            assert [row.keys() for row in answer] == [row.keys() for row in rows]
            for mine, theirs in zip(answer, rows, strict=True):
                assert mine == {
                    column: pytest.approx(value, rel=1e-6, abs=1e-4) if isinstance(value, float) else value
                    for column, value in theirs.items()
                }


def solved(summary, **values):
    return ExecutionRecord(
        **{"task_type": "fix", "repo": "a", "timestamp": START, "solution_summary": summary} | values
    )


def test_solution_patterns_are_those_used_most(database):
    """At least five times, unless said otherwise; ten of them at the most."""
    database.append([solved("often", success=number > 1, actual_cost=1.0) for number in range(6)])
    database.append([solved("five times") for _ in range(5)] + [solved("rare") for _ in range(4)])
    database.append([solved("", timestamp=START), ExecutionRecord(task_type="fix")])

    often, five = database.get_solution_patterns()

    assert (often["solution_summary"], often["repo"], often["task_type"]) == ("often", "a", "fix")
    assert (often["executions"], often["success_rate"], often["cost_usd"]) == (6, pytest.approx(4 / 6), 6.0)
    assert often["cost_per_success_usd"] == 1.5
    assert (often["first_timestamp"], often["last_timestamp"]) == ("2026-11-01T22:30:00.000000+00:00",) * 2
    assert (five["solution_summary"], five["executions"]) == ("five times", 5)
    assert [row["executions"] for row in database.get_solution_patterns(min_usage=1)] == [6, 5, 4]
    assert [row["executions"] for row in database.get_solution_patterns(min_usage=1, limit=1)] == [6]
    assert database.get_solution_patterns(repo="b") == []


def test_ten_patterns_are_enough(database):
    """Unless more are asked for."""
    database.append([solved(f"solution {number % 12}") for number in range(60)])

    assert len(database.get_solution_patterns()) == 10
    assert len(database.get_solution_patterns(limit=50)) == 12


def test_numbers_that_are_none_are_refused(database, subtests):
    """In words."""
    for options in [{"min_usage": 0}, {"limit": 0}, {"limit": True}, {"min_usage": 2.5}, {"limit": "1"}]:
        with subtests.test(options=options), pytest.raises(ConfigurationError, match=next(iter(options))):
            database.get_solution_patterns(**options)


def test_similar_executions_come_as_rows(database):
    """With their score, the most alike first, of the asked repository and days."""
    database.append([now(task_description="mend the parser of dates", repo="a")])
    database.append([now(task_description="mend the parser of numbers", repo="b")])
    database.append([now(task_description="mend the parser of dates", timestamp=START - timedelta(days=400))])

    found = database.find_similar_executions("mend the parser of dates", threshold=0.1)

    assert [row["task_description"].split()[-1] for row in found] == ["dates", "numbers"]
    assert found[0]["score"] > found[1]["score"]
    assert len(database.find_similar_executions("mend the parser of dates", repo="b", threshold=0.1)) == 1
    assert len(database.find_similar_executions("mend the parser of dates", limit=1, threshold=0.1)) == 1
