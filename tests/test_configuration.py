"""``configure()`` joins provider, processor, exporter and database; ``shutdown()`` takes them apart."""

import contextlib
import sqlite3
from datetime import datetime, timedelta, timezone

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from small_pools import SyncPool
from waiting import wait_until

from learning_instrument import ExecutionRecord, LearningDatabase, configure, record_execution, shutdown
from learning_instrument.configuration import configure_privately, configured_budgets
from learning_instrument.database import store_of
from learning_instrument.errors import ConfigurationError
from learning_instrument.safety import variables


def count(database):
    return database.query("SELECT count(*) AS n FROM executions")[0]["n"]


# The database.


def test_path_or_database_is_accepted(tmp_path, database):
    """A path is opened; a database is used as it is."""
    assert configure(database) is database
    shutdown()
    assert configure(tmp_path / "other.db").path == str(tmp_path / "other.db")


def test_default_is_in_the_working_directory(tmp_path, monkeypatch):
    """``learning.db``, created by the first execution."""
    monkeypatch.chdir(tmp_path)

    database = configure()

    assert database.path == str(tmp_path / "learning.db")
    assert list(tmp_path.iterdir()) == []


def test_environment_names_database_and_durability(tmp_path, monkeypatch):
    """Where the arguments do not."""
    monkeypatch.setenv("LEARNING_INSTRUMENT_DATABASE", str(tmp_path / "env.db"))
    monkeypatch.setenv("LEARNING_INSTRUMENT_DURABILITY", "batch")

    database = configure()

    assert (database.path, database.durability) == (str(tmp_path / "env.db"), "batch")


def test_arguments_take_precedence_over_the_environment(tmp_path, monkeypatch):
    """The code is more specific."""
    monkeypatch.setenv("LEARNING_INSTRUMENT_DATABASE", str(tmp_path / "env.db"))
    monkeypatch.setenv("LEARNING_INSTRUMENT_DURABILITY", "batch")

    database = configure(tmp_path / "given.db", durability="commit")

    assert (database.path, database.durability) == (str(tmp_path / "given.db"), "commit")


def test_twice_with_the_same_database_does_nothing_more(database, rows):
    """The same object, and one row for each execution."""
    first = configure(database.path)

    assert configure(database.path) is first
    assert configure(database) is first
    SyncPool().execute_task({})
    assert len(rows()) == 1


def test_settings_that_a_second_call_ignores_are_named_once(database, provider, caplog):
    """Those that differ from the ones in force; what is not given says nothing."""
    configure(database, retention_days=7, prices={"m": {"input": 1.0}})
    for _ in range(3):
        configure()
        configure(database, retention_days=7, prices={"m": {"input": 1.0}}, measure_resources=True)
    assert caplog.messages == []

    for _ in range(3):
        configure(max_size="1GB", retention_days=8, measure_resources=False, tracer_provider=provider)

    (message,) = caplog.messages
    for part in ("retention_days=8", "max_size='1GB'", "measure_resources=False", "tracer_provider=", "shutdown()"):
        assert part in message
    assert "prices" not in message
    shutdown()
    configure(database, max_size="1GB")
    assert caplog.messages == [message]


def test_application_that_configures_another_database_than_the_instrumentors_is_told(tmp_path, caplog, monkeypatch):
    """It takes precedence. A default gives way without a word."""
    monkeypatch.chdir(tmp_path)
    configure_privately()
    configure(tmp_path / "own.db")
    assert caplog.messages == []
    shutdown()

    monkeypatch.setenv("LEARNING_INSTRUMENT_DATABASE", str(tmp_path / "given.db"))
    configure_privately()
    configure(tmp_path / "own.db")

    (message,) = caplog.messages
    assert f"Ignored {tmp_path / 'given.db'}" in message
    assert str(tmp_path / "own.db") in message


def test_another_database_is_refused_until_shutdown(tmp_path):
    """Rows must not change their database unnoticed."""
    configure(tmp_path / "first.db")

    with pytest.raises(ConfigurationError, match=r"first\.db.*shutdown\(\)"):
        configure(tmp_path / "second.db")

    shutdown()
    assert configure(tmp_path / "second.db").path == str(tmp_path / "second.db")


