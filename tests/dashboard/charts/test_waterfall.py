"""The story of an execution, drawn: every line has its bar at its place, or says why it has none."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.analytics import Story, StoryLine, TimeSpent
from learning_instrument.dashboard.charts.waterfall import MOST_LINES, waterfall

from ..drawn import points
from .test_daily_charts import labels

NOTHING = {"wait_seconds": None, "call_seconds": 0.0, "calls": 0, "within_seconds": 0.0, "executions": 0}
OWN = StoryLine("execution", "fix", 0.0, 8.0, 0, outcome="succeeded", execution_id="e" * 32)


def line(kind, offset, seconds, depth=1, name="x", **more):
    return StoryLine(kind, name, offset, seconds, depth, **more)


def story(*lines, queue_seconds=None, seconds=8.0, **others):
    spent = TimeSpent(queue_seconds=queue_seconds, **NOTHING, other_seconds=8.0)
    plain = {
        "execution_id": "e", "attempt": 1, "attempts": 1, "late": 0, "late_seconds": 0.0, "omitted_executions": 0,
        "omitted_calls": 0, "is_cut": False,
    }  # fmt: skip
    return Story(**{**plain, **others}, seconds=seconds, lines=(replace(OWN, seconds=seconds), *lines), spent=spent)


class Shown:
    """A waterfall, parsed."""

    def __init__(self, *lines, link=lambda execution_id: None, **others):
        self.root = ET.fromstring(f"<main>{waterfall(story(*lines, **others), link)}</main>")
        (body,) = self.root.iter("tbody")
        self.rows = [["".join(cell.itertext()) for cell in row] for row in body]
        self.bars = [{path.get("class"): list(points(path)) for path in row[1].iter("path")} for row in body]
        self.text = " ".join("".join(part.itertext()) for part in self.root)

    def extent(self, row, class_):
        xs = [x for mark in self.bars[row][class_] for x, _ in mark]
        return min(xs), max(xs)


def test_bars_are_at_their_place():
    """On an axis from the start of the wait to the end."""
    shown = Shown(line("queue", -2.0, 2.0, depth=0), line("model_call", 3.0, 5.0), queue_seconds=2.0)

    assert shown.extent(0, "c-work") == (200, 1000)
    assert shown.extent(1, "c-wait") == (0, 200)
    assert shown.extent(2, "c-call") == (500, 1000)


def test_wait_in_the_pool_is_told_from_work():
    """Within the bar of an execution."""
    shown = Shown(line("execution", 0.0, 8.0, wait_seconds=2.0))

    assert (shown.extent(1, "c-wait"), shown.extent(1, "c-work")) == ((0, 250), (250, 1000))


def test_what_lies_outside_has_an_arrow():
    """At the edge that it is beyond, and no bar; what only reaches beyond has both."""
    shown = Shown(
        line("attempt", -90.0, 2.0, depth=0, attempt=1), line("attempt", 90.0, 2.0, depth=0, attempt=3),
        line("model_call", 7.0, 4.0),
    )  # fmt: skip

    assert shown.bars[1].keys() == {"c-grid", "c-mark"}
    assert shown.extent(1, "c-mark")[0] == 6
    assert shown.extent(2, "c-mark")[1] == 994
    assert shown.bars[3].keys() == {"c-grid", "c-call", "c-mark"}
    assert [row[0] for row in shown.rows[1:3]] == ["attempt 1", "attempt 3"]


def test_legend_names_what_is_drawn():
    """In words, and nothing else."""
    shown = Shown(line("model_call", 1.0, 2.0))

    assert "model call" in shown.text
    assert "waiting" not in shown.text
    assert "another attempt" not in shown.text


def test_row_has_length_cost_and_tokens():
    """Unknown cost is no cost of 0; a lower bound says so."""
    shown = Shown(
        line("model_call", 1.0, 2.0, cost_usd=0.01, is_partial=True, input_tokens=1200, output_tokens=None),
        line("model_call", 1.0, 2.0),
    )

    assert shown.rows[1][2:] == ["+1.0 s", "2.0 s", "-", "at least $0.0100", "1,200 in, ? out"]
    assert shown.rows[2][5] == "-"


def test_unknown_start_is_said():
    """In place of a bar."""
    assert Shown(line("model_call", None, 2.0)).rows[1][1:4] == ["start not known", "-", "2.0 s"]


def test_length_that_was_not_measured_is_no_end_of_the_axis():
    """It is said in place of a bar; what was measured within it has the axis."""
    own = replace(OWN, seconds=900.0, is_timed=False)
    unknown = replace(story(seconds=900.0), lines=(own, line("model_call", 1.0, 3.0)))
    heading, own_row, *_ = ET.fromstring(f"<main>{waterfall(unknown)}</main>").iter("tr")

    assert "".join(heading[1].itertext()) == "0+4.0 s"
    assert ["".join(cell.itertext()) for cell in own_row[1:4]] == ["length not known", "0", "unknown"]


def test_executions_lead_to_their_pages():
    """Where pages have addresses."""
    shown = Shown(line("execution", 1.0, 2.0, execution_id="a1"), link=lambda execution_id: f"/{execution_id[:2]}")

    assert [anchor.get("href") for anchor in shown.root.iter("a")] == ["/ee", "/a1"]


def test_ten_thousand_lines_are_cut_and_said():
    """Each that is drawn has the one around it; the longest of the deepest are there."""
    lines = [line("execution", 0.0, 1.0, depth=1 + number % 3, name=str(number)) for number in range(10_000)]
    shown = Shown(*lines)

    assert len(shown.rows) == MOST_LINES
    assert shown.rows[0][0] == "fix"
    assert "Not drawn: 9,801 lines, further in or shorter." in shown.text


def test_long_names_are_cut():
    """And no markup is made of them."""
    long = "<script>" * 500
    shown = Shown(line("execution", 0.0, 1.0, name=long, outcome=long, pool_type=long))

    assert all(len(cell) <= 60 for cell in shown.rows[1])
    assert [shown.rows[1][column][-3:] for column in (0, 4, 6)] == ["..."] * 3


moments = st.none() | st.floats(-1e12, 1e12) | st.sampled_from([0.0, 1e-9, 8.0])
kinds = st.sampled_from(["queue", "execution", "wait", "model_call", "attempt"])


@given(
    st.lists(st.builds(StoryLine, kinds, labels, moments, st.floats(0, 1e12), st.integers(0, 40)), max_size=20),
    st.none() | st.floats(0, 1e12),
    st.floats(0, 1e12),
)
def test_any_story_is_a_sound_table(lines, queue_seconds, seconds):
    """Every bar is within its cell, in the order of the lines."""
    shown = Shown(*lines, queue_seconds=queue_seconds, seconds=seconds)

    assert len(shown.rows) == len(lines) + 1
    for bars in shown.bars:
        for marks in bars.values():
            assert all(0 <= x <= 1000 and 0 <= y <= 18 for mark in marks for x, y in mark)


@pytest.mark.parametrize("seconds", [0.0, 1e-9])
def test_an_execution_of_no_length_has_a_bar(seconds):
    """As narrow as can be seen."""
    assert Shown(seconds=seconds).bars[0].keys() == {"c-grid", "c-work"}
