"""Groups of executions beside each other."""

import contextlib
import itertools
import math
import sqlite3
from collections import defaultdict
from datetime import timedelta

import pytest
from executions import NEW, START, assumed, begun, database_of, is_partial, is_priced, is_reported, mean, spent
from hypothesis import given, settings
from hypothesis import strategies as st

from learning_instrument import ExecutionRecord
from learning_instrument.analytics import Selection, performance, queue_waits, wilson
from learning_instrument.errors import ConfigurationError
from learning_instrument.sqlite.dimensions import DIMENSIONS, value_in

WAYS = [*[(name,) for name in DIMENSIONS], *itertools.permutations(DIMENSIONS, 2)]


def records(*values):
    return [ExecutionRecord(**{"task_type": "fix", "timestamp": START} | each) for each in values]


def test_performance_of_nothing_is_nothing(database):
    """There is no group."""
    assert performance(database) == []


def test_performance_is_what_was_recorded(database):
    """Worked out by hand."""
    database.append(
        records(
            {"duration_seconds": 1.0, "queue_seconds": 0.5, "actual_cost": 0.2, "input_tokens": 100},
            {"duration_seconds": 2.0, "queue_seconds": 1.5, "actual_cost": 0.1, "quality_score": 80.0},
            {"duration_seconds": 9.0, "success": False, "actual_cost": 0.3, "output_tokens": 7},
        )
    )

    (answer,) = performance(database)

    assert (answer.group, answer.executions, answer.success) == (("fix",), 3, wilson(2, 3))
    assert (answer.p50_seconds, answer.p95_seconds) == (pytest.approx(2, rel=0.015), pytest.approx(9, rel=0.015))
    assert answer.mean_seconds == pytest.approx(4.0)
    assert (answer.mean_queue_seconds, answer.mean_quality) == (1.0, 80.0)
    assert answer.cost_usd == pytest.approx(0.6)
    assert answer.cost_per_success_usd == pytest.approx(0.3)  # what failed was paid for as well
    assert (answer.input_tokens, answer.output_tokens) == (100, 7)


def test_what_nobody_reported_is_in_no_figure(database):
    """A stand-in is no measurement, and a call without a price not free."""
    database.append(
        records(
            {"duration_seconds": 5.0, "defaulted": ("duration_seconds", "actual_cost")},
            {"actual_cost": 0.0, "cost_source": "unpriced", "duration_seconds": 3.0, "defaulted": ()},
        )
    )

    (answer,) = performance(database)

    assert (answer.mean_seconds, answer.p99_seconds) == (3.0, pytest.approx(3.0, rel=0.015))
    assert (answer.cost_usd, answer.cost_per_success_usd, answer.unpriced) == (None, None, 1)
    assert answer.partial == 0
    assert (answer.mean_quality, answer.mean_queue_seconds) == (None, None)
    assert (answer.input_tokens, answer.output_tokens) == (None, None)


def test_tokens_of_one_kind_leave_the_other_unknown(database):
    """A sum of 0 is that of unreported tokens."""
    database.append(records({"input_tokens": 7}))

    (answer,) = performance(database)

    assert (answer.input_tokens, answer.output_tokens) == (7, None)


def test_no_success_has_no_cost_for_one(database):
    """What was spent is told all the same."""
    database.append(records({"actual_cost": 2.0, "success": False}))

    (answer,) = performance(database, "model_tier")

    assert (answer.cost_usd, answer.cost_per_success_usd) == (2.0, None)


def test_tasks_of_the_groups_are_those_of_all(database):
    """A task whose attempts are in several groups counts in that of the first, also where groups are merged."""
    tiers = [("small", 1), ("large", 2), ("large", 3), ("huge", 1), ("huge", 2)]
    database.append(records(*({"model_tier": tier, "attempt": attempt} for tier, attempt in tiers)))

    found = {answer.group: (answer.tasks, answer.executions) for answer in performance(database, "model_tier")}
    merged = performance(database, "model_tier", limit=1)

    assert found == {("small",): (1, 1), ("large",): (0, 2), ("huge",): (1, 2)}
    assert sum(answer.tasks for answer in merged) == 2


def test_largest_group_comes_first_and_time_in_its_order(database):
    """By a time, the earliest."""
    hours = [START + timedelta(hours=number) for number in (5, 1, 1)]
    database.append(records(*[{"timestamp": hour, "repo": f"r{hour.hour}"} for hour in hours]))

    assert [answer.group for answer in performance(database, "repo")] == [("r23",), ("r3",)]
    assert [answer.group for answer in performance(database, ("hour", "repo"))] == [
        ("2026-11-01T23", "r23"),
        ("2026-11-02T03", "r3"),
    ]


def test_other_dimensions_are_refused(database, subtests):
    """With what there is to choose from."""
    for by in [
        (),
        "workers",
        ("repo", "repo"),
        ("repo", "day", "task_type"),
        ("repo", "x' --"),
        ("model_tier", "metadata"),
        5,
        None,
        b"repo",
        [["repo"]],
        {"repo": "shop"},
    ]:
        with subtests.test(by=by):
            for ask in (performance, queue_waits):
                with pytest.raises(ConfigurationError, match="Invalid by "):
                    ask(database, by)


