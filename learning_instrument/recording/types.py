"""The types between recording and the pipeline: where executions go, and how a function is recorded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from opentelemetry.context import Context
from opentelemetry.trace import Span, Tracer

from ..safety.guards import guarded
from .capture import CaptureOptions
from .in_flight import InFlight

RequestHook = Callable[[Span, Any, Any], object]
ResponseHook = Callable[[Span, Any, Any, Any, BaseException | None], object]


class PrivateTracer(Protocol):
    """Starts spans for executions that the host's tracing does not record."""

    def start_private_span(
        self, host_span: Span, name: str, context: Context, start_time: int, enclosing: Span | None
    ) -> Span:
        """Start a span that records; it has the ids of *host_span* where that has its own."""


class Metrics(Protocol):
    """Publishes executions as metrics."""

    def ended(self, attributes: Mapping[str, Any], span: Span) -> None:
        """Take the attributes and the span of an ended execution."""


def set_attributes(span: Span, attributes: dict[str, Any]) -> bool:
    """Set *attributes* on a span of any implementation."""
    span.set_attributes(attributes)
    return True


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Where executions go: the host's tracer, the private one, and the functions that take the finished span."""

    tracer: Tracer
    private_tracer: PrivateTracer | None = None
    #: Spans of this class can be read back; others need a private span.
    readable: type = Span
    deliver: Callable[[Any], object] | None = None
    #: Sets attributes that :class:`Capture` made valid; returns False where a limit of the host cut any of them.
    set_attributes: Callable[[Any, dict[str, Any]], bool] = set_attributes
    #: Called with the fault that kept an execution from being recorded.
    lose: Callable[[BaseException], object] | None = None
    #: The executions in flight.
    running: InFlight | None = None
    #: Publishes executions as metrics.
    metrics: Metrics | None = None
    #: Whether processor time and memory are measured.
    measures_resources: bool = True
    #: Takes the finished span of a model call, the execution's id, and the ids of the spans between, nearest first.
    deliver_call: Callable[[Any, str, Sequence[int]], object] | None = None
    #: Called with the attributes known before a task starts; raises :class:`BudgetExceeded` to refuse it.
    admit: Callable[[Mapping[str, Any]], object] | None = None


@dataclass(frozen=True, slots=True)
class CallPlan:
    """The decisions made when a function was wrapped."""

    function_name: str
    method: str
    options: CaptureOptions
    request_hook: RequestHook | None = None
    response_hook: ResponseHook | None = None


def lose(pipeline: Pipeline, fault: BaseException) -> None:
    """Count an execution that a *fault* of ours kept from being recorded."""
    if pipeline.lose is not None:
        # Its log line may fail: by a handler of the host's, or for lack of stack.
        guarded(pipeline.lose, fault)
