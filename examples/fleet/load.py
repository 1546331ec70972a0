"""Sends executions to a collector, so many a second, and tells what it sent. README.md has the commands."""

import argparse
import random
import time
from collections.abc import Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from learning_instrument import configure, record_execution, shutdown

TIERS = {"small": "gpt-5-mini", "large": "gpt-5"}
KINDS = ("bug_fix", "code_review", "refactoring", "documentation", "test_generation")
FAILURES = (TimeoutError("the model did not answer"), ValueError("no patch applies"), ConnectionError("reset by peer"))


class Counted(SpanExporter):
    """Exports by *exporter*, and counts what arrived and what did not."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.arrived = self.lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export *spans*."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self.arrived += len(spans)
        else:
            self.lost += len(spans)
        return result

    def shutdown(self) -> None:
        """End."""
        self._exporter.shutdown()


class Pool:
    """Runs tasks that only call a model, and sometimes fail."""

    pool_type = "agents"
    pool_id = "load-1"

    def __init__(self, model_calls: int) -> None:
        self._model_calls = model_calls
        self._tracer = trace.get_tracer("load")

    @record_execution
    def execute_task(self, task: dict[str, Any]) -> dict[str, Any]:
        """Run *task*."""
        for _ in range(self._model_calls):
            with self._tracer.start_as_current_span("chat") as span:
                span.set_attributes(
                    {
                        "gen_ai.operation.name": "chat",
                        "gen_ai.provider.name": "openai",
                        "gen_ai.request.model": TIERS[task["model_tier"]],
                        "gen_ai.usage.input_tokens": random.randrange(500, 5000),
                        "gen_ai.usage.output_tokens": random.randrange(50, 1500),
                    }
                )
        if random.random() < 0.03:
            raise random.choice(FAILURES)
        return {"success": True, "quality_score": random.uniform(60, 100), "solution_summary": "Changed two files."}


def task(number: int) -> dict[str, Any]:
    """Return a task like those of agents that work on code."""
    kind = random.choice(KINDS)
    return {
        "task_type": kind,
        "prompt": f"{kind.replace('_', ' ')} of module {number % 997} of the payment service, with its tests",
        "repo": f"payments-{number % 20}",
        "model_tier": random.choice(list(TIERS)),
        "file_count": number % 7,
        "metadata": {"customer": f"c{number % 200}"},
    }


def send(pool: Pool, per_second: float, seconds: float) -> int:
    """Run tasks at the pace, or as fast as it goes; return how many."""
    started, sent = time.monotonic(), 0
    while (elapsed := time.monotonic() - started) < seconds:
        while sent < elapsed * per_second:
            try:
                pool.execute_task(task(sent))
            except (TimeoutError, ValueError, ConnectionError):
                pass  # recorded
            sent += 1
            if time.monotonic() - started >= seconds:
                break
        time.sleep(0.002)
    return sent


def main() -> None:
    """Send, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint", default="http://localhost:4318", help="of a collector: OTLP over HTTP")
    parser.add_argument("--per-second", type=float, default=100, help="executions a second")
    parser.add_argument("--seconds", type=float, default=10, help="how long")
    parser.add_argument("--model-calls", type=int, default=3, help="model calls within each execution")
    parser.add_argument("--database", help="a file that gets the executions as well")
    options = parser.parse_args()

    exporter = Counted(OTLPSpanExporter(f"{options.endpoint}/v1/traces", compression=Compression.Gzip))
    provider = TracerProvider(resource=Resource.create({"service.name": "agents"}))
    provider.add_span_processor(
        BatchSpanProcessor(exporter, max_queue_size=200_000, max_export_batch_size=4000, schedule_delay_millis=500)
    )
    trace.set_tracer_provider(provider)
    if options.database:
        configure(options.database)

    sent = send(Pool(options.model_calls), options.per_second, options.seconds)
    shutdown()
    provider.shutdown()  # which sends what is left

    expected = sent * (1 + options.model_calls)
    dropped = expected - exporter.arrived - exporter.lost
    print(f"{sent} executions in {options.seconds:g} s: {sent / options.seconds:.0f} a second, {expected} spans")
    print(f"{exporter.arrived} spans arrived, {exporter.lost} were refused, {dropped} found no place in the queue")


if __name__ == "__main__":
    main()
