"""The fixtures for users' tests, in pytest runs of their own: what they give, and that nothing of it stays."""

import asyncio
import multiprocessing
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from small_pools import AsyncPool, SyncPool

from learning_instrument import ExecutionRecord, configure, record_execution

pytest_plugins = ["pytester"]

#: Names the plugin as its entry point does, where none is loaded by itself.
OURS = ("-p", "learning_instrument")


def fail(task):
    raise ValueError("no")


def test_block_gives_the_executions_that_ended_in_it(recorded_executions, learning_database):
    """Oldest first; neither what was before nor what came after."""
    pool = SyncPool()
    pool.execute_task({"task_type": "before"})
    with recorded_executions() as executions:
        pool.execute_task({"task_type": "one"})
        pool.execute_task({"task_type": "two", "cost_estimate": 0.5})
    with recorded_executions() as none:
        pass
    pool.execute_task({"task_type": "after"})

    assert [type(execution) for execution in executions] == [ExecutionRecord] * 2
    assert [execution.task_type for execution in executions] == ["one", "two"]
    assert executions[1].cost_estimate == 0.5
    assert none == []
    assert learning_database.query("SELECT count(*) AS n FROM executions") == [{"n": 4}]


def test_block_that_raises_gives_its_executions(recorded_executions):
    """As the test of a failing task needs."""
    with pytest.raises(ValueError, match="no"), recorded_executions() as executions:
        SyncPool(fail).execute_task({})

    (execution,) = executions
    assert (execution.outcome, execution.error_message) == ("error", "no")


async def test_async_test_uses_the_same_fixtures(recorded_executions):
    """Several executions at once."""
    pool = AsyncPool()
    with recorded_executions() as executions:
        await asyncio.gather(*(pool.execute_task({"task_id": f"{n:02}"}) for n in range(20)))

    assert sorted(execution.task_id for execution in executions) == [f"{n:02}" for n in range(20)]


def test_block_waits_for_what_is_queued(monkeypatch, request):
    """In ``batch`` mode, which the environment asks for."""
    monkeypatch.setenv("LEARNING_INSTRUMENT_DURABILITY", "batch")
    database = request.getfixturevalue("learning_database")
    with request.getfixturevalue("recorded_executions")() as executions:
        SyncPool().execute_task({})

    assert database.durability == "batch"
    assert len(executions) == 1


def test_processes_of_the_test_record_into_its_database(recorded_executions):
    """Those that call ``configure()``, as a worker's initializer does."""
    spawn = multiprocessing.get_context("spawn")
    with recorded_executions() as executions, ProcessPoolExecutor(1, spawn, initializer=configure) as workers:
        list(workers.map(SyncPool().execute_task, [{"task_id": "1"}, {"task_id": "2"}]))

    assert [execution.task_id for execution in executions] == ["1", "2"]


def test_unconfigured_database_is_for_who_is_handed_it(unconfigured_learning_database, tmp_path):
    """Other executions are not recorded into it, and its file is made when it is first used."""
    provider = TracerProvider()
    record_execution(tracer_provider=provider)(lambda task: None)({})
    assert list(tmp_path.iterdir()) == []

    record_execution(learning_db=unconfigured_learning_database)(lambda task: None)({})
    assert unconfigured_learning_database.path == str(tmp_path / "learning.db")
    assert unconfigured_learning_database.statistics().stored == 1


def test_no_global_provider_is_set(learning_database, recorded_executions):
    """It could not be taken back; nested executions have one trace all the same."""
    with recorded_executions() as executions:
        SyncPool(SyncPool().execute_task).execute_task({})

    inner, outer = executions
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    assert (inner.trace_id, inner.parent_execution_id) == (outer.trace_id, outer.execution_id)


# Pytest runs of their own.


