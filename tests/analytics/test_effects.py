"""Differences of two sides: published examples, and what must hold for any data."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.analytics.clustering import Sample
from learning_instrument.analytics.effects import ratio_effect, success_effect, weighted_quantile


def sample(values, step=0):
    """Return values of executions, one each *step* minutes."""
    made = Sample()
    for number, value in enumerate(values):
        made.add(f"2026-11-20T{number * step // 60:02}:{number * step % 60:02}", value)
    return made


def rates(*strata):
    """Return strata of successes and trials, in no order."""
    return [
        tuple(sample([1.0] * successes + [0.0] * (trials - successes)) for successes, trials in sides)
        for sides in strata
    ]


def logarithms(*strata):
    """Return strata of logarithms, in no order."""
    return [tuple(sample(values) for values in sides) for sides in strata]


@pytest.mark.parametrize(
    ("after", "before", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_newcombe_examples(before, after, low, high):
    """Table II of the paper, method 10."""
    effect = success_effect(rates((before, after)), 0.05, 0.02)

    assert (effect.low, effect.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_rates_are_of_one_task_mix():
    """An easy task that is asked for more often makes nothing better."""
    hard, easy = ((50, 100), (5, 10)), ((9, 10), (90, 100))  # 54% succeeded before, and 86% after

    effect = success_effect(rates(hard, easy), 0.05, 0.02)

    assert effect.before == pytest.approx(0.7)
    assert effect.after == pytest.approx(0.7)
    assert effect.p_value == 1.0


def test_everything_succeeding_shows_what_could_have_been_seen():
    """No spread is not certainty."""
    effect = success_effect(rates(((30, 30), (30, 30))), 0.05, 0.02)

    assert (effect.effect, effect.p_value) == (0.0, 1.0)
    assert 0.05 < effect.detectable < 0.25


def test_welch_example():
    """Two samples of equal size and unequal variance: t = 2.46 with 25 degrees of freedom."""
    one = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4]
    other = [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 20.5, 24.4]

    effect = ratio_effect(logarithms((one, other)), 0.05, 1.1)

    assert effect.p_value == pytest.approx(0.021, abs=5e-4)
    assert math.log(effect.effect) == pytest.approx(sum(other) / 15 - sum(one) / 15)
    assert effect.low > 1


def test_same_value_everywhere_is_no_error():
    """A clock that says the same each time."""
    assert ratio_effect(logarithms(([1.0, 1.0], [1.0, 1.0])), 0.05, 1.1).p_value == 1.0
    assert ratio_effect(logarithms(([0.0, 0.0], [1.0, 1.0])), 0.05, 1.1).effect == pytest.approx(math.e)


counts = st.integers(2, 200).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))


@given(strata=st.lists(st.tuples(counts, counts), min_size=1, max_size=5))
def test_success_effects_are_within_their_intervals(strata):
    """And turn round with the sides."""
    effect = success_effect(rates(*strata), 0.05, 0.02)
    turned = success_effect(rates(*[(after, before) for before, after in strata]), 0.05, 0.02)

    assert -1 <= effect.low <= effect.effect + 1e-12 <= effect.high + 2e-12 <= 1 + 3e-12
    assert 0 <= effect.p_value <= 1
    assert 0 < effect.detectable <= 1
    assert turned.effect == pytest.approx(-effect.effect)
    assert (turned.low, turned.high) == (pytest.approx(-effect.high), pytest.approx(-effect.low))


logs = st.lists(st.floats(-10, 10), min_size=2, max_size=30)


@given(strata=st.lists(st.tuples(logs, logs), min_size=1, max_size=4))
def test_ratio_effects_are_within_their_intervals(strata):
    """For any logarithms."""
    effect = ratio_effect(logarithms(*strata), 0.05, 1.1)

    assert effect.low <= effect.effect * (1 + 1e-9)
    assert effect.effect <= effect.high * (1 + 1e-9)
    assert 0 <= effect.p_value <= 1
    assert effect.detectable >= 1


def unordered(values):
    """Return values of executions of one moment."""
    return [("2026-11-20T12:00", value) for value in values]


def test_quantile_of_the_mix():
    """Each stratum counts by its weight, however many values it has."""
    value, low, high = weighted_quantile([(unordered(range(1, 1001)), 1.0)], 0.95)
    assert value == 950
    assert 930 < low < 950 < high < 970

    assert weighted_quantile([(unordered([1.0] * 10), 9.0), (unordered([5.0] * 1000), 1.0)], 0.85)[0] == 1.0


def test_quantile_of_few_values_has_no_upper_bound():
    """The 95th percentile may be anywhere above."""
    assert weighted_quantile([(unordered([1.0, 2.0, 3.0]), 1.0)], 0.95) == (3.0, 3.0, None)
    assert weighted_quantile([], 0.95) is None


def test_interval_of_a_quantile_widens_where_long_executions_come_together():
    """The slowest twentieth at once says less than when spread over all."""
    values = [float(number) for number in range(1000)]
    spread = [value for start in range(50) for value in values[start::50]]

    _, low, high = weighted_quantile([([(f"{n:04}", value) for n, value in enumerate(spread)], 1.0)], 0.9)
    _, lower, higher = weighted_quantile([([(f"{n:04}", value) for n, value in enumerate(values)], 1.0)], 0.9)

    assert lower < low < high
    assert higher is None or higher > high


@given(strata=st.lists(st.tuples(logs, logs), min_size=1, max_size=3), step=st.integers(0, 40))
def test_ratio_effects_turn_round_with_the_sides(strata, step):
    """Whenever executions start."""
    pairs = [tuple(sample(values, step) for values in sides) for sides in strata]
    one, other = ratio_effect(pairs, 0.05, 1.1), ratio_effect([(after, before) for before, after in pairs], 0.05, 1.1)

    assert other.effect == pytest.approx(1 / one.effect)
    assert (other.low, other.high) == (pytest.approx(1 / one.high), pytest.approx(1 / one.low))
    assert (other.p_value, other.needed) == (pytest.approx(one.p_value, abs=1e-9), one.needed)


@pytest.mark.slow
def test_intervals_and_tests_are_those_of_scipy_and_statsmodels(subtests):
    """For independent executions of one stratum."""
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    stats = pytest.importorskip("scipy.stats")
    for before, after in [((90, 100), (160, 200)), ((3, 40), (0, 25)), ((299, 300), (250, 300))]:
        with subtests.test(before=before, after=after):
            low, high = proportion.confint_proportions_2indep(*after, *before, method="newcomb", compare="diff")
            effect = success_effect(rates((before, after)), 0.05, 0.02)
            assert (effect.low, effect.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))
    one, other = [0.1, 0.4, 1.3, -0.2, 0.6, 0.9], [1.2, 0.3, 2.2, 1.9, 0.8, 1.4, 3.1]
    expected = stats.ttest_ind(other, one, equal_var=False)
    bounds = expected.confidence_interval(0.95)
    effect = ratio_effect(logarithms((one, other)), 0.05, 1.1)
    assert effect.p_value == pytest.approx(expected.pvalue, rel=1e-8)
    assert (math.log(effect.low), math.log(effect.high)) == (pytest.approx(bounds.low), pytest.approx(bounds.high))


def test_bounds_of_a_wide_interval_are_numbers():
    """What lies beyond the largest float is that."""
    effect = ratio_effect(logarithms(([-600.0, 600.0] * 3, [-500.0, 600.0] * 3)), 0.01, 1.1)

    assert 0 <= effect.low < effect.effect < effect.high < math.inf
    assert effect.detectable < math.inf


@pytest.mark.parametrize("least", [0.0, 1e-300])
def test_hardly_any_difference_needs_no_number_of_executions(least):
    """It would take more than there will ever be."""
    strata = rates(((80, 100), (90, 100)))

    assert success_effect(strata, 0.02, least).needed is None
    assert ratio_effect(strata, 0.01, 1 + least).needed is None
