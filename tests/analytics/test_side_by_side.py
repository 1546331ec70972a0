"""Values of a dimension side by side: figures over the mix that they share, unknown costs, and which are dominated."""

import math
import random
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from asking import NOON, record
from executions import database_of

from learning_instrument.analytics import (
    Alternative,
    Estimate,
    Proportion,
    Selection,
    SideBySide,
    alternative_words,
    blocks,
    headings,
    side_by_side,
)
from learning_instrument.errors import ConfigurationError


def some(count, good, cost=0.01, *, seconds=10.0, seed=1, days=1, **fields):
    """Return executions of which the share *good* succeeds, evenly spread, with a spread of costs and durations."""
    generator = random.Random(f"{seed} {fields}")
    return [
        record(
            success=math.floor((number + 1) * good + 1e-9) > math.floor(number * good + 1e-9),
            duration_seconds=seconds * generator.lognormvariate(0, 0.3),
            actual_cost=None if cost is None else cost * generator.lognormvariate(0, 0.3),
            timestamp=NOON + timedelta(days=number % days, seconds=number),
            **fields,
        )
        for number in range(count)
    ]


def by_value(found):
    return {alternative.value: alternative for alternative in found.alternatives}


def test_tiers_are_weighted_to_one_mix_of_tasks(database):
    """Large has the hard tasks, and is better on both kinds; raw shares would say the opposite."""
    database.append(
        [
            *some(900, 0.9, task_type="easy", model_tier="small"),
            *some(100, 0.5, task_type="hard", model_tier="small"),
            *some(100, 0.95, 0.1, task_type="easy", model_tier="large"),
            *some(900, 0.6, 0.1, task_type="hard", model_tier="large", seconds=20.0),
        ]
    )

    found = side_by_side(database, "model_tier")
    small, large = by_value(found)["small"], by_value(found)["large"]

    assert (found.mix, found.inconclusive, small.compared, large.compared) == (("task_type",), False, 1000, 1000)
    assert small.success.estimate == pytest.approx(0.7)
    assert large.success.estimate == pytest.approx(0.775)
    assert large.success.low < 0.775 < large.success.high
    assert large.duration_seconds.estimate == pytest.approx(10 * 2**0.5, rel=0.05)
    assert small.cost_usd.estimate == pytest.approx(0.01 * math.exp(0.045), rel=0.05)
    assert large.cost_per_success_usd.estimate == pytest.approx(large.cost_usd.estimate / 0.775, rel=0.05)
    assert (small.standing, large.standing) == ("not dominated", "not dominated")


def test_worse_and_dearer_is_dominated(database):
    """By each that is better; the others are not."""
    database.append(some(400, 0.9, 0.01, model_tier="small") + some(300, 0.9, 0.05, model_tier="medium"))
    database.append(some(400, 0.7, 0.06, model_tier="large"))

    found = by_value(side_by_side(database, "model_tier"))

    assert (found["small"].standing, found["small"].dominated_by) == ("not dominated", ())
    assert (found["medium"].standing, found["medium"].dominated_by) == ("dominated", ("small",))
    assert (found["large"].standing, found["large"].dominated_by) == ("dominated", ("small", "medium"))


def test_dearer_is_not_dominated_where_a_better_success_is_not_ruled_out(database):
    """Of 40 executions each, a loss of 5 points of success may be chance: there is too little data."""
    database.append(some(40, 0.9, 0.01, model_tier="small") + some(40, 0.9, 0.1, model_tier="large"))

    found = by_value(side_by_side(database, "model_tier"))

    assert (found["large"].standing, found["small"].standing) == ("too little data", "not dominated")


def test_equal_values_are_not_told_apart(database):
    """Neither dominates, and it is said."""
    database.append(some(200, 0.9, worker_id="a") + some(200, 0.9, worker_id="b", seed=2))

    found = by_value(side_by_side(database, "worker_id"))

    assert {alternative.standing for alternative in found.values()} == {"no difference shown"}


def test_unknown_cost_is_not_zero(database):
    """It is no saving: a value without a known cost dominates nothing, one with a lower bound neither."""
    database.append(some(300, 0.7, 0.05, model_tier="dear") + some(300, 0.9, None, model_tier="unreported"))
    database.append(some(300, 0.9, 0.0, model_tier="unpriced", cost_source="unpriced"))
    database.append(some(300, 0.9, 0.001, model_tier="partial", cost_source="partial"))

    found = by_value(side_by_side(database, "model_tier"))

    assert {value: each.cost_status for value, each in found.items()} == {
        "dear": "known", "unreported": "unknown", "unpriced": "unknown", "partial": "lower bound"
    }  # fmt: skip
    assert found["unpriced"].cost_usd is found["unreported"].cost_per_success_usd is None
    assert (found["unpriced"].unpriced, found["unreported"].unreported, found["partial"].partial) == (300, 300, 300)
    assert (found["dear"].standing, found["dear"].dominated_by) == ("too little data", ())
    assert (found["unpriced"].standing, found["unreported"].standing) == ("cost unknown", "cost unknown")