def test_hostile_values_are_groups_as_any_other(database):
    """And one number beyond all sense does not move the others' figures."""
    names = ["", "'; --", "a\x00b", "\u202e\U0001f600", "unknown", "~", "NULL"]
    database.append(records(*[{"worker_id": name, "repo": name, "actual_cost": 1.0} for name in names]))
    database.append(records({"worker_id": "w", "repo": "w", "actual_cost": 1e308, "duration_seconds": 1e308}))

    for by in ("worker_id", "repo", ("worker_id", "repo")):
        answers = performance(database, by)
        assert sum(answer.executions for answer in answers) == len(names) + 1
        assert sorted(answer.cost_usd for answer in answers) == [1.0] * len(names) + [1e6]


@settings(max_examples=40)
@given(
    records=st.lists(NEW, max_size=12),
    rolled_up=st.integers(0, 12),
    by=st.sampled_from(WAYS),
    filters=st.sampled_from([{}, {"repo": "a"}, {"model_tier": "unknown"}]),
)
def test_performance_is_what_the_rows_say(records, rolled_up, by, filters):
    """By any one or two dimensions, with any part rolled up."""
    with database_of(records, rolled_up) as asked:
        rows = asked.executions()
        answers = performance(asked, by, Selection(**filters))
        waits = queue_waits(asked, by, Selection(**filters))

    groups = defaultdict(list)
    for row in rows:
        dimensions = {name: row.get(name) or "unknown" for name in DIMENSIONS}
        dimensions |= {"day": row["timestamp"][:10], "hour": row["timestamp"][:13]}
        dimensions["task_type"] = value_in(row, "task_type")
        if all(dimensions[name] == value for name, value in filters.items()):
            groups[tuple(dimensions[name] for name in by)].append(row)
    assert {answer.group for answer in answers} == groups.keys()
    for answer in answers:
        check(answer, groups[answer.group])
    assert [wait.group for wait in waits] == [answer.group for answer in answers]
    for wait in waits:
        check_waits(wait, groups[wait.group])


def check_waits(wait, rows):
    both = [[row[name] for name in ("queue_seconds", "wait_seconds") if row[name] is not None] for row in rows]
    known = sorted(sum(waits) for waits in both if waits)
    assert (wait.executions, wait.measured) == (len(rows), len(known))
    assert wait.mean_seconds == (pytest.approx(mean(known), abs=1e-6) if known else None)
    for share, found in ((0.5, wait.p50_seconds), (0.95, wait.p95_seconds), (0.99, wait.p99_seconds)):
        exact = known[math.ceil(share * len(known)) - 1] if known else None
        assert found == (None if exact is None else pytest.approx(exact, rel=0.0151, abs=1e-6))


def check(answer, rows):
    durations = sorted(row["duration_seconds"] for row in rows if is_reported(row, "duration_seconds"))
    priced = [row for row in rows if is_priced(row)]
    successes = sum(row["success"] for row in priced)
    tokens = [row for row in rows if row["input_tokens"] is not None or row["output_tokens"] is not None]
    assert answer.success == wilson(sum(row["success"] for row in rows), len(rows))
    assert answer.assumed == assumed(rows)
    assert answer.tasks == begun(rows)
    for share, found in ((0.5, answer.p50_seconds), (0.95, answer.p95_seconds), (0.99, answer.p99_seconds)):
        exact = durations[math.ceil(share * len(durations)) - 1] if durations else None
        assert found == (None if exact is None else pytest.approx(exact, rel=0.0151, abs=1e-6))
    for found, exact in (
        (answer.mean_seconds, mean(durations)),
        (answer.mean_queue_seconds, mean(row["queue_seconds"] for row in rows)),
        (answer.mean_quality, mean(row["quality_score"] for row in rows)),
        (answer.cost_usd, spent(rows)),
        (answer.cost_per_success_usd, spent(rows) / successes if successes else None),
        (answer.input_tokens, sum(row["input_tokens"] or 0 for row in tokens) or None),
        (answer.output_tokens, sum(row["output_tokens"] or 0 for row in tokens) or None),
    ):
        assert found == (None if exact is None else pytest.approx(exact, rel=1e-6, abs=1e-4))
    assert answer.unpriced == sum(row["cost_source"] == "unpriced" for row in rows)
    assert answer.partial == sum(map(is_partial, rows))
    assert answer.unreported == len(rows) - answer.unpriced - sum(map(is_priced, rows))


def test_day_that_is_not_over_is_rolled_up_where_nothing_is_later():
    """A period that ends now reads no executions of today; one that ends before the last execution does."""
    hours = [START.replace(hour=hour, minute=0, second=0, microsecond=0) for hour in (1, 2, 3)]
    with database_of(records(*({"timestamp": hour} for hour in hours)), rolled_up=100) as database:
        with contextlib.closing(sqlite3.connect(database.path)) as connection, connection:
            connection.execute("UPDATE rollup_days_tier_pool SET executions = 100")  # by which they are told from rows
        whole, divided = (
            performance(database, "model_tier", Selection(since=START - timedelta(days=7), until=until))
            for until in (hours[2] + timedelta(microseconds=1), hours[2])
        )

    assert [answer.executions for answer in (*whole, *divided)] == [100, 2]
