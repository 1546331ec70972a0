"""The file that ``report`` writes, as a reader has it: seen, used by mouse and keyboard, printed, on a phone."""

import re
import sqlite3
from contextlib import closing
from typing import NamedTuple

import pytest
from analytics.weeks import KINDS

from learning_instrument import formatting

from .chromium import FRAME

pytestmark = pytest.mark.slow

CHARTS = "svg[role=img]"
#: The one view that is shown.
SHOWN = "[data-period]:not([hidden])"
PHONE = {"width": 360, "height": 740}
#: Characters that change the direction of what follows, and those that no text needs.
UNWANTED = re.compile("[\\u202a-\\u202e\\u2066-\\u2069\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]")
FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex]"


class Figures(NamedTuple):
    """What the first three tiles say."""

    executions: str
    success: str
    cost: str


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def shown(browser, report_of):
    """Return what opens the report of a kind of database."""
    pages = []

    def show(kind, **window):
        pages.append(browser.open(report_of(kind), **window))
        return pages[-1]

    yield show
    for page in pages:
        with page:
            pass


def periods_of(page):
    """Return the periods that are offered, each a number of days; at least one is always shown."""
    return page.read("[...document.querySelectorAll('input[name=period]')].map((box) => box.value)")


def choose(page, period, value=""):
    """Choose a period by a click and a value in the list."""
    page.click(f'input[name=period][value="{period}"]')
    if value or page.read("document.querySelector('select') !== null"):
        page.choose("select", value)
    page.wait(f"document.querySelector('{SHOWN}').dataset.period === '{period}'")


def values_of(page):
    """Return what the list offers: each a column and a value."""
    return page.read("[...document.querySelectorAll('option')].map((option) => option.value)")


def figures_of(page):
    texts = page.read(f"[...document.querySelectorAll('{SHOWN} .tile .figure')].map((figure) => figure.textContent)")
    return Figures(*texts[:3])


def due_figures(database, days, only=""):
    """Return what SQL says of the *days* that end on 27 November, so far."""
    column, _, value = only.partition("=")
    # A character that would not be seen is shown by its number, and white space at the end not at all.
    value = re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), value)
    known = "cost_source IS NOT 'unpriced' AND NOT instr(defaulted, 'actual_cost')"
    condition = f"AND rtrim({column}, char(8232, 8233)) = ?" if only else ""
    asked = f"""
        SELECT count(*), avg(success), sum(CASE WHEN {known} THEN actual_cost END),
            max(cost_source IN ('unpriced', 'partial'))
        FROM executions WHERE timestamp >= date('2026-11-28', ?) {condition}"""
    with closing(sqlite3.connect(database)) as connection:
        parameters = (f"-{days} days", *([value] if only else []))
        executions, success, cost, is_bound = connection.execute(asked, parameters).fetchone()
    return Figures(
        f"{executions:,}",
        "unknown" if success is None else formatting.share(success),
        "unknown" if cost is None else formatting.bound(formatting.dollars(cost), bool(is_bound)),
    )


def test_every_chart_draws(shown, kind):
    """In each period each chart has marks, not a frame alone; only an empty database has none."""
    page = shown(kind)
    for period in periods_of(page):
        choose(page, period)
        drawn = page.ink(CHARTS, without=FRAME)
        assert [chart.label for chart in drawn if chart.pixels < 5] == []
        assert bool(drawn) == (kind != "empty")


@pytest.mark.parametrize("window", [{"dark": True}, PHONE], ids=["dark", "phone"])
def test_charts_draw_in_the_dark_and_on_a_phone(shown, window):
    """Marks have another colour than their ground in either scheme, and fit a small window."""
    page = shown("outage", **window)
    drawn = page.ink(CHARTS, without=FRAME)
    assert len(drawn) > 8
    assert [chart.label for chart in drawn if chart.pixels < 5] == []


def test_page_asks_for_nothing_and_has_no_fault(shown, kind):
    """Shown in each period and of each value: no error, nothing refused by the policy, no request but for the file."""
    page = shown(kind)
    for period in periods_of(page):
        choose(page, period)
    for value in values_of(page):
        choose(page, period, value)
    assert page.faults == []
    assert [request["url"].partition("#")[0] for request in page.requests] == [page.read("location.href.split('#')[0]")]


@pytest.mark.parametrize(("database", "period"), [("outage", "7"), ("outage", "90"), ("hostile", "30")])
def test_figures_of_each_choice_are_those_that_sql_gives(shown, database_of, database, period):
    """Executions, success and cost of all executions and of each value that the list offers."""
    page = shown(database)
    said, due = {}, {}
    for value in values_of(page):
        choose(page, period, value)
        said[value] = figures_of(page)
        due[value] = due_figures(database_of(database), period, value)
    assert len(said) > 10
    assert said == due


