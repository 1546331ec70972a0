"""The mix of tasks: its dimensions and the bands of complexity."""

import contextlib
import sqlite3

import pytest

from learning_instrument.analytics.mix import COMPLEXITY_BAND, mix_without


@pytest.mark.parametrize(
    ("names", "mix"),
    [
        (set(), ("task_type", "model_tier")),
        ({"pool_type"}, ("task_type", "model_tier")),
        ({"model_tier"}, ("task_type",)),
        ({"model"}, ("task_type",)),
        ({"model", "task_type"}, ()),
    ],
)
def test_mix_is_without_what_sides_differ_in(names, mix):
    """Nor with what that decides: models of two tiers have no tier in common."""
    assert mix_without(names) == mix


@pytest.mark.parametrize(
    ("complexity", "defaulted", "band"),
    [(0, "[]", 0), (9.9, "[]", 0), (10, "[]", 1), (99.9, "[]", 9), (100, "[]", 9), (50, '["complexity_score"]', None)],
)
def test_band_is_ten_points_of_a_known_complexity(complexity, defaulted, band):
    """The last one has 100 as well; of a default none."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE executions (complexity_score REAL, defaulted TEXT)")
        connection.execute("INSERT INTO executions VALUES (?, ?)", (complexity, defaulted))

        assert connection.execute(f"SELECT {COMPLEXITY_BAND} FROM executions").fetchall() == [(band,)]
