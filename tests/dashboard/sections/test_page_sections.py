"""What holds for every section of a page, whatever the database has in it."""

import contextlib
import json
import random
import re
import sqlite3

import pytest

from learning_instrument.analytics.briefing import briefing
from learning_instrument.analytics.periods import Period
from learning_instrument.dashboard.pages.page import content
from learning_instrument.dashboard.sections.page_sections import sections
from learning_instrument.dashboard.views import Budget, View
from learning_instrument.sqlite.read_only import ReadOnlyDatabase
from tests.analytics.weeks import KINDS, NOW, build

PERIODS = [Period.last(days, NOW) for days in (7, 90)]
#: Sections that count, and find nothing.
COUNTS = {"volume", "running", "file", "left-out"}
#: What is stored where a value is not known: the stand-in, and others that would change each figure they were in.
STAND_INS = {
    "actual_cost": (0.0, 7777.0),
    "cost_estimate": (0.0, 5555.0),
    "duration_seconds": (0.0, 8888888.0),
    "routing_confidence": (1.0, 0.0),
    "complexity_score": (50, 3),
}


def made(folder, kind, **options):
    return build(folder / f"{kind}.db", kind, executions_per_day=20, with_calls=False, **options)


def shown(path, period):
    view = View(period, budget=Budget(100.0))
    with ReadOnlyDatabase(path) as database:
        found = briefing(database, period)
        return [*sections(database, view, found)]


def test_page_has_a_section_for_each_question(tmp_path):
    """Where there is an answer: days, choices, errors, costs, groups by any key, waits, routing, rows, and the file."""
    found = shown(made(tmp_path, "outage"), PERIODS[1])

    assert [section.name for section in found] == [
        "success", "volume", "spend", "durations", "choice-tier", "choice-pool", "errors", "estimates", "budget",
        "by-1", "by-2", "choice-model", "choice-version", "by-3", "waits", "routing", "extremes", "patterns", "running",
        "file",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_heading_states_its_finding_and_how_well_it_is_supported(tmp_path, kind):
    """Where it is no count; that there is too little to tell is its own support."""
    path = made(tmp_path, kind)
    for period in PERIODS:
        for section in shown(path, period):
            heading = section.heading
            assert len(heading.text) > 12, section.name
            assert re.search(r"\d|\b(no|none|nothing|too)\b", heading.text, re.I), section.name
            says_little = re.match(r"Too few|No |All executions|.*no day tells the pace yet$", heading.text)
            assert heading.evidence or section.name in COUNTS or says_little, (section.name, heading.text)


def forget(path, which, columns=tuple(STAND_INS), share=0.3):
    """Have a share of the executions not know each of *columns*, with the stand-in of a number."""
    chance = random.Random(1)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for row, *_ in connection.execute("SELECT rowid FROM executions").fetchall():
            names = [name for name in columns if chance.random() < share]
            values = [STAND_INS[name][which] for name in names]
            sets = "".join(f", {name} = ?" for name in names)
            connection.execute(
                f"UPDATE executions SET defaulted = ?{sets} WHERE rowid = ?", [json.dumps(names), *values, row]
            )
        # So is the cost of calls without a price.
        unpriced = "UPDATE executions SET actual_cost = ? WHERE cost_source = 'unpriced'"
        connection.execute(unpriced, [STAND_INS["actual_cost"][which]])


def page_of(path, period):
    """Return the page, without the size of the file and what is running now."""
    with ReadOnlyDatabase(path) as database:
        page = content(database, View(period, budget=Budget(100.0)))
    return re.sub(r'<section id="(?:file|running)".*?</section>', "", page, flags=re.S)


@pytest.mark.parametrize("kind", ["outage", "price-rise"])
def test_values_that_are_not_known_are_drawn_nowhere(tmp_path, kind):
    """Whatever stands in for them: the page is the same."""
    paths = []
    for which in (0, 1):
        (tmp_path / str(which)).mkdir()
        paths.append(made(tmp_path / str(which), kind))
        forget(paths[-1], which)
    for period in PERIODS:
        one, other = (page_of(path, period) for path in paths)
        assert one.count("<section") > 12
        assert one.split("<") == other.split("<")


def test_unknown_cost_is_no_amount_in_any_section(tmp_path):
    """Where no cost is known no section has one, and an axis of dollars is not drawn."""
    path = made(tmp_path, "outage")
    forget(path, 0, ("actual_cost", "cost_estimate"), share=1)
    for period in PERIODS:
        found = shown(path, period)
        assert len(found) > 12
        said = {section.name: section.markup() for section in found}
        (budget,) = (section for section in found if section.name == "budget")
        assert [name for name, markup in said.items() if "$" in markup and name != "budget"] == []
        assert [row for row in budget.table.rows if "$0" in str(row)] == []
        assert "is unknown" in budget.heading.text