def test_invalid_argument_is_refused(subtests):
    """Nothing is set up."""
    for keywords, named in [
        ({"database": 5}, "5"),
        ({"database": ""}, "expected the path of a file"),
        ({"database": ":memory:"}, "memory"),
        ({"durability": "maybe"}, "maybe"),
        ({"retention_days": 0}, "retention_days"),
        ({"retention_days": "week"}, "retention_days"),
        ({"max_size": "big"}, "max_size"),
        ({"max_size": 0}, "max_size"),
        ({"max_size": True}, "max_size"),
        ({"tracer_provider": object()}, r"Invalid tracer_provider .*get_tracer\(\)"),
        ({"meter_provider": "prometheus"}, "Invalid meter_provider 'prometheus'"),
    ]:
        with subtests.test(keywords=keywords, named=named):
            with pytest.raises(ConfigurationError, match=named):
                configure(**keywords)

            assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("DURABILITY", "sometimes"),
        ("RETENTION_DAYS", "week"),
        ("RETENTION_DAYS", "-1"),
        ("RETENTION_DAYS", "nan"),
        ("MAX_SIZE", "big"),
        ("BUDGET", "1.00/week"),
        ("BUDGET", "1/day by=colour"),
    ],
)
@pytest.mark.parametrize("begin", [configure, configure_privately])
def test_invalid_variable_is_ignored_with_one_warning(tmp_path, monkeypatch, caplog, begin, variable, text):
    """With and without code: the application starts, and is recorded."""
    monkeypatch.setattr(variables, "ignored", {})
    monkeypatch.setenv(f"LEARNING_INSTRUMENT_{variable}", text)

    database = begin(tmp_path / "learning.db")
    configure(tmp_path / "learning.db")
    SyncPool().execute_task({})

    assert (count(database), database.durability, configured_budgets()) == (1, "commit", ())
    (message,) = caplog.messages
    assert message.startswith(f"Invalid LEARNING_INSTRUMENT_{variable}={text} is ignored: "), message
    assert "expected" in message


# The provider.


def test_global_provider_is_set_where_there_is_none(database):
    """Other instrumentations of the application get an SDK, too."""
    configure(database)

    assert isinstance(trace.get_tracer_provider(), TracerProvider)


def test_applications_global_provider_gets_our_processor(database, provider, exporter, rows):
    """It stays the application's."""
    trace.set_tracer_provider(provider)

    configure(database)
    SyncPool().execute_task({})

    assert trace.get_tracer_provider() is provider
    assert len(exporter.get_finished_spans()) == len(rows()) == 1


def test_explicit_provider_leaves_the_global_one_alone(database, provider, exporter):
    """Spans go to ``tracer_provider``."""
    configure(database, tracer_provider=provider)
    SyncPool().execute_task({})

    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    assert len(exporter.get_finished_spans()) == 1


def test_hosts_flush_flushes_the_database(tmp_path, provider):
    """``provider.force_flush()`` includes our rows."""
    database = configure(tmp_path / "learning.db", durability="batch", tracer_provider=provider)
    SyncPool().execute_task({})

    assert provider.force_flush()

    assert database.statistics().stored == 1


def test_resource_of_the_provider_is_in_the_row(database, rows):
    """The row has the service name, even if the sampler drops the spans."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    provider = TracerProvider(sampler=ALWAYS_OFF, resource=Resource.create({"service.name": "checkout"}))
    configure(database, tracer_provider=provider)

    SyncPool().execute_task({})

    assert rows()[0]["service_name"] == "checkout"


# Shutdown.


def test_shutdown_writes_the_queue(tmp_path):
    """Rows do not wait for a background thread that has ended."""
    configure(tmp_path / "learning.db", durability="batch")
    for _ in range(100):
        SyncPool().execute_task({})

    shutdown()

    with contextlib.closing(sqlite3.connect(tmp_path / "learning.db")) as connection:
        assert connection.execute("SELECT count(*) FROM executions").fetchone() == (100,)


def test_shutdown_closes_and_detaches(tmp_path):
    """One file is left, and later executions are not recorded."""
    configure(tmp_path / "learning.db")
    SyncPool().execute_task({})

    shutdown()
    SyncPool().execute_task({})

    assert [path.name for path in tmp_path.iterdir()] == ["learning.db"]
    assert count(LearningDatabase(tmp_path / "learning.db")) == 1


def test_shutdown_without_configure_does_nothing():
    """Nor does a second shutdown."""
    shutdown()
    shutdown()


def test_configure_after_shutdown_records_once(tmp_path):
    """The earlier processors are still in the provider, but idle."""
    for _ in range(3):
        configure(tmp_path / "learning.db")
        SyncPool().execute_task({})
        shutdown()

    assert count(LearningDatabase(tmp_path / "learning.db")) == 3


# Retention.


def days_ago(days):
    return ExecutionRecord(task_type="old", timestamp=datetime.now(timezone.utc) - timedelta(days=days))


@pytest.fixture
def unannounced(monkeypatch):
    """Retention begins at once, however much it deletes."""
    monkeypatch.setattr("learning_instrument.storage.announced_rounds._PART", 0)


def test_rows_beyond_retention_days_are_deleted_in_the_background(database):
    """Also those of earlier processes, and even if this one records little."""
    database.append([days_ago(days) for days in (0, 1, 8, 9, 400)])

    configure(database, retention_days=7)
    SyncPool().execute_task({})

    wait_until(lambda: count(database) == 3)
    oldest = database.query("SELECT min(timestamp) AS t FROM executions")[0]["t"]
    assert datetime.fromisoformat(oldest) > datetime.now(timezone.utc) - timedelta(days=7)


@pytest.fixture(params=[configure, configure_privately])
def begin(request):
    """Call ``configure()``, or what the instrumentor calls."""
    return request.param


def test_rows_beyond_the_environments_retention_are_deleted(database, monkeypatch, begin):
    """With and without code."""
    database.append([days_ago(days) for days in (0, 1, 8)])
    monkeypatch.setenv("LEARNING_INSTRUMENT_RETENTION_DAYS", "7.5")

    begin(database)
    SyncPool().execute_task({})

    wait_until(lambda: count(database) == 3)


def test_argument_goes_before_the_environments_retention(database, monkeypatch, unannounced):
    """Each for itself: the size is the environment's."""
    database.append([days_ago(days) for days in (0, 1, 8, 9)])
    monkeypatch.setenv("LEARNING_INSTRUMENT_RETENTION_DAYS", "0.5")
    monkeypatch.setenv("LEARNING_INSTRUMENT_MAX_SIZE", "1GB")

    configure(database, retention_days=8.5)
    SyncPool().execute_task({})

    wait_until(lambda: count(database) == 4)


