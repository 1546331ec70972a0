"""The yardsticks of the hot path: the bare method, a bare SDK span, and a bare span with a raw insert behind it."""

import contextlib
import random
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import Sampler

from .timing import Variant
from .workload import Decorator, DiscardingExporter, Method, Result, Task, pool_of

BARE_SPAN = "bare SDK span"
SPAN_AND_INSERT = "bare SDK span + raw insert"


def provider_of(*exporters: SpanExporter, sampler: Sampler | None = None) -> TracerProvider:
    """Return an SDK provider with a batch processor for each exporter."""
    provider = TracerProvider(sampler=sampler)
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def bare_method(*, is_async: bool) -> Variant:
    """Return the method as it is."""
    return Variant("bare method", pool_of(lambda method: method, is_async=is_async).execute_task, is_async=is_async)


def bare_span(
    name: str = BARE_SPAN,
    *,
    is_async: bool = False,
    exporter: SpanExporter | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Variant:
    """Return the method in a span of the SDK.

    Args:
        name: the variant's.
        is_async: whether the method is.
        exporter: where a batch processor exports to; by default nowhere.
        attributes: the span's, set after its start; by default none.
    """
    provider = provider_of(exporter or DiscardingExporter())
    decorate = _spanned(provider, is_async=is_async, attributes=attributes)
    pool = pool_of(decorate, is_async=is_async)
    return Variant(name, pool.execute_task, provider.force_flush, is_async=is_async)


def bare_span_and_insert(model: Path, path: Path, calls: int, *, is_async: bool) -> Variant:
    """Return the method in a bare span, then one INSERT that commits by itself of a row made before the clock runs.

    Args:
        model: a database of ours with at least one execution, whose schema and row are copied.
        path: the new database.
        calls: the number of calls in a block.
        is_async: whether the method is.
    """
    create_like(model, path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    row = first_row(model)
    provider = provider_of(DiscardingExporter())
    spanned = _spanned(provider, is_async=is_async)
    sql = insert_of(row)
    rows: list[Iterator[tuple[Any, ...]]] = [iter(())]

    def prepare() -> None:
        rows[0] = iter([tuple(fresh(row, number).values()) for number in range(calls)])

    def decorate(method: Method) -> Method:
        call = spanned(method)

        def execute_task(self: Any, task: Task) -> Result:
            result: Result = call(self, task)
            connection.execute(sql, next(rows[0]))
            return result

        async def execute_task_async(self: Any, task: Task) -> Result:
            result: Result = await call(self, task)
            connection.execute(sql, next(rows[0]))
            return result

        return execute_task_async if is_async else execute_task

    pool = pool_of(decorate, is_async=is_async)
    return Variant(SPAN_AND_INSERT, pool.execute_task, provider.force_flush, prepare, is_async=is_async)


def create_like(model: Path, path: Path) -> None:
    """Create a database with the table of *model*'s executions and its indexes, and a write-ahead log."""
    with contextlib.closing(sqlite3.connect(model)) as connection:
        statements = connection.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name = 'executions' AND type IN ('table', 'index')"
            " AND sql IS NOT NULL ORDER BY type DESC"
        ).fetchall()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for (statement,) in statements:
            connection.execute(statement)


def first_row(path: Path) -> dict[str, Any]:
    """Return the first execution in the database at *path*."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return dict(connection.execute("SELECT * FROM executions LIMIT 1").fetchone())


def insert_of(row: Mapping[str, Any]) -> str:
    """Return the INSERT that takes the values of *row*."""
    return f"INSERT INTO executions ({','.join(row)}) VALUES ({','.join('?' * len(row))})"


def fresh(row: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return *row* as that of another execution: a later time, random ids, and an execution id that grows as ours."""
    now = datetime.now(timezone.utc)
    trace_id, span_id = f"{_random_bits(128):032x}", f"{_random_bits(64):016x}"
    return {
        **row,
        "task_id": f"task-{number:09d}",
        "timestamp": now.isoformat(timespec="microseconds"),
        "execution_id": f"{int(now.timestamp() * 1e9):016x}-{trace_id}-{span_id}",
        "trace_id": trace_id,
        "span_id": span_id,
    }


_random_bits = random.Random().getrandbits


def _spanned(provider: TracerProvider, *, is_async: bool, attributes: Mapping[str, Any] | None = None) -> Decorator:
    """Return what puts a method in a span."""
    tracer = provider.get_tracer("benchmark")

    def decorate(method: Method) -> Method:
        def execute_task(self: Any, task: Task) -> Result:
            with tracer.start_as_current_span("execute_task") as span:
                if attributes is not None:
                    span.set_attributes(attributes)
                result: Result = method(self, task)
                return result

        async def execute_task_async(self: Any, task: Task) -> Result:
            with tracer.start_as_current_span("execute_task") as span:
                if attributes is not None:
                    span.set_attributes(attributes)
                result: Result = await method(self, task)
                return result

        return execute_task_async if is_async else execute_task

    return decorate
