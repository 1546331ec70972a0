"""The database that an execution is recorded into, if any."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from small_pools import SyncPool

from learning_instrument import LearningDatabase, configure, record_execution, shutdown
from learning_instrument.pipeline.installed import NOT_GIVEN


@pytest.fixture
def other(tmp_path):
    """A second database."""
    with LearningDatabase(tmp_path / "other.db") as other:
        yield other


def task_ids(database):
    return [row["task_id"] for row in database.query("SELECT task_id FROM executions ORDER BY rowid")]


def test_explicit_database_needs_no_configure(database, other):
    """Executions are recorded into it, and no global provider is set."""
    record_execution(learning_db=database)(lambda task: None)({"task_id": "t-1"})

    assert task_ids(database) == ["t-1"]
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def test_explicit_database_replaces_the_configured_one(database, other):
    """The row is in one of them, not in both."""
    configure(database)

    record_execution(learning_db=other)(lambda task: None)({"task_id": "t-1"})

    assert (task_ids(database), task_ids(other)) == ([], ["t-1"])


def test_explicit_databases_spans_go_to_the_hosts_exporters(other, provider, exporter):
    """The row is in the database, the span in the host's exporters."""
    execute_task = record_execution(learning_db=other, tracer_provider=provider)(lambda task: None)

    execute_task({"task_id": "t-1"})

    assert task_ids(other) == ["t-1"]
    assert len(exporter.get_finished_spans()) == 1


def test_none_records_nothing_and_changes_nothing(database, provider, exporter, rows):
    """Even where a database is configured."""
    configure(database, tracer_provider=provider)
    execute_task = record_execution(learning_db=None)(lambda task: task)
    task = object()

    assert execute_task(task) is task

    assert rows() == []
    assert exporter.get_finished_spans() == ()


def test_callable_finds_the_pools_database(database, other):
    """Each instance has its own, or None; the callable runs at each call."""

    class Pool:
        def __init__(self, learning_db):
            self.learning_db = learning_db

        @record_execution(learning_db=lambda pool: pool.learning_db)
        def execute_task(self, task):
            return task

    pools = Pool(database), Pool(other), Pool(None)
    for n in range(2):
        for pool in pools:
            assert pool.execute_task({"task_id": f"t-{n}"}) == {"task_id": f"t-{n}"}
    pools[2].learning_db = other
    pools[2].execute_task({"task_id": "late"})

    assert task_ids(database) == ["t-0", "t-1"]
    assert task_ids(other) == ["t-0", "t-1", "late"]


@pytest.mark.parametrize(
    "learning_db", [lambda pool: 1 / 0, lambda pool: "learning.db", lambda: None], ids=["raises", "path", "signature"]
)
def test_failing_callable_is_a_warning_and_no_row(learning_db, caplog):
    """The task goes on, and one warning gives the reason."""
    execute_task = record_execution(learning_db=learning_db)(lambda task: task)

    assert [execute_task(n) for n in range(3)] == [0, 1, 2]

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "learning_db" in caplog.text


@pytest.mark.parametrize("explicit", [True, False], ids=["with a database", "without"])
def test_failing_provider_does_not_affect_the_task(database, caplog, explicit):
    """Without a tracer nothing is recorded, and one warning is logged."""

    class Broken(trace.TracerProvider):
        def get_tracer(self, *args, **kwargs):
            raise RuntimeError("no tracer")

    learning_db = {"learning_db": database} if explicit else {}
    execute_task = record_execution(tracer_provider=Broken(), **learning_db)(lambda task: task)

    assert [execute_task(n) for n in range(3)] == [0, 1, 2]

    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_unconfigured_span_goes_to_the_given_provider(provider, exporter, caplog, tmp_path, monkeypatch):
    """Without ``configure()`` there is a span, but no row and no warning."""
    monkeypatch.chdir(tmp_path)

    record_execution(tracer_provider=provider)(lambda task: {"success": True})({"task_type": "x"})

    assert [span.name for span in exporter.get_finished_spans()] == ["execute_task x"]
    assert caplog.records == []
    assert list(tmp_path.iterdir()) == []


def test_unconfigured_span_goes_to_the_global_provider(provider, exporter, caplog):
    """The application's own SDK is enough."""
    trace.set_tracer_provider(provider)

    SyncPool().execute_task({})

    assert len(exporter.get_finished_spans()) == 1
    assert caplog.records == []


def test_without_provider_and_database_there_is_one_warning(caplog):
    """It names ``configure()``, however many functions are decorated and called."""
    for _ in range(3):
        execute_task = record_execution(lambda task: task)
        assert [execute_task(n) for n in range(2)] == [0, 1]

    (warning,) = caplog.records
    assert "configure()" in warning.getMessage()


def test_provider_set_later_gets_the_spans(provider, exporter):
    """The application may set it up after the first task."""
    pool = SyncPool()
    pool.execute_task({})
    trace.set_tracer_provider(provider)

    pool.execute_task({})

    assert len(exporter.get_finished_spans()) == 1


def test_configure_and_shutdown_apply_to_functions_in_use(database, other, caplog):
    """A decorated function uses the present configuration at each call."""
    pool = SyncPool()
    pool.execute_task({"task_id": "before"})
    configure(database)
    pool.execute_task({"task_id": "first"})
    shutdown()
    pool.execute_task({"task_id": "between"})
    configure(other)
    pool.execute_task({"task_id": "second"})

    assert (task_ids(database), task_ids(other)) == (["first"], ["second"])


@pytest.mark.parametrize("configured", [True, False], ids=["configured", "explicit"])
def test_disabled_sdk_turns_recording_off(database, monkeypatch, caplog, configured):
    """``OTEL_SDK_DISABLED=true`` means no span, no row and no warning."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    if configured:
        configure(database)
        execute_task = record_execution(lambda task: task)
    else:
        execute_task = record_execution(learning_db=database)(lambda task: task)

    assert execute_task("t") == "t"

    assert task_ids(database) == []
    assert caplog.records == []


def test_decorators_tracer_provider_takes_precedence(database, provider, exporter):
    """The row is in the configured database."""
    configure(database, tracer_provider=TracerProvider())

    record_execution(tracer_provider=provider)(lambda task: None)({"task_id": "t-1"})

    assert len(exporter.get_finished_spans()) == 1
    assert task_ids(database) == ["t-1"]


def test_not_given_shows_as_an_ellipsis():
    """In signatures and in help()."""
    assert repr(NOT_GIVEN) == "..."
