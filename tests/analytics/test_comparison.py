"""Before and after: what is reported, what is not, and what could not have been seen."""

import random
from datetime import datetime, timedelta, timezone

import pytest

from learning_instrument import ExecutionRecord
from learning_instrument.analytics.comparison import ENOUGH, Gate, compare
from learning_instrument.analytics.sides import Version
from learning_instrument.database import store_of
from learning_instrument.errors import ConfigurationError
from learning_instrument.sqlite.selection import Selection
from tests.benchmarks.comparison import simulate

NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
OLD, NEW = Version("version", "1"), Version("version", "2")


def executions(version, count, success=0.9, seconds=10.0, dollars=0.02, seed=1, **values):
    """Return executions of which that share succeeds, with a spread of durations and costs."""
    generator = random.Random(f"{seed} {version}")
    return [
        ExecutionRecord(
            **{"task_type": "fix", "model_tier": "medium", "metadata": {"task": {"version": version}}, **values},
            success=number < success * count,
            duration_seconds=seconds * generator.lognormvariate(0, 0.5),
            actual_cost=dollars * generator.lognormvariate(0, 0.5),
        )
        for number in range(count)
    ]


def test_worse_success_is_a_regression(database):
    """With both rates, the difference, its interval and how likely it is by chance."""
    database.append(executions("1", 300, success=0.9) + executions("2", 300, success=0.8))

    comparison = compare(database, OLD, NEW)

    change = comparison.success
    assert change.verdict == "worse"
    assert (change.before, change.after, change.effect) == pytest.approx((0.9, 0.8, -0.1))
    assert change.low < -0.1 < change.high < 0
    assert change.p_value < 0.001
    assert comparison.regression
    assert change in comparison.changes


def test_better_is_a_change_and_no_regression(database):
    """Faster and cheaper."""
    database.append(executions("1", 200) + executions("2", 200, seconds=5.0, dollars=0.01))

    comparison = compare(database, OLD, NEW)

    assert (comparison.duration.verdict, comparison.cost.verdict) == ("better", "better")
    assert comparison.duration.effect == pytest.approx(0.5, rel=0.15)
    assert comparison.success.verdict == "no change"
    assert not comparison.regression


def test_no_change_says_what_could_have_been_seen(database):
    """More data, a smaller change."""
    database.append(executions("1", 50) + executions("2", 50, seed=2))
    few = compare(database, OLD, NEW)
    database.append(executions("1", 450, seed=3) + executions("2", 450, seed=4))
    many = compare(database, OLD, NEW)

    assert few.changes == many.changes == ()
    assert 0 < many.success.detectable < few.success.detectable < 0.5
    assert 1 < many.duration.detectable < few.duration.detectable


def test_assumed_successes_are_counted(database):
    """Of each side and each cell; a failure is none, whatever its row says."""
    database.append(executions("1", 20, success=0.5, outcome_source="assumed") + executions("2", 30))

    comparison = compare(database, OLD, NEW)

    (cell,) = comparison.cells
    assert (comparison.before_assumed, comparison.after_assumed) == (10, 0)
    assert (cell.before_assumed, cell.after_assumed) == (10, 0)


@pytest.mark.parametrize("count", [0, 1, ENOUGH - 1])
def test_too_little_data_is_said(database, count):
    """And nothing is guessed."""
    database.append(executions("1", 100) + executions("2", count, success=0.0))

    comparison = compare(database, OLD, NEW)

    assert comparison.success.verdict == "too little data"
    assert comparison.success.effect is None
    assert not comparison.regression
    assert (comparison.before_executions, comparison.after_executions) == (100, count)


def test_another_mix_of_tasks_is_no_change(database):
    """The hard task is asked for more often, and each goes as well as before."""
    database.append(executions("1", 300, task_type="easy", success=0.95))
    database.append(executions("1", 100, task_type="hard", success=0.6, seconds=60))
    database.append(executions("2", 100, task_type="easy", success=0.95, seed=2))
    database.append(executions("2", 300, task_type="hard", success=0.6, seconds=60, seed=2))

    comparison = compare(database, OLD, NEW)

    assert comparison.success.effect == pytest.approx(0.0, abs=1e-9)
    assert comparison.changes == ()
    assert comparison.compared_share == 1.0


def test_cells_that_one_side_lacks_are_left_out_and_said_so(database):
    """They cannot be compared."""
    database.append(executions("1", 100) + executions("2", 100, seed=2) + executions("2", 50, task_type="new"))

    comparison = compare(database, OLD, NEW)

    assert comparison.compared_share == pytest.approx(200 / 250)
    assert comparison.success.after_executions == 100
    assert [(cell.task_type, cell.before_executions, cell.after_executions) for cell in comparison.cells] == [
        ("fix", 100, 100),
        ("new", 0, 50),
    ]
    assert {change.verdict for change in comparison.cells[1].changes} == {"too little data"}


