"""``SQLiteSpanExporter`` as an ordinary exporter in a user's OpenTelemetry."""

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from locks import locked_by_another_process
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExportResult
from small_pools import SyncPool

from learning_instrument import LearningDatabase, SQLiteSpanExporter, configure, record_execution, semconv
from learning_instrument.storage.insertion import Insertion

ROOT = Path(__file__).parents[2]


@pytest.fixture
def spans(provider, exporter):
    """Return a function that gives the finished spans of *count* executions."""

    def spans(count):
        exporter.clear()
        execute_task = record_execution(tracer_provider=provider)(lambda task: {"success": True})
        for n in range(count):
            execute_task({"task_id": f"t-{n}"})
        return list(exporter.get_finished_spans())

    return spans


def tampered(span, **changes):
    """Return *span* with other attributes; None removes one."""
    attributes = {**span.attributes, **changes}
    return ReadableSpan(
        span.name,
        context=span.context,
        resource=span.resource,
        attributes={key: value for key, value in attributes.items() if value is not None},
        instrumentation_scope=span.instrumentation_scope,
        start_time=span.start_time,
        end_time=span.end_time,
    )


# The constructor.


@pytest.mark.parametrize("database", [None, "learning.db", "/proc/no/such.db", "", ":memory:", 5, object()])
def test_constructor_never_raises_and_opens_nothing(database, tmp_path, monkeypatch):
    """An exception would make OpenTelemetry's loader drop all instrumentation."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEARNING_INSTRUMENT_DURABILITY", "nonsense")

    exporter = SQLiteSpanExporter(database)
    assert exporter.force_flush()
    exporter.shutdown()

    assert list(tmp_path.iterdir()) == []


def test_invalid_path_is_a_failure_and_one_warning(spans, caplog):
    """The first export logs it; the span processor goes on."""
    exporter = SQLiteSpanExporter(":memory:")

    assert [exporter.export([span]) for span in spans(3)] == [SpanExportResult.FAILURE] * 3

    assert len(caplog.records) == 1


def test_environment_names_the_database(tmp_path, monkeypatch, spans):
    """Under auto-instrumentation exporters are constructed without arguments."""
    monkeypatch.setenv("LEARNING_INSTRUMENT_DATABASE", str(tmp_path / "env.db"))
    exporter = SQLiteSpanExporter()

    assert exporter.export(spans(1)) is SpanExportResult.SUCCESS

    exporter.shutdown()
    assert [path.name for path in tmp_path.iterdir()] == ["env.db"]


# Exporting.


@pytest.mark.parametrize("processor", [SimpleSpanProcessor, BatchSpanProcessor])
def test_it_works_under_the_sdks_processors(database, rows, processor):
    """Without ``configure()``: the host's provider, our exporter."""
    provider = TracerProvider()
    provider.add_span_processor(processor(SQLiteSpanExporter(database)))
    execute_task = record_execution(tracer_provider=provider)(lambda task: None)

    for n in range(10):
        execute_task({"task_id": f"{n}"})
    provider.shutdown()

    assert [row["task_id"] for row in rows()] == [f"{n}" for n in range(10)]


def test_span_exported_twice_is_one_row(database, rows, spans):
    """Two pipelines may export into one database, or one may retry."""
    exporter = SQLiteSpanExporter(database)
    (span,) = spans(1)

    results = [exporter.export([span]), exporter.export([span, span])]

    assert results == [SpanExportResult.SUCCESS] * 2
    assert len(rows()) == 1
    assert database.statistics().stored == 1


def test_exporter_beside_configure_is_one_row(database, rows, provider):
    """``OTEL_TRACES_EXPORTER=learning_sqlite`` and ``configure()`` do not count an execution twice."""
    provider.add_span_processor(BatchSpanProcessor(SQLiteSpanExporter(database)))
    configure(database, tracer_provider=provider)

    SyncPool().execute_task({})
    provider.force_flush()

    assert len(rows()) == 1


def test_foreign_spans_are_ignored(no_file, database, provider, exporter, tmp_path):
    """No database is opened for them."""
    with provider.get_tracer("other.library").start_as_current_span("execute_task"):
        pass

    assert SQLiteSpanExporter(database).export(exporter.get_finished_spans()) is SpanExportResult.SUCCESS

    assert list(tmp_path.iterdir()) == []


def test_span_without_a_scope_is_ignored(database):
    """It may be made by hand, or by an old release."""
    assert SQLiteSpanExporter(database).export([ReadableSpan("bare")]) is SpanExportResult.SUCCESS


@pytest.mark.parametrize(
    "changes",
    [
        {semconv.TASK_OUTCOME: None},
        {semconv.TASK_DURATION: None},
        {semconv.MEMORY_PEAK: "much"},
        {semconv.TASK_TYPE: ("a", "list")},
        {semconv.DEFAULTED: None, semconv.TASK_OUTCOME: None},
    ],
)
def test_tampered_span_is_skipped_and_counted_without_its_batch(database, rows, spans, caplog, changes):
    """The other spans of its batch are stored."""
    first, second, third = spans(3)

    result = SQLiteSpanExporter(database).export([first, tampered(second, **changes), third])

    assert result is SpanExportResult.FAILURE
    assert [row["task_id"] for row in rows()] == ["t-0", "t-2"]
    assert database.statistics().lost == {"unreadable": 1}
    assert len(caplog.records) == 1


