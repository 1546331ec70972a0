"""One execution, whole: the page says what ``show`` says, marks defaults, and makes no 0 of what is unknown."""

import contextlib
import sqlite3
import xml.etree.ElementTree as ET
from datetime import timedelta

import pytest
from asking import NOON, record

from learning_instrument import LearningDatabase
from learning_instrument.dashboard.pages.execution_page import execution_content
from learning_instrument.dashboard.views import Links
from learning_instrument.errors import UnknownExecutionError
from learning_instrument.outcome import Outcome
from learning_instrument.sqlite.read_only import ReadOnlyDatabase

HOSTILE = "<script>alert(1)</script>\u202egnp.exe " + "word" * 1000
FAILED = {"outcome": Outcome.FAILED, "success": False}


class Page:
    """The page of an execution, parsed."""

    def __init__(self, path, execution_id, **links):
        with ReadOnlyDatabase(path) as database:
            self.root = ET.fromstring(
                execution_content(database, execution_id, Links(**links)).replace("<br>", "<br/>")
            )
        self.text = self.inner(self.root)

    @staticmethod
    def inner(part):
        return "".join(part.itertext())

    def pairs(self, class_):
        """Return terms -> descriptions of a list."""
        (found,) = [part for part in self.root.iter("dl") if part.get("class") == class_]
        return {
            self.inner(term): self.inner(said)
            for group in ([found] if class_ == "fields" else found)
            for term, said in zip(group.findall("dt"), group.findall("dd"), strict=False)
        }

    def card(self, name):
        return next((card for card in self.root.iter("section") if card.get("id") == name), None)


@pytest.fixture
def path(tmp_path):
    """The path of a database for records of a test's own."""
    return str(tmp_path / "learning.db")


@pytest.fixture
def shown(path):
    """A function that stores executions and returns the page of the first."""

    def show(*records, **links):
        with LearningDatabase(path) as database:
            database.append(records)
        return Page(path, records[0].execution_id, **links)

    return show


def test_heading_says_how_it_ended_and_why(shown):
    """With its id, and the error in full."""
    page = shown(record(**FAILED, exception_type="ValueError", error_message=HOSTILE, execution_id="e" * 20))

    assert page.inner(next(page.root.iter("h1"))) == "fix: failed after 1.0 s"
    assert "e" * 20 in page.text
    assert "ValueError: <script>alert(1)</script>\\u202egnp.exe wordword" in page.text


@pytest.mark.parametrize(
    ("fields", "figure", "said"),
    [
        ({"actual_cost": 0.5}, "$0.5000", None),
        ({"actual_cost": 0.0}, "$0", None),
        ({}, "unknown", "not reported"),
        ({"actual_cost": 0.5, "cost_source": "partial"}, "at least $0.5000", "partial: the rest is unknown"),
        ({"actual_cost": 0.0, "cost_source": "unpriced"}, "unknown", "unpriced"),
    ],
)
def test_cost_that_is_unknown_is_not_0(shown, fields, figure, said):
    """Nor is a lower bound the whole."""
    page = shown(record(**fields))

    assert page.pairs("tiles")["Cost"] == figure
    assert said is None or said in page.text


def test_defaults_are_marked(shown):
    """Beside their value; what has none is named."""
    page = shown(record(pool_type="threads"))

    fields = page.pairs("fields")
    assert fields["pool_type"] == "threads"
    assert fields["model_tier"].endswith(" (default: nothing was reported)")
    assert fields["actual_cost"] == "unknown (not reported)"
    assert "Not reported: " in page.text


def test_parent_and_children_lead_to_their_pages(shown):
    """As do other attempts, where pages have addresses."""
    own = record(execution_id="own", parent_execution_id="parent", task_id="t", duration_seconds=9.0)
    child = record(execution_id="child", parent_execution_id="own", task_id="c")
    other = record(execution_id="other", task_id="t", parent_execution_id="parent", timestamp=NOON + timedelta(hours=1))

    page = shown(own, child, other, execution=lambda execution_id: f"/executions/{execution_id}")

    addresses = {anchor.get("href") for anchor in page.root.iter("a")}
    assert addresses == {f"/executions/{name}" for name in ("own", "parent", "child", "other")}


