"""Keys and accessors of our values in a context: execution, batch, and the wait of the next execution."""

from typing import Any, Final, Protocol

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context  # the key has no public name
from opentelemetry.trace import Span, SpanContext

EXECUTION_KEY: Final = otel_context.create_key("learning_instrument-execution")
# Under which a context holds its current span. The key has no public name; with it one context is built, not two.
(SPAN_KEY,) = trace.set_span_in_context(trace.INVALID_SPAN, Context())
BATCH_KEY: Final = otel_context.create_key("learning_instrument-batch")
# The wait of the next execution, in seconds. The first execution that starts takes it.
QUEUED_KEY: Final = otel_context.create_key("learning_instrument-queued")


class RunningBatch(Protocol):
    """The batch around an execution, of this process or another."""

    batch_id: str
    recorded: int


class Enclosing(Protocol):
    """The enclosing execution, of this process or another."""

    execution_id: str
    instance: Any
    plan: Any
    ids: SpanContext


def is_suppressed(context: Context) -> bool:
    """Tell whether OpenTelemetry's ``suppress_instrumentation()`` is in force."""
    return bool(context.get(_SUPPRESS_INSTRUMENTATION_KEY) or context.get("suppress_instrumentation"))


def with_batch(context: Context, span: Span, batch: RunningBatch) -> Context:
    """Return *context* within *batch*, whose span is *span*."""
    return Context({**context, SPAN_KEY: span, BATCH_KEY: batch})


def with_wait(context: Context, seconds: float) -> Context:
    """Return *context* with a wait of *seconds* for the next execution."""
    return Context({**context, QUEUED_KEY: seconds})


def enclosing_of(context: Context) -> Enclosing | None:
    """Return the innermost execution of *context*."""
    return context.get(EXECUTION_KEY)  # type: ignore[return-value]


def batch_of(context: Context) -> RunningBatch | None:
    """Return the batch whose tasks start in *context*."""
    return context.get(BATCH_KEY)  # type: ignore[return-value]


def within(context: Context, enclosing: Enclosing | None, batch: RunningBatch | None) -> Context:
    """Return *context* within an execution and a batch of another process."""
    return Context({**context, EXECUTION_KEY: enclosing, BATCH_KEY: batch})
