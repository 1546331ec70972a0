"""Which values are dominated: better beyond chance in one, as good in the other."""

import math

import pytest

from learning_instrument.analytics.dominance import Rival, standings
from learning_instrument.analytics.weighted import Mean


def rival(success, cost, error=0.01, is_bound=False):
    """Return a value with that share of success, that cost per success, and such errors of both."""
    log = None if cost is None else Mean(math.log(cost) if cost else -math.inf, error**2 if cost else 0.0, 19)
    return Rival(Mean(success, error**2, 19), log, is_bound)


def standing(**rivals):
    return {name: answer if by else answer[0] for name, answer in standings(rivals).items() for by in [answer[1]]}


@pytest.mark.parametrize(
    ("better", "worse", "expected"),
    [
        ((0.9, 1.0), (0.8, 1.0), ("dominated", ("a",))),
        ((0.9, 1.0), (0.9, 2.0), ("dominated", ("a",))),
        ((0.9, 1.0), (0.8, 2.0), ("dominated", ("a",))),
        ((0.9, 0.0), (0.9, 2.0), ("dominated", ("a",))),
        ((0.9, 2.0), (0.8, 1.0), "not dominated"),
        ((0.9, 1.0), (0.9, 1.0), "no difference shown"),
        ((0.9, 1.0), (0.91, 2.0), "too little data"),
        ((0.9, 1.0, 0.05), (0.9, 2.0, 0.05), "too little data"),
        ((0.9, 1.0, 0.05), (0.88, 1.02, 0.05), "no difference shown"),
        ((0.9, None), (0.8, 1.0), "cost unknown"),
        ((0.9, 1.0), (0.8, None), "cost unknown"),
        ((0.9, 1.0, 0.01, True), (0.8, 2.0), "too little data"),
        ((0.9, 1.0), (0.8, 2.0, 0.01, True), ("dominated", ("a",))),
    ],
)
def test_second_stands_so_beside_the_first(better, worse, expected):
    """A lower bound shows no saving, an unknown cost nothing; a figure that is behind is not as good."""
    assert standing(a=rival(*better), b=rival(*worse))["b"] == expected


def test_no_success_is_no_lower_cost():
    """Its cost for each is infinite."""
    never = Rival(Mean(0.0, 0.01**2, 19), Mean(math.inf, math.inf, 19))

    assert standing(a=rival(0.9, 5.0), b=never) == {"a": "not dominated", "b": ("dominated", ("a",))}
    assert standing(a=never, b=never) == {"a": "no difference shown", "b": "no difference shown"}


def test_many_pairs_are_corrected():
    """A difference that one pair would show is not believed among many that show none."""
    near = rival(0.9, 1.0), rival(0.863, 1.0)
    others = {f"other{number}": rival(0.885, 1.0) for number in range(8)}

    assert standing(a=near[0], b=near[1])["b"] == ("dominated", ("a",))
    assert standing(a=near[0], b=near[1], **others)["b"] == "no difference shown"


def test_unknown_cost_says_nothing_of_known_ones():
    """It is the one of which too little is known."""
    rivals = {"a": rival(0.9, 1.0), "b": rival(0.9, 2.0), "c": rival(0.9, None)}

    assert standing(**rivals) == {"a": "not dominated", "b": ("dominated", ("a",)), "c": "cost unknown"}
    assert standing(a=rivals["a"], c=rivals["c"]) == {"a": "cost unknown", "c": "cost unknown"}


def test_one_value_is_beside_none():
    """It has nothing to be dominated by."""
    assert standing(a=rival(0.9, 1.0)) == {"a": "not dominated"}
    assert standing() == {}
