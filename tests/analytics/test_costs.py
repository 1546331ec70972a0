"""What was spent, and how far cost estimates can be trusted."""

import math
from collections import defaultdict
from datetime import datetime, timedelta

import pytest
from executions import NEW, START, database_of, is_compared, is_partial, is_priced, spent, spent_on_failures
from hypothesis import given, settings
from hypothesis import strategies as st

from learning_instrument import ExecutionRecord
from learning_instrument.analytics import DaySpend, Selection, costs, wilson

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def approx(factor):
    """Logarithms are kept to five digits."""
    return pytest.approx(factor, rel=1e-4)


def paid(estimate, actual, hours=0, **values):
    return ExecutionRecord(
        **{"task_type": "fix", "model_tier": "small", "timestamp": START + hours * HOUR}
        | {"cost_estimate": estimate, "actual_cost": actual}
        | values
    )


def test_costs_of_nothing_say_so(database):
    """Nothing is known, which is not 0."""
    nothing = costs(database)

    assert (nothing.executions, nothing.cost_usd, nothing.failures_cost_usd, nothing.accuracy) == (0, None, None, None)
    assert (nothing.by_day, nothing.corrections, nothing.correction_test) == ((), (), None)


def test_accuracy_is_as_defined(database):
    """Bias and WAPE are shares of the sum that was spent, MAPE is the mean of shares; worked out by hand."""
    database.append([paid(1.0, 2.0), paid(2.0, 2.0), paid(3.0, 2.5), paid(0.5, 0.0)])

    accuracy = costs(database).accuracy

    assert (accuracy.compared, accuracy.estimate_usd, accuracy.actual_usd) == (4, 6.5, 6.5)
    assert accuracy.bias == 0.0  # too low and too high by as much
    assert accuracy.wape == pytest.approx(2.0 / 6.5)
    assert accuracy.mape == pytest.approx((0.5 + 0.0 + 0.2) / 3)  # of nothing there is no share
    assert accuracy.within_20_percent == wilson(2, 4)


@pytest.mark.parametrize(("estimate", "bias"), [(1.0, -0.5), (3.0, 0.5)])
def test_bias_is_below_zero_where_estimates_are_too_low(database, estimate, bias):
    """And above where they are too high."""
    database.append([paid(estimate, 2.0)])

    assert costs(database).accuracy.bias == bias


def test_share_within_20_percent_has_its_edge_inside(database):
    """Of the actual cost, not of the estimate."""
    database.append([paid(estimate, 10.0) for estimate in (7.9, 8.0, 12.0, 12.1)])

    assert costs(database).accuracy.within_20_percent.estimate == 0.5


def test_nothing_spent_has_no_share_to_be_off_by(database):
    """An estimate of something free."""
    database.append([paid(1.0, 0.0)])

    accuracy = costs(database).accuracy

    assert (accuracy.bias, accuracy.wape, accuracy.mape) == (None, None, None)
    assert (accuracy.compared, accuracy.estimate_usd) == (1, 1.0)


@pytest.mark.parametrize(
    "values",
    [
        {"estimate": None},  # a copy of the actual cost, which would look perfect
        {"defaulted": ("cost_estimate",)},
        {"defaulted": ("actual_cost",)},
        {"cost_source": "unpriced"},
        {"cost_source": "estimated"},
        {"cost_source": "partial"},
    ],
)
def test_what_nobody_knows_is_compared_with_nothing(database, values):
    """Stand-ins, calls without a price, estimates beside estimates, and lower bounds."""
    database.append([paid(**{"estimate": 1.0, "actual": 2.0} | values) for _ in range(6)])

    answer = costs(database)

    assert (answer.accuracy, answer.corrections, answer.correction_test) == (None, (), None)


def test_call_without_a_price_is_counted_apart(database):
    """Not as $0, and not as an execution whose cost is known."""
    database.append([paid(1.0, 0.0, cost_source="unpriced"), paid(1.0, 2.0, success=False), paid(1.0, 4.0)])

    answer = costs(database)

    assert (answer.executions, answer.priced, answer.unpriced) == (3, 2, 1)
    assert (answer.cost_usd, answer.failures_cost_usd) == (6.0, 2.0)


