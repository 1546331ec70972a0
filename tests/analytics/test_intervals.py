"""Intervals of proportions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.analytics import Proportion, normal_quantile, wilson
from learning_instrument.errors import ConfigurationError

COUNTS = st.integers(1, 10**7).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_published_intervals(successes, trials, low, high):
    """To the four digits they are printed with."""
    interval = wilson(successes, trials)

    assert interval.estimate == successes / trials
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


@given(COUNTS)
def test_estimate_is_within_its_interval(counts):
    """And the interval within 0 and 1."""
    interval = wilson(*counts)

    assert 0 <= interval.low <= interval.estimate <= interval.high <= 1


@given(COUNTS)
def test_failures_mirror_successes(counts):
    """Calling a failure a success turns the interval round."""
    successes, trials = counts

    one, other = wilson(successes, trials), wilson(trials - successes, trials)

    assert one.low == pytest.approx(1 - other.high, abs=1e-9)


def test_nothing_tried_is_no_share():
    """None, and not 0."""
    assert wilson(0, 0) is None


def test_more_confidence_is_a_wider_interval():
    """Around the same estimate."""
    narrow, wide = wilson(3, 10, 0.8), wilson(3, 10, 0.99)

    assert isinstance(narrow, Proportion)
    assert wide.low < narrow.low < narrow.estimate == wide.estimate < narrow.high < wide.high
    assert normal_quantile(0.95) == pytest.approx(1.959964)


@pytest.mark.parametrize(("successes", "trials"), [(2, 1), (-1, 3), (0, -1)])
def test_impossible_counts_are_refused(successes, trials):
    """The message has them."""
    with pytest.raises(ConfigurationError, match=f"{successes} successes in {trials} trials"):
        wilson(successes, trials)


def test_confidence_is_between_0_and_1(subtests):
    """95 is not 0.95."""
    for confidence in [0, 1, 95, -0.5, float("nan")]:
        with subtests.test(confidence=confidence), pytest.raises(ConfigurationError, match=r"such as 0\.95"):
            wilson(1, 2, confidence)
