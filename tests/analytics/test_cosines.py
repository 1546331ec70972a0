"""Cosines by numpy and in Python are the same."""

import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.analytics.cosines import cosines, packed

NUMBERS = st.floats(-1e6, 1e6, width=32)


@pytest.fixture(params=["as installed", "without numpy"])
def numpy(request, monkeypatch):
    """With numpy where it is installed, and where it is not."""
    if request.param == "without numpy":
        monkeypatch.setitem(sys.modules, "numpy", None)
    return request.param


def test_cosines_are_those_of_the_directions(numpy):
    """Of any lengths; zeros have nothing in common with anything."""
    one = packed([3.0, 0.0])
    others = [packed(vector) for vector in ([0.5, 0.0], [0.0, 7.0], [-1.0, 0.0], [1.0, 1.0], [0.0, 0.0])]

    assert cosines(one, others) == pytest.approx([1.0, 0.0, -1.0, math.sqrt(0.5), 0.0], abs=1e-6)


@given(st.integers(1, 40).flatmap(lambda size: st.lists(st.lists(NUMBERS, min_size=size, max_size=size), min_size=2)))
def test_python_computes_as_numpy_does(vectors):
    """To the precision of the numbers."""
    pytest.importorskip("numpy")
    one, *others = map(packed, vectors)
    by_numpy = cosines(one, others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "numpy", None)
        by_python = cosines(one, others)

    assert by_python == pytest.approx(by_numpy, abs=1e-5)


@pytest.mark.parametrize("vector", [[], [math.nan], [math.inf, 1.0], ["x"], [None], [1.7e308, 1.7e308]])
def test_what_is_no_vector_is_refused(vector):
    """Before it is stored."""
    with pytest.raises((ValueError, TypeError)):
        packed(vector)
