"""Fixtures: real objects, and a clean OpenTelemetry for each test."""

import gc
import os
import shutil
import signal
import sys
import tempfile
import uuid
from collections.abc import Callable, Generator, Iterator
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import databases
import pytest
from collector import Sink
from hypothesis import settings
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once

import learning_instrument
from learning_instrument import LearningDatabase

# Else each of the some hundred processes that tests start would compile the package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell that starts the tests in the background has Ctrl-C ignored, and the processes we start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, so that a failure is the change's. To look further: --hypothesis-profile=explore
settings.register_profile("explore", deadline=None)
settings.register_profile("same", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("same")


def pytest_configure() -> None:
    """Keep temporary files in memory, where there is room: SQLite syncs a file that is closed, and disks take long.

    A ``TMPDIR`` that is set goes first; the workers have one from here.
    """
    memory = "/dev/shm"
    if "TMPDIR" in os.environ or not os.path.isdir(memory):
        return
    found = os.statvfs(memory)
    if found.f_bavail * found.f_frsize > 2_000_000_000 and not found.f_flag & os.ST_NOEXEC:
        folder = os.environ["TMPDIR"] = tempfile.tempdir = tempfile.mkdtemp(prefix="li-", dir=memory)
        # At the exit of this process, not of its forks, and after multiprocessing, which has files there (at -100).
        Finalize(None, shutil.rmtree, (folder, True), exitpriority=-200)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Run folders in a process for each core, and single files in this one, where a debugger and ``-s`` work."""
    return None if all(map(os.path.isdir, config.args)) else 0


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, dict[str, Any] | None, Any]:
    """Escape lone surrogates, which some tests log: the connection to the workers carries UTF-8 only."""
    return _escaped((yield))


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_escaped(key): _escaped(item) for key, item in value.items()}
    return type(value)(map(_escaped, value)) if isinstance(value, list | tuple) else value


def pytest_collection_finish() -> None:
    """Keep the tests out of the way of the garbage collector, which would look at them time and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No global tracer provider, no current span, no variables of ours or OpenTelemetry's; nothing is left open."""
    for name in list(os.environ):
        if name.startswith(("OTEL_", "LEARNING_INSTRUMENT_")):
            monkeypatch.delenv(name)
    _forget_global_provider()
    otel_context.attach(Context())  # an interrupted test may have left its own
    yield
    learning_instrument.shutdown()
    provider = trace._TRACER_PROVIDER
    if isinstance(provider, TracerProvider):
        provider.shutdown()
    _forget_global_provider()


def _forget_global_provider() -> None:
    # It can be set once in a process, and each test wants its own.
    trace._TRACER_PROVIDER = None
    trace._TRACER_PROVIDER_SET_ONCE = Once()


@pytest.fixture
def empty_file(tmp_path: Path) -> Path:
    """The file of the databases below, which is there already, and has no rows."""
    return databases.make(tmp_path / "learning.db")


@pytest.fixture
def no_file(empty_file: Path) -> None:
    """For tests of what makes it."""
    empty_file.unlink()


@pytest.fixture
def database(empty_file: Path, unconfigured_learning_database: LearningDatabase) -> LearningDatabase:
    """An empty database."""
    return unconfigured_learning_database


@pytest.fixture
def configured(empty_file: Path, learning_database: LearningDatabase) -> LearningDatabase:
    """The same, as the place of all executions."""
    return learning_database


@pytest.fixture
def rows(database: LearningDatabase) -> Callable[[], list[dict[str, Any]]]:
    """Return the rows of ``database``, the oldest first."""
    return lambda: database.query("SELECT * FROM executions ORDER BY rowid")


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """The host's exporter."""
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> Iterator[TracerProvider]:
    """The host's tracer provider, which is not the global one."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider
    provider.shutdown()


@pytest.fixture(scope="session")
def engine_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of ClickHouse's engine in this process, which can have one."""
    pytest.importorskip("chdb", reason="ClickHouse's engine is a package that is installed for Python 3.10 and 3.11")
    return tmp_path_factory.mktemp("chdb")


@pytest.fixture
def clickhouse(engine_folder: Path) -> Iterator[Any]:
    """A client of that engine, in an empty database of its own: ``clickhouse.database``."""
    import clickhouse_connect

    name = f"test_{uuid.uuid4().hex}"
    with clickhouse_connect.get_client(interface="chdb", path=str(engine_folder)) as client:
        client.command(f"CREATE DATABASE {name}")
        with clickhouse_connect.get_client(interface="chdb", path=str(engine_folder), database=name) as own:
            yield own
        client.command(f"DROP DATABASE {name} SYNC")


@pytest.fixture
def sink() -> Iterator[Sink]:
    """An OTLP endpoint that keeps what it is sent."""
    with Sink() as sink:
        yield sink
