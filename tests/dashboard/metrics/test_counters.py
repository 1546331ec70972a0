"""Counters of a database: what pool processes stored, once, under the names that OpenTelemetry's exporter gives."""

import contextlib
import multiprocessing
import re
import sqlite3
import subprocess
import sys
import threading
import time
import types
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import pytest
from asking import record
from opentelemetry.sdk.metrics import MeterProvider
from waiting import wait_until

from learning_instrument import (
    ErrorType,
    ExecutionRecord,
    LearningDatabase,
    configure,
    current_execution,
    record_execution,
)
from learning_instrument.dashboard.metrics import counters as counters_module
from learning_instrument.dashboard.metrics.counters import ExecutionCounters
from learning_instrument.dashboard.metrics.exposition import exposition
from learning_instrument.errors import DatabaseError
from learning_instrument.outcome import Outcome
from learning_instrument.pipeline.metrics import MOST_VALUES

EXECUTIONS = "learning_instrument_executions_total"
COST = "learning_instrument_execution_cost_total"
TOKENS = "learning_instrument_execution_token_usage_total"
DURATIONS = "learning_instrument_execution_duration_seconds"
WAITS = "learning_instrument_execution_queue_duration_seconds"
ACTIVE = "learning_instrument_active_executions"


@pytest.fixture
def counters(database):
    return ExecutionCounters(database.path)


def samples(counters):
    """Read; return name -> labels, without those that are empty -> value."""
    return parsed(exposition(counters.read()).decode())


def parsed(text):
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
            pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")
            _add(found, name, pairs, float(value))
    return found


def parsed_by_the_client(text):
    """Parse by the client library of Prometheus."""
    parser = pytest.importorskip("prometheus_client.parser")
    found = {}
    for family in parser.text_string_to_metric_families(text):
        for sample in family.samples:
            _add(found, sample.name, sample.labels.items(), sample.value)
    return found


def _add(found, name, pairs, value):
    # Those of the scope are of the exporter alone.
    labels = frozenset((key, text) for key, text in pairs if text and not key.startswith("otel_scope"))
    assert labels not in found.setdefault(name, {})
    found[name][labels] = value


def total(counters, name=EXECUTIONS, **labels):
    """Read; return the sum of the series *name* that have *labels*."""
    wanted = {(f"learning_instrument_{label}", value) for label, value in labels.items()}
    return sum(value for each, value in samples(counters).get(name, {}).items() if wanted <= each)


@record_execution(pool_type="compared")
def execute_task(task):
    current_execution().set(queue_seconds=task.get("waited"), input_tokens=task.get("tokens"))
    if "raises" in task:
        raise task["raises"]
    return task.get("result")


def families(text):
    """Return the lines of type and description."""
    return {line for line in text.splitlines() if line.startswith("# ") and "learning_instrument_" in line}


def test_scrape_equals_that_of_opentelemetrys_exporter(database, provider, counters):
    """Names, types, units, labels and every value, buckets included."""
    exporter = pytest.importorskip("opentelemetry.exporter.prometheus")
    registry = pytest.importorskip("prometheus_client")
    meter_provider = MeterProvider([exporter.PrometheusMetricReader()], shutdown_on_exit=False)
    configure(database, tracer_provider=provider, meter_provider=meter_provider)
    for task in (
        {"task_type": "review", "model_tier": "large", "result": {"success": True, "cost": 0.25}, "waited": 0.5},
        {"task_type": 'odd " \\ \n name', "result": {"success": False, "error": "no"}, "tokens": 12},
        {"task_type": "review", "result": {"status": "timeout", "cost": 0.125, "model_tier": "small"}},
        {"result": None, "waited": 4000},
        {"raises": KeyError("x"), "tokens": 3},
        {"task_type": "r\u00e9vision \U0001f600", "raises": TimeoutError()},
    ):
        with contextlib.suppress(KeyError, TimeoutError):
            execute_task(task)

    theirs = registry.generate_latest().decode()
    meter_provider.shutdown()
    ours = exposition(counters.read()).decode()

    expected = {
        name: series for name, series in parsed_by_the_client(theirs).items() if name.startswith("learning_instrument_")
    }
    assert len(expected) == 10
    found = parsed_by_the_client(ours)
    for name in (f"{DURATIONS}_sum", f"{WAITS}_sum"):
        assert found.pop(name) == {labels: pytest.approx(value) for labels, value in expected.pop(name).items()}
    assert found == expected
    assert families(ours) == families(theirs)


def run_in_a_pool(path):
    configure(path)
    for _ in range(5):
        execute_task({})


