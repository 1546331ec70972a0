"""Tests for the section of failures by template."""

import re
from datetime import timedelta

import pytest
from asking import NOON, record

from learning_instrument import formatting
from learning_instrument.analytics.briefing import briefing
from learning_instrument.analytics.periods import Period
from learning_instrument.dashboard.sections import error_sections
from learning_instrument.dashboard.views import Links

WEEK = Period.last(7, NOON)


def failed(message, days, cost=0.5, **fields):
    """Return a failure so many days before the end of the week."""
    fields = {"outcome": "failed", "error_type": "unknown", **fields}
    return record(timestamp=NOON - timedelta(days=days), error_message=message, actual_cost=cost, **fields)


@pytest.fixture
def cells(database):
    """A function that stores executions, and returns the cells of each kind of failure by column, by its template."""

    def of(*records):
        database.append([*records, *(record(timestamp=NOON - timedelta(days=day)) for day in range(60))])
        found = briefing(database, WEEK)
        section = error_sections.kinds(found.errors, Links(execution="/{}".format), found.new_errors)
        names = [column.heading for column in section.table.columns]
        return section, {
            str(row[0]).partition("<")[0]: dict(zip(names, row, strict=True)) for row in section.table.rows
        }

    return of


def test_each_kind_has_when_it_was_first_and_last_seen_and_what_it_costs(cells):
    """Also where it was first seen before the period; an unknown cost is no $0."""
    old = [failed(f"disk {day} is full", day) for day in (30, 5, 2)]
    unpriced = [failed("no price", day, None) for day in (40, 4)]

    _, by_kind = cells(*old, *unpriced)
    full, unknown = (next(row for name, row in by_kind.items() if text in name) for text in ("disk", "no price"))

    assert formatting.day(NOON - timedelta(days=30)) in str(full["First seen"])
    assert formatting.day(NOON - timedelta(days=2)) in str(full["Last seen"])
    assert (full["Failures"], full["Their cost"]) == ("2", "$1.00")
    assert "$" not in str(unknown["Their cost"])


def test_kind_that_was_never_seen_before_is_marked_new(cells):
    """In the chart and in the table, and no other one."""
    old = [failed("disk is full", day) for day in (30, 5, 2)]
    section, _ = cells(*old, *(failed("never seen", day) for day in (3, 2, 1)))

    assert len(re.findall(r"\bnew\b", section.chart.replace(section.heading.text, ""))) == 1
    rows = ["".join(map(str, row)) for row in section.table.rows]
    assert [("never seen" in row) == bool(re.search(r"\bnew\b", row)) for row in rows] == [True, True]


def test_latest_of_each_kind_leads_to_its_execution(cells):
    """By a link in its row."""
    section, _ = cells(*(failed("disk is full", day, execution_id=f"e{day}") for day in (5, 2)))

    assert 'href="/e2"' in "".join(map(str, section.table.rows[0]))
