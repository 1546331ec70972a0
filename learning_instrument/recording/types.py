"""The types between recording and the pipeline: where executions go, and how a function is recorded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext

from ..safety.guards import guarded
from ..safety.memory import EXHAUSTED, Misses
from .capture import Capture, CaptureOptions
from .in_flight import DeliverModelCall, InFlight

RequestHook = Callable[[Span, Any, Any], object]
ResponseHook = Callable[[Span, Any, Any, Any, BaseException | None], object]


def set_attributes(span: Span, attributes: dict[str, Any]) -> bool:
    """Set *attributes* on a span of any implementation."""
    span.set_attributes(attributes)
    return True


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Where executions go: the functions that start the host's spans and private ones, and that take finished ones."""

    #: ``(name, context, start_time=...) -> span``: starts a span of the host.
    start_span: Callable[..., Span]
    #: ``(host_span, name, context, start_time, enclosing) -> span``: starts a span that records in place of the host's.
    start_private_span: Callable[[Span, str, Context, int, SpanContext | None], Span] | None = None
    #: Spans of this class can be read back; others need a private span.
    readable: type = Span
    #: Takes the finished span of an execution, and its id.
    deliver: Callable[[Any, str], object] | None = None
    #: Takes the span and the id of an execution whose process died, as its parent process heard.
    deliver_lost: Callable[[Any, str], object] | None = None
    #: Takes over attributes that :class:`Capture` made valid; returns False where a limit of the host cut any of them.
    set_attributes: Callable[[Any, dict[str, Any]], bool] = set_attributes
    #: Called with the fault that kept an execution from being recorded.
    lose: Callable[[BaseException], object] | None = None
    #: Counts the executions that lack of memory kept from being recorded.
    misses: Misses | None = None
    #: The executions in flight.
    running: InFlight | None = None
    #: Takes the attributes and the span of an ended execution, for metrics.
    record_metrics: Callable[[Mapping[str, Any], Span], object] | None = None
    #: Whether processor time and memory are measured.
    measures_resources: bool = True
    #: Takes the finished span of a model call, the execution's id, and the ids of the spans between, nearest first.
    deliver_model_call: DeliverModelCall | None = None
    #: Called with what is known of a task before it starts; raises :class:`BudgetExceeded` to refuse it.
    check_budgets: Callable[[Capture], object] | None = None


@dataclass(frozen=True, slots=True)
class CallPlan:
    """How the calls of a function are recorded: decided when it was wrapped."""

    function_name: str
    method: str
    options: CaptureOptions
    request_hook: RequestHook | None = None
    response_hook: ResponseHook | None = None
    #: ``returned value -> result or exception`` of the task, where the function returns neither.
    result: Callable[[Any], Any] | None = None


def lose(pipeline: Pipeline, fault: BaseException) -> None:
    """Count an execution that a *fault* of ours kept from being recorded."""
    if isinstance(fault, EXHAUSTED):
        if pipeline.misses is not None:
            pipeline.misses.add()
    elif pipeline.lose is not None:
        # Its log line may fail: by a handler of the host's, or for lack of stack.
        guarded(pipeline.lose, fault)
