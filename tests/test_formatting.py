"""Values written for people."""

import math

import pytest

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
