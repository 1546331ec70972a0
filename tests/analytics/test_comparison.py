"""Before and after: what is reported, what is not, and what could not have been seen."""

import math
import random
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone

import pytest

from learning_instrument import ExecutionRecord
from learning_instrument.analytics.comparison import Gate, compare
from learning_instrument.analytics.mix import ENOUGH
from learning_instrument.analytics.sides import Version, side
from learning_instrument.database import store_of
from learning_instrument.errors import ConfigurationError
from learning_instrument.sqlite.selection import Selection
from tests.statistics.comparison import compared
from tests.statistics.worlds import HARDER, WORLDS, World

NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
OLD, NEW = Version("version", "1"), Version("version", "2")


def executions(version, count, success=0.9, seconds=10.0, dollars=0.02, seed=1, since=NOON, **values):
    """Return executions of which that share succeeds, in no order, with a spread of durations and costs."""
    generator = random.Random(f"{seed} {version}")
    succeed = [number < success * count for number in range(count)]
    generator.shuffle(succeed)
    return [
        ExecutionRecord(
            **{"task_type": "fix", "model_tier": "medium", "metadata": {"task": {"version": version}}, **values},
            timestamp=since + timedelta(seconds=number),
            success=is_success,
            duration_seconds=seconds * generator.lognormvariate(0, 0.5),
            actual_cost=dollars * generator.lognormvariate(0, 0.5),
        )
        for number, is_success in enumerate(succeed)
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
    """Of each side and each cell; a failure is none, also where its row says so."""
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
            database.append(executions("1", 100, success, repo=repo, since=NOON + timedelta(days=days)))
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


def outage(version, count, fails_from, fails_until):
    """Return executions of one minute each, all of which fail from one to another."""
    return [
        ExecutionRecord(
            task_type="fix",
            metadata={"task": {"version": version}},
            timestamp=NOON + timedelta(minutes=number),
            success=not fails_from <= number < fails_until and number % 10 != 0,
        )
        for number in range(count)
    ]


def test_one_outage_is_no_change(database):
    """The same failures, spread over all executions, are one."""
    database.append(outage("1", 300, 0, 0) + outage("2", 300, 150, 180))
    spread = executions("3", 300, success=0.81)
    database.append(spread)

    assert compare(database, OLD, NEW).success.verdict == "no change"
    assert compare(database, OLD, Version("version", "3")).success.verdict == "worse"


def by_day(version, rates, first=0, count=400):
    """Return so many executions on each of consecutive days, of which that share succeeds."""
    return [
        each
        for day, rate in enumerate(rates, first)
        for each in executions(version, count, rate, seed=day, since=NOON + timedelta(days=day))
    ]


def test_days_that_differ_too_much_are_said_to_be_too_few(database):
    """Two on each side; the difference of the sides is that of the days."""
    database.append(by_day("1", [0.95, 0.80]) + by_day("2", [0.70, 0.85], first=2))

    comparison = compare(database, OLD, NEW)

    assert comparison.success.verdict == "too few days"
    assert comparison.success.needed is None
    assert (comparison.regression, comparison.inconclusive) == (False, True)


def test_days_that_are_alike_are_enough(database):
    """However few."""
    database.append(by_day("1", [0.9, 0.9]) + by_day("2", [0.8, 0.8], first=2))

    assert compare(database, OLD, NEW).success.verdict == "worse"


def test_days_that_both_sides_have_are_no_difference_of_theirs(database):
    """A bad day is one for both versions."""
    rates = [0.95, 0.5, 0.9, 0.6]
    database.append(by_day("1", rates) + by_day("2", [rate - 0.1 for rate in rates]))

    assert compare(database, OLD, NEW).success.verdict == "worse"


def test_needed_executions_show_the_change_of_the_gate(database):
    """So many more of the same, and a change of the gate's size can be seen."""
    database.append(executions("1", 100) + executions("2", 100, seed=2))

    change = compare(database, OLD, NEW, gate=Gate(success=0.05)).success

    assert change.needed == pytest.approx(100 * (change.detectable / 0.05) ** 2, abs=1)
    assert compare(database, OLD, NEW, gate=Gate(success=0)).success.needed is None


def test_one_day_against_another_is_said(database):
    """Unless both sides are of that day."""
    database.append(by_day("1", [0.9]) + by_day("2", [0.9], first=1) + by_day("3", [0.9], first=1))

    assert compare(database, OLD, NEW).is_day_against_day
    assert not compare(database, NEW, Version("version", "3")).is_day_against_day


def test_task_type_that_only_the_side_after_has_is_a_finding_where_it_fails(database):
    """A regression without a like before; one that goes as well as the others is none."""
    database.append(executions("1", 300) + executions("2", 300, seed=2))
    database.append(executions("2", 500, success=0.1, task_type="new") + executions("2", 300, task_type="fine"))

    comparison = compare(database, OLD, NEW)

    (finding,) = comparison.findings
    assert (finding.what, finding.executions) == ("task type new, tier medium", 500)
    assert (finding.failed_share, finding.stated_share) == pytest.approx((0.9, 0.2))
    assert finding.against == "all executions before"
    assert (comparison.changes, comparison.regression, comparison.inconclusive) == ((), True, False)
    assert compare(database, NEW, OLD).findings == ()


def test_new_tier_is_held_against_its_task_type(database):
    """A hard one is not held against the easy ones."""
    database.append(executions("1", 200) + executions("1", 200, success=0.4, task_type="hard"))
    database.append(executions("2", 200, seed=2) + executions("2", 200, 0.4, task_type="hard", model_tier="large"))
    assert compare(database, OLD, NEW).findings == ()

    database.append(executions("2", 200, success=0.1, task_type="hard", model_tier="small"))

    assert [(each.what, each.against) for each in compare(database, OLD, NEW).findings] == [
        ("task type hard, tier small", "task type hard before")
    ]


def test_few_failures_of_a_new_task_type_are_chance(database):
    """Three of five."""
    database.append(executions("1", 300) + executions("2", 300, seed=2))
    database.append(executions("2", 5, success=0.4, task_type="new"))

    assert compare(database, OLD, NEW).findings == ()


def test_comparison_of_few_of_the_executions_is_inconclusive(database):
    """Most are of task types that the other side lacks."""
    database.append(executions("1", 100) + executions("2", 100, seed=2))
    assert not compare(database, OLD, NEW).inconclusive

    database.append(executions("2", 300, task_type="new"))

    assert compare(database, OLD, NEW).inconclusive


def of_complexity(version, scores):
    """Return executions that fail the more often the more complex they are, 0 to 8 of 10."""
    return [
        ExecutionRecord(
            task_type="fix",
            metadata={"task": {"version": version}},
            complexity_score=score,
            timestamp=NOON + timedelta(minutes=index),
            success=index * 3 % 10 >= score // 12,
        )
        for index, score in enumerate(scores)
    ]


def test_harder_tasks_are_no_worse_worker(database):
    """Where their complexity is known."""
    generator = random.Random(1)
    easy, hard = ([min(99, max(0, generator.gauss(mean, 20))) for _ in range(600)] for mean in (40, 60))
    database.append(of_complexity("1", easy) + of_complexity("2", hard))

    comparison = compare(database, OLD, NEW)

    assert (comparison.success.verdict, comparison.has_complexity) == ("no change", True)
    assert comparison.complexity_share == 1.0

    stand_ins = [
        ExecutionRecord.from_dict({**record.to_dict(), "execution_id": None, "defaulted": ["complexity_score"]})
        for record in of_complexity("1", easy) + of_complexity("2", hard)
    ]
    database.append(stand_ins)

    comparison = compare(database, OLD, NEW, Selection(since=NOON))

    assert (comparison.has_complexity, comparison.complexity_share) == (True, 0.5)


def test_complexity_that_nothing_reported_is_not_in_the_mix(database):
    """And the share of which it is known says so."""
    database.append(
        [
            ExecutionRecord.from_dict({**record.to_dict(), "defaulted": ["complexity_score"]})
            for record in of_complexity("1", [10.0, 20.0] * 50) + of_complexity("2", [80.0, 70.0] * 50)
        ]
    )

    comparison = compare(database, OLD, NEW)

    assert (comparison.has_complexity, comparison.complexity_share) == (False, 0.0)
    assert comparison.success.verdict == "worse"


def said(world, pairs):
    """Return what is said of so many pairs of equal sides."""
    return [compared(world, seed) for seed in range(pairs)]


def test_few_pairs_of_each_world_report_a_change(subtests):
    """On a small seeded sample; the slow test has 300 pairs."""
    for world in WORLDS:
        if max(world.before, world.after) <= 300:
            with subtests.test(world=world.name):
                assert sum(bool(found.changes) for found in said(world, 4)) <= 1


def test_fall_of_success_is_seen():
    """From 0.90 to 0.80 in 300 executions a side."""
    verdicts = [compared(World("independent"), seed, 0.1).success.verdict for seed in range(12)]

    assert verdicts.count("worse") >= 8


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("world", [*WORLDS, *HARDER], ids=lambda world: world.name)
def test_changes_are_reported_in_5_percent_of_equal_pairs(world):
    """Within three standard errors of so many pairs; intervals cover 95%, and 93% where days differ."""
    pairs = 300 if max(world.before, world.after) <= 1000 else 60
    found = said(world, pairs)

    alarms = sum(each.regression or bool(each.changes) for each in found) / pairs
    covered = sum(each.success.low <= 0 <= each.success.high for each in found) / pairs
    assert alarms <= 0.05 + 3 * (0.05 * 0.95 / pairs) ** 0.5
    assert covered >= 0.93 - 3 * (0.07 * 0.93 / pairs) ** 0.5


@pytest.mark.parametrize("cost", [math.inf, 1e308])
def test_cost_beyond_belief_leaves_numbers(database, cost):
    """Another program stored it: as in roll-ups it counts as a million dollars."""
    database.append(
        [ExecutionRecord(task_type="fix", model_tier=tier, actual_cost=1.0) for tier in ("s", "l") for _ in range(30)]
    )
    with closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute("UPDATE executions SET actual_cost = ? WHERE model_tier = 'l'", (cost,))

    answer = compare(database, side("model_tier=s"), side("model_tier=l"))

    assert (answer.cost.before, answer.cost.after) == (1.0, pytest.approx(1e6))
