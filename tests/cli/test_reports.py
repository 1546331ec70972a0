"""The reports of ``learning-instrument``: what they print is what the functions say, and what is left out is named."""

import functools
import os
import re
import sqlite3
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from asking import COMMAND, NOON, answer, ask, document, on_a_terminal, record, rows, store
from calls import chat, execution
from databases import make_older
from rich.cells import cell_len
from rich.text import Text

from learning_instrument import LearningDatabase, SQLiteSpanExporter, formatting
from learning_instrument.analytics import (
    Selection,
    burn_down,
    costs,
    error_groups,
    performance,
    similar_executions,
    solution_patterns,
    summary,
)
from learning_instrument.cli.rendering import fields_of, plain
from learning_instrument.costs.prices import prices_of
from learning_instrument.database import store_of
from learning_instrument.maintenance import write_demo
from learning_instrument.outcome import ErrorType, Outcome
from learning_instrument.sqlite.read_only import ReadOnlyDatabase

#: Bug fixes of the demo fail more often in its last week.
WEEKS = ("--before", "..2026-11-13T12:00", "--after", "2026-11-13T12:00..")
REPORTS = {
    "summary": ["summary"],
    "performance": ["performance", "--by", "task_type", "--by", "model_tier"],
    "costs": ["costs", "--budget", "100"],
    "errors": ["errors"],
    "errors in full": ["errors", "--details"],
    "compare": ["compare", *WEEKS],
    "patterns": ["patterns"],
    "similar": ["similar", "fix the crash in parser.py"],
}
#: Those whose answer does not depend on the time of day.
OF_ROWS = {**REPORTS, "costs": ["costs"], "list": ["list"]}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The path of a synthetic database."""
    path = str(tmp_path_factory.mktemp("reports") / "demo.db")
    write_demo(path, 800, now=NOON)
    return path


@pytest.fixture
def path(tmp_path):
    """The path of a database for records of a test's own."""
    return str(tmp_path / "learning.db")


# What the functions say.


def test_summary_is_that_of_the_function(demo):
    """With what it left out, and the prices."""
    with ReadOnlyDatabase(demo) as database:
        expected = summary(database)

    text = answer(demo, "summary")

    assert document(demo, "summary") == {**plain(expected), "unreported": 0, "price_tables": []}
    assert f"succeeded   {formatting.interval(expected.success)}\n" in text
    assert f"cost        {formatting.dollars(expected.cost_usd)} (" in text
    assert "excluded    none\n" in text
    assert [row["model_tier"] for row in rows(demo, "summary")] == [tier.model_tier for tier in expected.tiers]


@pytest.mark.parametrize("report", OF_ROWS)
def test_older_file_is_read_as_it_is(demo, path, report):
    """The answer is that of a new one, which has nothing to say in the columns that the older one lacks."""
    make_older(path, 11, demo)
    before = Path(path).read_bytes()

    arguments, status = OF_ROWS[report], int(report == "compare")
    older = document(path, *arguments, status=status)

    assert older == _without_sources(document(demo, *arguments, status=status))
    assert Path(path).read_bytes() == before
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]


def _without_sources(document):
    if isinstance(document, list):
        return [_without_sources(item) for item in document]
    if isinstance(document, dict):
        return {name: None if name == "outcome_source" else _without_sources(value) for name, value in document.items()}
    return document


@pytest.mark.parametrize("by", [("task_type",), ("pool_type", "day"), ("hour",), ("repo", "worker_id")])
def test_performance_is_that_of_the_function(demo, by):
    """By one dimension or two, as JSON, CSV and text."""
    with ReadOnlyDatabase(demo) as database:
        expected = performance(database, by)
    options = [option for name in by for option in ("--by", name)]

    found = document(demo, "performance", *options)

    assert {name: found[name] for name in ("by", "price_tables")} == {"by": list(by), "price_tables": []}
    assert found["groups"] == [
        plain({**dict(zip(by, each.group, strict=True)), **{k: v for k, v in fields_of(each).items() if k != "group"}})
        for each in expected
    ]
    table = rows(demo, "performance", *options)
    assert [float(row["success_low"]) for row in table] == [each.success.low for each in expected]
    assert [tuple(row[name] for name in by) for row in table] == [each.group for each in expected]
    lines = answer(demo, "performance", *options).splitlines()
    assert formatting.interval(expected[0].success) in lines[1]
    assert formatting.seconds(expected[0].p95_seconds) in lines[1]