def test_cost_of_which_a_part_is_unknown_is_in_the_sum_and_counted_apart(database):
    """The sum is a lower bound then, of that day."""
    database.append([paid(1.0, 2.0, cost_source="partial", success=False), paid(1.0, 4.0), paid(1.0, 1.0, 24)])

    answer = costs(database)

    assert (answer.priced, answer.partial, answer.unpriced, answer.unreported) == (3, 1, 0, 0)
    assert (answer.cost_usd, answer.failures_cost_usd) == (7.0, 2.0)
    assert [(day.cost_usd, day.partial) for day in answer.by_day] == [(6.0, 1), (1.0, 0)]
    assert answer.accuracy.compared == 2


def test_spend_is_told_by_day(database):
    """In UTC; a day without reported costs is not a day without cost."""
    database.append([paid(1.0, 2.0), paid(1.0, 3.0, 2, success=False), ExecutionRecord(task_type="x", timestamp=START)])
    database.append([ExecutionRecord(task_type="x", timestamp=START + 3 * DAY)])

    assert costs(database).by_day == (
        DaySpend("2026-11-01", 2, 2.0, 0.0, 0, 0),
        DaySpend("2026-11-02", 1, 3.0, 3.0, 0, 0),
        DaySpend("2026-11-04", 1, None, None, 0, 0),
    )


def test_correction_is_what_to_multiply_with(database):
    """For each task type and tier, the one with the most executions first."""
    database.append([paid(1.0, 2.0) for _ in range(3)] + [paid(1.0, 0.5, task_type="review") for _ in range(5)])

    first, second = costs(database).corrections

    assert (first.task_type, first.model_tier, first.compared) == ("review", "small", 5)
    assert (first.factor, first.raw_factor, first.weight) == (approx(0.5), approx(0.5), 1.0)
    assert (second.task_type, second.factor) == ("fix", approx(2.0))


def test_correction_is_tested_on_the_last_fifth(database):
    """Learned before it, and nothing of it."""
    database.append([paid(1.0, 2.0, hours) for hours in range(8)])
    database.append([paid(1.0, 4.0, hours) for hours in (8, 9)])

    tested = costs(database).correction_test

    assert (tested.since, tested.learned_from, tested.tested_on) == (START + 8 * HOUR, 8, 2)
    assert tested.error_before == pytest.approx(3.0, rel=1e-3)  # by a factor of 4
    assert tested.error_after == pytest.approx(1.0, rel=1e-3)  # of which 2 is left


def test_correction_that_does_not_help_says_so(database):
    """Where the last fifth is as estimated, and what was before is not."""
    database.append([paid(1.0, 2.0, hours) for hours in range(8)] + [paid(1.0, 1.0, 9 + n) for n in range(2)])

    tested = costs(database).correction_test

    assert tested.error_before == pytest.approx(0.0, abs=1e-3)
    assert tested.error_after == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize(("count", "is_tested"), [(4, False), (5, True)])
def test_too_few_to_learn_from_and_try_on_are_not_tested(database, count, is_tested):
    """A fifth of four is none."""
    database.append([paid(1.0, 2.0, hours) for hours in range(count)])

    assert (costs(database).correction_test is not None) == is_tested


def test_executions_of_one_moment_are_not_tested(database):
    """Nothing is before the last fifth."""
    database.append([paid(1.0, 2.0) for _ in range(10)])

    assert costs(database).correction_test is None


