"""Tests for the report: one file with every view in it."""

import contextlib
import importlib
import json
import random
import sqlite3
import tempfile
from collections import Counter
from datetime import datetime, timedelta
from html.parser import HTMLParser

import pytest

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.analytics import Selection, performance
from learning_instrument.analytics.periods import Period, default_periods
from learning_instrument.dashboard.markup import MOST_CHARACTERS, shortened
from learning_instrument.dashboard.pages import report as made
from learning_instrument.dashboard.pages.report import DIMENSIONS, report
from learning_instrument.dashboard.sections import page_sections
from learning_instrument.dashboard.views import Budget
from learning_instrument.outcome import Outcome
from learning_instrument.sqlite.read_only import ReadOnlyDatabase
from tests.analytics.weeks import HOSTILE_TEXTS, KINDS, NOW, build
from tests.benchmarks.recorded_files import recorded

_VOID = frozenset(("br", "col", "hr", "img", "input", "link", "meta"))


class Tree(HTMLParser):
    """The elements of a document: a name, attributes, the text within, and the elements around it."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.texts, self._open, self._data, self.strays = [], [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        found = {"tag": tag, "attrs": dict(attrs), "text": "", "around": list(self._open), "within": []}
        found["data"] = len(self._data)
        self.elements.append(found)
        for around in self._open:
            around["within"].append(found)
        if tag not in _VOID:
            self._open.append(found)

    def handle_endtag(self, tag):
        if not self._open or self._open[-1]["tag"] != tag:
            self.strays.append(tag)
        else:
            found = self._open.pop()
            found["text"] = "".join(self._data[found["data"] :])

    def handle_data(self, data):
        if self._open[-1:] and self._open[-1]["tag"] not in ("style", "script"):
            self.texts.append(data)
        self._data.append(data)

    def of(self, tag, **attrs):
        """Return the elements of a name that have these attributes."""
        return [
            found
            for found in self.elements
            if found["tag"] == tag and all(found["attrs"].get(name) == value for name, value in attrs.items())
        ]

    def within(self, outer, tag):
        """Return the elements of a name within another."""
        return [found for found in outer["within"] if found["tag"] == tag]


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weeks")
    few = {"executions_per_day": 15, "with_calls": False}
    return {kind: build(folder / f"{kind}.db", kind, **few) for kind in KINDS}


@pytest.fixture(scope="module")
def documents(databases):
    return {kind: written(path) for kind, path in databases.items()}


def written(path, **options):
    with ReadOnlyDatabase(path) as database:
        return report(database, default_periods(database, NOW), **options).document.decode()


@pytest.fixture(scope="module")
def trees(documents):
    return {kind: Tree(document) for kind, document in documents.items()}


@pytest.fixture(scope="module")
def outage(trees):
    return trees["outage"]


def views_of(tree):
    return [found for found in tree.of("div") if "data-period" in found["attrs"]]


def view_of(tree, period, only=""):
    (found,) = [
        view
        for view in views_of(tree)
        if (view["attrs"]["data-period"], view["attrs"]["data-only"]) == (str(period), only)
    ]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_database_makes_a_sound_page(trees, kind):
    """Elements are closed in order, anchors are unique, and what an address or a label names is there."""
    tree = trees[kind]
    ids = Counter(found["attrs"]["id"] for found in tree.elements if "id" in found["attrs"])
    assert tree.strays == []
    assert [name for name, count in ids.items() if count > 1] == []
    assert {link["attrs"]["href"].removeprefix("#") for link in tree.of("a")} <= ids.keys()
    assert {found["attrs"].get("aria-labelledby") for found in tree.elements} - {None} <= ids.keys()
    assert len(tree.of("h1")) == len(tree.of("main")) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_page_refers_to_nothing_outside_and_runs_nothing_else(trees, kind):
    """No address leads out of the file, no element has a style or a handler of its own."""
    tree = trees[kind]
    attributes = [(name, value) for found in tree.elements for name, value in found["attrs"].items()]
    assert [
        value for name, value in attributes if name in ("src", "href") and not value.startswith(("#", "data:"))
    ] == []
    assert {name for name, _ in attributes if name == "style" or name.startswith("on")} == set()
    assert {found["tag"] for found in tree.elements} & {"img", "iframe", "object", "embed", "base", "form"} == set()
    assert len(tree.of("script")) == 1


def test_hostile_text_is_text(trees):
    """What a database says is shown, in short, and makes no element."""
    tree = trees["hostile"]
    shown = "".join(tree.texts)
    for text in HOSTILE_TEXTS[:-1]:  # half of a letter is not stored
        assert shortened(text, 60) in shown
    assert max(map(len, tree.texts)) <= MOST_CHARACTERS + 2
    assert not set(shown) & set("\u202e\u2066\x00\x07\x1b\u2028")


@pytest.mark.parametrize("kind", KINDS)
def test_every_chart_has_a_name_a_heading_and_a_table(trees, kind):
    """A chart is a picture with a name, in a card with a heading; its numbers are there, or below in its view."""
    tree = trees[kind]
    charts = tree.of("svg", role="img")
    for chart in charts:
        (card,) = [around for around in chart["around"] if around["tag"] == "section"]
        assert chart["attrs"]["aria-label"]
        assert len(tree.within(card, "h2")) == 1
        (view,) = [around for around in chart["around"] if "data-period" in around["attrs"]]
        assert len(tree.within(card, "table")) == (view["attrs"]["data-only"] == "")
        assert tree.within(view, "table")
    assert bool(charts) == (kind != "empty")


def test_file_without_executions_says_how_to_record_some(trees):
    """In place of figures that are unknown."""
    shown = "".join(trees["empty"].texts)
    assert "Nothing is recorded yet" in shown
    assert "learning-instrument run --pools" in shown
    assert "unknown" not in shown


def test_first_screen_and_section_of_tiers_say_the_same(outage):
    """Which tier to use is said by one function."""
    view = view_of(outage, 7)
    (verdict,) = [found for found in outage.within(view, "div") if found["attrs"].get("class") == "verdict"]
    (section,) = [found for found in outage.within(view, "section") if found["attrs"]["id"].endswith("choice-tier")]
    (heading,) = outage.within(section, "h2")
    assert heading["text"] in verdict["text"]


def test_costs_that_leave_some_out_say_so_below_their_chart(outage):
    """In few words: the first screen says it in full."""
    view = view_of(outage, 7)
    said = {
        section["attrs"]["id"].partition("-")[2]
        for section in outage.within(view, "section")
        if "Not in these costs: " in section["text"]
    }
    assert {"spend", "choice-tier", "by-1", "by-2", "extremes"} <= said
    assert not said & {"failures", "success", "volume", "durations", "routing", "running", "file"}
    assert "Not in these figures: " in view["text"]


def test_every_table_names_its_columns(outage):
    """Each cell of the first row has a scope, and rows are as long as it."""
    for table in outage.of("table"):
        assert {heading["attrs"].get("scope") for heading in outage.within(table, "th")} == {"row", "col"}


def test_one_view_is_shown_and_controls_wait_for_the_script(outage):
    """Without the script the shortest period is all there is to see."""
    assert [view["attrs"]["data-period"] for view in views_of(outage) if "hidden" not in view["attrs"]] == ["7"]
    (controls,) = outage.of("div", id="controls")
    assert "hidden" in controls["attrs"]


def test_every_choice_of_the_controls_is_a_view(outage):
    """Each period has a view of all executions and of each value that can be chosen."""
    periods = [radio["attrs"]["value"] for radio in outage.of("input")]
    values = [option["attrs"]["value"] for option in outage.of("option")]
    assert periods == ["7", "30", "90"]
    assert {(view["attrs"]["data-period"], view["attrs"]["data-only"]) for view in views_of(outage)} == {
        (period, value) for period in periods for value in values
    }
    assert {value.partition("=")[0] for value in values} == {"", *DIMENSIONS}


def test_period_without_executions_is_not_the_first(tmp_path):
    """A file whose executions are a month old opens with the shortest period that has some."""
    path = build(tmp_path / "old.db", "quiet", NOW - timedelta(days=20), executions_per_day=5, with_calls=False)
    tree = Tree(written(path))
    assert [view["attrs"]["data-period"] for view in views_of(tree) if "hidden" not in view["attrs"]] == ["30"]
    (checked,) = [radio for radio in tree.of("input") if "checked" in radio["attrs"]]
    assert checked["attrs"]["value"] == "30"


@pytest.mark.parametrize("days", [7, 30, 90])
def test_view_of_a_value_has_the_figures_of_its_executions(databases, outage, days):
    """What the tiles of a view say is what analytics says of these executions."""
    period = Period.last(days, NOW)
    for name in ("model_tier", "repo"):
        with ReadOnlyDatabase(databases["outage"]) as database:
            groups = performance(database, name, Selection(since=period.since, until=period.until))
        for group in groups:
            view = view_of(outage, days, f"{name}={group.group[0]}")
            figures = [found["text"] for found in outage.within(view, "dd") if found["attrs"].get("class") == "figure"]
            assert figures[0] == f"{group.executions:,}"
            assert figures[1] == f"{group.success.estimate:.1%}"


def test_unknown_cost_is_never_zero(tmp_path):
    """Where no cost was reported the page says so, and has no amount of dollars."""
    path = build(tmp_path / "free.db", "one", with_calls=False)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(
            "UPDATE executions SET actual_cost = 0, cost_source = NULL, defaulted = ?",
            [json.dumps(["actual_cost", "cost_estimate"])],
        )
    text = "".join(found["text"] for found in Tree(written(path)).of("main"))
    assert "$" not in text
    assert "unknown" in text


def test_budget_is_shown_where_there_is_one(databases, outage):
    """The burn-down of a budget is a section; without a budget there is none."""
    assert outage.of("section", id="v0-budget") == []
    assert len(Tree(written(databases["outage"], budget=Budget(100.0))).of("section", id="v0-budget")) == 1


def test_rows_lead_to_executions_that_the_file_has(outage):
    """A failure leads to the drawing of that execution."""
    (failures,) = outage.of("section", id="v0-failures")
    links = [link["attrs"]["href"].removeprefix("#") for link in outage.within(failures, "a")]
    drawn = {found["attrs"]["id"] for found in outage.of("details") if "id" in found["attrs"]}
    assert len(links) > 3
    assert set(links) <= drawn


def test_long_period_leaves_out_what_reads_each_execution(databases, monkeypatch):
    """Above a number of executions the page has what roll-ups answer, and says what it leaves out."""
    for module in (page_sections, made, importlib.import_module("learning_instrument.analytics.briefing")):
        monkeypatch.setattr(module, "MOST_READ", 50)
    tree = Tree(written(databases["outage"]))
    names = {section["attrs"].get("id") for section in tree.of("section")}
    assert {"v0-left-out", "v0-choice-tier", "v0-errors", "v0-by-1"} <= names
    assert not {"v0-waits", "v0-routing", "v0-extremes", "v0-choice-model", "v0-by-3"} & names
    (errors,) = tree.of("section", id="v0-errors")
    assert "Their cost" not in {each["text"] for each in tree.within(errors, "th")}
    assert "Model" not in {group["attrs"]["label"] for group in tree.of("optgroup")}


def test_pools_of_many_executions_are_side_by_side_where_roll_ups_answer(databases, monkeypatch):
    """Over fewer than 20 days each execution would be read: they are left out, and the page says so."""
    for module in (page_sections, made):
        monkeypatch.setattr(module, "MOST_READ", 50)
    tree = Tree(written(databases["quiet"]))
    names = {section["attrs"].get("id") for section in tree.of("section")}
    left_out = [tree.of("section", id=f"v{view}-left-out")[0]["text"] for view in range(2)]
    assert ["pools side by side" in text for text in left_out] == [True, False]
    assert ["v0-choice-pool" in names, "v1-choice-pool" in names] == [False, True]


@pytest.mark.slow
def test_file_of_as_many_views_as_there_can_be_is_below_3_mb(tmp_path):
    """Of 8 values of each dimension, with executions on each of 90 days."""
    path = str(tmp_path / "many.db")
    build(path, "empty")
    chance = random.Random(1)
    names = dict.fromkeys(DIMENSIONS)
    with LearningDatabase(path) as database:
        database.append(
            ExecutionRecord(
                timestamp=NOW - timedelta(hours=number),
                duration_seconds=chance.uniform(1, 100),
                actual_cost=chance.uniform(0.001, 2),
                outcome=Outcome.SUCCEEDED if chance.random() < 0.8 else Outcome.FAILED,
                **{name: f"{name}-{chance.randrange(8)}" for name in names},
            )
            for number in range(180 * 24)
        )
    document = written(path)
    assert document.count(" data-only=") == 3 * (1 + 8 * len(DIMENSIONS))
    assert len(document) < 3_000_000


@pytest.mark.slow
def test_report_of_a_large_database_is_a_whole_page_below_3_mb(tmp_path, monkeypatch):
    """Of 300,000 executions it has each period, value and heading, and says what it leaves out."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # it is not kept
    path = recorded(300_000)
    with ReadOnlyDatabase(path) as database:
        ((last,),) = [row.values() for row in database.query("SELECT max(timestamp) FROM executions")]
        periods = default_periods(database, datetime.fromisoformat(last) + timedelta(minutes=1))
        (counted,) = database.query(
            "SELECT count(*) AS executions FROM executions WHERE timestamp >= :since",
            {"since": periods[0].since.isoformat(timespec="microseconds")},
        )
        document = report(database, periods).document
    tree = Tree(document.decode())
    assert len(document) < 3_000_000
    assert tree.strays == []
    assert f"{counted['executions']:,}" in view_of(tree, 7)["text"]
    assert [view["attrs"]["data-period"] for view in views_of(tree) if not view["attrs"]["data-only"]] == ["7", "30"]
    names = {section["attrs"].get("id") for section in tree.of("section")}
    for view in ("v0", "v1"):
        assert {f"{view}-{name}" for name in ("success", "choice-tier", "errors", "left-out", "file")} <= names
    assert {group["attrs"]["label"] for group in tree.of("optgroup")} == {"Pool", "Tier", "Task type", "Repository"}
    assert all(heading["text"].strip() for heading in tree.of("h2"))
