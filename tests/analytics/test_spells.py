"""Days in a row that differ: found with their days and their place, and not where days differ anyway."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning_instrument.analytics.spells import LEVELS, by_value, contrast_of, find_place, find_spell, is_still_one

DAYS = [f"2026-11-{number:02}" for number in range(1, 29)]
LAST = DAYS[14:]


def shares(rates, count=100, name=("fix", "small")):
    """Return days of so many executions of one cell, of which about a share succeeded."""
    return {day: {name: (float(round(rate * count)), float(count))} for day, rate in zip(DAYS, rates, strict=True)}


def together(*groups):
    return {day: {name: part for days in groups for name, part in days[day].items()} for day in DAYS}


def drawn(chance, rate=0.9, count=100, deviation=0.0):
    logit = math.log(rate / (1 - rate))
    rates = [1 / (1 + math.exp(-logit - chance.gauss(0, deviation))) for _ in DAYS]
    return shares([sum(chance.random() < each for _ in range(count)) / count for each in rates], count)


def test_fall_is_found_with_its_days():
    """The share on these days, and on the others."""
    rates = [0.95, 0.94, 0.96, 0.95] * 7
    rates[20:22] = [0.6, 0.62]

    spell = find_spell("success", shares(rates), LAST)

    assert (spell.first, spell.last, spell.is_over, spell.is_higher) == (DAYS[20], DAYS[21], True, False)
    assert spell.contrast.inside == pytest.approx(0.61)
    assert spell.contrast.outside == pytest.approx(0.95, abs=0.002)
    assert spell.other_days == 26
    assert spell.p_value < 1e-6


def test_fall_that_lasts_is_not_over():
    """Its last day is the last one."""
    spell = find_spell("success", shares([0.95] * 23 + [0.7] * 5), LAST)

    assert (spell.first, spell.last, spell.is_over) == (DAYS[23], DAYS[27], False)


def test_spell_before_the_period_is_none_of_it():
    """A run begins in the period."""
    rates = [0.95] * 28
    rates[3:6] = [0.5] * 3

    assert find_spell("success", shares(rates), LAST) is None


def test_difference_that_does_not_matter_is_no_spell():
    """However many executions show it: it is below two points, or a tenth of the cost."""
    rates = [0.95] * 28
    rates[20:22] = [0.935] * 2

    assert find_spell("success", shares(rates, 100_000), LAST) is None


def test_harder_tasks_are_no_spell():
    """The days have more of what fails more often anyway."""
    easy = {day: {("docs",): (95.0, 100.0) if day < DAYS[20] else (19.0, 20.0)} for day in DAYS}
    hard = {day: {("fix",): (12.0, 20.0) if day < DAYS[20] else (60.0, 100.0)} for day in DAYS}

    assert find_spell("success", together(easy, hard), LAST) is None


def test_few_days_and_few_executions_tell_nothing():
    """Five other days and 20 executions it takes."""
    assert find_spell("success", {day: {("fix",): (9.0, 10.0)} for day in DAYS[:1]}, DAYS[:1]) is None
    assert find_spell("success", {}, LAST) is None
    rates = [1.0] * 28
    rates[20] = 0.0

    assert find_spell("success", shares(rates, 10), LAST) is None


def test_costs_and_durations_are_ratios():
    """A mean, and a geometric mean."""
    chance = random.Random(1)
    spread = [chance.uniform(0.95, 1.05) for _ in DAYS]
    dear = {
        day: {("fix",): (2.0 * of * (1.8 if day >= DAYS[22] else 1), 100.0)}
        for day, of in zip(DAYS, spread, strict=True)
    }
    slow = {
        day: {("fix",): (100 * math.log(3.0 * of * (0.5 if day >= DAYS[22] else 1)), 100.0)}
        for day, of in zip(DAYS, spread, strict=True)
    }

    cost, duration = find_spell("cost", dear, LAST), find_spell("duration", slow, LAST)

    assert (cost.first, duration.first) == (DAYS[22], DAYS[22])
    assert cost.contrast.ratio == pytest.approx(1.8, rel=0.05)
    assert duration.contrast.ratio == pytest.approx(0.5, rel=0.05)
    assert duration.contrast.outside == pytest.approx(3.0, rel=0.05)
    assert is_still_one(cost, dear, 0.95)
    assert not is_still_one(cost, dear, 0.55)


def test_place_is_where_most_of_the_change_is():
    """All of it, where the others are as on other days."""
    rates = [0.95] * 28
    rates[20:22] = [0.4] * 2
    small, large = shares(rates), shares([0.95, 0.96] * 14, name=("fix", "large"))
    days = together(small, large)
    spell = find_spell("success", days, LAST)

    place = find_place(spell, "model_tier", by_value(days, 1))

    assert (place.by, place.value, place.is_all) == ("model_tier", "small", True)
    assert place.contrast.inside == pytest.approx(0.4)
    assert find_place(spell, "task_type", by_value(days, 0)) is None


def test_change_of_all_has_no_place():
    """Both tiers fell."""
    rates = [0.95] * 28
    rates[20:22] = [0.4] * 2
    days = together(shares(rates), shares(rates, name=("fix", "large")))

    assert find_place(find_spell("success", days, LAST), "model_tier", by_value(days, 1)) is None


@pytest.mark.parametrize("deviation", [0.0, 0.4])
def test_days_that_differ_anyway_are_seldom_a_spell(deviation):
    """In no more of 200 histories than its level says, by far; a fall by 20 points on two days is found in most."""
    chance = random.Random(3)
    histories = [drawn(chance, deviation=deviation) for _ in range(200)]
    fallen = [dict(days) for days in histories[:50]]
    for days in fallen:
        for day in DAYS[20:22]:
            days[day] = {name: (max(0.0, total - 25), count) for name, (total, count) in days[day].items()}

    found = [find_spell("success", days, LAST) for days in histories]
    of_fallen = [find_spell("success", days, LAST) for days in fallen]

    assert sum(spell is not None for spell in found) <= 2 * LEVELS["success"] * len(histories)
    assert sum(spell is not None and spell.first <= DAYS[20] <= spell.last for spell in of_fallen) > 40


PART = st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda pair: (float(min(pair)), float(max(pair))))


@settings(deadline=None, max_examples=100)
@given(
    st.dictionaries(
        st.sampled_from(DAYS), st.dictionaries(st.sampled_from([("a", "x"), ("a", "y"), ("b", "x")]), PART), max_size=28
    ),
    st.sampled_from(["success", "cost", "duration", "queue wait"]),
)
def test_any_days_have_an_answer(days, figure):
    """A spell is in its period, its probability is one, and its figures are those of its days."""
    days = {day: {name: part for name, part in cells.items() if part[1]} for day, cells in days.items()}

    spell = find_spell(figure, days, LAST)

    if spell is not None:
        assert LAST[0] <= spell.first <= spell.last <= LAST[-1]
        assert 0 <= spell.p_value <= LEVELS[figure]
        parts = [part for day, cells in days.items() if spell.first <= day <= spell.last for part in cells.values()]
        mean = sum(total for total, _ in parts) / sum(count for _, count in parts)
        assert spell.contrast.inside == pytest.approx(math.exp(mean) if figure == "duration" else mean)
        assert spell.contrast == contrast_of(figure, days, spell.first, spell.last)
        find_place(spell, "task_type", by_value(days, 0))
