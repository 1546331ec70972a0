"""From the finished span to the exporter, whatever the host's sampler and provider do."""

import logging

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from .exporter import SQLiteSpanExporter
from .running import Running

log = logging.getLogger("learning_instrument")


class ExecutionProcessor:
    """Hands executions to *exporter* as they end; the database decides when they are committed.

    :meth:`record` is called by the execution itself, so that neither a sampler nor a provider that was shut
    down can come between.
    """

    def __init__(self, exporter: SQLiteSpanExporter) -> None:
        self._exporter = exporter
        self._has_warned = False

    @property
    def running(self) -> Running:
        """Where executions are noted while they run."""
        return self._exporter.database.running

    def record(self, span: ReadableSpan) -> None:
        """Take the finished span of an execution."""
        self._exporter.store((span,))

    def lose(self, fault: BaseException) -> None:
        """Count an execution that a fault of ours kept from being recorded."""
        self._exporter.database.count_lost("fault")
        if not self._has_warned:
            self._has_warned = True
            log.warning("An execution was not recorded, through a fault of ours; the task went on.", exc_info=fault)

    def flush(self, timeout_millis: int) -> bool:
        """Wait until all executions so far are committed. Answer whether they are."""
        return self._exporter.force_flush(timeout_millis)


class Member(SpanProcessor):
    """Our part in the flush and shutdown of the host's provider. Spans come by :meth:`ExecutionProcessor.record`."""

    def __init__(self) -> None:
        self.processor: ExecutionProcessor | None = None

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Do nothing."""

    def on_end(self, span: ReadableSpan) -> None:
        """Do nothing."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Wait until all executions so far are committed. Answer whether they are."""
        return self.processor is None or self.processor.flush(timeout_millis)

    def shutdown(self) -> None:
        """Write what is queued. Executions that end later are still recorded."""
        self.force_flush()