def test_hostile_values_are_only_values(database):
    """Names are data, and numbers beyond all sense count as the most that makes sense."""
    database.append([paid(1e-300, 1e300, task_type="'; DROP TABLE executions; --") for _ in range(6)])
    database.append([paid(1e300, 1e-300, hours, task_type="\u202e\U0001f600") for hours in range(6)])

    answer = costs(database)

    assert all(math.isfinite(value) for each in answer.corrections for value in (each.factor, each.raw_factor))
    assert math.isfinite(answer.correction_test.error_after)
    assert answer.cost_usd == pytest.approx(6e6)
    assert costs(database, Selection(task_type="\u202e\U0001f600")).executions == 6


@settings(max_examples=40)
@given(
    records=st.lists(NEW, max_size=14),
    rolled_up=st.integers(0, 14),
    window=st.sampled_from([None, (90, 3000), (0, 1530)]),
    filters=st.sampled_from([{}, {"repo": "a"}]),
)
def test_costs_are_what_the_rows_say(records, rolled_up, window, filters):
    """However much of them is rolled up, and wherever the asked time cuts through a day."""
    since, until = (START + timedelta(minutes=minutes) for minutes in window) if window else (None, None)
    with database_of(records, rolled_up) as asked:
        rows = [
            row
            for row in asked.executions()
            if (window is None or since <= datetime.fromisoformat(row["timestamp"]) < until)
            and (row["repo"] or "unknown") == filters.get("repo", row["repo"] or "unknown")
        ]
        answer = costs(asked, Selection(since=since, until=until, **filters))

    assert (answer.executions, answer.priced) == (len(rows), sum(map(is_priced, rows)))
    assert answer.partial == sum(map(is_partial, rows))
    assert answer.cost_usd == close(spent(rows))
    assert answer.failures_cost_usd == close(spent_on_failures(rows))
    check_days(answer.by_day, rows)
    check_accuracy(answer.accuracy, [row for row in rows if is_compared(row)])
    check_test(answer.correction_test, [row for row in rows if has_ratio(row)])
    assert sum(each.compared for each in answer.corrections) == sum(map(has_ratio, rows))


def has_ratio(row):
    return is_compared(row) and row["actual_cost"] > 0 and row["cost_estimate"] > 0


def close(value):
    return None if value is None else pytest.approx(value, rel=1e-5, abs=1e-6)


def check_days(found, rows):
    days = defaultdict(list)
    for row in rows:
        days[row["timestamp"][:10]].append(row)
    assert [day.day for day in found] == sorted(days)
    for day in found:
        assert day.executions == len(days[day.day])
        assert day.cost_usd == close(spent(days[day.day]))
        assert day.unpriced == sum(row["cost_source"] == "unpriced" for row in days[day.day])
        assert day.partial == sum(map(is_partial, days[day.day]))


def check_accuracy(found, rows):
    if not rows:
        assert found is None
        return
    actual, estimate = (sum(row[name] for row in rows) for name in ("actual_cost", "cost_estimate"))
    shares = [abs(row["actual_cost"] - row["cost_estimate"]) / row["actual_cost"] for row in rows if row["actual_cost"]]
    off = sum(abs(row["actual_cost"] - row["cost_estimate"]) for row in rows)
    assert (found.compared, found.estimate_usd, found.actual_usd) == (len(rows), close(estimate), close(actual))
    assert found.bias == (close((estimate - actual) / actual) if actual else None)
    assert found.wape == (close(off / actual) if actual else None)
    assert found.mape == (close(sum(shares) / len(shares)) if shares else None)


def check_test(found, rows):
    """Work out where the last fifth begins, and what is before it."""
    position = math.ceil(len(rows) * 0.8)
    since = rows[position]["timestamp"] if position < len(rows) else None
    late = [row for row in rows if since is not None and row["timestamp"] >= since]
    if not late or len(late) == len(rows):
        assert found is None
        return
    assert found.since == datetime.fromisoformat(since)
    assert (found.learned_from, found.tested_on) == (len(rows) - len(late), len(late))
    squares = [math.log(row["actual_cost"] / row["cost_estimate"]) ** 2 for row in late]
    assert found.error_before == pytest.approx(math.expm1(math.sqrt(sum(squares) / len(late))), rel=1e-3, abs=1e-3)
