"""Student's t against tables, and which of many tests are believed."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.analytics.significance import benjamini_hochberg, t_quantile, t_tail


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
