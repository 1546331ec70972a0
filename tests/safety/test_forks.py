"""A fork: nobody is inside SQLite, no connection is inherited, and both sides go on."""

import os
import signal
import sys
import threading
import warnings
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from learning_instrument import ExecutionRecord, LearningDatabase, SQLiteSpanExporter, configuration, configure
from learning_instrument.pipeline import pipelines

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@pytest.fixture(autouse=True)
def forking_is_meant():
    """Pytest's own threads, and those of a test, are no reason to warn here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def in_child(action):
    """Call *action* in a forked child; return a function that waits for it and gives its exit code."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            action()
            status = 0
        finally:
            os._exit(status)
    return lambda: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def record(task_id):
    return ExecutionRecord(task_type="fork", task_id=task_id)


def task_ids(database):
    return sorted(row["task_id"] for row in database.query("SELECT task_id FROM executions"))


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_childs_rows_outlive_the_parents_connections(tmp_path, durability):
    """A child that shared them would lose its log when the parent closes."""
    database = LearningDatabase(tmp_path / "fork.db", durability)
    database.append([record("parent")])
    (has_closed, closing), (go_on, told) = os.pipe(), os.pipe()

    def child():
        database.append([record("child-1")])
        os.write(closing, b"x")
        os.read(go_on, 1)
        database.append([record("child-2")])
        assert database.flush()

    exit_code = in_child(child)
    os.read(has_closed, 1)
    database.close()
    os.write(told, b"x")

    assert exit_code() == 0
    with LearningDatabase(tmp_path / "fork.db") as reader:
        assert task_ids(reader) == ["child-1", "child-2", "parent"]


def test_child_forked_while_others_ask_questions_can_ask_too(tmp_path):
    """It inherits no mutex that a thread held."""
    database = LearningDatabase(tmp_path / "fork.db")
    database.append([record(f"t-{n}") for n in range(200)])
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            database.query("SELECT count(*) FROM executions")

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()

    exit_codes = [in_child(lambda: database.query("SELECT count(*) FROM executions"))() for _ in range(10)]

    stop.set()
    for thread in threads:
        thread.join()
    assert exit_codes == [0] * 10
    database.close()


def test_child_forked_while_others_export_can_export_too(tmp_path):
    """As a collector's exporter does, on the task's thread under the SDK's simple processor."""
    exporter = SQLiteSpanExporter(LearningDatabase(tmp_path / "fork.db"))
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("application")
    stop = threading.Event()

    def export():
        while not stop.is_set():
            tracer.start_span("work").end()

    def export_in_child():
        signal.alarm(30)
        tracer.start_span("work").end()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=export) for _ in range(3)]
    try:
        for thread in threads:
            thread.start()
        exit_codes = [in_child(export_in_child)() for _ in range(20)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)

    assert exit_codes == [0] * 20


def test_child_forked_while_another_thread_configures_can_configure(tmp_path):
    """It has the locks of ``configure()`` to itself, on the first execution of a function too."""

    def configure_in_child():
        signal.alarm(30)
        configure(tmp_path / "child.db", tracer_provider=TracerProvider())

    held, is_over = threading.Event(), threading.Event()

    def hold():
        with configuration._State.lock, pipelines._Locks.model_call_processors:
            held.set()
            is_over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        exit_code = in_child(configure_in_child)()
    finally:
        is_over.set()
        thread.join()

    assert exit_code == 0


def test_databases_made_while_another_thread_forks_can_be_written(tmp_path):
    """What is held for the fork is let go, whatever came into being meanwhile."""
    database = LearningDatabase(tmp_path / "fork.db")
    stop = threading.Event()
    made = []

    def make():
        while not stop.is_set():
            made.append(LearningDatabase(tmp_path / "other.db"))
            del made[:-3]

    thread = threading.Thread(target=make)
    thread.start()
    for _ in range(20):
        in_child(lambda: None)()
    stop.set()
    thread.join()

    assert database.append([record("after")])
    assert database.statistics().deferred == 0
    assert made[-1].append([record("other")])
    database.close()
    made[-1].close()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python warns of it since 3.12")
def test_writer_is_no_reason_to_warn_of_threads(tmp_path):
    """A host of one thread forks without a warning, in batch mode too."""
    database = LearningDatabase(tmp_path / "fork.db", "batch")
    database.append([record("parent")])
    assert database.flush()
    tasks = Path("/proc/self/task")  # a library such as pyarrow has threads that Python does not know
    threads = len(list(tasks.iterdir())) if tasks.exists() else threading.active_count()
    others = threads - 1 - any("writer" in thread.name for thread in threading.enumerate())

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        in_child(lambda: None)()

    assert bool(caught) == bool(others)
    database.append([record("later")])
    assert task_ids(database) == ["later", "parent"]
    database.close()