def test_executions_of_all_processes_are_counted(database, counters):
    """Of forked ones, of one that was killed, and of this one."""
    forking = multiprocessing.get_context("fork")
    processes = [forking.Process(target=run_in_a_pool, args=(database.path,)) for _ in range(2)]
    for process in processes:
        process.start()
    program = (
        "import os, signal, sys; from learning_instrument import configure, record_execution\n"
        "configure(sys.argv[1]); record_execution(lambda task: 1)({}); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, database.path], check=False)
    for process in processes:
        process.join()
    configure(database)
    execute_task({})

    counters.begin()

    assert total(counters) == 12
    assert total(counters, f"{DURATIONS}_count") == 12


def test_each_reading_adds_what_is_new(database, counters, monkeypatch):
    """Across slices, and beyond the executions that are remembered."""
    monkeypatch.setattr(counters_module, "REMEMBERED", 7)
    monkeypatch.setattr(counters_module, "_SLICE_ROWS", 5)
    database.append([record(actual_cost=1.0) for _ in range(23)])
    seen = []

    counters.begin(lambda done, of: seen.append((done, of)))

    assert seen[-1][1] == 23
    for count in (23, 23, 24, 40):
        database.append([record(actual_cost=1.0) for _ in range(count - 23)][: count - int(total(counters))])
        assert total(counters) == total(counters, COST) == count


def test_scrapers_that_wait_share_the_next_reading(database, counters, monkeypatch):
    """Each gets all that was stored before it asked."""
    counters.begin()
    read, is_reading, may_go_on = counters._families, threading.Event(), threading.Event()
    readings, asked = [], []

    def monotonic():
        asked.append(None)
        return time.monotonic()

    def reading():
        is_reading.set()
        may_go_on.wait()
        readings.append(read())
        return readings[-1]

    monkeypatch.setattr(counters, "_families", reading)
    monkeypatch.setattr(counters_module, "time", types.SimpleNamespace(monotonic=monotonic, time=time.time))
    with ThreadPoolExecutor(9) as executor:
        first = executor.submit(counters.read)
        is_reading.wait()
        others = [executor.submit(total, counters) for _ in range(8)]
        wait_until(lambda: len(asked) == 2 + len(others))
        database.append([record()])
        may_go_on.set()

    assert [other.result() for other in others] == [1] * 8
    assert first.result() is readings[0]
    assert len(readings) == 2


def test_costs_that_come_later_are_added_once(database, counters):
    """Of model calls: what exceeds that which was counted. A smaller one takes nothing away."""
    database.append([record(execution_id="a" * 16, actual_cost=1.0, input_tokens=5), record()])
    counters.begin()
    assert (total(counters, COST), total(counters, TOKENS)) == (1.0, 5)

    for cost, tokens, counted in ((3.0, 9, (3.0, 9)), (2.0, 8, (3.0, 9)), (3.5, 9, (3.5, 9))):
        with contextlib.closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
            connection.execute(
                "UPDATE executions SET actual_cost = ?, input_tokens = ? WHERE execution_id = ?",
                (cost, tokens, "a" * 16),
            )
        assert (total(counters, COST), total(counters, TOKENS)) == counted
    assert total(counters) == 2


def test_unknown_values_are_no_series(database, counters):
    """What is defaulted has no label and no sum, as in OpenTelemetry; an unpriced cost is not 0."""
    database.append([record(actual_cost=5.0, cost_source="unpriced", duration_seconds=2.0)])
    database.append([ExecutionRecord(task_type="t", defaulted=("pool_type", "actual_cost", "duration_seconds"))])

    found = samples(counters)

    assert COST not in found
    assert TOKENS not in found
    assert list(found[f"{DURATIONS}_sum"].values()) == [2.0]
    assert sum(found[EXECUTIONS].values()) == 2


def test_failures_have_the_exceptions_class_else_the_error_type(database, counters):
    database.append(
        [
            record(outcome=Outcome.ERROR, exception_type="KeyError", error_type=ErrorType.UNKNOWN),
            record(outcome=Outcome.FAILED, error_type=ErrorType.QUALITY_GATE),
        ]
    )

    errors = {dict(labels).get("error_type"): value for labels, value in samples(counters)[EXECUTIONS].items()}

    assert errors == {"KeyError": 1, "quality_gate": 1}


def delete(database, condition):
    with contextlib.closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
        connection.execute(f"DELETE FROM executions WHERE {condition}")


def test_deletion_decreases_no_counter(database, counters):
    """While it counts; what comes afterwards is added, under the rowids of deleted ones too."""
    database.append([record(actual_cost=1.0) for _ in range(10)])
    counters.begin()

    delete(database, "rowid <= 6")
    assert total(counters) == total(counters, COST) == 10
    delete(database, "rowid > 8")
    database.append([record(actual_cost=1.0) for _ in range(3)])
    assert total(counters) == total(counters, COST) == 13


def test_counters_of_a_file_without_some_executions_begin_at_zero(database):
    """With their series: a scraper takes a decrease, from one server to the next, for a new beginning."""
    database.append([record(actual_cost=1.0, queue_seconds=1.0) for _ in range(10)])
    delete(database, "rowid <= 6")
    counters = ExecutionCounters(database.path)

    counters.begin()

    assert list(samples(counters)[EXECUTIONS].values()) == [0]
    assert total(counters, f"{DURATIONS}_count") == total(counters, f"{WAITS}_sum") == total(counters, COST) == 0
    database.append([record(actual_cost=1.0)])
    assert total(counters) == total(counters, COST) == total(counters, f"{DURATIONS}_count") == 1


def test_next_server_goes_on_where_the_last_one_was(database, counters):
    """A file from which nothing was deleted has everything that was ever counted, also what came in between."""
    database.append([record() for _ in range(5)])
    counters.begin()
    assert total(counters) == 5
    database.append([record()])
    following = ExecutionCounters(database.path)

    following.begin()

    assert total(following) == 6


def test_file_that_takes_the_place_of_another_adds_nothing_of_its_past(tmp_path, monkeypatch):
    """Its later executions count."""
    monkeypatch.setattr(counters_module, "REMEMBERED", 2)
    paths = [tmp_path / name for name in ("first.db", "second.db")]
    for path in paths:
        with LearningDatabase(path) as database:
            database.append([record() for _ in range(9)])
    counters = ExecutionCounters(str(paths[0]))
    counters.begin()
    assert total(counters) == 9

    paths[1].rename(paths[0])
    assert total(counters) == 9
    with LearningDatabase(paths[0]) as database:
        database.append([record()])

    assert total(counters) == 10


def test_values_of_one_label_are_bounded(database, counters):
    """A task type made of an id cannot flood the backend."""
    database.append([record(task_type=f"task-{number}") for number in range(MOST_VALUES + 20)])

    found = samples(counters)[EXECUTIONS]

    assert len(found) == MOST_VALUES + 1
    assert total(counters, task_type="_OTHER") == 20


def test_garbage_is_counted_without_its_numbers(database, counters):
    """What another program, or damage, has left in the file."""
    database.append([record(), record(duration_seconds=0.5)])
    with contextlib.closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
        connection.execute(
            "UPDATE executions SET duration_seconds = 'long', queue_seconds = -1, actual_cost = x'00', input_tokens ="
            " 'many', output_tokens = 9e999, defaulted = '[', pool_type = x'ff', task_type = 5 WHERE rowid = 1"
        )

    counters.begin()

    assert total(counters) == 2
    assert total(counters, f"{DURATIONS}_sum") == 0.5
    assert total(counters, TOKENS) == 0


def test_running_executions_are_those_of_the_crash_ledger(database, counters):
    """Of processes that live; a pool that has none shows 0."""
    database.append([record(pool_type="idle")])
    program = (
        "import sys, time; from learning_instrument import configure, record_execution\n"
        "configure(sys.argv[1]); record_execution(pool_type='busy')(lambda task: time.sleep(60))({})"
    )
    with subprocess.Popen([sys.executable, "-c", program, database.path]) as process:
        try:
            wait_until(lambda: total(counters, ACTIVE, pool_type="busy") == 1)
            assert total(counters, ACTIVE, pool_type="idle") == 0
        finally:
            process.kill()
    wait_until(lambda: total(counters, ACTIVE, pool_type="busy") == 0)


def test_file_that_is_gone_is_an_error(database, tmp_path, counters):
    """And counts on once it is back."""
    database.append([record()])
    counters.begin()
    database.close()
    moved = (tmp_path / "learning.db").rename(tmp_path / "moved.db")

    with pytest.raises(DatabaseError, match="no database"):
        counters.read()

    moved.rename(tmp_path / "learning.db")
    assert total(counters) == 1


def test_reading_leaves_the_file_and_its_writers_alone(database, counters):
    """No file is made or changed, and a writer in the middle of a transaction goes on."""
    database.append([record(timestamp=datetime.now(timezone.utc))])
    counters.begin()
    with contextlib.closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        before = connection.execute("SELECT total_changes()").fetchone()
        assert total(counters) == 1
        connection.execute("UPDATE executions SET repo = 'x'")
        connection.execute("COMMIT")
        assert connection.execute("SELECT total_changes()").fetchone() != before
        version = connection.execute("PRAGMA data_version").fetchone()
        assert total(counters) == 1
        assert connection.execute("PRAGMA data_version").fetchone() == version


def test_document_ends_with_a_line_break(database, counters):
    """And its lines have the form of the text format."""
    database.append([record()])

    lines = exposition(counters.read()).decode().splitlines(keepends=True)

    assert all(re.fullmatch(r"(# (HELP|TYPE) \w+ .+|\w+(\{.*\})? \S+)\n", line) for line in lines)
