"""The overview of a database."""

import contextlib
import sqlite3
from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest
from executions import NEW, START, assumed, begun, database_of, is_partial, is_priced, spent, spent_on_failures
from hypothesis import given, settings
from hypothesis import strategies as st

from learning_instrument import ExecutionRecord
from learning_instrument.analytics import Selection, TierSummary, summary, wilson
from learning_instrument.errors import ConfigurationError

DAY = timedelta(days=1)


def lose(database, *losses):
    database.open()
    with contextlib.closing(sqlite3.connect(database.path)) as other, other:
        other.executemany("INSERT INTO losses (timestamp, process_id, reason, executions) VALUES (?, 1, ?, ?)", losses)


def test_summary_of_nothing_says_so(database):
    """No rate of no executions, and no unreported cost."""
    nothing = summary(database)

    assert (nothing.executions, nothing.success, nothing.cost_usd, nothing.failures_cost_usd) == (0, None, None, None)
    assert (nothing.outcomes, nothing.tiers, nothing.losses) == ({}, (), {})
    assert (nothing.first, nothing.last, nothing.priced, nothing.unpriced) == (None, None, 0, 0)


def test_summary_is_what_was_recorded(database):
    """Worked out by hand."""
    database.append(
        [
            ExecutionRecord(task_type="fix", model_tier="small", timestamp=START, actual_cost=0.25),
            ExecutionRecord(task_type="fix", model_tier="small", timestamp=START + DAY, actual_cost=0.5, success=False),
            ExecutionRecord(task_type="fix", model_tier="small", timestamp=START + DAY, outcome_source="assumed"),
            ExecutionRecord(task_type="fix", model_tier="large", timestamp=START + 2 * DAY, actual_cost=4.0),
        ]
    )

    answer = summary(database)

    assert answer.executions == 4
    assert answer.success == wilson(3, 4)
    assert answer.outcomes == {"succeeded": 3, "failed": 1}
    assert answer.tiers == (
        TierSummary("small", 3, wilson(2, 3), 1, 0.75, 0, 0),
        TierSummary("large", 1, wilson(1, 1), 0, 4.0, 0, 0),
    )
    assert answer.assumed == 1
    assert (answer.cost_usd, answer.failures_cost_usd, answer.priced, answer.unpriced) == (4.75, 0.5, 3, 0)
    assert (answer.first, answer.last) == (START, START + 2 * DAY)


def test_unknown_cost_of_failures_is_not_zero(database):
    """Where something was spent on an unknown model."""
    database.append(
        [ExecutionRecord(task_type="fix", actual_cost=1.0), ExecutionRecord(task_type="fix", success=False)]
    )

    assert (summary(database).cost_usd, summary(database).failures_cost_usd) == (1.0, None)


def test_call_without_a_price_is_not_free(database):
    """It is counted apart, and adds nothing to what was spent."""
    database.append([ExecutionRecord(task_type="fix", actual_cost=0.0, cost_source="unpriced") for _ in range(2)])

    answer = summary(database)

    assert (answer.unpriced, answer.priced, answer.cost_usd) == (2, 0, None)
    assert answer.tiers[0].cost_usd is None


def test_cost_of_which_a_part_is_unknown_is_counted_by_tier(database):
    """It is in the sum, which is a lower bound."""
    database.append(
        [
            ExecutionRecord(task_type="fix", model_tier=tier, actual_cost=1.0, cost_source=source)
            for tier, source in (("small", "partial"), ("small", "priced"), ("small", "reported"), ("large", "priced"))
        ]
    )

    answer = summary(database)

    assert (answer.cost_usd, answer.priced, answer.partial, answer.unpriced) == (4.0, 4, 1, 0)
    assert [(tier.model_tier, tier.cost_usd, tier.partial) for tier in answer.tiers] == [
        ("small", 3.0, 1),
        ("large", 1.0, 0),
    ]


def attempts(*values):
    """Return executions, one a day; each is a task id, an attempt, and perhaps a tier."""
    return [
        ExecutionRecord(
            task_type="fix",
            task_id=task_id,
            attempt=attempt,
            timestamp=START + number * DAY,
            model_tier=(*tier, None)[0],
        )
        for number, (task_id, attempt, *tier) in enumerate(values)
    ]


def counted(database, **selected):
    answer = summary(database, Selection(**selected))
    return answer.tasks, answer.executions


