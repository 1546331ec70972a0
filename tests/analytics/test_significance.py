"""Student's t against tables, and which of many tests are believed."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.analytics.significance import benjamini_hochberg, binomial_tail, f_tail, t_quantile, t_tail


def test_quantiles_are_those_of_the_tables(subtests):
    """Two-sided, to six digits."""
    for degrees, tail, t in [
        (1, 0.05, 12.7062),
        (2, 0.05, 4.30265),
        (5, 0.05, 2.57058),
        (10, 0.05, 2.22814),
        (30, 0.05, 2.04227),
        (1, 0.01, 63.6567),
        (10, 0.01, 3.16927),
        (30, 0.2, 1.31042),
        (1e9, 0.05, 1.95996),
        (math.inf, 0.05, 1.95996),
    ]:
        with subtests.test(degrees=degrees, tail=tail, t=t):
            assert t_quantile(tail, degrees) == pytest.approx(t, rel=5e-6)
            assert t_tail(t, degrees) == pytest.approx(tail, rel=2e-5)


@given(t=st.floats(-50, 50), degrees=st.floats(0.5, 1e6))
def test_tails_are_probabilities_of_either_sign(t, degrees):
    """And those further out are less likely."""
    assert 0 <= t_tail(t, degrees) <= 1
    assert t_tail(t, degrees) == t_tail(-t, degrees)
    assert t_tail(abs(t) + 0.1, degrees) <= t_tail(t, degrees) + 1e-12


@given(t=st.floats(0, 100))
def test_one_degree_of_freedom_is_cauchy(t):
    """Which has a formula of its own."""
    assert t_tail(t, 1) == pytest.approx(1 - 2 * math.atan(t) / math.pi, rel=1e-8, abs=1e-12)


def test_ratios_of_variances_are_those_of_the_tables(subtests):
    """The upper 5% points of F."""
    for above, below, ratio in [(1, 10, 4.9646), (4, 20, 2.8661), (19, 19, 2.1683), (40, 120, 1.4952)]:
        with subtests.test(above=above, below=below):
            assert f_tail(ratio, above, below) == pytest.approx(0.05, rel=1e-3)


@given(t=st.floats(0, 20), degrees=st.floats(1, 1e4))
def test_square_of_t_is_f(t, degrees):
    """With one degree of freedom above."""
    assert f_tail(t * t, 1, degrees) == pytest.approx(t_tail(t, degrees), rel=1e-6, abs=1e-12)


@pytest.mark.slow
def test_distributions_are_those_of_scipy(subtests):
    """Far into the tails."""
    stats = pytest.importorskip("scipy.stats")
    for degrees in (1.0, 1.7, 5.0, 19.0, 38.3, 5000.0):
        for tail in (0.4, 0.05, 0.01, 1e-4, 1e-9):
            with subtests.test(degrees=degrees, tail=tail):
                expected = stats.t.isf(tail / 2, degrees)
                assert t_quantile(tail, degrees) == pytest.approx(expected, rel=1e-8)
                assert t_tail(expected, degrees) == pytest.approx(tail, rel=1e-7)
                ratio = stats.f.isf(tail, degrees, 25)
                assert f_tail(ratio, degrees, 25) == pytest.approx(tail, rel=1e-7)


def test_benjamini_and_hochberg_example():
    """The example of their paper: of these fifteen the first four are believed at 5%."""
    p_values = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
        0.7590, 1.0,
    ]  # fmt: skip

    assert benjamini_hochberg(p_values, 0.05) == [True] * 4 + [False] * 11
    assert benjamini_hochberg(p_values[::-1], 0.05) == [False] * 11 + [True] * 4


def test_no_tests_believe_nothing():
    """An empty family is a family."""
    assert benjamini_hochberg([], 0.05) == []


@given(trials=st.integers(1, 60), data=st.data(), probability=st.floats(0.001, 0.999))
def test_binomial_tail_is_the_sum_of_its_terms(trials, data, probability):
    """From so many successes on."""
    successes = data.draw(st.integers(0, trials))
    terms = (
        math.comb(trials, count) * probability**count * (1 - probability) ** (trials - count)
        for count in range(successes, trials + 1)
    )

    assert binomial_tail(successes, trials, probability) == pytest.approx(sum(terms), rel=1e-9)


def test_binomial_tail_of_many_trials_is_normal():
    """A million, half of which succeed."""
    assert binomial_tail(500_000, 1_000_000, 0.5) == pytest.approx(0.5004, abs=1e-3)
    assert binomial_tail(501_000, 1_000_000, 0.5) == pytest.approx(0.0228, abs=1e-4)
    assert binomial_tail(10, 10, 1.0) == 1.0
