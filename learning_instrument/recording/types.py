"""Types."""

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
    """Starts the spans of executions that the host's tracing does not record."""

    def start_private_span(
        self, host_span: Span, name: str, context: Context, start_time: int, enclosing: Span | None
    ) -> Span:
        """Start a span that records, under the host span's ids where it has any of its own."""


class Metrics(Protocol):
    """Publishes executions as metrics."""

    def ended(self, attributes: Mapping[str, Any], span: Span) -> None:
        """Take an execution that ended, as its attributes have it, and its span."""


def set_attributes(span: Span, attributes: dict[str, Any]) -> bool:
    """Set *attributes* on a span of any make."""
    span.set_attributes(attributes)
    return True


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Where executions go: the host's tracer, ours for what it does not record, and the way on."""

    tracer: Tracer
    private_tracer: PrivateTracer | None = None
    #: Spans of this class can be read back; others need a twin.
    readable: type = Span
    deliver: Callable[[Any], object] | None = None
    #: Sets attributes that :class:`Capture` made valid; answers False where limits of the host's cut any of them.
    set_attributes: Callable[[Any, dict[str, Any]], bool] = set_attributes
    #: Called with the fault that kept an execution from being recorded.
    lose: Callable[[BaseException], object] | None = None
    #: Where executions are noted while they run.
    running: InFlight | None = None
    #: What publishes executions as metrics.
    metrics: Metrics | None = None
    #: Whether processor time and memory are measured.
    measures_resources: bool = True
    #: Takes the finished span of a model call, the execution's id, and the ids of the spans between, nearest first.
    deliver_call: Callable[[Any, str, Sequence[int]], object] | None = None
    #: Called with the attributes known before a task starts; raises :class:`BudgetExceeded` where it must not.
    admit: Callable[[Mapping[str, Any]], object] | None = None


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What was decided when a function was wrapped."""

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