@pytest.mark.parametrize(
    "executions",
    [
        [("a", 1), ("b", 1), ("a", 2), ("a", 3)],
        [("a", 1), ("b", 1), ("b", 2), ("b", 2)],  # a retry that was delivered twice
        [("a", None), ("a", None), ("a", 2), ("b", 2)],  # an attempt that nobody knows has no other
        [("", 1), ("", 2), ("", 3), (None, 1)],  # without an id, the library knows
    ],
)
def test_task_counts_once_however_often_it_was_retried(database, executions):
    """Its other attempts are executions."""
    database.append(attempts(*executions))

    assert counted(database) == (2, 4)


def test_first_attempt_that_was_delivered_twice_counts_twice(database):
    """Nobody says that it is a retry."""
    database.append(attempts(("a", 1), ("a", 1), ("a", 2)))

    assert counted(database) == (2, 3)


def test_task_counts_where_its_first_attempt_is(database):
    """So the tasks of days and tiers add up to those of all."""
    database.append(attempts(("a", 1, "small"), ("a", 2, "large"), ("b", 1, "large"), ("b", 2, "large")))

    assert counted(database) == (2, 4)
    assert counted(database, until=START + DAY) == (1, 1)
    assert counted(database, since=START + DAY) == (1, 3)
    assert counted(database, since=START + DAY, until=START + 2 * DAY) == (0, 1)
    assert counted(database, model_tier="small") == (1, 1)
    assert counted(database, model_tier="large") == (1, 3)
    assert counted(database, where="task_id=a") == (1, 2)


def test_lost_executions_are_told_by_reason(database):
    """The most frequent first; those of the asked time only."""
    lose(
        database,
        (START.isoformat(timespec="microseconds"), "queue full", 3),
        ((START + DAY).isoformat(timespec="microseconds"), "queue full", 4),
        ((START + DAY).isoformat(timespec="microseconds"), "unreadable", 9),
    )

    assert list(summary(database).losses.items()) == [("unreadable", 9), ("queue full", 7)]
    assert summary(database, Selection(until=START + DAY)).losses == {"queue full": 3}
    assert summary(database, Selection(since=START + DAY)).losses == {"unreadable": 9, "queue full": 4}


def test_hostile_names_and_numbers_break_nothing(database):
    """They are data."""
    tier = "x'; DROP TABLE executions; --\u202e"
    database.append([ExecutionRecord(task_type="fix", model_tier=tier, actual_cost=1e300, duration_seconds=1e300)])

    answer = summary(database, Selection(model_tier=tier))

    assert [(found.model_tier, found.executions) for found in answer.tiers] == [(tier, 1)]
    assert answer.cost_usd == 1_000_000.0  # the most that makes sense
    assert summary(database, Selection(model_tier="' OR 1 --")).executions == 0


@pytest.mark.parametrize("values", [{"since": datetime(2026, 1, 1)}, {"since": START, "until": START}, {"repo": 7}])
def test_selection_that_cannot_be_meant_is_refused(values):
    """Before anything is asked."""
    with pytest.raises(ConfigurationError):
        Selection(**values)


@settings(max_examples=30)
@given(records=st.lists(NEW, max_size=12), rolled_up=st.integers(0, 12), window=st.sampled_from([None, (300, 2000)]))
def test_summary_is_what_the_rows_say(records, rolled_up, window):
    """However much of them is rolled up."""
    since, until = (START + timedelta(minutes=m) for m in window) if window else (None, None)
    with database_of(records, rolled_up) as asked:
        rows = [
            row
            for row in asked.executions()
            if window is None or since <= datetime.fromisoformat(row["timestamp"]) < until
        ]

        answer = summary(asked, Selection(since=since, until=until))

    moments = [datetime.fromisoformat(row["timestamp"]).astimezone(timezone.utc) for row in rows]
    assert answer.executions == len(rows)
    assert answer.success == wilson(sum(row["success"] for row in rows), len(rows))
    assert answer.assumed == assumed(rows) == sum(tier.assumed for tier in answer.tiers)
    assert answer.tasks == begun(rows)
    assert answer.outcomes == Counter(row["outcome"] for row in rows)
    assert (answer.first, answer.last) == (min(moments, default=None), max(moments, default=None))
    assert (answer.priced, answer.partial, answer.unpriced) == (
        sum(map(is_priced, rows)),
        sum(map(is_partial, rows)),
        sum(row["cost_source"] == "unpriced" for row in rows),
    )
    assert answer.cost_usd == (None if spent(rows) is None else pytest.approx(spent(rows), abs=1e-7))
    failures = spent_on_failures(rows)
    assert answer.failures_cost_usd == (None if failures is None else pytest.approx(failures, abs=1e-7))
    assert {tier.model_tier: tier.executions for tier in answer.tiers} == Counter(
        row["model_tier"] or "unknown" for row in rows
    )
