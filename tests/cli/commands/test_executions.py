"""``list``, ``show`` and ``tail``."""

import contextlib
import json
import re
import sqlite3

import calls
import pytest
from asking import answer, ask, document, record, rows, store

from learning_instrument import LearningDatabase, SQLiteSpanExporter
from learning_instrument.costs.prices import prices_of
from learning_instrument.database import store_of

UNKNOWN = {"not reported": {}, "unpriced": {"cost_source": "unpriced", "actual_cost": 0.0}}


@pytest.fixture
def path(tmp_path):
    """The path of a database for records of a test's own."""
    return str(tmp_path / "learning.db")


def shown(path, execution):
    """Return what ``show`` says of each field."""
    return dict(line.split(maxsplit=1) for line in answer(path, "show", execution).splitlines() if " " in line)


@pytest.mark.parametrize("why", UNKNOWN)
def test_unknown_cost_is_never_zero(path, why):
    """In no command, format or field: a dash, the reason, null or nothing."""
    store(path, record(execution_id="e-1", **UNKNOWN[why]))
    store(path, record(execution_id="e-2", parent_execution_id="e-1", **UNKNOWN[why]))
    tail = ("tail", "--lines", "5", "--for", "0")

    for command in (["list"], ["show", "e-1"], tail, ["summary"], ["performance"], ["costs"], ["similar", "x"]):
        assert "$0" not in answer(path, *command), command
    assert shown(path, "e-1")["actual_cost"] == shown(path, "e-1")["cost_estimate"] == f"unknown ({why})"
    found = document(path, "show", "e-1")
    followed = [json.loads(line) for line in answer(path, *tail, "--json").splitlines()]
    for execution in [*document(path, "list"), found["execution"], *found["children"], *followed]:
        assert (execution["actual_cost"], execution["cost_estimate"]) == (None, None)
    for command in (["list"], ["show", "e-1"], tail):
        assert {(row["actual_cost"], row["cost_estimate"]) for row in rows(path, *command)} == {("", "")}


def test_length_that_was_not_measured_is_a_dash(path):
    """In the tables of list and tail."""
    stand_in = {"duration_seconds": 600.0, "defaulted": ("duration_seconds",)}
    ids = ("e-1", "e-2")
    store(path, record(execution_id=ids[0], **stand_in), record(execution_id=ids[1], duration_seconds=2.0))

    for command in (["list"], ["tail", "--lines", "5", "--for", "0"]):
        unknown, known = ([line for line in answer(path, *command).splitlines() if name in line] for name in ids)
        assert ["10 m" in line for line in unknown] == [False]
        assert ["2.0 s" in line for line in known] == [True]


def test_lower_bound_is_never_shown_as_the_whole_cost(path):
    """In no command does its amount stand without "at least"; other formats have the source beside it."""
    kept = {"solution_summary": "Split it", "task_description": "mend the parser"}
    store(
        path,
        record(execution_id="e-1", actual_cost=0.5, cost_source="partial", **kept),
        record(execution_id="e-2", parent_execution_id="e-1", actual_cost=0.5, cost_source="partial", **kept),
    )
    alike = ("similar", "mend the parser")

    for command in (
        ["list"],
        ["show", "e-1"],
        ["summary"],
        ["performance"],
        ["costs"],
        ["costs", "--by", "repo", "--by", "metadata.customer"],
        ["costs", "--budget", "9"],
        alike,
        ["patterns", "--min-support", "2"],
    ):
        text = answer(path, *command)
        amounts = re.findall(r"(.{9})\$(?:0\.50|1\.00)", text)
        assert amounts, command
        assert set(amounts) == {"at least "}, command
    assert shown(path, "e-1")["actual_cost"] == "at least $0.5000 (partial: the rest is unknown)"
    assert {execution["cost_source"] for execution in document(path, *alike)["executions"]} == {"partial"}
    assert {(row["actual_cost"], row["cost_source"]) for row in rows(path, "list")} == {("0.5", "partial")}
    for command in ("summary", "costs"):
        assert (document(path, command)["cost_usd"], document(path, command)["partial"]) == (1.0, 2)
        assert "excluded    a part of the cost of 2 executions (partial)\n" in answer(path, command)
    for command in ("summary", "costs", "performance"):
        assert {row["partial"] for row in rows(path, command)} == {"2"}
    assert rows(path, "patterns", "--min-support", "2")[0]["partial"] == "2"


