"""Where the lines of a story lie: at their place, at the edge, or nowhere."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.analytics import Story, StoryLine, TimeSpent
from learning_instrument.analytics.story_axis import StoryAxis

NOTHING = {"wait_seconds": None, "call_seconds": 0.0, "calls": 0, "within_seconds": 0.0, "executions": 0}
PLAIN = {
    "execution_id": "e", "attempt": 1, "attempts": 1, "late": 0, "late_seconds": 0.0, "omitted_executions": 0,
    "omitted_calls": 0, "is_cut": False,
}  # fmt: skip
#: The share of the axis that can be seen.
LEAST = 0.01


def line(offset, seconds, kind="model_call", depth=1, **more):
    return StoryLine(kind, "x", offset, seconds, depth, **more)


def axis(*lines, seconds=8.0, is_timed=True, queue_seconds=None):
    own = line(0.0, seconds, "execution", 0, is_timed=is_timed)
    spent = TimeSpent(queue_seconds=queue_seconds, **NOTHING, other_seconds=None)
    return StoryAxis.of(Story(**PLAIN, seconds=seconds, lines=(own, *lines), spent=spent))


def test_axis_is_from_the_wait_to_the_end():
    """Of the execution: what begins before it, or ends after it, makes it no longer."""
    found = axis(line(-9.0, 1.0), line(7.0, 90.0), queue_seconds=2.0)

    assert (found.start, found.end) == (-2.0, 8.0)


@given(st.floats(0, allow_nan=False))
def test_length_that_was_not_measured_is_on_no_axis(seconds):
    """Its end is the last measured one within the execution, whatever the stand-in; no other attempt's."""
    within = [line(1.0, 2.0), line(2.0, seconds, "execution", is_timed=False), line(None, 99.0)]
    again = line(50.0, 2.0, "attempt", 0)

    assert axis(*within, again, seconds=seconds, is_timed=False) == StoryAxis(0.0, 3.0)
    assert axis(again, seconds=seconds, is_timed=False, queue_seconds=2.0) == StoryAxis(-2.0, 0.0)


@pytest.mark.parametrize(
    ("offset", "seconds", "places"),
    [
        (2.0, 4.0, (0.25, 0.75, False, False, True)),
        (2.0, -1.0, (0.25, 0.25, False, False, True)),
        (6.0, 2.05, (0.75, 1.0, False, False, True)),
        (6.0, 9.0, (0.75, 1.0, False, True, True)),
        (-4.0, 6.0, (0.0, 0.25, True, False, True)),
        (-4.0, 4.0, (0.0, 0.0, True, False, False)),
        (9.0, 1.0, (1.0, 1.0, False, True, False)),
    ],
)
def test_what_lies_outside_is_at_the_edge(offset, seconds, places):
    """In part or as a whole; an end that is later by less than can be seen is that of the axis."""
    found = axis().extent(line(offset, seconds), LEAST)

    assert (found.start, found.end, found.is_before, found.is_after, found.is_within) == places


@pytest.mark.parametrize(
    "unknown", [line(None, 2.0), line(1.0, 2.0, is_timed=False), line(1.0, math.inf), line(-math.inf, 2.0)]
)
def test_what_is_not_known_has_no_place(unknown):
    """A start, or a length that was not measured."""
    assert axis().extent(unknown, LEAST) is None


AMOUNTS = st.none() | st.floats() | st.sampled_from([0.0, 1e-9, 8.0])


@given(AMOUNTS, st.floats(), AMOUNTS, AMOUNTS, st.floats())
def test_any_line_is_within_the_axis(offset, seconds, wait_seconds, queue_seconds, length):
    """And in order: start, work, end."""
    found = axis(seconds=length, queue_seconds=queue_seconds).extent(
        line(offset, seconds, "execution", wait_seconds=wait_seconds), LEAST
    )

    assert found is None or 0 <= found.start <= found.work <= found.end <= 1
