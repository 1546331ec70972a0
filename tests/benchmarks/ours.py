"""What is measured of ours: a recorded call as ``configure()`` sets it up, with each option."""

from pathlib import Path
from typing import Any, Literal

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from learning_instrument import LearningDatabase, configure, record_execution, shutdown
from learning_instrument.rollups.catch_up import catch_up_fully
from learning_instrument.sqlite.connection import open_for_maintenance

from .timing import Variant
from .workload import Method, pool_of, tasks


def recorded(
    name: str,
    path: Path,
    durability: Literal["batch", "commit"] = "batch",
    *,
    is_async: bool = True,
    method: Method | None = None,
    tracer_provider: TracerProvider | None = None,
    meter_provider: Any = None,
    decorated: dict[str, Any] | None = None,
    **configured: Any,
) -> Variant:
    """Return the recorded method.

    The database is opened before each block, and closed after it; what the background would do in idle seconds
    (roll-ups, error counts, index) is done then, so that none of it runs within another variant's block.

    Args:
        name: the variant's.
        path: the database.
        durability: its durability.
        is_async: whether the method is.
        method: what is recorded; by default that of ``workload``.
        tracer_provider: the provider of spans; by default one whose spans go into SQLite and nowhere else.
        meter_provider: the provider of metrics, of the SDK; by default there are none.
        decorated: other arguments of ``record_execution``.
        configured: other arguments of ``configure``.
    """
    provider = tracer_provider or TracerProvider()
    pool = pool_of(record_execution(**decorated or {}), is_async=is_async, method=method)
    databases: list[LearningDatabase] = []

    def prepare() -> None:
        meters = meter_provider or NoOpMeterProvider()
        database = configure(path, durability=durability, tracer_provider=provider, meter_provider=meters, **configured)
        databases.append(database)
        call_once(pool.execute_task, is_async=is_async)
        drain()

    def drain() -> None:
        is_written = databases[-1].flush(60)
        provider.force_flush()
        if meter_provider is not None:
            meter_provider.force_flush()  # collects
        if not is_written or databases[-1].statistics().lost:
            raise RuntimeError(f"Executions are missing: {databases[-1].statistics()}")

    def settle() -> None:
        shutdown()
        databases.clear()
        with open_for_maintenance(str(path)) as connection:
            catch_up_fully(connection, lambda what, done, of: None)

    return Variant(name, pool.execute_task, drain, prepare, settle, is_async)


def call_once(call: Any, *, is_async: bool) -> None:
    """Call it, or await it without a loop: it never waits."""
    returned = call(tasks(1)[0])
    if is_async:
        try:
            returned.send(None)
        except StopIteration:
            return
        raise RuntimeError("The method waits.")


def attributes_of_ours() -> dict[str, Any]:
    """Return the attributes of one recorded span."""
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    pool_of(record_execution(tracer_provider=provider)).execute_task(tasks(1)[0])
    (span,) = kept.get_finished_spans()
    return dict(span.attributes or {})
