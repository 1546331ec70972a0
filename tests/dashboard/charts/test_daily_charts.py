"""Charts over days: what is known is drawn at its place, what is not is a gap, whatever the numbers are."""

import math
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.dashboard.charts.daily_charts import (
    MOST_DAYS,
    BarPoint,
    Budget,
    CalibrationPoint,
    QuantilePoint,
    SharePoint,
    burn_down,
    calibration,
    daily_bars,
    daily_quantiles,
    daily_shares,
)

from ..drawn import Drawn

HEIGHT = 150
FIRST = date(2026, 10, 24)
anything = st.none() | st.floats() | st.sampled_from([0.0, -1.0, 1e-320, 1e308, -1e308, 1e-12])
shares = st.none() | st.floats() | st.floats(0, 1)
labels = st.text(max_size=20) | st.sampled_from(["<script>alert(1)</script>", "a" * 4000, "\u202egnp.exe", "]]>"])


def days(number):
    return [(FIRST + timedelta(day)).isoformat() for day in range(number)]


@given(labels, st.lists(st.builds(SharePoint, labels, shares, shares, shares), max_size=40))
def test_any_shares_make_a_sound_chart(label, points):
    """Every share between 0 and 1 is one dot, all within the plot."""
    chart = Drawn(daily_shares(label or "x", points))

    chart.check()
    known = [point.value for point in points if point.value is not None and 0 <= point.value <= 1]
    assert [dot[0][1] for dot in chart.of("c-dot")] == pytest.approx(
        [HEIGHT * (1 - value) for value in known], abs=0.06
    )


def test_axis_of_shares_is_never_cut():
    """However near each other they are, it goes from 0% to 100%."""
    chart = Drawn(daily_shares("x", [SharePoint(day, 0.91) for day in days(5)]))

    assert {"0%", "100%"} < set(chart.texts)


def test_a_day_without_share_is_a_gap():
    """Neither 0% nor joined over: a dot for each other day, at its own place."""
    points = [SharePoint(day, None if number == 1 else 0.5) for number, day in enumerate(days(4))]

    assert [dot[0][0] for dot in Drawn(daily_shares("x", points)).of("c-dot")] == [125, 625, 875]


def test_whiskers_go_from_low_to_high():
    """Around the dot of their day."""
    ((bottom, top),) = Drawn(daily_shares("x", [SharePoint("2026-11-22", 0.8, 0.7, 0.9)])).of("c-whisker")

    assert (bottom, top) == ((500, HEIGHT * 0.3), (500, pytest.approx(HEIGHT * 0.1)))


@pytest.mark.parametrize(
    ("number", "expected"), [(1, 1), (7, 4), (30, 3), (90, 5), (366, 4)], ids=lambda value: str(value)
)
def test_days_are_labelled_at_round_steps(number, expected):
    """With room for each on a phone."""
    below = [
        text
        for text in Drawn(daily_shares("x", [SharePoint(day, 0.5) for day in days(number)])).texts
        if "%" not in text
    ]

    assert len(below) == expected
    assert below[0] == "24 Oct"


def test_a_month_is_small():
    """A file holds more than a hundred of these."""
    points = [SharePoint(day, 0.873, 0.8312, 0.9123) for day in days(30)]

    assert len(daily_shares("Success fell to 81% on Tuesday", points)) < 2048


def test_thousands_of_days_are_cut_and_said():
    """The last ones are drawn."""
    chart = Drawn(daily_shares("x", [SharePoint("d", n / 10_000) for n in range(10_000)]))

    assert len(chart.of("c-dot")) == MOST_DAYS
    assert "The last 366 of 10,000 days." in chart.texts
    assert chart.of("c-dot")[-1][0][1] == pytest.approx(0, abs=0.1)


@given(
    st.lists(st.builds(BarPoint, labels, anything, anything, st.booleans()), max_size=40),
    st.sampled_from(["dollars", "count", "seconds"]),
)
def test_any_amounts_make_a_sound_chart(points, unit):
    """Every amount above 0 stands on the zero line, all within the plot."""
    chart = Drawn(daily_bars("x", points, unit, ("spend", "on failures")))

    chart.check()
    assert all(y <= HEIGHT for bar in chart.of("c-bar") for _, y in bar)
    assert "nan" not in " ".join(chart.texts)
    assert "inf" not in " ".join(chart.texts)


@given(st.lists(st.floats(0.001, 1e12), min_size=2, max_size=20))
def test_a_larger_amount_is_a_taller_bar(amounts):
    """In proportion, from 0."""
    bars = Drawn(daily_bars("x", [BarPoint("d", amount) for amount in amounts])).of("c-bar")

    heights = [HEIGHT - min(y for _, y in bar) for bar in bars]
    scale = heights[amounts.index(max(amounts))] / max(amounts)
    assert heights == pytest.approx([amount * scale for amount in amounts], abs=0.2)
    assert max(heights) >= HEIGHT * 0.4