def test_costs_are_those_of_the_function(demo):
    """Spend by day with a chart, accuracy, corrections and their test."""
    with ReadOnlyDatabase(demo) as database:
        expected = costs(database)

    text = answer(demo, "costs", "--days", "3")

    assert document(demo, "costs") == {**plain(expected), "unreported": 0, "price_tables": [], "budget": None, "by": []}
    assert [row["day"] for row in rows(demo, "costs")] == [day.day for day in expected.by_day]
    assert f"MAPE        {expected.accuracy.mape:.1%} of an execution's cost, on average\n" in text
    assert f"within 20%  {formatting.interval(expected.accuracy.within_20_percent)} of them\n" in text
    assert f"estimates are typically off by {1 + expected.correction_test.error_before:.2f}x" in text
    days = [line.split() for line in text.splitlines() if line.startswith("2026-11-")]
    assert [day[2] for day in days] == [formatting.dollars(day.cost_usd) for day in expected.by_day[-3:]]
    assert max(len(day[4]) for day in days) == 20
    assert f"{len(expected.by_day) - 3} earlier days not listed" in text


def test_errors_are_those_of_the_function(demo):
    """JSON has all of them; the others as many as are asked for."""
    with ReadOnlyDatabase(demo) as database:
        expected = error_groups(database, with_costs=True)

    text = answer(demo, "errors", "--limit", "2")

    assert document(demo, "errors") == plain(expected)
    assert [row["template"] for row in rows(demo, "errors")] == [group.template for group in expected.groups]
    assert expected.groups[1].template in text.splitlines()[2]
    assert f"{expected.failures} failures in 800 executions.\n" in text
    assert f"The 2 most frequent of {len(expected.groups)} groups; --limit shows more.\n" in text
    full = answer(demo, "errors", "--details")
    touched = expected.groups[0].pool_types[0]
    assert not touched.is_telling
    assert re.search(rf"^pool        {touched.name} {touched.executions}, ", full, re.MULTILINE)
    assert expected.groups[-1].examples[0][:16] in full


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"actual_cost": 0.5}, "$0.5000"),
        ({}, "unknown: no cost was reported"),
        (
            {"actual_cost": 0.5, "cost_source": "partial"},
            "at least $0.5000, without a part of the cost of 1 execution (partial)",
        ),
    ],
)
def test_cost_of_failures_is_a_detail(path, fields, shown):
    """What is unknown is no amount."""
    store(path, record(success=False, error_message="it broke", **fields))

    assert re.search(rf"^cost +{re.escape(shown)}$", answer(path, "errors", "--details"), re.MULTILINE)


def test_patterns_and_similar_are_those_of_the_functions(demo):
    """With an example that ``show`` understands."""
    with ReadOnlyDatabase(demo) as database:
        patterns = solution_patterns(database, limit=20)
        alike = similar_executions(database, "fix the crash in parser.py", limit=4, threshold=0.9)

    text = answer(demo, "patterns")

    assert document(demo, "patterns") == {"patterns": plain(patterns), "price_tables": []}
    assert formatting.interval(patterns[0].success) in text.splitlines()[1]
    example = text.splitlines()[1].split()[-1]
    assert document(demo, "show", example)["execution"]["execution_id"] == patterns[0].examples[0]
    similar = ["similar", "fix the crash in parser.py", "--limit", "4", "--threshold", "0.9"]
    assert document(demo, *similar) == {"executions": plain(alike), "price_tables": []}
    assert len(answer(demo, *similar).splitlines()) == 5


def test_until_and_the_filters_narrow_every_report(demo):
    """Alike."""
    options = ["--since", "2026-11-01", "--until", "2026-11-11", "--repo", "shop", "--model-tier", "small"]
    selection = Selection(
        since=datetime(2026, 11, 1, tzinfo=timezone.utc),
        until=datetime(2026, 11, 11, tzinfo=timezone.utc),
        repo="shop",
        model_tier="small",
    )
    with ReadOnlyDatabase(demo) as database:
        expected = summary(database, selection)

    assert 0 < expected.executions < 800
    assert document(demo, "summary", *options)["executions"] == expected.executions
    assert document(demo, "costs", *options)["executions"] == expected.executions
    assert document(demo, "errors", *options)["executions"] == expected.executions
    assert (
        sum(group["executions"] for group in document(demo, "performance", *options)["groups"]) == expected.executions
    )


