"""A pool whose executions go into a database, and to an OpenTelemetry collector. README.md has the commands."""

import asyncio
import bz2
import collections
import contextlib
import json
import lzma
import os
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from learning_instrument import configure, record_execution, shutdown

CODECS = {"zlib": zlib.compress, "bz2": bz2.compress, "lzma": lzma.compress}
FILES = [Path(json.__file__).with_name(name) for name in ("__init__.py", "decoder.py", "encoder.py", "scanner.py")]


class CompressionPool:
    """Compresses files, as many at a time as it has workers."""

    pool_id = "compression-1"

    def __init__(self, workers: int) -> None:
        self._idle: asyncio.Queue[str] = asyncio.Queue()
        for number in range(1, workers + 1):
            self._idle.put_nowait(f"worker-{number}")

    @record_execution(pool_type="asyncio")
    async def execute_task(self, task: dict[str, Any]) -> dict[str, Any]:
        """Compress the file at ``task["path"]`` by the codec that is its type."""
        async with self._worker() as worker_id:
            data = await asyncio.to_thread(Path(task["path"]).read_bytes)
            packed = await asyncio.to_thread(CODECS[task["task_type"]], data)
        saved = 1 - len(packed) / len(data)
        return {
            "success": saved > 0.5,
            "error": None if saved > 0.5 else f"it saves {saved:.0%} only",
            "worker_id": worker_id,
            "quality_score": 100 * max(saved, 0),
            "solution_summary": f"{len(packed)} bytes instead of {len(data)}",
        }

    @contextlib.asynccontextmanager
    async def _worker(self) -> AsyncIterator[str]:
        worker_id = await self._idle.get()
        try:
            yield worker_id
        finally:
            self._idle.put_nowait(worker_id)


async def compress_all() -> None:
    pool = CompressionPool(workers=3)
    tasks = [
        {"task_type": codec, "path": str(path), "prompt": f"Compress {path.name} with {codec}"}
        for codec in (*CODECS, "zopfli")  # the last of which fails: there is no such codec here
        for path in FILES
    ]
    await asyncio.gather(*map(pool.execute_task, tasks), return_exceptions=True)


def main() -> None:
    provider = TracerProvider()  # its service.name is $OTEL_SERVICE_NAME
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))  # to $OTEL_EXPORTER_OTLP_ENDPOINT
    trace.set_tracer_provider(provider)
    database = configure(os.environ.get("LEARNING_INSTRUMENT_DATABASE") or "data/learning.db")

    with trace.get_tracer("app").start_as_current_span("compress all") as span:
        asyncio.run(compress_all())
    provider.shutdown()  # which sends what is left

    trace_id = f"{span.get_span_context().trace_id:032x}"
    rows = database.query("SELECT outcome FROM executions WHERE trace_id = ?", (trace_id,))
    outcomes = collections.Counter(row["outcome"] for row in rows)
    print(f"{len(rows)} executions: {', '.join(f'{count} {outcome}' for outcome, count in outcomes.most_common())}")
    print(f"rows:  {database.path}")
    print(f"spans: {os.environ.get('OTEL_EXPORTER_OTLP_ENDPOINT', 'http://localhost:4318')}, trace {trace_id}")
    shutdown()


if __name__ == "__main__":
    main()