def test_known_zero_is_the_lowest_cost(database):
    """A model of one's own that reports $0 dominates a dear one that is no better."""
    database.append(some(300, 0.9, 0.05, model="dear") + some(300, 0.9, 0.0, model="own"))

    found = by_value(side_by_side(database, "model"))

    assert (found["own"].cost_usd.estimate, found["own"].cost_per_success_usd.estimate) == (0.0, 0.0)
    assert (found["dear"].dominated_by, found["own"].standing) == (("own",), "not dominated")


def test_value_without_a_success_has_no_cost_for_each(database):
    """And is dominated by one that succeeds."""
    database.append(some(100, 0.0, 0.01, model="never") + some(100, 0.9, 0.01, model="often"))

    found = by_value(side_by_side(database, "model"))

    assert (found["never"].cost_per_success_usd, found["never"].dominated_by) == (None, ("often",))
    assert found["never"].cost_usd is not None


def test_value_with_other_tasks_is_not_compared(database):
    """Its figures are those of its own tasks; the others keep their mix."""
    database.append(some(100, 0.9, pool_type="a") + some(100, 0.8, pool_type="b"))
    database.append(some(90, 0.5, pool_type="c", task_type="other") + some(5, 1.0, pool_type="d"))

    found = side_by_side(database, "pool_type")
    values = by_value(found)

    assert [values[name].compared for name in "abcd"] == [100, 100, 0, 0]
    assert (values["c"].standing, values["d"].standing) == ("not compared", "too little data")
    assert values["c"].success.estimate == pytest.approx(0.5)
    assert not found.inconclusive


def test_nothing_in_common_is_inconclusive(database):
    """Nor is one value alone compared with anything, nor none."""
    assert side_by_side(database, "pool_type").inconclusive
    database.append(some(100, 0.9, pool_type="a"))
    assert side_by_side(database, "pool_type").inconclusive
    database.append(some(100, 0.9, pool_type="b", task_type="other"))
    found = side_by_side(database, "pool_type")
    assert (found.inconclusive, [each.compared for each in found.alternatives]) == (True, [0, 0])


def test_pools_with_a_tier_each_are_compared_across_tiers(database):
    """The tier is a part of what they differ in."""
    database.append(
        some(100, 0.9, pool_type="a", model_tier="small") + some(90, 0.8, pool_type="b", model_tier="large")
    )

    found = side_by_side(database, "pool_type")

    assert (found.mix, [each.compared for each in found.alternatives]) == (("task_type",), [100, 90])


def test_others_are_counted(database):
    """The most frequent come first; what is beyond the limit is told."""
    for number in range(5):
        database.append(some(20 + number, 1.0, metadata={"task": {"version": f"1.{number}"}}))

    found = side_by_side(database, "metadata.version", limit=2)

    assert [each.value for each in found.alternatives] == ["1.4", "1.3"]
    assert (found.others, found.others_executions) == (3, 63)
    assert side_by_side(database, "metadata.version", limit=None).others == 0
    assert [each.value for each in side_by_side(database, "task_type", limit=1).alternatives] == ["fix"]


def test_selection_holds_for_all(database):
    """As in every report."""
    database.append(some(30, 1.0, pool_type="a", repo="x") + some(30, 1.0, pool_type="a", repo="y"))

    (found,) = side_by_side(database, "pool_type", Selection(repo="x")).alternatives

    assert found.executions == 30


@pytest.mark.parametrize(("by", "limit"), [("success", 1), ("nothing", 1), (("a", "b"), 1), ("model", 0)])
def test_other_arguments_are_refused(database, by, limit):
    """By one name, which is not that of a figure."""
    with pytest.raises(ConfigurationError, match=r"Invalid (by|limit)"):
        side_by_side(database, by, limit=limit)


