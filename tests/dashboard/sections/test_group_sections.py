"""Tests for the sections that set values of one dimension beside each other."""

from dataclasses import replace

from asking import record

from learning_instrument.analytics import Selection, side_by_side
from learning_instrument.dashboard.sections import group_sections

from ..drawn import Drawn


def stored(database, *scores, **fields):
    """Store an execution for each quality."""
    database.append([replace(record(**fields), quality_score=score) for score in scores])


def shown(database):
    """Return the section of tiers, and its charts."""
    section = group_sections.choice(database, Selection(), "model_tier")
    return section, [Drawn(f"<svg{chart}") for chart in section.chart.split('<svg class="c"')[1:]]


def test_quality_is_drawn_on_an_axis_from_0_to_100(database):
    """Each value that has one, of how many executions; the numbers are in the table."""
    stored(database, *[40.0, 60.0] * 20, model_tier="small")
    stored(database, *[80.0, None] * 30, model_tier="large")

    section, (_, quality) = shown(database)

    quality.check()
    assert {"0", "50", "100", "50.0", "80.0", "small 40 of 40", "large 30 of 60"} <= {*quality.texts}
    assert sorted(mark[0][0] for mark in quality.of("c-dot")) == [500, 800]
    assert [column.heading for column in section.table.columns][-2:] == ["Quality, 0 to 100", "With a quality"]
    assert [row[-1] for row in section.table.rows] == ["30", "40"]
    assert any("70 of 100 executions have a quality" in note for note in section.notes)


def test_value_without_a_quality_is_not_drawn(database):
    """Unknown is neither 0 nor 50."""
    stored(database, *[40.0, 60.0] * 20, model_tier="small")
    stored(database, *[None] * 40, model_tier="large")

    section, (_, quality) = shown(database)

    assert len(quality.of("c-dot")) == 1
    assert not any("large" in text for text in quality.texts)
    assert [row[-2:] for row in section.table.rows if row[0] == "large"] == [(None, "0")]


def test_quality_that_no_execution_has_is_left_out(database):
    """Chart, columns and finding."""
    for tier in ("small", "large"):
        stored(database, *[None] * 40, model_tier=tier)

    section, charts = shown(database)

    assert len(charts) == 1
    assert "uality" not in section.markup()
    assert side_by_side(database, "model_tier").alternatives