# Unknown values.


def test_costs_that_nobody_knows_are_named_and_are_not_zero(path):
    """Unpriced ones apart from unreported ones; and executions that could not be recorded."""
    with LearningDatabase(path) as database:
        store_of(database).count_lost("queue full", 2)
        store_of(database).count_lost("model calls, unreadable", 1)
        database.append([record(actual_cost=0.5), record(cost_source="unpriced"), record(), record()])

    excluded = "1 execution whose model calls could not be priced (unpriced); 2 executions with no reported cost"
    for command in ("summary", "costs"):
        text = answer(path, command)
        assert f"excluded    {excluded}" in text
        assert document(path, command)["unpriced"] == 1
        assert document(path, command)["unreported"] == 2
        assert "$0.50" in text
    assert (
        "; 2 executions that could not be recorded (queue full);"
        " 1 model call that could not be recorded (model calls, unreadable)\n"
    ) in answer(path, "summary")
    table = answer(path, "performance")
    assert table.splitlines()[0].endswith("unpriced")
    assert table.endswith(f"Excluded from costs: {excluded}.\n")
    for text in (answer(path, "summary"), answer(path, "costs"), table):
        assert "at least $0.50" in text


def test_tasks_are_told_from_attempts_where_any_is_a_retry(path):
    """A line, a column, and figures of JSON and CSV."""
    minute = timedelta(minutes=1)
    store(path, record(task_id="a", attempt=1), record(task_id="b", attempt=1), record())

    for command in ("summary", "performance"):
        assert "tasks" not in answer(path, command)
    assert document(path, "summary")["tasks"] == document(path, "summary")["executions"] == 3

    store(path, record(task_id="a", attempt=2, timestamp=NOON + minute))

    assert "\ntasks       3 begun, in 4 attempts\n" in answer(path, "summary")
    assert answer(path, "performance").split()[:4] == ["task", "type", "executions", "tasks"]
    assert answer(path, "performance").splitlines()[1].split()[:3] == ["fix", "4", "3"]
    assert document(path, "summary")["tasks"] == document(path, "performance")["groups"][0]["tasks"] == 3
    assert rows(path, "performance")[0]["tasks"] == "3"
    later = ("--since", (NOON + minute).isoformat())
    assert "\ntasks       0 begun, in 1 attempt\n" in answer(path, "summary", *later)
    assert "tasks" not in answer(path, "summary", "--until", later[1])


def test_cost_that_nobody_reported_is_a_dash(path):
    """And spending is unknown."""
    store(path, record())

    assert "cost        unknown: no cost was reported\n" in answer(path, "summary")
    assert document(path, "summary")["cost_usd"] is None
    assert answer(path, "performance").splitlines()[1].split()[12:] == ["-"] * 6
    assert "No execution has both an estimate and a known actual cost" in answer(path, "costs")


def test_little_data_is_said(path):
    """Where intervals are wide, and where nothing can be compared or tried."""
    store(path, *[record(cost_estimate=2.0, actual_cost=1.0) for _ in range(3)])

    assert "Groups of fewer than 20 executions have wide intervals" in answer(path, "performance")
    assert "Too few executions to test these factors" in answer(path, "costs")
    compared = answer(path, "compare", "--before", "..2026-11-01", "--after", "2026-11-01..", status=3)
    assert "Inconclusive: too little data to detect a change. " in compared
    assert answer(path, "patterns") == "No solution summary succeeded 3 times.\n"
    assert answer(path, "similar", "bake") == "No execution shares a word with the description.\n"


def test_database_without_executions_says_so(path, subtests):
    """That is no failure."""
    store(path)

    for report, arguments in REPORTS.items():
        with subtests.test(report):
            status = 3 * (report == "compare")
            assert answer(path, *arguments, status=status)
            document(path, *arguments, status=status)
            assert rows(path, *arguments, status=status) == [] or report == "compare"


