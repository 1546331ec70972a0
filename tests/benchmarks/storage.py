"""Spans per second into the database: our exporter beside ``executemany`` and ``sqlite_utils`` with the same rows."""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlite_utils
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from learning_instrument import LearningDatabase, SQLiteSpanExporter, record_execution

from .spans import create_like, first_row, fresh, insert_of
from .timing import Variant, interleave, nothing
from .workload import pool_of, tasks

BATCH = 512
BATCHES = 8

EXPORT = "SQLiteSpanExporter.export"
EXECUTEMANY = "executemany"
INSERT_ALL = "sqlite_utils insert_all"


@dataclass(frozen=True)
class Rate:
    """Rows per second, and the multiple of them that ours reaches."""

    name: str
    rows_per_second: float
    ours_reaches: float
    #: The same by processor time: ours then has to do all that follows the rows, roll-ups and indexes among it.
    ours_reaches_by_processor: float
    #: The share of rows that a busy machine had ours put off: their batches were in the queue, and not yet in the file.
    deferred: float = 0.0


def measure(rounds: int) -> list[Rate]:
    """Measure batches of 512 rows, each in a transaction of its own."""
    with tempfile.TemporaryDirectory() as folder:
        ours, raw, pace, utils = (Path(folder, f"{name}.db") for name in ("ours", "raw", "pace", "utils"))
        database = LearningDatabase(ours, durability="commit")
        export = _export(database)
        row = first_row(ours)
        for path in (raw, pace, utils):
            create_like(ours, path)
        variants = [export, _executemany(raw, row), _insert_all(utils, row)]
        timings = interleave(variants, _executemany(pace, row), range(BATCHES), rounds)
        counted = database.statistics()
    ratios = {name: timing.ratios() for name, timing in timings.items()}
    ours_ratio = ratios[EXPORT]
    return [
        Rate(
            name,
            BATCH / timing.typical().wall * 1e9,
            ratios[name].wall / ours_ratio.wall,
            ratios[name].processor / ours_ratio.processor,
            counted.deferred / counted.stored if name == EXPORT else 0.0,
        )
        for name, timing in timings.items()
    ]


def _export(database: LearningDatabase) -> Variant:
    exporter = SQLiteSpanExporter(database)
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    pool = pool_of(record_execution(tracer_provider=provider))  # nothing is configured: spans, and no rows

    def spans() -> list[ReadableSpan]:
        kept.clear()
        for task in tasks(BATCH):
            pool.execute_task(task)
        return list(kept.get_finished_spans())

    exporter.export(spans()[:1])  # the schema, and a row for the others to copy

    def drain() -> None:
        if not database.flush(60) or database.statistics().lost:
            raise RuntimeError(f"Spans are missing: {database.statistics()}")

    return _of_batches(EXPORT, spans, exporter.export, drain)


def _executemany(path: Path, row: dict[str, Any]) -> Variant:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    sql = insert_of(row)

    def rows() -> list[tuple[Any, ...]]:
        return [tuple(fresh(row, number).values()) for number in range(BATCH)]

    def insert(rows: list[tuple[Any, ...]]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(sql, rows)
        connection.execute("COMMIT")

    return _of_batches(EXECUTEMANY, rows, insert)


def _insert_all(path: Path, row: dict[str, Any]) -> Variant:
    database = sqlite_utils.Database(path)
    database.execute("PRAGMA synchronous = NORMAL")

    def rows() -> list[dict[str, Any]]:
        return [fresh(row, number) for number in range(BATCH)]

    return _of_batches(INSERT_ALL, rows, database.table("executions").insert_all)


def _of_batches(
    name: str, make: Callable[[], Any], store: Callable[[Any], object], drain: Callable[[], object] = nothing
) -> Variant:
    """Return the variant that stores batches, each of them made before the clock runs."""
    batches: Iterator[Any] = iter(())

    def prepare() -> None:
        nonlocal batches
        batches = iter([make() for _ in range(BATCHES)])

    return Variant(name, lambda _: store(next(batches)), drain, prepare)
