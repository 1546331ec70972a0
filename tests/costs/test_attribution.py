"""Model calls found by parent links: the exporter as an ordinary one, in any order, twice, from two processes."""

import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from calls import AGENT, calls, chat, costs, execution, executions_with_calls, exports_of, span
from databases import make
from hypothesis import given, settings
from hypothesis import strategies as st

from learning_instrument import LearningDatabase, SQLiteSpanExporter
from learning_instrument.costs import attribution
from learning_instrument.costs.attribution import SpanLink, delete_old, store_model_calls
from learning_instrument.costs.span_sorter import SpanSorter
from learning_instrument.database import store_of

#: An execution, an agent in it, a call in that, a request between, and the same call as a second library has it;
#: a nested execution with a call of its own; a model call in another trace and outside of any execution.
TREE = (
    execution(1, COST_ACTUAL=0.5),
    span(2, 1, AGENT),
    chat(3, 2, cost=0.25),
    span(4, 3, {"http.request.method": "POST"}),
    chat(5, 4, cost=0.25),
    chat(6, 1, cost=0.5, model="n", tokens=(100, 50)),
    execution(7, 2),
    chat(8, 7, cost=1.0, tokens=(7, 3)),
    span(20, None, {}, trace_id=2),
    chat(21, 20, trace_id=2),
)
EXPECTED = [
    {
        "span_id": f"{1:016x}",
        "model": "n",
        "input_tokens": 110,
        "output_tokens": 55,
        "actual_cost": 0.75,
        "cost_estimate": 0.75,
        "cost_source": "reported",
        "defaulted": '["cost_estimate"]',
    },
    {
        "span_id": f"{7:016x}",
        "model": "m",
        "input_tokens": 7,
        "output_tokens": 3,
        "actual_cost": 1.0,
        "cost_estimate": 1.0,
        "cost_source": "reported",
        "defaulted": '["cost_estimate"]',
    },
]


def in_order(spans):
    """Return what a test compares: the calls without the number of their row, which is that of their arrival."""
    return [(row["span_id"], row["execution_id"], row["path"], row["cost"]) for row in spans]


def test_tree_is_added_up_execution_by_execution(database):
    """A call counts once, for the innermost; an agent's totals do not, and neither does a call within a call."""
    SQLiteSpanExporter(database).export(TREE)

    assert costs(database) == EXPECTED
    assert [row["span_id"][-1] for row in calls(database)] == ["2", "3", "5", "6", "8"]
    assert database.query("SELECT cost FROM reported_costs") == [{"cost": 0.5}]
    assert database.statistics().lost == {}


@settings(max_examples=40)
@given(st.randoms(use_true_random=False), st.integers(1, 10), st.booleans())
def test_any_order_and_repetition_gives_the_same_rows(shuffler, size, is_new_exporter):
    """In exports of any size, by one exporter or by several."""
    spans = [*TREE, *shuffler.sample(TREE, shuffler.randint(0, len(TREE)))]
    shuffler.shuffle(spans)
    with tempfile.TemporaryDirectory() as folder, LearningDatabase(make(Path(folder, "learning.db"))) as database:
        exporter = SQLiteSpanExporter(database)
        for start in range(0, len(spans), size):
            exporter.export(spans[start : start + size])
        found = costs(database), in_order(calls(database))
        SQLiteSpanExporter(database).export(TREE)

        assert found[0] == EXPECTED
        assert [row[:2] for row in found[1]] == [row[:2] for row in in_order(calls(database))]
        assert costs(database) == EXPECTED


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_both_durabilities_add_up(tmp_path, durability):
    """The execution's row is inserted by another thread, or by the same."""
    with LearningDatabase(tmp_path / "learning.db", durability) as database:
        exporter = SQLiteSpanExporter(database)
        for one in reversed(TREE):
            exporter.export([one])

        assert costs(database) == EXPECTED
        assert database.statistics().deferred == 0


def check_many(database, count):
    rows = database.query("SELECT trace_id, input_tokens, output_tokens, actual_cost, cost_source FROM executions")
    assert len(rows) == count
    assert [row["input_tokens"] for row in rows] == [7 * int(row["trace_id"], 16) for row in rows]
    assert {(row["output_tokens"], row["actual_cost"], row["cost_source"]) for row in rows} == {(111, 0.6, "reported")}
    assert database.query("SELECT count(*) AS calls FROM model_calls") == [{"calls": 4 * count}]


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_thousands_in_random_order_in_two_exports_twice(database, count):
    """The sums are exact, and the same after the second time."""
    exporter = SQLiteSpanExporter(database)
    for seed in (1, 2):
        for export in exports_of(executions_with_calls(count), seed):
            exporter.export(export)
        assert database.flush(60)
        check_many(database, count)


PROGRAM = """
import sys
sys.path[:0] = [{folder!r}]
from calls import executions_with_calls, exports_of
from learning_instrument import SQLiteSpanExporter
part = int(sys.argv[2])
exporter = SQLiteSpanExporter(sys.argv[1])
spans = exports_of(executions_with_calls(300), 3)[part]
for start in range(0, len(spans), 50):
    exporter.export(spans[start : start + 50])
exporter.shutdown()
"""