POOLS = """
from learning_instrument import record_execution

class Pool:
    @record_execution
    def execute_task(self, task):
        return {"success": True}
"""
FAILING = """
import gc, os
from learning_instrument import configure, shutdown
from learning_instrument.safety.threads import BackgroundThread
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from pools import Pool

def test_fails(recorded_executions):
    with recorded_executions():
        Pool().execute_task({"task_type": "of the test that fails"})
        assert False, "in the middle"

def test_next(recorded_executions, learning_database):
    assert learning_database.query("SELECT count(*) AS n FROM executions") == [{"n": 0}]
    with recorded_executions() as executions:
        Pool().execute_task({"task_type": "next"})
    assert [execution.task_type for execution in executions] == ["next"]

def test_last(tmp_path):
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    assert "LEARNING_INSTRUMENT_DATABASE" not in os.environ
    ours = [found for found in gc.get_objects() if type(found) is BackgroundThread]
    assert not any(thread.is_alive() for thread in ours)
    Pool().execute_task({"task_type": "not recorded"})
    assert list(tmp_path.parent.rglob("test_last*/*.db")) == []
    # Refused if another database were configured still. With a provider, for it would set a global one.
    configure(tmp_path / "own.db", tracer_provider=TracerProvider())
    shutdown()
"""
CONFIGURED = """
import contextlib, sqlite3
import pytest
from learning_instrument import configure, shutdown
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pools import Pool

@pytest.fixture(scope="module", autouse=True)
def host():
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    yield configure("own.db", durability="batch"), provider, exporter
    shutdown()

def types_in(database):
    with contextlib.closing(sqlite3.connect(database.path)) as connection:  # which flushes nothing
        return [task_type for task_type, in connection.execute("SELECT task_type FROM executions ORDER BY rowid")]

def test_before(host):
    Pool().execute_task({"task_type": "before"})
    assert host[1].force_flush()
    assert types_in(host[0]) == ["before"]

def test_within(host, learning_database):
    Pool().execute_task({"task_type": "within"})
    assert types_in(learning_database) == ["within"]
    assert configure() is learning_database
    assert trace.get_tracer_provider() is host[1]
    assert [span.name for span in host[2].get_finished_spans()] == ["execute_task before", "execute_task within"]

def test_shuts_down(learning_database, tmp_path):
    shutdown()
    Pool().execute_task({"task_type": "of no test"})
    configure(tmp_path / "another.db")
    Pool().execute_task({"task_type": "of another"})

def test_after(host, tmp_path):
    assert list(tmp_path.parent.rglob("*-wal")) == []  # all databases of tests are closed
    Pool().execute_task({"task_type": "after"})
    assert host[1].force_flush()
    assert types_in(host[0]) == ["before", "after"]
    assert configure("own.db") is host[0]
    assert trace.get_tracer_provider() is host[1]
"""


@pytest.fixture
def project(pytester, monkeypatch):
    """A project that takes each warning for an error, and loads no plugin by itself."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]\nfilterwarnings = error")
    return pytester


def test_what_was_before_a_test_is_so_again(project, subtests):
    """In one run, in a process of its own, with our plugin and no other."""
    project.makepyfile(pools=POOLS, test_1_failing=FAILING, test_2_configured=CONFIGURED)

    done = project.runpytest_subprocess("-rA", "-p", "no:cacheprovider", *OURS)

    # The test after one that failed has an empty database, or none; no provider, variable or thread is left of it.
    with subtests.test("after a test that fails"):
        done.stdout.fnmatch_lines(["E*AssertionError: in the middle"])
        assert verdicts(done, "test_1_failing.py") == {"fails": "FAILED", "next": "PASSED", "last": "PASSED"}
    # The application's own provider and database are set aside for the test, and stay untouched by all it does.
    with subtests.test("what was configured before"):
        assert verdicts(done, "test_2_configured.py") == dict.fromkeys(
            ["before", "within", "shuts_down", "after"], "PASSED"
        )
    done.assert_outcomes(passed=6, failed=1)


def verdicts(done, file):
    """Return how the tests of *file* ended, as the summary says it."""
    return {name: verdict for verdict, name in re.findall(rf"^(\w+) {file}::test_(\w+)", done.stdout.str(), re.M)}


def test_project_that_does_not_use_us_stays_as_it_is(project, subtests):
    """It imports our plugin's file and nothing else, and measures its coverage, without pytest-asyncio."""
    project.makepyfile(
        app="def double(n):\n    return 2 * n\n",
        test_app="from app import double\ndef test_double():\n    assert double(2) == 4\n",
        twice=f"""
            import sys, pytest
            assert pytest.main(["test_app.py"]) == 0
            before = set(sys.modules)
            assert pytest.main([*{OURS}, "test_app.py"]) == 0
            print("LOADED", *sorted(set(sys.modules) - before))
        """,
    )

    measured = project.run(sys.executable, "-m", "coverage", "run", "--branch", "--include=app.py", "twice.py")
    report = project.run(sys.executable, "-m", "coverage", "report", "--fail-under=100")

    assert measured.ret == 0
    with subtests.test("no SDK, no SQLite, no package of ours beyond the plugin"):
        assert measured.outlines[-1] == "LOADED learning_instrument learning_instrument.testing"
    with subtests.test("every line of it, with warnings as errors"):
        assert report.ret == 0


def test_plugin_is_found_by_itself_and_makes_no_warning(project, monkeypatch):
    """Also where we were imported before pytest, as under auto-instrumentation."""
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    project.makepyfile(test_it="def test_it(learning_database):\n    pass\n")
    options = ["-p", "no:asyncio", "-p", "no:hypothesispytest"]  # the former warns, the latter takes a second
    program = f"import learning_instrument, pytest; raise SystemExit(pytest.main({options}))"

    done = project.run(sys.executable, "-c", program)

    assert done.ret == 0
    done.assert_outcomes(passed=1)


def test_importing_the_plugin_imports_nothing_else():
    """Beyond pytest, which has loaded it."""
    program = (
        "import pytest, sys; before = set(sys.modules); import learning_instrument.testing;"
        " print(*sorted(set(sys.modules) - before))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["learning_instrument", "learning_instrument.testing"]
