"""The cost of one model call's span within an execution: bare, and where we store and add it up."""

import tempfile
from pathlib import Path
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from .timing import Timings, Variant, interleave
from .workload import DiscardingExporter

#: Fewer than a queue of ours takes at once, and than the SDK's of 2,048.
BLOCK_CALLS = 1000

#: Model calls of one execution.
EXECUTION_CALLS = 10

BARE = "bare SDK span of a model call"
OUTSIDE = "with ours, outside of executions"
OTHER = "with ours, a span that is no model call"
WITHIN = "with ours, within an execution"

_CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "m",
    "gen_ai.usage.input_tokens": 1200,
    "gen_ai.usage.output_tokens": 350,
}


def measure(rounds: int) -> dict[str, Timings]:
    """Measure one span each, beside the bare one."""
    with tempfile.TemporaryDirectory() as folder:
        variants = [
            _spans_only(),
            _ours(Path(folder), OUTSIDE, _CALL, is_within=False),
            _ours(Path(folder), OTHER, {**_CALL, "gen_ai.operation.name": "execute_tool"}, is_within=True),
            _ours(Path(folder), WITHIN, _CALL, is_within=True),
        ]
        return interleave(variants, _spans_only(), range(BLOCK_CALLS), rounds)


def _spans_only() -> Variant:
    provider = _provider()
    return Variant(BARE, _span_of(provider, _CALL), provider.force_flush)


def _ours(folder: Path, name: str, attributes: dict[str, Any], *, is_within: bool) -> Variant:
    from learning_instrument import LearningDatabase, record_execution

    provider = _provider()
    database = LearningDatabase(folder / f"{name}.db")
    database.open()
    contexts: list[otel_context.Context] = []
    span = _span_of(provider, attributes)

    def begin() -> None:
        """Have the executions that the calls of a block are part of, whose contexts go on."""
        contexts.clear()
        execute_task = record_execution(
            lambda task: contexts.append(otel_context.get_current()), learning_db=database, tracer_provider=provider
        )
        for _ in range(BLOCK_CALLS // EXECUTION_CALLS):
            execute_task({})

    def call(number: int) -> None:
        span(number)

    def call_within(number: int) -> None:
        token = otel_context.attach(contexts[number // EXECUTION_CALLS])
        span(number)
        otel_context.detach(token)

    def drain() -> None:
        if not database.flush(60) or database.statistics().lost:
            raise RuntimeError(f"Model calls are missing: {database.statistics()}")
        provider.force_flush()

    return Variant(name, call_within if is_within else call, drain, begin)


def _provider() -> TracerProvider:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(DiscardingExporter()))
    return provider


def _span_of(provider: TracerProvider, attributes: dict[str, Any]) -> Any:
    tracer = provider.get_tracer("benchmark")

    def span(number: int) -> None:
        with tracer.start_as_current_span("chat", attributes=attributes):
            pass

    return span
