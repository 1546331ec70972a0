"""Correction factors for cost estimates: shrunken towards what all cells share."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.analytics.calibration import LogRatios, fit, typical_error

#: Yields of dyestuff of six batches, grams: Davies and Goldsmith 1972, "Statistical Methods in Research and
#: Production"; the data set Dyestuff of R's lme4, which fits a variance between batches of 1764 and 2451 within them.
DYESTUFF = {
    "A": (1545, 1440, 1440, 1520, 1580),
    "B": (1540, 1555, 1490, 1560, 1495),
    "C": (1595, 1550, 1605, 1510, 1560),
    "D": (1445, 1440, 1595, 1465, 1545),
    "E": (1595, 1630, 1515, 1635, 1625),
    "F": (1520, 1455, 1450, 1480, 1445),
}
VALUES = st.lists(st.floats(-5, 5), min_size=1, max_size=6)


def cells(values):
    return {
        (name, "small"): LogRatios(len(of_cell), sum(of_cell), sum(value**2 for value in of_cell))
        for name, of_cell in values.items()
    }


def test_batches_of_dyestuff_are_shrunk_as_published():
    """The best linear unbiased predictions of lme4: -17.6, 0.4, 28.6, -23.1, 56.7 and -45.0 beside a mean of 1527.5."""
    fitted = fit(cells(DYESTUFF))

    assert fitted.common == pytest.approx(1527.5)
    effects = [fitted.cells[name, "small"][0] - fitted.common for name in DYESTUFF]
    assert effects == pytest.approx([-17.6, 0.4, 28.6, -23.1, 56.7, -45.0], abs=0.06)
    assert fitted.cells["A", "small"][1] == pytest.approx(1764.05 / (1764.05 + 2451.25 / 5))


def test_cells_that_differ_by_chance_get_what_all_share():
    """Their means are no further apart than their scatter makes them."""
    fitted = fit(cells({"A": (1.0, 3.0), "B": (1.1, 2.9)}))

    assert list(fitted.cells.values()) == [(pytest.approx(2.0), 0.0)] * 2


def test_few_executions_weigh_less():
    """What is known of a small cell is more the others'."""
    fitted = fit(cells({"A": (0.9, 1.0, 1.1) * 20, "B": (0.1, -0.1), "C": (-0.9, -1.0, -1.1) * 20}))

    assert fitted.cells["B", "small"][1] < fitted.cells["A", "small"][1] < 1.0


def test_one_execution_each_teaches_one_factor():
    """What is a cell's own and what is chance cannot be told apart."""
    fitted = fit(cells({"A": (1.0,), "B": (2.0,)}))

    assert set(fitted.cells.values()) == {(1.5, 0.0)}


def test_estimates_that_are_always_off_by_the_same_are_believed():
    """There is no chance to shrink away."""
    fitted = fit(cells({"A": (0.5, 0.5), "B": (2.0, 2.0, 2.0)}))

    assert fitted.cells == {("A", "small"): (0.5, 1.0), ("B", "small"): (2.0, 1.0)}


def test_unknown_cell_gets_what_all_share():
    """And nothing at all teaches nothing."""
    fitted = fit(cells({"A": (1.0, 1.2)}))

    assert fitted.shift(("nobody", "knows")) == fitted.common
    assert fit({}) is None
    assert fit({("A", "small"): LogRatios(0, 0.0, 0.0)}) is None


def test_typical_error_is_a_factor():
    """Twice and half of what it was are both off by a factor of two."""
    off = cells({"A": (math.log(2), -math.log(2))})

    assert typical_error(off) == pytest.approx(1.0)
    assert typical_error(cells({"A": (math.log(2),) * 3}), fit(cells({"A": (math.log(2),) * 2}))) == pytest.approx(0.0)


@given(values=st.dictionaries(st.sampled_from("ABCDE"), VALUES, min_size=1))
def test_shrunken_factor_is_between_its_own_and_the_common(values):
    """For any numbers; and all are finite."""
    ratios = cells(values)
    fitted = fit(ratios)

    for cell, (shift, weight) in fitted.cells.items():
        low, high = sorted((fitted.common, ratios[cell].mean))
        assert low - 1e-9 <= shift <= high + 1e-9
        assert 0.0 <= weight <= 1.0
    assert math.isfinite(typical_error(ratios, fitted))


@given(values=VALUES, others=VALUES)
def test_taking_away_is_the_opposite_of_adding(values, others):
    """What is left has the sums of what is left."""
    (both,), (some,), (rest,) = (cells({"A": each}).values() for each in (values + others, values, others))

    left = both - some

    assert left.count == rest.count
    assert (left.total, left.squares) == (pytest.approx(rest.total, abs=1e-9), pytest.approx(rest.squares, abs=1e-9))