def test_unknown_amount_is_a_question_mark():
    """One for the days beside each other; never a bar of 0."""
    amounts = [1.0, None, None, math.nan, 2.0, None]
    chart = Drawn(daily_bars("x", [BarPoint(day, amount) for day, amount in zip(days(6), amounts, strict=True)]))

    assert chart.texts.count("?") == 2
    assert len(chart.of("c-bar")) == 2


def test_lower_bound_has_a_mark():
    """An arrow upwards above its bar: there is more."""
    (arrow,) = Drawn(daily_bars("x", [BarPoint("a", 1.0), BarPoint("b", 0.5, is_bound=True)])).of("c-mark")

    assert arrow[1][0] == 750
    assert arrow[1][1] < HEIGHT / 2


def test_parts_stand_at_the_bottom_and_are_named():
    """The bar is as tall as without them, and a legend says what they are."""
    chart = Drawn(daily_bars("x", [BarPoint("a", 1.0, 0.25)], names=("spend", "on failures")))

    ((bar,), (part,)) = chart.of("c-bar"), chart.of("c-bar2")[:1]
    assert max(y for _, y in bar[:4]) == min(y for _, y in part)
    assert {"spend", "on failures"} < set(chart.texts)


def test_counts_have_whole_ticks():
    """There is no half of an execution."""
    chart = Drawn(daily_bars("x", [BarPoint("a", 1)], "count"))

    assert {"0", "1"} == set(chart.texts) - {"a"}


@given(labels, st.lists(st.builds(QuantilePoint, labels, anything, anything), max_size=40))
def test_any_quantiles_of_days_make_a_sound_chart(label, points):
    """Every mark is within the plot."""
    Drawn(daily_quantiles(label or "x", points)).check()


def test_quantiles_of_a_day_are_two_marks_of_different_shapes():
    """A dot for the p95, a circle for the p50; a day without them is a gap."""
    chart = Drawn(daily_quantiles("x", [QuantilePoint("a", 1.0, 4.0), QuantilePoint("b", None, None)]))

    dots, (hole,) = [dot[0] for dot in chart.of("c-dot")], [dot[0] for dot in chart.of("c-hole")]
    assert dots == [(250, 0), (250, pytest.approx(HEIGHT * 0.75))]
    assert hole == dots[1]
    assert {"p50", "p95"} < set(chart.texts)


@given(st.lists(st.builds(CalibrationPoint, shares, shares, shares, shares, st.integers(-5, 10**9)), max_size=60))
def test_any_calibration_is_a_sound_chart(points):
    """Every dot is within the plot."""
    Drawn(calibration("x", points)).check()


def test_calibration_shows_number_by_area():
    """Four times the executions are a dot twice as wide."""
    chart = calibration("x", [CalibrationPoint(0.5, 0.4, 0.3, 0.5, 100), CalibrationPoint(0.9, 0.8, 0.7, 0.9, 400)])

    assert [path.get("stroke-width") for path in Drawn(chart).root.iter("path") if path.get("class") == "c-dot"] == [
        "8",
        "16",
    ]
    assert [dot[0] for dot in Drawn(chart).of("c-dot")] == [(500, 90), (900, 30)]


@given(
    st.builds(
        Budget,
        st.lists(labels, max_size=40).map(tuple),
        st.lists(anything, max_size=40).map(tuple),
        *[st.floats()] * 2,
        *[anything] * 6,
    )
)
def test_any_budget_is_a_sound_chart(budget):
    """Every line is within the plot."""
    Drawn(burn_down("x", budget)).check()


def test_burn_down_shows_spend_budget_and_the_day_it_runs_out():
    """Spend ends at the moment that it is known until; the budget is level; its end is on it."""
    budget = Budget(tuple(days(10)), (10.0, 20.0, 25.0), 50.0, 2.5, 90.0, 70.0, 100.0, 6.0, 5.0, 8.0)
    chart = Drawn(burn_down("x", budget))

    assert chart.of("c-run")[0] == [(0, 150), (100, 135), (200, 120), (250, 112.5)]
    assert chart.of("c-limit")[0] == [(0, 75), (1000, 75)]
    assert chart.of("c-dot")[0][0] == (600, 75)
    assert chart.of("c-runout")[0] == [(500, 75), (800, 75)]
    assert chart.of("c-band")[0] == [(250, 112.5), (1000, 0), (1000, 45)]


@pytest.mark.parametrize("draw", [daily_shares, daily_bars, calibration])
def test_nothing_is_said(draw):
    """An empty chart is a sentence, not an empty frame."""
    assert Drawn(draw("x", [])).texts == ["No data."]
