"""Answers in a real IPython, and in a notebook that a kernel runs."""

import atexit
import re
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser

import pytest

from learning_instrument import ExecutionRecord, analytics
from learning_instrument.analytics import Period, Selection
from learning_instrument.dashboard import load_ipython_extension, notebook, unload_ipython_extension

NOW = datetime(2026, 11, 27, 12, tzinfo=timezone.utc)
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def recorded(database):
    """A database of two weeks: two tiers, failures, an unpriced cost and hostile text."""
    database.append(
        [
            ExecutionRecord(
                task_type="review" if number % 2 else "fix",
                timestamp=NOW - timedelta(hours=3 * number + 1),
                model_tier="small" if number % 4 < 2 else "large",
                pool_type=HOSTILE,
                repo=HOSTILE,
                success=number % 5 > 0,
                error_type=None if number % 5 else "timeout",
                error_message=None if number % 5 else HOSTILE,
                solution_summary=HOSTILE if number % 5 else None,
                duration_seconds=1.0 + number % 7,
                queue_seconds=0.5,
                routing_confidence=0.5 + number % 5 / 10,
                actual_cost=None if number % 9 == 0 else 0.25,
                cost_source="unpriced" if number % 9 == 0 else "reported",
                cost_estimate=0.2,
                execution_id=f"e-{number}",
            )
            for number in range(112)
        ]
    )
    database.flush()
    return database


def answers(database):
    """Return an answer of each kind, and a text that what is shown of it has."""
    week = Period.last(7, NOW)
    before = Selection(since=week.before.since, until=week.before.until)
    return [
        (analytics.briefing(database, week), "<svg"),
        (analytics.summary(database), "112"),
        (analytics.performance(database, by=("task_type", "model_tier")), "review, small"),
        (analytics.queue_waits(database), "494 ms"),
        (analytics.side_by_side(database, "model_tier"), "<svg"),
        (analytics.costs(database, by="model_tier"), "<svg"),
        (analytics.error_groups(database), "timeout"),
        (analytics.compare(database, before, Selection(since=week.since, until=week.until)), "duration"),
        (analytics.solution_patterns(database), "Solution"),
        (analytics.routing_calibration(database), "<svg"),
        (analytics.extremes(database), "7.0 s"),
        (analytics.story(database, "e-3"), "waterfall"),
    ]


class Parsed(HTMLParser):
    """The elements of a page, and whether each that was opened is closed."""

    def __init__(self, page):
        super().__init__()
        self.open, self.found, self.ids = [], set(), []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.found.add(tag)
        self.ids += [value for name, value in attributes if name == "id"]
        assert not [name for name, _ in attributes if name.startswith("on") or name == "style"]
        if tag not in ("br", "col", "hr", "img", "input", "link", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def shell():
    """A real IPython, without its history."""
    interactive = pytest.importorskip("IPython.core.interactiveshell")
    found = interactive.InteractiveShell(
        config=pytest.importorskip("traitlets.config").Config({"HistoryManager": {"enabled": False}})
    )
    yield found
    found.atexit_operations()
    atexit.unregister(found.atexit_operations)


def html_of(shell, answer):
    return shell.display_formatter.format(answer)[0].get("text/html")


@pytest.mark.slow
def test_answers_are_shown_as_tables_and_charts(shell, recorded):
    """Each whole, without a script, and with ids that no other answer has."""
    shell.run_line_magic("load_ext", "learning_instrument.dashboard")
    ids = []
    for answer, text in answers(recorded):
        page = html_of(shell, answer)
        assert page is not None, type(answer)
        assert text in page, type(answer)
        parsed = Parsed(page)
        assert "script" not in parsed.found
        assert parsed.found & {"table", "svg"}
        ids += parsed.ids
    assert len(ids) == len(set(ids)) > 0


@pytest.mark.slow
def test_empty_database_has_answers_too(shell, database):
    """A page says that there is nothing; a list of nothing is a list."""
    load_ipython_extension(shell)
    for answer in (
        analytics.briefing(database, Period.last(7, NOW)),
        analytics.summary(database),
        analytics.costs(database),
        analytics.error_groups(database),
        analytics.side_by_side(database, "model_tier"),
        analytics.routing_calibration(database),
        analytics.extremes(database),
        analytics.compare(database, Selection(until=NOW), Selection(since=NOW)),
    ):
        Parsed(html_of(shell, answer))
    assert html_of(shell, analytics.performance(database)) is None


@pytest.mark.slow
def test_unloading_leaves_all_as_it_was(shell, recorded):
    """Lists of others, and what another extension shows of them, are never touched."""
    formatter = shell.display_formatter.formatters["text/html"]
    formatter.for_type(list, lambda found: f"<b>{len(found)}</b>")
    before = dict(formatter.type_printers)
    answer = analytics.performance(recorded)

    load_ipython_extension(shell)
    load_ipython_extension(shell)
    assert html_of(shell, [1, 2]) == "<b>2</b>"
    assert html_of(shell, [answer[0], 2]) == "<b>2</b>"
    assert "<table" in html_of(shell, answer)
    unload_ipython_extension(shell)
    unload_ipython_extension(shell)

    assert formatter.type_printers == before
    assert html_of(shell, answer) == f"<b>{len(answer)}</b>"
    assert html_of(shell, analytics.summary(recorded)) is None


@pytest.mark.slow
def test_kernel_runs_a_notebook(recorded, tmp_path, monkeypatch):
    """As JupyterLab and VS Code do: HTML beside the text that other readers take."""
    formats, client = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    cells = [
        "%load_ext learning_instrument.dashboard",
        f"from learning_instrument import LearningDatabase, analytics\ndatabase = LearningDatabase({recorded.path!r})",
        "analytics.summary(database)",
        "analytics.performance(database)",
        "database.close()",
    ]
    page = formats.v4.new_notebook(cells=[formats.v4.new_code_cell(cell) for cell in cells])

    client.NotebookClient(
        page, timeout=100, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()

    for cell in page.cells[2:4]:
        (output,) = cell.outputs
        assert "<table" in output.data["text/html"]
        assert "executions=" in output.data["text/plain"]


def test_style_reaches_nothing_but_answers():
    """Every rule is for what is within one, and every variable that it uses is one of its own."""
    text = notebook.style()
    for prelude in re.findall(r"([^{}]+)\{", text):
        if not prelude.strip().startswith("@media"):
            for selector in prelude.split(","):
                assert ".learning-instrument" in selector, selector
    assert text.count("{") == text.count("}")
    used, known = set(re.findall(r"var\((--[\w-]+)", text)), set(re.findall(r"(--[\w-]+):", text))
    assert used <= known
    assert {"--text", "--card", "--accent"} <= used
    assert not re.search(r"url\(|@import|</", text)