def test_roll_ups_and_rows_agree(monkeypatch):
    """Days of roll-ups are the blocks where there are some weeks of them; estimates are the same."""
    records = [
        *rated(600, 80, 1, days=30, model_tier="small"),
        *rated(600, 85, 2, days=30, model_tier="large", task_type="docs"),
        *rated(600, 80, 3, days=30, model_tier="large"),
        *rated(600, 75, 1, days=30, model_tier="small", task_type="docs"),
    ]
    with database_of(records, rolled_up=2000) as database:
        from_days = by_value(side_by_side(database, "model_tier"))
        monkeypatch.setattr(blocks, "ENOUGH_DAYS", 40)
        from_rows = by_value(side_by_side(database, "model_tier"))

    for value in ("small", "large"):
        for name in ("success", "duration_seconds", "cost_usd", "cost_per_success_usd", "quality"):
            one, other = getattr(from_rows[value], name), getattr(from_days[value], name)
            assert one.estimate == pytest.approx(other.estimate, rel=1e-6)
            assert (one.high - one.low) == pytest.approx(other.high - other.low, rel=0.5)
        assert from_days[value].cost_usd.low != from_rows[value].cost_usd.low  # they have different blocks


def hard(share, complexity, **fields):
    """Return executions of which fewer succeed the more complex their task is."""
    generator = random.Random(f"{complexity} {fields}")
    scores = [min(99.0, max(0.0, generator.gauss(complexity, 15))) for _ in range(800)]
    return [
        record(success=generator.random() < share - score / 200, complexity_score=score, **fields) for score in scores
    ]


def test_harder_tasks_are_no_worse_value(database):
    """Complexity is in the mix where it is known: a tier that gets the hard tasks is weighted to the same ones."""
    database.append([*hard(1.0, 40, model_tier="small"), *hard(1.0, 65, model_tier="large")])

    found = side_by_side(database, "model_tier")
    small, large = by_value(found)["small"], by_value(found)["large"]

    assert (found.has_complexity, found.mix) == (True, ("task_type",))
    assert small.success.estimate - large.success.estimate == pytest.approx(0.0, abs=0.06)
    raw = [
        sum(each.success for each in hard(1.0, of, model_tier=tier)) / 800
        for tier, of in (("small", 40), ("large", 65))
    ]
    assert raw[0] - raw[1] > 0.1
    assert 800 * 0.4 < large.compared < 800


def test_complexity_of_one_value_alone_is_not_in_the_mix(database):
    """And it is said that it is not."""
    database.append([*hard(1.0, 40, model_tier="small"), *some(300, 0.8, model_tier="large", complexity_score=None)])

    found = side_by_side(database, "model_tier")

    assert (found.has_complexity, [each.compared for each in found.alternatives]) == (False, [800, 300])


def test_value_that_is_comparable_only_without_its_bands_is_no_fault(database):
    """The values that share the bands of complexity may be others than those that share the tasks."""
    easy, difficult = {"complexity_score": 15.0}, {"complexity_score": 75.0}
    database.append(
        [
            *some(120, 0.8, pool_type="first", task_type="fix", **easy),
            *some(10, 0.8, pool_type="first", task_type="review", **easy),
            *some(10, 0.8, pool_type="second", task_type="fix", **difficult),
            *some(70, 0.8, pool_type="second", task_type="review", **difficult),
            *some(50, 0.8, pool_type="third", task_type="fix", **easy),
        ]
    )

    found = side_by_side(database, "pool_type")

    assert not found.has_complexity
    assert [each.value for each in found.alternatives if each.compared] == ["first", "second"]


def test_complexity_of_too_many_executions_is_left_out_where_roll_ups_answer():
    """And it is said that it is: fewer are compared with it, and so are those whose sums no roll-up has."""
    fields = {"days": 30, "complexity_score": 50.0}
    records = [
        *some(600, 0.9, model_tier="small", model="a", **fields),
        *some(600, 0.9, model_tier="large", model="b", **fields),
    ]
    with database_of(records, rolled_up=2000) as database:
        many = side_by_side(database, "model_tier", most_read=1199)
        few = side_by_side(database, "model_tier", most_read=1200)
        unrolled = side_by_side(database, "model", most_read=1199)

    assert (many.has_complexity, many.skips_complexity) == (False, True)
    assert "whatever their complexity" in headings.of_side_by_side(many).evidence
    for found in (few, unrolled):
        assert (found.has_complexity, found.skips_complexity) == (True, False)
        assert "complexity" not in headings.of_side_by_side(found).evidence
    assert [(each.compared, each.success.estimate) for each in many] == [(600, pytest.approx(0.9))] * 2


