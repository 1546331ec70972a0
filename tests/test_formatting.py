"""Values written for people."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument import formatting


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (math.inf, "many times"),
        (1234.4, "1,234 times"),
        (9.96, "10 times"),
        (9.94, "9.9 times"),
        (8.0, "8 times"),
        (1.849, "1.8 times"),
        (0.5, "0.50 times"),
    ],
)
def test_ratio_in_a_sentence_has_two_digits(ratio, words):
    """Larger ones are whole, and one without an end is no number."""
    assert formatting.times(ratio) == words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 us"),
        (0.0123, "12 ms"),
        (3.4, "3.4 s"),
        (125, "2 m 05 s"),
        (5400, "1 h 30 m"),
        (-125, "-2 m 05 s"),
        (math.inf, "inf s"),
        (-1e308, "-1e+308 s"),
    ],
)
def test_duration_has_the_units_of_its_size(value, text):
    """That of a negative one, which another program may have written, is the same."""
    assert formatting.seconds(value) == text


@given(st.floats(allow_nan=False) | st.integers(-(2**63), 2**63 - 1))
def test_duration_of_any_size_is_short(value):
    """Nothing that a file can hold breaks the page or the row that it is on."""
    assert len(formatting.seconds(value)) <= 20