def test_model_call_of_which_a_part_is_unknown_has_a_lower_bound(path):
    """Beside one whose cost is known."""
    with LearningDatabase(path) as database:
        SQLiteSpanExporter(database).export(
            [calls.execution(1), calls.chat(2, 1, cost=0.25), calls.chat(3, 1, cost=0.125)]
        )
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE model_calls SET cost_source = 'partial' WHERE cost = 0.25")
        ((execution_id,),) = connection.execute("SELECT execution_id FROM executions").fetchall()

    text = answer(path, "show", execution_id)

    assert [("at least 0.25" in line, "0.125" in line) for line in text.splitlines() if "chat" in line] == [
        (True, False),
        (False, True),
    ]
    assert "is partial" not in text


def test_call_without_a_price_beside_one_with_a_price_makes_a_lower_bound(path):
    """From the spans to the report."""
    with LearningDatabase(path) as database:
        store_of(database).model_calls.price_with(prices_of({"ours": {"input": 1.0, "output": 2.0}}))
        told = [calls.chat(2, 1, model="ours", tokens=(500_000, 0)), calls.chat(3, 1, model="theirs", tokens=(10, 5))]
        SQLiteSpanExporter(database).export([calls.execution(1), *told])

    for command in ("summary", "costs"):
        assert "cost        at least $0.5000 ($0 on executions that did not succeed)\n" in answer(path, command)
        assert document(path, command)["partial"] == 1
    (day,) = [line for line in answer(path, "costs").splitlines() if line.startswith("20")]
    assert day.split()[2:6] == ["at", "least", "$0.5000", "$0"]


def test_whole_cost_is_no_lower_bound(path):
    """A stand-in beside a source, too: its cost is unknown."""
    store(
        path,
        record(execution_id="e-1", actual_cost=0.5, cost_source="priced"),
        record(execution_id="e-2", cost_source="partial", defaulted=("actual_cost",)),
    )

    for command in (["list"], ["show", "e-1"], ["summary"], ["performance"], ["costs"], ["costs", "--budget", "9"]):
        assert "at least" not in answer(path, *command), command
    assert shown(path, "e-2")["actual_cost"] == "unknown (not reported)"


def test_reported_zero_is_zero(path):
    """It is a value, and an estimate that was reported stays beside an unknown cost."""
    store(path, record(execution_id="e-1", actual_cost=0.0), record(execution_id="e-2", cost_estimate=0.5))

    assert shown(path, "e-1")["actual_cost"] == "$0"
    assert shown(path, "e-2")["cost_estimate"] == "$0.5000"
    assert [execution["actual_cost"] for execution in document(path, "list")] == [None, 0.0]
    assert [execution["cost_estimate"] for execution in document(path, "list")] == [0.5, 0.0]


def test_excluded_execution_is_not_shown(path):
    """Nor taken for an unknown one."""
    store(path, record(execution_id="e-1", repo="shop"))

    assert "e-1" in answer(path, "show", "e-1", "--where", "repo=shop")
    result = ask(path, "show", "e-1", "--where", "repo=site")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: Execution 'e-1' is excluded by the filters; leave them out.\n"


def test_show_writes_one_execution_as_a_page(path, tmp_path):
    """One file, which takes the place of another, by an id's beginning; the terminal says where it is."""
    store(path, record(execution_id="e-1", error_message="<script>alert(1)</script>"))
    out = tmp_path / "one.html"
    out.write_text("before")

    assert answer(path, "show", "e-", "--out", str(out)) == f"{out}\n"
    page = out.read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert "<h1>fix: succeeded after 1.0 s</h1>" in page
    assert "<script" not in page
    assert list(tmp_path.glob("*.html")) == [out]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "one.html", "--json"], "--out writes a page: leave out --json and --csv."),
        (["--out", "no/such/folder/one.html"], "Cannot write"),
        (["--out", "learning.db"], "is a database, which is not overwritten"),
    ],
)
def test_a_page_that_cannot_be_written_is_one_line(path, tmp_path, monkeypatch, arguments, message):
    """And the database is never written over."""
    store(path, record(execution_id="e-1"))
    monkeypatch.chdir(tmp_path)

    result = ask(path, "show", "e-1", *arguments)

    assert result.exit_code == 2
    assert message in result.stderr
    assert document(path, "show", "e-1")["execution"]["execution_id"] == "e-1"
