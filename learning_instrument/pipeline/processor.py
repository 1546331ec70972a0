"""Span processors: finished executions and model calls go to the exporter, under any sampler of the host."""

import logging
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanContext

from ..costs.call_store import TotalsListener
from ..costs.model_calls import is_model_call, looks_like_model_call
from ..record import Row, is_execution, row_from_span, row_of
from ..recording.current import execution_in
from ..recording.execution import Execution
from ..recording.in_flight import DeliverModelCall, InFlight, Place, all_stored
from ..safety.guards import is_interruption, warn
from ..safety.memory import EXHAUSTED, Misses
from ..semconv import SCOPE_NAME
from .exporter import SQLiteSpanExporter
from .sdk_fast_path import attributes_of

log = logging.getLogger(__name__)


#: The most open spans within executions; beyond it the oldest is assumed never to end.
_MOST_OPEN: Final = 50_000


class ExecutionProcessor:
    """Hands ended executions to *exporter*; the database decides when they are committed.

    The execution itself calls :meth:`record`, so neither a sampler nor a provider that was shut down can interfere.
    """

    def __init__(self, exporter: SQLiteSpanExporter) -> None:
        self._exporter = exporter
        self._has_warned = False

    @property
    def running(self) -> InFlight:
        """The executions in flight."""
        return self._exporter.write_path.running

    @property
    def misses(self) -> Misses:
        """Counts the executions that lack of memory kept from being recorded."""
        return self._exporter.write_path.misses

    def record(self, span: ReadableSpan, execution_id: str) -> None:
        """Store the finished span of an execution."""
        self._exporter.store(((span, execution_id),), _row_of_recorded)
        try:
            # Some libraries write a model call onto the current span, which is the execution's own.
            attributes = attributes_of(span)
            if is_model_call(attributes):
                self._exporter.store_model_call(span, execution_id, ())
        except EXHAUSTED:
            pass  # the execution itself is stored, or counted

    def record_lost(self, span: ReadableSpan, execution_id: str) -> None:
        """Store the span of an execution whose process died, unless that process has stored or entered it itself."""
        self._exporter.store_lost((span, execution_id), _row_of_recorded)

    def record_model_call(self, span: ReadableSpan, execution_id: str, path: Sequence[int]) -> None:
        """Store the finished span of a model call; see :func:`model_call`."""
        self._exporter.store_model_call(span, execution_id, path)

    def add_totals_listener(self, listener: TotalsListener) -> None:
        """Call *listener* with executions whose model calls were added up."""
        self._exporter.write_path.model_calls.add_listener(listener)

    def lose(self, fault: BaseException) -> None:
        """Count an execution that a fault of ours kept from being recorded."""
        self._exporter.write_path.count_lost("fault")
        if not self._has_warned:
            self._has_warned = True
            warn(
                log,
                "An execution was not recorded because of a fault in learning_instrument; the task went on.",
                exc_info=fault,
            )

    def flush(self, timeout_millis: int) -> bool:
        """Wait until all executions so far are committed; return whether they are."""
        return self._exporter.force_flush(timeout_millis)


def _row_of_recorded(recorded: tuple[ReadableSpan, str]) -> Row:
    """Return the row of an execution by its span and its id."""
    span, execution_id = recorded
    attributes = attributes_of(span)
    if type(attributes) is not dict:  # of another implementation
        return row_from_span(span)
    return row_of(span, execution_id, attributes)


class _Within(NamedTuple):
    """An open span within an execution."""

    execution_id: str
    #: The spans between, the nearest first.
    path: tuple[int, ...]
    deliver_model_call: DeliverModelCall | None
    running: InFlight | None


#: An open span outside of executions: what starts below it is outside, too.
_OUTSIDE: Final = _Within("", (), None, None)


class ModelCallProcessor(SpanProcessor):
    """Our span processor in the host's provider: it finds model calls, and takes part in flush and shutdown.

    Executions do not pass here, but by :meth:`ExecutionProcessor.record`. Its methods run in the application's code,
    for each of its spans.
    """

    def __init__(self) -> None:
        self.processor: ExecutionProcessor | None = None
        self._open: dict[int, _Within] = {}

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Remember a span within an execution."""
        try:
            execution = execution_in(otel_context.get_current() if parent_context is None else parent_context)
            parent = span.parent
            if execution is None:
                # A new context, of a thread for example, may hold the parent span and nothing else.
                is_outside = parent is None or self._open.get(parent.span_id) is _OUTSIDE
                within = None if parent is None or is_outside else self._below(parent)
                if within is None:
                    scope = span.instrumentation_scope
                    if scope is not None and scope.name == SCOPE_NAME:
                        return  # an execution's own: what is below it is within
                    within = _OUTSIDE
            else:
                pipeline, execution_id = execution.pipeline, execution.execution_id
                path = () if parent is None else self._path(parent, execution)
                within = _Within(execution_id, path, pipeline.deliver_model_call, pipeline.running)
            self._open[span.context.span_id] = within
            if len(self._open) > _MOST_OPEN:
                self._open.pop(next(iter(self._open)))
        except Exception as fault:  # a malformed span or context: the application's code goes on
            if is_interruption(fault):
                raise

    def _path(self, parent: SpanContext, execution: Execution) -> tuple[int, ...]:
        """Return the spans between *execution* and a span below *parent*, the nearest first."""
        around = self._open.get(parent.span_id)
        if around is not None and around.execution_id == execution.execution_id:
            return (parent.span_id, *around.path)
        if execution.is_own_span(parent.span_id):
            return ()
        around = self._below(parent)
        if around is not None and around.execution_id == execution.execution_id:
            return around.path
        return (parent.span_id,)

    def _below(self, parent: SpanContext) -> _Within | None:
        """Return what a span below *parent* is within: an execution in flight, or one of the last that ended."""
        span_id, stored = parent.span_id, all_stored()
        # Executions first: one within another is open as a span of that.
        place = _place(stored, InFlight.execution_of, parent)
        if place is None:
            around = self._open.get(span_id)
            if around is not None:
                return around._replace(path=(span_id, *around.path))
            place = _place(stored, InFlight.ended_span, parent)
        return place

    def on_end(self, span: ReadableSpan) -> None:
        """Store a model call within an execution."""
        if not self._open:
            return
        try:
            ids = span.context
            within = self._open.pop(ids.span_id, None)
            if within is None or within is _OUTSIDE:
                return
            if within.running is not None:
                within.running.ended_spans.append((ids, within.execution_id, within.path))
            deliver, attributes = within.deliver_model_call, attributes_of(span)
            # A nested execution comes by record(), as all executions do.
            if deliver is not None and (is_model_call(attributes) or looks_like_model_call(attributes)):
                if not is_execution(span):
                    deliver(span, within.execution_id, within.path)
        except Exception as fault:  # a malformed span: the application's code goes on
            if is_interruption(fault):
                raise

    def awaits(self, span: SpanContext) -> bool:
        """Tell whether the end of *span* has to be known here."""
        return span.span_id in self._open

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Wait until all executions so far are committed; return whether they are."""
        return self.processor is None or self.processor.flush(timeout_millis)

    def shutdown(self) -> None:
        """Write the queue. Executions that end later are still recorded."""
        self.force_flush()


def _place(
    stored: Sequence[InFlight], find: Callable[[InFlight, int], Place | None], parent: SpanContext
) -> _Within | None:
    """Return what a span below *parent* is within, by the first of *stored* that finds *parent*."""
    for running in stored:
        place = find(running, parent.span_id)
        if place is not None and place.trace_id == parent.trace_id:
            return _Within(place.execution_id, place.path, running.deliver_model_call, running)
    return None
