"""Spans of model calls made by hand, with ids that a test lays down, and what the database made of them."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, Status, TraceFlags

from learning_instrument import LearningDatabase, semconv

AGENT: Mapping[str, Any] = {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 1000}
#: A text of one token is taken for the first part of a stream that broke off, unless its end has a reason.
ENDED: Mapping[str, Any] = {"gen_ai.response.finish_reasons": ("stop",)}
START = 1_790_000_000_000_000_000
_OURS = InstrumentationScope(semconv.SCOPE_NAME)
_THEIRS = InstrumentationScope("other.library")
_RESOURCE = Resource({"service.name": "test"})


def span(
    span_id: int,
    parent_id: int | None,
    attributes: Mapping[str, Any],
    *,
    trace_id: int = 1,
    scope: InstrumentationScope = _THEIRS,
    status: Status | None = None,
) -> ReadableSpan:
    """Return a finished span of one second."""
    context = SpanContext(trace_id, span_id, False, TraceFlags(TraceFlags.SAMPLED))
    parent = None if parent_id is None else SpanContext(trace_id, parent_id, False, TraceFlags(TraceFlags.SAMPLED))
    return ReadableSpan(
        "span",
        context=context,
        parent=parent,
        resource=_RESOURCE,
        attributes=attributes,
        instrumentation_scope=scope,
        status=status or Status(),
        start_time=START + span_id,
        end_time=START + span_id + 1_000_000_000,
    )


def execution(span_id: int, parent_id: int | None = None, *, trace_id: int = 1, **attributes: Any) -> ReadableSpan:
    """Return the span of an execution; *attributes* by the names of :mod:`semconv`."""
    said = {getattr(semconv, name): value for name, value in attributes.items()}
    marked = tuple(
        column
        for column, key in (("cost_estimate", semconv.COST_ESTIMATE), ("actual_cost", semconv.COST_ACTUAL))
        if key not in said
    )
    own = {semconv.TASK_OUTCOME: "succeeded", semconv.TASK_DURATION: 1.0, semconv.DEFAULTED: marked}
    return span(span_id, parent_id, own | said, trace_id=trace_id, scope=_OURS)


def chat(span_id: int, parent_id: int | None, *, trace_id: int = 1, **more: Any) -> ReadableSpan:
    """Return the span of a model call in OpenTelemetry's words; *more* as :func:`usage` takes it."""
    return span(span_id, parent_id, usage(**more), trace_id=trace_id)


def usage(
    model: str | None = "m", tokens: tuple[int, int] | None = (10, 5), cost: float | None = None, **others: Any
) -> dict[str, Any]:
    """Return the attributes of a model call: its model, its tokens in and out, the cost that it reports."""
    counts = {} if tokens is None else {semconv.INPUT_TOKENS: tokens[0], semconv.OUTPUT_TOKENS: tokens[1]}
    return {
        semconv.OPERATION_NAME: "chat",
        **({} if model is None else {semconv.REQUEST_MODEL: model}),
        **counts,
        **({} if cost is None else {semconv.TOTAL_COST: cost}),
        **others,
    }


def costs(database: LearningDatabase) -> list[dict[str, Any]]:
    """Return what the calls have a say in, execution by execution."""
    return database.query(
        "SELECT span_id, model, input_tokens, output_tokens, actual_cost, cost_estimate, cost_source, defaulted"
        " FROM executions ORDER BY execution_id"
    )


def calls(database: LearningDatabase) -> list[dict[str, Any]]:
    """Return the model calls, span by span."""
    return database.query("SELECT * FROM model_calls ORDER BY trace_id, span_id")


def exports_of(spans: Sequence[ReadableSpan], seed: int, count: int = 2) -> list[list[ReadableSpan]]:
    """Return *spans* in random order, in so many exports."""
    shuffled = list(spans)
    random.Random(seed).shuffle(shuffled)
    size = -(-len(shuffled) // count)
    return [shuffled[start : start + size] for start in range(0, len(shuffled), size)]


def executions_with_calls(count: int) -> list[ReadableSpan]:
    """Return *count* executions with three calls each, one of them within an agent that tells of its usage too."""
    spans = []
    for n in range(1, count + 1):
        spans += [
            execution(1, trace_id=n),
            span(2, 1, AGENT, trace_id=n),
            chat(3, 2, trace_id=n, tokens=(n, 1), cost=0.1, **ENDED),
            chat(4, 1, trace_id=n, tokens=(2 * n, 10), cost=0.2),
            chat(5, 1, trace_id=n, tokens=(4 * n, 100), cost=0.3),
        ]
    return spans