def test_date_of_the_prices_stands_beside_the_figures(path):
    """That of the table which was used for them: prices may have changed since."""
    with LearningDatabase(path) as database:
        for day, span_id in (("2026-10-01", 2), ("2026-11-01", 3)):
            store_of(database).model_calls.price_with(prices_of({"ours": {"input": 1.0}, "date": day}))
            call = chat(span_id, 1, model="ours", tokens=(1_000_000, 2))
            SQLiteSpanExporter(database).export([call] if span_id == 3 else [execution(1), call])

    said = "own prices (2026-10-01) for the first calls, own prices (2026-11-01) for the last"
    assert f"prices      {said}\n" in answer(path, "summary")
    assert f"prices      {said}\n" in answer(path, "costs")
    for command in ("performance", "compare"):
        assert f"Prices: {said}.\n" in answer(path, *REPORTS[command], status=3 * (command == "compare"))
    for command in ("summary", "performance", "costs", "compare", "patterns", "similar"):
        tables = document(path, *REPORTS[command], status=3 * (command == "compare"))["price_tables"]
        assert tables == ["own prices (2026-10-01)", "own prices (2026-11-01)"]


# A budget.


@pytest.fixture
def noon(monkeypatch):
    """The present is NOON."""
    monkeypatch.setattr("learning_instrument.cli.commands.costs.burn_down", functools.partial(burn_down, now=NOON))


def spent_daily(path, days, cost=1.0, **fields):
    store(path, *[record(timestamp=NOON - timedelta(days=day), actual_cost=cost, **fields) for day in range(days + 1)])


def test_budget_has_a_run_out_date_and_its_band(path, noon):
    """And whether it lasts until it is renewed."""
    spent_daily(path, 30)
    with ReadOnlyDatabase(path) as database:
        expected = burn_down(database, 24.0, now=NOON)

    text = answer(path, "costs", "--budget", "24")

    assert document(path, "costs", "--budget", "24")["budget"] == {**plain(expected), "lasts": False}
    assert "Budget of $24.00 a month\n" in text
    assert "spent     $20.00 of the period from 2026-11-01 to 2026-12-01\n" in text
    assert "left      $4.00\n" in text
    assert "pace      $1.00 a day, on average of 28 days\n" in text
    assert "forecast  $1.00 a day now, no clear trend; from 28 days\n" in text
    assert "runs out  2026-11-24, before it is renewed on 2026-12-01; 80% band: 2026-11-24 to 2026-11-24\n" in text


def test_budget_that_lasts_says_what_is_left_and_no_date_after_the_renewal(path, noon):
    """In text and in JSON."""
    costs = [6.0 if day % 9 == 0 else 1.0 for day in range(57)]
    moments = [NOON - timedelta(days=day) for day in range(57)]
    days = [record(timestamp=moment, actual_cost=cost) for moment, cost in zip(moments, costs, strict=True)]
    store(path, *days)

    for budget, expected in (
        (
            "90",
            r"lasts     until it is renewed on 2026-12-01, with \$4\S+ left; 80% band: \$3\S+ left to \$4\S+ left\n",
        ),
        (
            "52",
            r"lasts     until [-0-9a-z ]+, with \$\d\.\d\d left; 80% band: runs out on 2026-11-2\d to \$\S+ left\n",
        ),
        ("45", r"runs out  2026-11-\d\d, before it is renewed on 2026-12-01; 80% band: 2026-11-2\d to after that\n"),
    ):
        assert re.search(expected, answer(path, "costs", "--budget", budget))
        found = document(path, "costs", "--budget", budget)["budget"]
        dates = [found[name] for name in ("earliest", "run_out", "latest")]
        assert all(date is None or date < found["period_end"] for date in dates)
        assert found["lasts"] == (found["run_out"] is None) == (found["expected_left_usd"] > 0)


