"""Charts of rows: what is known is drawn at its place, named above it, whatever names and numbers are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.dashboard.charts.drawing import NARROWEST, width_of
from learning_instrument.dashboard.charts.row_charts import (
    MOST_ROWS,
    BarRow,
    Estimate,
    Panel,
    QuantileRow,
    Quantiles,
    WhiskerRow,
    bar_rows,
    quantile_rows,
    whisker_rows,
)

from ..drawn import Drawn
from .test_daily_charts import anything, labels

PANELS = (Panel("success", "share"), Panel("cost per success", "dollars"))
estimates = st.builds(Estimate, anything, anything, anything, st.text(max_size=12))
names = st.text(max_size=20)
NOTHING = Estimate(None)


@given(st.lists(st.builds(WhiskerRow, labels, st.tuples(estimates, estimates), labels, st.booleans()), max_size=25))
def test_any_estimates_make_a_sound_chart(rows):
    """Every mark is within its panel, every text within the chart."""
    Drawn(whisker_rows("x", rows, PANELS)).check()


@given(
    st.lists(
        st.builds(QuantileRow, labels, st.lists(st.builds(Quantiles, names, *[anything] * 3), max_size=3)), max_size=25
    )
)
def test_any_quantiles_make_a_sound_chart(rows):
    """Every mark is within the plot, every text within the chart."""
    Drawn(quantile_rows("x", rows)).check()


@given(st.lists(st.builds(BarRow, labels, anything, names, st.booleans(), labels, st.booleans()), max_size=25))
def test_any_bars_make_a_sound_chart(rows):
    """Every mark is within the plot, every text within the chart."""
    chart = Drawn(bar_rows("x", rows))

    chart.check()
    assert all(bar[0][0] == 0 for bar in chart.of("c-bar"))


def test_estimates_stand_on_axes_of_their_own():
    """Success from 0% to 100%, cost from 0."""
    rows = [
        WhiskerRow("small", (Estimate(0.8, 0.7, 0.9, "80%"), Estimate(0.5, 0.4, 0.6, "$0.50"))),
        WhiskerRow("large", (Estimate(0.9, 0.85, 0.95, "90%"), Estimate(1.0, 0.9, 1.1, "$1.00"))),
    ]
    chart = Drawn(whisker_rows("x", rows, PANELS))

    assert [dot[0][0] for dot in chart.of("c-dot")] == [800, 900, 250, 500]
    assert chart.of("c-whisker")[0][0][0] == 700
    assert {"0%", "100%", "$0", "$2", "80%", "$1.00"} < set(chart.texts)


def test_dominated_row_is_told_apart_by_shape_and_word():
    """A circle in place of a dot, and the reason beside the name."""
    rows = [
        WhiskerRow("a", (Estimate(0.8),)),
        WhiskerRow("b", (Estimate(0.7),), note="dominated by a", is_muted=True),
    ]
    chart = Drawn(whisker_rows("x", rows, PANELS[:1]))

    assert [dot[0] for dot in chart.of("c-hole")] == [chart.of("c-dot")[1][0]]
    assert "b dominated by a" in chart.texts


def test_unknown_estimate_is_no_dot():
    """Its text says so."""
    chart = Drawn(whisker_rows("x", [WhiskerRow("a", (Estimate(None, 0.1, 0.2, "unknown"),))], PANELS[:1]))

    assert (chart.of("c-dot"), chart.of("c-whisker")) == ([], [])
    assert "unknown" in chart.texts


def test_run_time_and_wait_are_two_lines():
    """Of one row, on one axis from 0."""
    row = QuantileRow("large", (Quantiles("run", 10, 15, 30), Quantiles("queue", 3, 6, 12)))
    chart = Drawn(quantile_rows("x", [row]))

    assert [(first[0], last[0]) for first, last in chart.of("c-whisker")] == [
        (333, pytest.approx(1000)),
        (100, 400),
    ] or [(round(first[0]), round(last[0])) for first, last in chart.of("c-whisker")] == [(333, 1000), (100, 400)]
    assert {"run", "queue", "large", "0", "30 s"} < set(chart.texts)
    assert not any("logarithmic" in text for text in chart.texts)


def test_wide_range_is_logarithmic_and_says_so():
    """With powers of ten at its ticks."""
    row = QuantileRow("large", (Quantiles("run", 0.1, 1, 10),))
    chart = Drawn(quantile_rows("x", [row]))

    assert [dot[0][0] for dot in chart.of("c-dot")] == [0, 500, 1000]
    assert "The axis is logarithmic." in chart.texts
    assert {"100 ms", "10 s"} < set(chart.texts)


def test_bars_are_in_proportion():
    """From 0, the longest as long as the plot."""
    chart = Drawn(bar_rows("x", [BarRow("a", 40.0), BarRow("b", 10.0), BarRow("c", None), BarRow("d", 0.0)]))

    assert [max(x for x, _ in bar) for bar in chart.of("c-bar")] == [1000, 250, 0]
    assert "?" in chart.texts


def test_lower_bound_has_an_arrow():
    """To the right: there is more."""
    (arrow,) = Drawn(bar_rows("x", [BarRow("a", 40.0), BarRow("b", 10.0, "≥ $10", is_bound=True)])).of("c-mark")

    assert min(x for x, _ in arrow) > 250


def test_names_are_as_wide_as_a_phone_at_most():
    """A long one is cut, what is said beside it is not."""
    found = Drawn(bar_rows("x", [BarRow("word " * 800, 1.0, note="new"), BarRow("漢字" * 99, 1.0)])).texts

    assert any(text.endswith("... new") for text in found)
    assert all(width_of(text) <= NARROWEST + 10 for text in found if "..." in text)


@pytest.mark.parametrize(
    "draw",
    [
        lambda number: whisker_rows("x", [WhiskerRow("a", (NOTHING,))] * number, PANELS[:1]),
        lambda number: quantile_rows("x", [QuantileRow("a", ())] * number),
        lambda number: bar_rows("x", [BarRow("a", 1.0)] * number),
    ],
)
def test_thousands_of_rows_are_cut_and_said(draw):
    """And none is a sentence."""
    chart = Drawn(draw(10_000))

    assert f"The first {MOST_ROWS} of 10,000 rows." in chart.texts
    assert chart.texts.count("a") == MOST_ROWS
    assert Drawn(draw(0)).texts == ["No data."]


@pytest.mark.parametrize(
    "chart",
    [
        whisker_rows("x", [WhiskerRow(each, (Estimate(0.5),)) for each in "ab"], PANELS[:1]),
        quantile_rows("x", [QuantileRow(each, (Quantiles("run", 1, 2, 3),)) for each in "ab"]),
    ],
    ids=["whiskers", "quantiles"],
)
def test_name_is_nearer_to_its_own_marks_than_to_those_above(chart):
    """So that nobody takes it for theirs."""
    drawn = Drawn(chart)
    top = sum(float(part.get("y", 0)) for part in drawn.root.iter("svg"))
    above, own = sorted({dot[0][1] + top for dot in drawn.of("c-dot")})
    (place,) = [float(text.get("y")) for text in drawn.root.iter("text") if "".join(text.itertext()) == "b"]
    assert 2 * (own - place) < place - above
