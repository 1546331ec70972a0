"""Tests for what a reader sees first: failures that tell what happened, and what to do where nothing is shown."""

import html
import re
from datetime import timedelta

import pytest
from asking import NOON, record

from learning_instrument import LearningDatabase
from learning_instrument.analytics import Period, Selection, briefing
from learning_instrument.analytics.executions import latest
from learning_instrument.dashboard.sections.first_screen import FAILURES, failures, shown_failures, tiles, verdict
from learning_instrument.dashboard.views import Links
from learning_instrument.sqlite.read_only import ReadOnlyDatabase
from tests.analytics.weeks import NOW, build

WEEK = Period.last(7, NOON + timedelta(hours=1))


@pytest.fixture
def database(tmp_path):
    with LearningDatabase(str(tmp_path / "learning.db")) as found:
        yield found


def days(failing, kind, since=28):
    """Return executions of some weeks; on the days ago of *failing* half of them fail, by errors of a *kind*."""
    return [
        record(
            success=not (number % 2 if day in failing else number == 0),
            exception_type=kind if day in failing and number % 2 else "OSError" if number == 0 else None,
            error_message="it fails" if number % 2 or number == 0 else None,
            timestamp=NOON - timedelta(days=day, minutes=number),
        )
        for day in range(since)
        for number in range(30)
    ]


def listed(database):
    """Return what happened, and the failures that are listed of it."""
    found = briefing(database, WEEK)
    last = latest(database, Selection(since=WEEK.since, until=WEEK.until), FAILURES, failed=True)
    return found, shown_failures(database, found, last)


@pytest.mark.parametrize("kind", ["OverloadedError", "OSError"])
def test_failures_of_an_outage_that_is_over_are_listed_before_the_latest(database, kind):
    """Those of new kinds are marked; where there are none, some of its days come first."""
    database.append(days({3, 4}, kind))

    found, shown = listed(database)
    markup = failures(shown, found, Links()).markup()

    is_new = kind == "OverloadedError"
    assert len(shown) == len({row.execution_id for row in shown}) == FAILURES
    assert all(NOON - timedelta(days=5) < row.timestamp < NOON - timedelta(days=3) for row in shown[:2])
    assert [row.timestamp for row in shown[3 - is_new :][:3]] == [NOON - timedelta(days=day) for day in range(3)]
    assert markup.count(">new<") == sum(row.exception_type == "OverloadedError" for row in shown)
    assert ("1 kind is new" in markup) == is_new
    assert ("Those of the outage first" in markup) == (not is_new)


def test_latest_failures_are_listed_where_nothing_happened(database):
    """The newest first."""
    database.append(days((), ""))

    found, shown = listed(database)

    assert [row.timestamp for row in shown] == [NOON - timedelta(days=day) for day in range(FAILURES)]
    assert "The latest of them" in failures(shown, found, Links()).markup()
    assert "none new" in failures(shown, found, Links()).markup()


def test_how_to_record_is_said_of_an_empty_database_alone(database):
    """A filter that matches nothing is named, with the values that there are."""
    assert "learning-instrument run" in verdict(briefing(database, WEEK))
    database.append([record(model_tier="small")])

    said = verdict(briefing(database, WEEK, Selection(model_tier="smal")))

    assert "No execution matches model_tier=smal" in said
    assert "The values: small (1)." in said
    assert "learning-instrument run" not in said


def test_what_a_headline_has_said_is_not_said_again(database):
    """The change that would be seen stands in the verdict of a quiet week, not in the figure below it."""
    database.append(days((), ""))

    found = briefing(database, WEEK)

    evidence = found.success.change.evidence
    assert evidence.startswith("we would see a change of ")
    assert (verdict(found).count(evidence), tiles(found).count(evidence)) == (1, 0)


def test_each_tile_has_its_change_and_what_is_left_out_stands_below(tmp_path):
    """Executions, success with its interval, known cost and p95, each beside the period before."""
    with ReadOnlyDatabase(build(tmp_path / "quiet.db", "quiet", executions_per_day=20, with_calls=False)) as database:
        found = briefing(database, Period.last(30, NOW))
    shown = tiles(found)

    assert found.left_out
    assert re.findall("<dt>([^<]*)</dt>", shown) == ["Executions", "Succeeded", "Cost", "1 in 20 took longer than"]
    for tile, figure in zip(
        shown.split("<dt>")[1:], (found.executions, found.success, found.cost, found.p95), strict=True
    ):
        assert figure.change.text
        assert figure.change.text in html.unescape(tile)
        assert ("95% interval" in tile) == (figure.low is not None)
    assert all(each in html.unescape(shown) for each in found.left_out)