def test_two_processes_on_one_file(database):
    """Each has half of the spans, drawn at random; together they have the sums."""
    program = PROGRAM.format(folder=str(Path(__file__).parents[1]))
    running = [subprocess.Popen([sys.executable, "-c", program, database.path, part]) for part in "01"]

    assert [process.wait(60) for process in running] == [0, 0]

    check_many(database, 300)


ONE_TRACE = """
import os, signal, sys
sys.path[:0] = [{folder!r}]
from calls import chat, execution, span
from learning_instrument import LearningDatabase, SQLiteSpanExporter
path, spans, end = sys.argv[1:]
database = LearningDatabase(path)
exporter = SQLiteSpanExporter(database)
exporter.export(eval(spans))
if end == "shutdown":
    exporter.shutdown()
elif end == "kill":
    database.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def export_elsewhere(database, spans, end):
    program = ONE_TRACE.format(folder=str(Path(__file__).parents[1]))
    subprocess.run([sys.executable, "-c", program, database.path, spans, end], timeout=60, check=end != "kill")


@pytest.mark.parametrize("ends", [("shutdown", "kill"), ("kill", "exit"), ("exit", "shutdown")])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_call_and_execution_of_different_processes_find_each_other(database, order, ends):
    """Whichever is first, and however each ends; nothing but the row of the execution leads to it."""
    spans = ["[execution(1), execution(2, 1), execution(9, trace_id=2)]", "[chat(4, 3, cost=0.25), span(3, 2, {})]"]

    for n in order:
        export_elsewhere(database, spans[n], ends[n])

    assert [row["input_tokens"] for row in costs(database)] == [None, 10, None]
    links = database.query("SELECT trace_id, span_id FROM span_links ORDER BY span_id")
    assert [int(row["span_id"], 16) for row in links] == [2, 3, 4]


@pytest.mark.parametrize("ends", ["shutdown", "exit"])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_last_process_attributes_the_calls_of_both(database, order, ends):
    """A program that only reads the file sees it."""
    for n in order:
        export_elsewhere(database, ["[execution(1)]", "[chat(2, 1, cost=0.25)]"][n], ends)

    with sqlite3.connect(database.path) as connection:
        assert connection.execute("SELECT input_tokens, actual_cost FROM executions").fetchall() == [(10, 0.25)]
    connection.close()


# What is kept, and for how long.


def test_executions_without_calls_are_stored_once(database):
    """Alone in their trace, or within each other, and exported again; not when the exporter ends either."""
    exporter = SQLiteSpanExporter(database)
    for _ in range(2):
        exporter.export([execution(1), execution(2, 1), execution(3, 2)])
        exporter.export([execution(5, trace_id=n) for n in range(2, 50)])
    exporter.shutdown()

    assert database.query("SELECT count(*) AS rows FROM executions") == [{"rows": 51}]
    assert database.query("SELECT * FROM span_links") == []


def test_late_call_finds_executions_that_were_kept(database):
    """Each of many traces, by the links in memory."""
    exporter = SQLiteSpanExporter(database)
    for n in range(1, 301):
        exporter.export([execution(1, trace_id=n)])

    exporter.export([chat(2, 1, trace_id=n, cost=0.25) for n in range(1, 301)])

    assert {row["input_tokens"] for row in costs(database)} == {10}


def test_executions_in_memory_are_bounded(database, monkeypatch):
    """The oldest go, in one export and in many; a call below the newest finds it."""
    monkeypatch.setattr("learning_instrument.costs.span_sorter._MOST_LINKS", 20)
    monkeypatch.setattr("learning_instrument.costs.span_sorter._MOST_TRACES", 20)
    sorter = SpanSorter()

    sorter.sort([execution(1, trace_id=n) for n in range(1, 101)])
    for n in range(101, 201):
        sorter.sort([execution(1, trace_id=n), execution(2, 1, trace_id=n)])

    assert sum(map(len, sorter._kept.values())) == sorter._kept_links == 20
    assert len(sorter._with_execution) == 20
    links = sorter.sort([chat(3, 2, trace_id=200)]).links
    assert sorted(int(link.span_id, 16) for link in links) == [1, 2, 3]


def test_span_around_executions_brings_their_links(database):
    """A call may come below it, by another process, when this one has ended."""
    exporter = SQLiteSpanExporter(database)
    exporter.export([execution(1)])
    exporter.export([span(2, 1, {})])
    database.flush()

    links = database.query("SELECT span_id, execution_id IS NULL AS is_other FROM span_links ORDER BY span_id")
    assert [row["is_other"] for row in links] == [0, 1]


def test_spans_of_others_open_nothing(no_file, database, tmp_path):
    """Where a trace has neither an execution nor a model call."""
    SQLiteSpanExporter(database).export([span(n, n - 1 or None, {}) for n in range(1, 50)])

    assert database.flush()
    assert list(tmp_path.iterdir()) == []


def test_links_of_traces_without_executions_are_bounded(database):
    """In memory; the traces that are open longest go first."""
    exporter = SQLiteSpanExporter(database)

    for n in range(50):
        exporter.export([span(s, 1, {}, trace_id=n + 1) for s in range(2, 1002)])

    assert exporter._sorter._kept_links <= 20_000
    assert sum(map(len, exporter._sorter._kept.values())) == exporter._sorter._kept_links


def test_call_outside_of_any_execution_is_no_row(database):
    """Once its way up has come to the top."""
    exporter = SQLiteSpanExporter(database)
    exporter.export([chat(3, 2)])
    waiting = [row["execution_id"] for row in calls(database)]

    exporter.export([span(2, 1, {}), span(1, None, {})])

    assert waiting == [None]
    assert calls(database) == []


def test_way_up_that_is_a_circle_ends(database):
    """Invented ids."""
    SQLiteSpanExporter(database).export([chat(3, 2), span(2, 1, {}), span(1, 2, {})])

    assert calls(database) == []
    assert database.statistics().lost == {}


def test_old_links_and_calls_that_wait_in_vain_are_deleted(database, monkeypatch):
    """The newest stay."""
    monkeypatch.setattr("learning_instrument.costs.attribution._LINKS", 10)
    monkeypatch.setattr("learning_instrument.costs.attribution._WAITING_CALLS", 5)
    SQLiteSpanExporter(database).export([execution(1), *(chat(n, n - 1, trace_id=2) for n in range(101, 200, 2))])
    database.flush()

    store_of(database).within_transaction(delete_old)

    assert database.query("SELECT count(*) AS links FROM span_links") == [{"links": 10}]
    assert [int(row["span_id"], 16) for row in calls(database)] == [191, 193, 195, 197, 199]


@pytest.mark.parametrize(("ahead_seconds", "left"), [(0, 20), (365 * 86400, 30)])
def test_clock_that_is_ahead_deletes_no_links_of_others(database, monkeypatch, ahead_seconds, left):
    """Calls of executions that still run follow them; those that are old by the newest ones go."""
    monkeypatch.setattr("learning_instrument.costs.attribution._LAST_LINKS", 15)
    database.open()
    now = int(time.time())
    times = [now - 7200 if ahead_seconds == 0 else now] * 10 + [now] * 10 + [now + ahead_seconds] * 10
    store_of(database).within_transaction(
        lambda connection: connection.executemany(
            "INSERT INTO span_links VALUES ('t', ?, NULL, NULL, ?)", list(enumerate(times))
        )
    )
    monkeypatch.setattr("learning_instrument.costs.attribution.time.time", lambda: now + ahead_seconds)

    store_of(database).within_transaction(delete_old)

    assert database.query("SELECT count(*) AS links FROM span_links") == [{"links": left}]


def test_link_is_kept_by_another_process(tmp_path):
    """One imports the first half today, the other the second half tomorrow."""
    shuffled = random.Random(5).sample(TREE, len(TREE))
    for half in (shuffled[:5], shuffled[5:]):
        with LearningDatabase(tmp_path / "learning.db") as database:
            SQLiteSpanExporter(database).export(half)

    with LearningDatabase(tmp_path / "learning.db") as database:
        assert costs(database) == EXPECTED


def test_link_is_kept_by_a_process_that_has_nothing_else(tmp_path):
    """It carries the request between an execution and its call, and makes no file for that."""
    path = tmp_path / "learning.db"
    existed = []
    for spans in ([span(2, 1, {})], [execution(1), chat(3, 2)], [span(2, 1, {})]):
        exporter = SQLiteSpanExporter(path)
        exporter.export(spans)
        exporter.shutdown()
        existed.append(path.exists())
    assert existed == [False, True, True]

    with LearningDatabase(path) as database:
        assert [row["input_tokens"] for row in costs(database)] == [10]


def test_storing_within_a_transaction_answers_what_was_touched(database):
    """Each execution that has a call more, and none that has not."""
    from learning_instrument.costs.model_calls import model_call

    known, waiting = model_call(chat(3, 2), "x", [2]), model_call(chat(5, 4))
    link = SpanLink(waiting.trace_id, f"{4:016x}", f"{1:016x}", "y")

    def store(connection):
        return [store_model_calls(connection, [known, waiting], []), store_model_calls(connection, [known], [link])]

    assert store_of(database).within_transaction(store) == [{"x"}, {"y"}]


def test_last_executions_alone_are_held_against_waiting_calls(database):
    """This runs each second in a process that records."""
    SQLiteSpanExporter(database).export([execution(1), chat(7, 3)])
    database.flush()

    plan = [row["detail"] for row in database.query(f"EXPLAIN QUERY PLAN {attribution._AWAITED}", (10,))]

    assert any(step.startswith("SEARCH e USING INTEGER PRIMARY KEY (rowid>?)") for step in plan), plan
    assert not [step for step in plan if step.startswith("SCAN")], plan