def test_budget_tells_growth_and_quiet_weekdays(path, noon):
    """As far as the weeks tell them from chance."""
    moments = [NOON - timedelta(days=day) for day in range(57)]
    store(
        path,
        *[
            record(timestamp=moment, actual_cost=0.0 if moment.weekday() >= 5 else 5 * 1.02**-day)
            for day, moment in enumerate(moments)
        ],
    )

    text = answer(path, "costs", "--budget", "500")

    (line,) = re.findall(r"forecast .*", text)
    assert re.fullmatch(
        r"forecast  \$\S+ a day now, \+[12]\.\d% a day; Sat 0%, Sun 0% of a mean day; from 56 days", line
    )


@pytest.mark.parametrize(
    ("days", "budget", "expected"),
    [
        (
            10,
            "5",
            "left      none: exceeded by $6.00\npace      $1.00 a day, on average of 10 days\n"
            "runs out  already exceeded\n",
        ),
        (0, "5", "pace      unknown: no full day of data yet\nruns out  unknown\n"),
        (
            2,
            "5",
            "runs out  2026-11-22, before it is renewed on 2026-12-01;"
            " too few days for a trend or a band: they take 28 days, 4 of them with spend\n",
        ),
        (
            10,
            "100",
            "lasts  until it is renewed on 2026-12-01, with $78.50 left; too few days for a trend or a band",
        ),
        (10, "1000000", "lasts  until it is renewed on 2026-12-01, with $999,978.50 left; too few days"),
        (30, "100", "with $69.50 left; 80% band: $69.50 left to $69.50 left\n"),
    ],
)
def test_budget_says_what_it_does_not_know(path, noon, days, budget, expected):
    spent_daily(path, days)

    assert expected in answer(path, "costs", "--budget", budget)


def test_budget_counts_what_has_no_price(path, noon):
    """It comes on top."""
    spent_daily(path, 3)
    store(path, record(cost_source="unpriced"))

    text = answer(path, "costs", "--budget", "10", "--period", "week")

    assert "Budget of $10.00 a week\n" in text
    assert text.endswith("excluded  1 execution whose model calls could not be priced (unpriced)\n")
    assert "spent     at least $4.00 of" in text
    assert "left      at most $6.00\n" in text
    assert "pace      $1.00 a day" in text  # of the days before


def test_budget_of_which_a_part_of_the_spend_is_unknown_has_at_most_so_much_left(path, noon):
    """And runs out on that day or earlier."""
    spent_daily(path, 10, cost_source="partial")

    text = answer(path, "costs", "--budget", "15")

    assert "spent     at least $11.00 of the period from 2026-11-01 to 2026-12-01\n" in text
    assert "left      at most $4.00\n" in text
    assert "pace      at least $1.00 a day, on average of 10 days\n" in text
    assert "runs out  2026-11-24 or earlier, before it is renewed on 2026-12-01" in text
    assert text.endswith("excluded  a part of the cost of 11 executions (partial)\n")
    assert "left      none: exceeded by at least $6.00\n" in answer(path, "costs", "--budget", "5")


# Places and news of errors.


def test_errors_name_the_dimension_and_the_measure_of_where_they_mostly_are(path):
    """And nothing where it is chance: the pools fail alike, and one failure is no sign."""
    failed = {"outcome": Outcome.ERROR, "error_message": "boom"}
    small, large = ({"model_tier": tier, "pool_type": "p", "repo": "shop"} for tier in ("small", "large"))
    store(path, *[record(**small) for _ in range(40)], *[record(**large) for _ in range(55)])
    store(path, *[record(**small, **failed) for _ in range(20)], *[record(**large, **failed) for _ in range(5)])
    store(path, record(model_tier="small", repo="rare", outcome=Outcome.ERROR, error_message="other"))

    table = answer(path, "errors")
    details = answer(path, "errors", "--details")

    assert re.findall(r"\S+ times as often as elsewhere: .*?(?=  )", table) == [
        "3.9 times as often as elsewhere: model tier small"
    ]
    assert "model tier  small 20 (3.9 times as often as elsewhere), large 5\n" in details
    assert "repository  shop 25\n" in details
    assert "repository  rare 1\n" in details


def test_errors_of_one_place_are_nowhere_else(path):
    """No number of times says it."""
    store(path, *[record(repo=repo) for repo in "ab" for _ in range(20)])
    store(path, *[record(repo="a", outcome=Outcome.ERROR, error_message="boom") for _ in range(9)])

    assert "  nowhere else: repository a  " in answer(path, "errors")