def test_bursts_widen_intervals(database):
    """An outage is one piece of evidence, not as many as it has failures."""
    database.append(some(600, 0.9, worker_id="even"))
    times = [NOON + timedelta(seconds=number) for number in range(600)]
    database.append(
        [record(worker_id="burst", timestamp=time, success=not 300 <= at < 360) for at, time in enumerate(times)]
    )

    found = by_value(side_by_side(database, "worker_id"))
    even, burst = (found[value].success for value in ("even", "burst"))

    assert (even.estimate, burst.estimate) == (pytest.approx(0.9), pytest.approx(0.9))
    assert burst.high - burst.low > 1.7 * (even.high - even.low)


def test_few_lower_bounds_leave_a_saving_one(database):
    """One cost of 20 may be a lower bound; with more of them, a saving may be what is unknown."""
    few = some(19, 0.95, 0.001, cost_source="partial", model_tier="small")
    dear = some(400, 0.9, 0.1, model_tier="large")
    database.append([*some(381, 0.95, 0.001, model_tier="small"), *few, *dear])

    assert by_value(side_by_side(database, "model_tier"))["large"].standing == "dominated"

    database.append(some(5, 0.95, 0.001, cost_source="partial", model_tier="small"))

    assert by_value(side_by_side(database, "model_tier"))["large"].standing != "dominated"


def rated(count, mean, every=2, **fields):
    """Return executions, each *every*th of which has a quality around *mean*."""
    generator = random.Random(f"{mean} {fields}")
    each = some(count, 0.9, **fields)
    scores = (min(100.0, max(0.0, generator.gauss(mean, 8))) for _ in each)
    return [
        replace(one, quality_score=score if at % every == 0 else None)
        for at, (one, score) in enumerate(zip(each, scores, strict=True))
    ]


def test_quality_is_weighted_to_one_mix_of_tasks(database):
    """Of the executions that have one, which are counted: large has the hard tasks, and is as good at both kinds."""
    for tier, easy, hard in (("small", 600, 200), ("large", 200, 600)):
        database.append(
            [*rated(easy, 90, task_type="easy", model_tier=tier), *rated(hard, 60, task_type="hard", model_tier=tier)]
        )

    found = side_by_side(database, "model_tier")
    small, large = by_value(found)["small"], by_value(found)["large"]

    assert (small.rated, large.rated) == (400, 400)
    for each in (small, large):
        assert each.quality.estimate == pytest.approx(75.0, abs=1.5)
        assert 1 < each.quality.high - each.quality.low < 4
    assert alternative_words.of_quality(found).text.startswith("Quality does not tell the 2 tiers apart: ")


def test_quality_that_differs_is_told_with_how_many_have_one(database):
    """Beyond chance, of those in the mix."""
    database.append([*rated(200, 80, model_tier="small"), *rated(200, 88, model_tier="large")])
    database.append(some(200, 0.9, model_tier="other"))

    heading = alternative_words.of_quality(side_by_side(database, "model_tier"))

    assert re.fullmatch(
        r"Quality is higher in tier large \(8\d\.\d of 100\) than in small \((79|80)\.\d\)", heading.text
    )
    assert heading.evidence == "not by chance; 200 of 600 executions have a quality"


def test_quality_of_few_is_not_compared_and_of_none_is_not_told(database):
    """Nor is a quality made up for the value that has none."""
    database.append(some(100, 0.9, model_tier="small") + some(100, 0.9, model_tier="large"))
    found = side_by_side(database, "model_tier")
    assert alternative_words.of_quality(found) is None
    assert [(each.rated, each.quality) for each in found] == [(0, None)] * 2

    database.append(rated(8, 80, 1, model_tier="small"))
    found = side_by_side(database, "model_tier")
    assert alternative_words.of_quality(found).text == "Too few executions have a quality to compare tiers by it"
    assert by_value(found)["large"].quality is None


def test_highest_of_many_values_is_beyond_chance_where_it_is_of_all_pairs():
    """Where values are alike, one in twenty findings at most is wrong: eight values have 28 pairs."""
    chance = random.Random(1)
    wrong = 0
    for _ in range(400):
        each = [chance.gauss(80, 1) for _ in range(8)]
        found = SideBySide(
            "worker_id",
            (),
            tuple(alternative(f"{at}", Estimate(mean, mean - 1.96, mean + 1.96)) for at, mean in enumerate(each)),
            0,
            0,
        )
        wrong += alternative_words.of_quality(found).text.startswith("Quality is higher")
    assert wrong <= 32


def alternative(value, quality):
    """Return a value with *quality*, of which nothing else is told."""
    return Alternative(
        value,
        100,
        0,
        100,
        Proportion(0.9, 0.8, 0.95),
        None,
        None,
        None,
        "unknown",
        0,
        0,
        0,
        "cost unknown",
        (),
        rated=100,
        quality=quality,
    )