def test_change_in_one_cell_is_found_there(database):
    """Where it is hidden in the whole."""
    for task_type in "abcdefgh":
        database.append(executions("1", 150, task_type=task_type))
        success = 0.5 if task_type == "h" else 0.95
        database.append(executions("2", 150, task_type=task_type, success=success, seed=2))

    comparison = compare(database, OLD, NEW)

    worse = [cell.task_type for cell in comparison.cells for change in cell.changes if change.verdict == "worse"]
    assert worse == ["h"]
    assert comparison.regression


def test_change_too_small_to_matter_is_negligible(database):
    """However certain it is."""
    database.append(executions("1", 300) + executions("2", 300, success=0.8))

    assert compare(database, OLD, NEW, gate=Gate(success=0.2)).success.verdict == "negligible"
    assert not compare(database, OLD, NEW, gate=Gate(success=0.2)).regression


def test_stand_ins_are_no_data(database):
    """Defaults of duration and cost are in no mean."""
    old = executions("1", 50)
    new = [
        ExecutionRecord.from_dict({**record.to_dict(), "defaulted": ["actual_cost", "duration_seconds"]})
        for record in executions("2", 50)
    ]
    database.append(old + new)

    comparison = compare(database, OLD, NEW)

    assert {comparison.duration.verdict, comparison.cost.verdict} == {"too little data"}
    assert (comparison.p95_before is None, comparison.p95_after is None) == (True, True)
    assert comparison.success.verdict == "no change"


def test_lower_bounds_of_costs_are_no_data(database):
    """They would look like savings; the other metrics have these executions."""
    database.append(executions("1", 100) + executions("2", 100, dollars=0.002, cost_source="partial"))
    database.append(executions("2", 100, seed=2))

    comparison = compare(database, OLD, NEW)

    assert (comparison.before_partial, comparison.after_partial) == (0, 100)
    assert (comparison.cost.verdict, comparison.cost.after_executions) == ("no change", 100)
    assert comparison.success.after_executions == 200


def test_windows_are_compared(database):
    """Of the executions that have something in common."""
    for days, success in ((-10, 0.9), (-1, 0.6)):
        for repo in "ab":
            database.append(executions("1", 100, success, repo=repo, timestamp=NOON + timedelta(days=days)))
    split = NOON - timedelta(days=5)

    comparison = compare(database, Selection(until=split), Selection(since=split), Selection(repo="a"))

    assert (comparison.before_executions, comparison.after_executions) == (100, 100)
    assert comparison.success.verdict == "worse"


def test_p95_is_beside_its_interval(database):
    """Of both sides."""
    database.append(executions("1", 200) + executions("2", 200, seconds=30))

    comparison = compare(database, OLD, NEW)

    assert comparison.p95_before.low < comparison.p95_before.p95 < comparison.p95_before.high
    assert comparison.p95_after.p95 > 2 * comparison.p95_before.p95


@pytest.mark.parametrize(
    ("stored", "asked"), [("1.10", "1.10"), (2, "2"), (True, "true"), (1.5, "1.5"), ('it\'s "x"', 'it\'s "x"')]
)
def test_metadata_values_are_compared_as_text(database, stored, asked):
    """Numbers and truth values too; and 1.1 is not 1.10. Metadata that were cut off are passed over."""
    database.append(executions(stored, 3) + executions("1.1", 2) + executions("1", 1))
    with store_of(database)._front.transaction() as connection:
        connection.execute("""UPDATE executions SET metadata = '{"task":{"ver' WHERE rowid = 6""")

    assert compare(database, Version("version", asked), Version("version", "1.1")).before_executions == 3


def test_two_repositories_are_two_sides(database):
    """Filters tell sides apart as well as windows do."""
    database.append(executions("1", 30, repo="a") + executions("1", 40, repo="b"))

    comparison = compare(database, Selection(repo="a"), Selection(repo="b"))

    assert (comparison.before_executions, comparison.after_executions) == (30, 40)


def test_gates_that_are_none_are_refused(subtests):
    """The ratio is at least 1."""
    for success, ratio in [(-0.1, 1.1), (2, 1.1), (0.1, 0.9), (0.1, float("nan"))]:
        with subtests.test(success=success, ratio=ratio), pytest.raises(ConfigurationError, match="Gate"):
            Gate(success, ratio)


@pytest.mark.parametrize("is_mixed", [False, True])
def test_false_alarms_are_rare_and_a_real_fall_is_seen(is_mixed):
    """On a seeded sample; the benchmark has a thousand pairs."""
    assert simulate(50, 100, 7, is_mixed=is_mixed).reported <= 0.12
    assert simulate(20, 300, 7, is_mixed=is_mixed, success_falls_by=0.1).regressions >= 0.6