def test_new_errors_and_those_that_are_back_are_told(path):
    """In a column that is there only for them."""

    def failure(days, message):
        return record(
            timestamp=NOON - timedelta(days=days), outcome=Outcome.ERROR, error_type=ErrorType.UNKNOWN,
            error_message=message,
        )  # fmt: skip

    store(path, failure(20, "boom"), failure(1, "boom"), failure(2, "the disk is full now"))

    assert "news" not in ask(path, "errors", "--task-type", "other").stdout
    lines = answer(path, "errors", "--since", "2026-11-10").splitlines()
    assert lines[0].split()[:3] == ["count", "news", "message"]
    assert {tuple(line.split()[:3]) for line in lines[1:3]} == {("1", "back", "boom"), ("1", "new", "the")}
    assert "new" not in answer(path, "errors", "--since", "2026-11-10", "--new-since", "2026-11-19").split()
    text = answer(path, "errors", "--details")
    assert "back        2026-11-19 12:00:00 UTC, after 456 h 00 m of silence\n" in text


# Exit codes.


def test_nonsense_is_one_line(demo, subtests):
    """With exit code 2."""
    for arguments, complaint in [
        (["compare", "--after", "7d.."], "Missing option '--before'."),
        (["compare", "--before", "7d.."], "Missing option '--after'."),
        (["compare", "--before", "then", "--after", "7d.."], "Invalid side 'then': expected a window such as "),
        (["compare", "--before", "2026-13-01..", "--after", "7d.."], "Invalid time '2026-13-01'"),
        (["compare", "--before", "14d..", "--after", "7d.."], ".. and "),
        (["compare", "--before", "v=1", "--after", "v=1"], "Invalid sides v=1 and v=1: they overlap"),
        (
            ["compare", "--before", "..2026-11-08", "--after", "2026-11-07.."],
            "..2026-11-08 00:00:00+00:00 and 2026-11-07 00:00:00+00:00..: they overlap",
        ),
        (["compare", "--before", "7d..14d", "--after", "7d.."], "since="),
        (["compare", *WEEKS, "--gate-ratio", "0.5"], "Invalid value for '--gate-ratio'"),
        (["performance", "--by", "mood"], "Invalid by 'mood': expected one of attempt, batch_id, "),
        (
            ["performance", "--by", "repo", "--by", "repo"],
            "Invalid by ('repo', 'repo'): expected one column or metadata.KEY, or two",
        ),
        (
            ["performance", "--by", "repo", "--by", "day", "--by", "hour"],
            "Invalid by ('repo', 'day', 'hour'): ",
        ),
        (["costs", "--budget", "-1"], "Invalid --budget -1.0: expected an amount"),
        (["costs", "--budget", "nan"], "Invalid --budget nan: expected an amount"),
        (["costs", "--budget", "1", "--period", "shift"], "Invalid value for '--period'"),
        (["errors", "--new-since", "whenever"], "Invalid time 'whenever'"),
        (["summary", "--since", "1d", "--until", "2d"], "since="),
        (["patterns", "--min-support", "0"], "Invalid value for '--min-support'"),
        (["similar"], "Missing argument 'DESCRIPTION'."),
        (["similar", "x", "--threshold", "2"], "Invalid value for '--threshold'"),
        (["reprice", "--prices", "missing.toml"], "Cannot read the prices in 'missing.toml'"),
    ]:
        with subtests.test(" ".join(arguments)):
            result = ask(demo, *arguments)

            assert (result.exit_code, result.stdout) == (2, "")
            assert result.stderr.startswith("Error: ")
            assert complaint in result.stderr
            assert result.stderr.count("\n") == 1


# Files of an older release, and what questions do to files.


