"""Span processors: finished executions and model calls go to the exporter, under any sampler of the host."""

import logging
from collections.abc import Sequence
from typing import Final, NamedTuple

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from ..costs.call_store import TotalsListener
from ..costs.model_calls import is_model_call
from ..record import is_execution
from ..recording.execution import Execution, execution_in
from ..recording.in_flight import InFlight
from ..safety.guards import is_interruption, warn
from ..safety.memory import EXHAUSTED, Misses
from ..semconv import EXECUTION_ID
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

    def record(self, span: ReadableSpan) -> None:
        """Store the finished span of an execution."""
        self._exporter.store((span,))
        try:
            # Some libraries write a model call onto the current span, which is the execution's own.
            attributes = attributes_of(span)
            if is_model_call(attributes):
                self._exporter.store_model_call(span, str(attributes[EXECUTION_ID]), ())
        except EXHAUSTED:
            pass  # the execution itself is stored, or counted

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


class _Within(NamedTuple):
    """An open span within an execution."""

    execution: Execution
    #: The spans between, the nearest first.
    path: tuple[int, ...]


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
            if execution is None and not self._open:
                return
            parent = span.parent
            around = None if parent is None else self._open.get(parent.span_id)
            if execution is None:
                # A new context, of a thread for example, may hold the parent span and nothing else.
                if around is None:
                    return
                execution = around.execution
            if around is not None and around.execution is execution:
                path: tuple[int, ...] = (parent.span_id, *around.path)  # type: ignore[union-attr]
            elif parent is None or execution.is_own_span(parent.span_id):
                path = ()
            else:
                path = (parent.span_id,)
            self._open[span.context.span_id] = _Within(execution, path)
            if len(self._open) > _MOST_OPEN:
                self._open.pop(next(iter(self._open)))
        except Exception as fault:  # a malformed span or context: the application's code goes on
            if is_interruption(fault):
                raise

    def on_end(self, span: ReadableSpan) -> None:
        """Store a model call within an execution."""
        if not self._open:
            return
        try:
            within = self._open.pop(span.context.span_id, None)
            # A nested execution comes by record(), as all executions do.
            if within is None or not is_model_call(attributes_of(span)) or is_execution(span):
                return
            deliver_model_call = within.execution.pipeline.deliver_model_call
            if deliver_model_call is not None:
                deliver_model_call(span, within.execution.execution_id, within.path)
        except Exception as fault:  # a malformed span: the application's code goes on
            if is_interruption(fault):
                raise

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Wait until all executions so far are committed; return whether they are."""
        return self.processor is None or self.processor.flush(timeout_millis)

    def shutdown(self) -> None:
        """Write the queue. Executions that end later are still recorded."""
        self.force_flush()
