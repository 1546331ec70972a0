"""From the finished span to the exporter, whatever the host's sampler and provider do."""

import logging

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from .exporter import SQLiteSpanExporter

log = logging.getLogger("learning_instrument")


class ExecutionProcessor(SpanProcessor):
    """Hands executions to *exporter* as they end; the database decides when they are committed.

    :meth:`record` is called by the execution itself, so that neither a sampler nor a provider that was shut
    down can come between. As a processor of the host's provider it takes part in its flush and shutdown.
    """

    def __init__(self, exporter: SQLiteSpanExporter) -> None:
        self._exporter = exporter
        self._has_warned = False

    def record(self, span: ReadableSpan) -> None:
        """Take the finished span of an execution."""
        self._exporter.store((span,))

    def lose(self, fault: BaseException) -> None:
        """Count an execution that a fault of ours kept from being recorded."""
        self._exporter.database.count_lost("fault")
        if not self._has_warned:
            self._has_warned = True
            log.warning("An execution was not recorded, through a fault of ours; the task went on.", exc_info=fault)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Do nothing."""

    def on_end(self, span: ReadableSpan) -> None:
        """Do nothing: executions come by :meth:`record`."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Wait until all executions so far are committed. Answer whether they are."""
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self) -> None:
        """Write what is queued. Executions that end later are still recorded."""
        self._exporter.force_flush()