def test_several_threads_export_at_once(database, rows, spans):
    """The SDK's simple processor does so, and ``force_flush`` calls from the caller's thread."""
    exporter = SQLiteSpanExporter(database)
    batches = [spans(25) for _ in range(8)]
    threads = [threading.Thread(target=exporter.export, args=(batch,)) for batch in batches]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    exporter.force_flush()

    assert len(rows()) == 200
    assert database.statistics().stored == 200


def test_flush_commits_the_queue(tmp_path, spans):
    """In batch mode ``export`` only queues the rows."""
    database = LearningDatabase(tmp_path / "learning.db", durability="batch")
    exporter = SQLiteSpanExporter(database)
    exporter.export(spans(100))

    assert exporter.force_flush()

    assert database.statistics().stored == 100


def test_shutdown_closes_only_a_database_that_the_exporter_opened(tmp_path, database, rows, spans):
    """The user closes one that was passed in."""
    own, handed_over = SQLiteSpanExporter(tmp_path / "own.db"), SQLiteSpanExporter(database)
    for exporter in (own, handed_over):
        exporter.export(spans(1))
        exporter.shutdown()

    assert not (tmp_path / "own.db-wal").exists()
    assert (tmp_path / "learning.db-wal").exists()
    assert len(rows()) == 1


# The entry point.


@pytest.fixture
def installed(tmp_path):
    """Return the environment of a process in which this source tree is installed."""
    declared = (ROOT / "pyproject.toml").read_text()
    (group,) = re.findall(r"\[project\.entry-points\.(opentelemetry_traces_exporter)\]\n(.*)", declared)
    metadata = tmp_path / "learning_instrument-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: learning_instrument\nVersion: 0.0\n")
    (metadata / "entry_points.txt").write_text(f"[{group[0]}]\n{group[1]}\n".replace('"', ""))
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        "OTEL_TRACES_EXPORTER": "learning_sqlite",
        "LEARNING_INSTRUMENT_DATABASE": str(tmp_path / "learning.db"),
    }


PROGRAM = """
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
_OTelSDKConfigurator().configure(auto_instrumentation_version="test")
from learning_instrument import record_execution
for n in range(3):
    record_execution(lambda task: {"success": True})({"task_id": f"t-{n}"})
"""


def test_opentelemetry_loads_it_by_its_name(installed, database, rows):
    """``OTEL_TRACES_EXPORTER=learning_sqlite`` is enough."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=installed, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert [row["task_id"] for row in rows()] == ["t-0", "t-1", "t-2"]


def test_fault_while_storing_is_a_counted_loss(spans, database, monkeypatch, caplog):
    """Each execution counts once; the next one is stored."""
    exporter = SQLiteSpanExporter(database)

    def insert(*args):
        raise MemoryError

    with monkeypatch.context() as failing:
        failing.setattr(Insertion, "insert", insert)
        assert exporter.export(spans(2)) is SpanExportResult.FAILURE

    assert exporter.export(spans(1)) is SpanExportResult.SUCCESS
    assert (database.statistics().lost, database.statistics().stored) == ({"fault": 2}, 1)
    assert len(caplog.records) == 1


# What the answer says.

KILLED = """
import os, signal, sys
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from learning_instrument import LearningDatabase, SQLiteSpanExporter, record_execution

kept, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(kept))
execute_task = record_execution(tracer_provider=provider)(lambda task: {"success": True})
for n in range(300):
    execute_task({"task_id": f"t-{n}"})
database = LearningDatabase(sys.argv[1], sys.argv[2])
exporter = SQLiteSpanExporter(database)
answers = {exporter.export(kept.get_finished_spans()[:200]), exporter.export(kept.get_finished_spans()[200:])}
assert answers == {SpanExportResult.SUCCESS}
is_committed = sys.argv[2] == "commit" and not database.statistics().deferred
assert is_committed or exporter.force_flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill a process")
@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_committed_rows_survive_a_killed_process(tmp_path, durability):
    """Those of ``SUCCESS`` in ``commit`` mode; in ``batch`` mode those that a flush has waited for."""
    path = tmp_path / "learning.db"
    LearningDatabase(path).open()
    done = subprocess.run([sys.executable, "-c", KILLED, path, durability], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr

    with LearningDatabase(path) as database:
        assert database.query("SELECT count(*) AS rows FROM executions") == [{"rows": 300}]


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_export_does_not_wait_for_a_lock_but_a_flush_does(spans, tmp_path, durability):
    """A span processor may call it in a task; the rows are queued."""
    with LearningDatabase(tmp_path / "learning.db", durability) as database:
        exporter = SQLiteSpanExporter(database)
        exporter.export(spans(1))
        assert exporter.force_flush()

        with locked_by_another_process(database.path):
            assert exporter.export(spans(3)) is SpanExportResult.SUCCESS
            assert not exporter.force_flush(50)
            with contextlib.closing(sqlite3.connect(database.path)) as other:
                assert other.execute("SELECT count(*) FROM executions").fetchone() == (1,)

        assert exporter.force_flush()
        assert database.statistics().stored == 4