def test_a_file_leads_nowhere(shown):
    """It has no pages beside it."""
    assert list(shown(record(parent_execution_id="parent")).root.iter("a")) == []


def test_feedback_has_its_history(path, shown):
    """Every entry, and its comment as text."""
    shown(record(execution_id="own"))
    with LearningDatabase(path) as database:
        database.add_feedback("own", accepted=False, rating=2, comment="It broke <b>all</b>.")
        database.add_feedback("own", accepted=True)

    rows = [Page.inner(row) for row in Page(path, "own").card("feedback").iter("tr")]
    assert "It broke <b>all</b>." in rows[1]
    assert len(rows) == 3


def test_model_calls_are_a_table(path, shown):
    """Of the columns that any has a value in; a cost that is a lower bound says so, an unknown one is no 0."""
    shown(record(execution_id="own"))
    known = {"execution_id": "own", "trace_id": "t", "timestamp": "2026-11-20T12:00:00.250000+00:00", "model": "gpt"}
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for values in (
            {"span_id": "1", "cost": 0.25, "cost_source": "partial", "input_tokens": 1200, "duration_seconds": 2.0},
            {"span_id": "2", "cost_source": "unpriced", "duration_seconds": 0.5},
        ):
            row = {"path": "", **known, **values}
            marks = ",".join("?" * len(row))
            connection.execute(f"INSERT INTO model_calls ({','.join(row)}) VALUES ({marks})", tuple(row.values()))

    found = Page(path, "own").card("calls")
    assert Page.inner(found.find("h2")) == "Model calls: 2 spans"
    table = [[Page.inner(cell) for cell in row] for row in found.iter("tr")]
    by_name = [dict(zip(table[0], row, strict=True)) for row in table[1:]]
    assert [row["cost"] for row in by_name] == ["at least $0.2500", "-"]
    assert [row["input tokens"] for row in by_name] == ["1,200", "-"]
    assert [row["start (UTC)"] for row in by_name] == ["12:00:00.250"] * 2
    assert not {"path", "span id", "execution id"} & set(table[0])


def test_what_there_is_none_of_has_no_card(shown):
    """Neither calls nor feedback are shown as empty tables."""
    page = shown(record())

    assert (page.card("calls"), page.card("feedback")) == (None, None)
    assert page.card("timeline") is not None


def test_long_texts_are_there_in_full(shown):
    """Their end is shown by a click."""
    page = shown(record(task_description="first line\n" + "word " * 1000 + "end"))

    (more,) = page.root.iter("details")
    assert Page.inner(more.find("summary")) == "4,414 characters more"
    assert Page.inner(more).endswith("end")
    assert page.pairs("fields")["task_description"].startswith("first lineword word")


def test_unknown_execution_is_an_error(path, shown):
    """As for every question about one."""
    shown(record())
    with pytest.raises(UnknownExecutionError):
        Page(path, "nobody")


def test_length_that_is_a_stand_in_is_neither_said_nor_drawn(shown):
    """The default is in the list of all fields alone, where it is marked."""
    page = shown(record(duration_seconds=5.0, defaulted=("duration_seconds",)))

    timeline = page.inner(page.card("timeline"))
    assert page.inner(next(page.root.iter("h1"))).endswith("after an unknown time")
    assert "How long it took is not known" in timeline
    assert "length not known" in timeline
    assert [page.inner(cell) for cell in page.card("timeline").iter("td")][1:3] == ["0", "unknown"]
    assert page.pairs("fields")["duration_seconds"] == "5.0 s (default: nothing was reported)"