def test_all_rows_beyond_the_limit_are_deleted(database, unannounced):
    """Though one round of housekeeping deletes a limited number."""
    database.append([days_ago(8)] + [days_ago(8) for _ in range(12_000)])

    configure(database, retention_days=7)
    SyncPool().execute_task({})

    wait_until(lambda: count(database) == 1)


def test_oldest_rows_are_deleted_when_the_database_is_too_large(database, unannounced):
    """Until it fits; the newest rows stay."""
    records = [
        ExecutionRecord(
            task_type=f"{n}",
            solution_summary="x" * 1000,
            timestamp=datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(minutes=n),
        )
        for n in range(2000)
    ]
    database.append(records)

    configure(database, max_size="1MB")
    SyncPool().execute_task({"task_type": "newest"})

    wait_until(lambda: _used_bytes(database) <= 1_000_000)
    kept = [row["task_type"] for row in database.query("SELECT task_type FROM executions ORDER BY timestamp")]
    assert kept == [f"{n}" for n in range(2001 - len(kept), 2000)] + ["newest"]
    assert len(kept) > 200


def _used_bytes(database):
    pragmas = ("page_count", "freelist_count", "page_size")
    pages, free, size = (database.query(f"PRAGMA {name}")[0][name] for name in pragmas)
    return (pages - free) * size


def test_nothing_is_opened_again_after_shutdown(tmp_path, monkeypatch, unannounced):
    """Housekeeping that is due when the database is closed runs after the next record."""
    monkeypatch.setattr("learning_instrument.storage.background_writer._IDLE_SECONDS", 0.2)
    database = configure(tmp_path / "learning.db", retention_days=7)
    database.append([days_ago(8) for _ in range(12_000)])

    shutdown()
    (tmp_path / "learning.db").unlink()
    wait_until(lambda: store_of(database)._writer._thread is None)

    assert list(tmp_path.iterdir()) == []


def test_explicit_database_is_not_trimmed_by_configure(tmp_path, database):
    """Limits apply to the configured database only."""
    configure(tmp_path / "configured.db", retention_days=1)
    database.append([days_ago(30)])

    record_execution(learning_db=database)(lambda task: None)({})

    assert count(database) == 2


def test_durability_that_contradicts_the_databases_own_is_an_error(tmp_path):
    """It would be ignored otherwise."""
    database = LearningDatabase(tmp_path / "learning.db", durability="commit")

    with pytest.raises(ConfigurationError, match="batch"):
        configure(database, durability="batch")

    configure(database)
    with pytest.raises(ConfigurationError, match="shutdown"):
        configure(tmp_path / "learning.db", durability="batch")


def test_durability_of_the_application_replaces_the_instrumentors(tmp_path):
    """Its ``configure()`` names no path, and keeps that of the instrumentor."""
    private = configure_privately(tmp_path / "learning.db", "commit")

    database = configure(durability="batch")

    assert (database.path, database.durability) == (private.path, "batch")
    assert configure(durability="batch") is database
    with pytest.raises(ConfigurationError, match="shutdown"):
        configure(durability="commit")


def test_fitting_durability_keeps_the_instrumentors_database(tmp_path):
    private = configure_privately(tmp_path / "learning.db", "batch")

    assert configure(durability="batch") is private