def test_file_of_an_older_release_is_answered_or_named(demo, tmp_path, subtests):
    """And stays as it is."""
    old = tmp_path / "old.db"
    old.write_bytes(Path(demo).read_bytes())
    connection = sqlite3.connect(old)
    for (name,) in connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'trigger' OR name IN ('rollup_state', 'error_state',"
        " 'search_state', 'model_calls') ORDER BY type DESC"
    ).fetchall():
        kind = "TABLE" if name in ("rollup_state", "error_state", "search_state", "model_calls") else "TRIGGER"
        connection.execute(f"DROP {kind} {name}")
    connection.execute("PRAGMA user_version = 2")
    connection.commit()
    connection.close()
    before = old.read_bytes()

    for report, arguments in REPORTS.items():
        with subtests.test(report):
            result = ask(str(old), *arguments)

            assert old.read_bytes() == before
            if report in ("compare", "patterns"):  # these are always read from the executions
                assert (result.exit_code, result.stderr) in ((0, ""), (1, ""))
            else:
                assert (result.exit_code, result.stdout) == (2, "")
                assert "learning-instrument rebuild migrates it." in result.stderr
                assert result.stderr.count("\n") == 1


# Terminals and pipes.


def widest(text):
    return max(cell_len(Text.from_ansi(line).plain.rstrip()) for line in text.splitlines())


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_reports_fit_the_terminal(demo, monkeypatch, columns, subtests):
    """At any width."""
    monkeypatch.setattr("learning_instrument.cli.terminal.is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))

    for report, arguments in REPORTS.items():
        with subtests.test(report):
            result = ask(demo, *arguments)

            assert result.exit_code in (0, 1), result.stderr
            assert widest(result.stdout) <= columns


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_real_terminal_is_as_wide_as_it_says(demo):
    """And gets what is most important."""
    status, text = on_a_terminal(60, "--database", demo, *REPORTS["errors"])

    assert status == 0
    assert widest(text) <= 60
    assert "Not shown (too narrow): " in text


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_pipe_gets_plain_text(demo, encoding):
    """The chart too, in any encoding."""
    done = subprocess.run(
        [COMMAND, "--database", demo, "costs"],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )

    text = done.stdout.decode(encoding)
    assert "\x1b" not in text
    assert ("\N{FULL BLOCK}" if encoding == "utf-8" else "#") * 20 in text


def test_names_mean_the_same_everywhere(tmp_path):
    """A column, or a key of metadata: in groups and conditions of each command."""
    path = str(tmp_path / "learning.db")
    for number in range(60):
        metadata = {"task": {"a.b c": number % 2 or None}}
        store(path, record(model=f"m{number % 3}", actual_cost=float(number), metadata=metadata))
    where = ("--where", "metadata.a.b c=1", "--where", "model=m1")

    assert document(path, "costs", *where)["executions"] == document(path, "summary", *where)["executions"] == 10
    assert len(rows(path, "list", "--limit", "99", *where)) == 10
    groups = document(path, "costs", "--by", "metadata.a.b c", "--by", "model")["groups"]
    assert [(group["metadata.a.b c"], group["model"]) for group in groups] == [
        ("1", "m2"), ("unknown", "m1"), ("1", "m0"), ("unknown", "m2"), ("1", "m1"), ("unknown", "m0"),
    ]  # fmt: skip
    assert rows(path, "costs", "--by", "metadata.a.b c")[0]["metadata.a.b c"] == "1"
    limited = document(path, "performance", "--by", "task_id", "--limit", "2")["groups"]
    assert [(group["task_id"], group["executions"], group["groups"]) for group in limited] == [
        (limited[0]["task_id"], 1, 1), (limited[1]["task_id"], 1, 1), ("others", 58, 58),
    ]  # fmt: skip
    text = answer(path, "costs", "--by", "task_id", "--limit", "2")
    assert "Spend by task_id\n" in text
    assert "others: 58 groups that cost less; --limit shows more of them.\n" in text
    for command in (["list"], ["errors"], ["patterns"], ["costs"], ["performance"], ["summary"], ["export"], ["tail"]):
        refused = ask(path, *command, "--where", "mood=good")
        assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
        assert refused.stderr.startswith("Error: Invalid where 'mood': expected one of attempt, batch_id, ")


def test_groups_are_bounded(tmp_path):
    """Fifty, unless more are asked for."""
    path = str(tmp_path / "learning.db")
    store(path, *[record(actual_cost=1.0) for _ in range(60)])

    assert len(document(path, "performance", "--by", "execution_id")["groups"]) == 51
    assert len(document(path, "performance", "--by", "execution_id", "--limit", "60")["groups"]) == 60