def test_keyboard_alone_chooses_what_is_shown(shown, database_of):
    """Tab reaches period and value, arrows and letters choose; the address keeps the choice."""
    page = shown("quiet")
    page.press("Tab", "Tab", "ArrowRight", "Tab")
    page.type("small")
    page.wait(f"document.querySelector('{SHOWN}').dataset.only === 'model_tier=small'")
    assert figures_of(page) == due_figures(database_of("quiet"), "30", "model_tier=small")
    page.reload()
    assert figures_of(page) == due_figures(database_of("quiet"), "30", "model_tier=small")


def test_back_undoes_a_choice(shown):
    """Each choice is a step of the browser's history."""
    page = shown("quiet")
    choose(page, "30")
    page.read("history.back()")
    page.wait(f"document.querySelector('{SHOWN}').dataset.period === '7'")
    assert page.read("document.querySelector('input:checked').value") == "7"


def test_failure_leads_to_its_execution_in_the_same_file(shown):
    """The link of the latest failure opens that execution, with its story drawn."""
    page = shown("outage")
    page.click(f"{SHOWN} table a:visible >> nth=0")
    page.wait("document.querySelector(':target') !== null")
    assert page.read("document.querySelector(':target').open") is True
    assert page.read("document.querySelector(':target').innerText").count("model call") > 0
    assert [chart for chart in page.ink(":target svg", without=FRAME) if chart.pixels < 5] == []
    assert page.faults == []


def test_tab_reaches_every_control_in_order_and_shows_where_it_is(shown):
    """The order is that of the page, nothing is left out, and the focused element has an outline."""
    page = shown("outage")
    mark = f"[...document.querySelectorAll('{FOCUSABLE}')].filter((e) => e.checkVisibility() && e.tabIndex >= 0)"
    due = page.read(f"{mark}.filter((e) => e.type !== 'radio' || e.checked).map((e, n) => e.dataset.n = String(n))")
    reached = []
    for _ in due:
        page.press("Tab")
        reached.append(page.read("document.activeElement.dataset.n"))
        style = page.read("(({outlineStyle, outlineWidth}) => [outlineStyle, outlineWidth])"
                          "(getComputedStyle(document.activeElement))")  # fmt: skip
        assert style == ["solid", "2px"]
    assert reached == due
    assert len(due) > 10


@pytest.mark.parametrize("window", [{}, {"dark": True}, PHONE, {**PHONE, "dark": True}], ids=str)
@pytest.mark.parametrize("database", ["outage", "hostile", "empty"])
def test_axe_finds_nothing(shown, database, window):
    """No violation of WCAG A and AA or of axe's advice that is worse than minor, all details open or closed."""
    page = shown(database, **window)
    ids = page.read("[...document.querySelectorAll('[id]')].map((each) => each.id)")
    assert sorted(set(ids)) == sorted(ids)
    page.read(
        "document.querySelectorAll('[data-period][hidden]').forEach((view) => view.remove())"
    )  # they take minutes
    assert page.violations() == []
    page.read("document.querySelectorAll('details').forEach((details) => { details.open = true })")
    assert page.violations() == []


def test_phone_does_not_scroll_sideways(shown, kind):
    """Each period fits 360 pixels, all details open."""
    page = shown(kind, **PHONE)
    for period in periods_of(page):
        choose(page, period)
        page.read("document.querySelectorAll('details').forEach((details) => { details.open = true })")
        assert page.read("document.documentElement.scrollWidth") == PHONE["width"]


def test_page_without_scripts_is_whole(shown, kind):
    """The first view is what a reader with scripts sees, without the controls that would do nothing."""
    plain, full = shown(kind, scripts=False), shown(kind)
    full.read("document.getElementById('controls').hidden = true")
    text = "document.getElementById('main').innerText"
    assert plain.read(text) == full.read(text)
    assert len(plain.read(text)) > 100
    assert len(plain.ink(CHARTS)) == len(full.ink(CHARTS))


def test_print_has_all_numbers(shown, tmp_path):
    """All tables are open, controls are gone, and every page of the file is made."""
    page = shown("outage")
    page.print()
    tables = page.read(f"[...document.querySelectorAll('{SHOWN} table')].map((table) => table.checkVisibility()"
                       " && table.getBoundingClientRect().height > 0)")  # fmt: skip
    assert len(tables) > 10
    assert all(tables)
    assert page.read("document.getElementById('controls').checkVisibility()") is False
    page.pdf(tmp_path / "page.pdf")
    pages = len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "page.pdf").read_bytes()))
    assert 2 <= pages <= 20


def test_nothing_of_a_hostile_database_runs_or_turns_the_text(shown):
    """Markup, scripts and addresses of a database are text; its control characters are shown, not obeyed."""
    page = shown("hostile")
    texts = [page.read("document.body.textContent")]
    texts += page.read("[...document.querySelectorAll('*')].flatMap((e) => [...e.attributes].map((a) => a.value))")
    assert [found for text in texts for found in UNWANTED.findall(text)] == []
    assert any("<script>" in text for text in texts)
    assert page.read("document.querySelectorAll('script').length") == 1
    assert page.read("document.querySelectorAll('img, iframe, object, embed, [onload], [onerror]').length") == 0
    assert set(page.read("[...document.querySelectorAll('a')].map((a) => a.protocol)")) == {"file:"}
    assert page.faults == []
