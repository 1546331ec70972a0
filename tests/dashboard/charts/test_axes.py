"""Axes begin at 0, end at a round number, and are written in one unit."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.dashboard.charts.axes import ACROSS, from_zero, known, known_share, logarithmic

units = st.sampled_from(["dollars", "seconds", "count"])
steps = st.integers(1, 6)


@given(st.floats(0, 1e300), units, steps)
def test_axis_goes_from_0_beyond_the_largest(most, unit, steps):
    """By at most so many round steps, all of them labelled."""
    axis = from_zero(most, unit, ACROSS, steps)

    assert axis.first == 0
    assert axis.last >= most * (1 - 1e-9)
    assert 2 <= len(axis.ticks) <= steps + 1
    assert axis.ticks[0] in ((0, "0"), (0, "$0"))
    assert all(len(written) <= 10 for _, written in axis.ticks)
    assert len({written for _, written in axis.ticks}) == len(axis.ticks)


@given(st.floats(0, 1e300), st.lists(st.floats(-1e308, 1e308), min_size=2), units)
def test_places_are_in_the_order_of_values(most, values, unit):
    """And within the axis."""
    axis = from_zero(most, unit, ACROSS, 4)
    places = [axis.at(value) for value in sorted(values)]

    assert places == sorted(places)
    assert all(0 <= place <= ACROSS for place in places)


@given(st.floats(1e-320, 1e300), st.floats(1e-320, 1e300), st.lists(st.floats(0, 1e308), min_size=2))
def test_logarithmic_places_are_in_the_order_of_values(least, most, values):
    """Values of 0 are at the start."""
    axis = logarithmic(min(least, most), max(least, most), ACROSS, 4)
    places = [axis.at(value) for value in sorted(values)]

    assert places == sorted(places)
    assert all(0 <= place <= ACROSS for place in places)
    assert 2 <= len(axis.ticks) <= 4


@pytest.mark.parametrize(
    ("most", "unit", "written"),
    [
        (0.83, "dollars", ["$0", "$0.50", "$1.00"]),
        (0.0083, "dollars", ["$0", "$0.005", "$0.010"]),
        (8300, "dollars", ["$0", "$5k", "$10k"]),
        (83, "dollars", ["$0", "$50", "$100"]),
        (900, "count", ["0", "500", "1,000"]),
        (3, "count", ["0", "2", "4"]),
        (0.083, "seconds", ["0", "50 ms", "100 ms"]),
        (83, "seconds", ["0", "1 m", "2 m"]),
        (5000, "seconds", ["0", "1 h", "2 h"]),
        (500_000, "seconds", ["0", "5 d", "10 d"]),
        (0.2, "share", ["0%", "50%", "100%"]),
    ],
)
def test_ticks_are_written_in_one_unit(most, unit, written):
    """With as many digits as their step needs."""
    assert [text for _, text in from_zero(most, unit, ACROSS, 2).ticks] == written


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_not_known(value):
    """So it is not drawn."""
    assert known(value) is None
    assert known_share(value) is None


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_what_is_no_share_is_not_known(value):
    """It would be drawn at an end, as if it were one."""
    assert known_share(value) is None
