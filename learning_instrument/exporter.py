"""``SQLiteSpanExporter``: finished spans -> rows -> database. An ordinary OpenTelemetry span exporter."""

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from .attribution import SpanLink
from .call_storage import CallBatch
from .database import DEFAULT_PATH, LearningDatabase
from .errors import ConfigurationError
from .forking import tell_of_forks
from .identifiers import execution_id
from .interruptions import is_interruption
from .model_calls import is_model_call, model_call
from .record import row_from_span
from .semconv import BATCH_SIZE, SCOPE_NAME

log = logging.getLogger("learning_instrument")

#: Links of traces without an execution or a model call so far, and traces that have one.
_MOST_LINKS: Final = 20_000
_MOST_TRACES: Final = 20_000
_FORK_SECONDS: Final = 2.0


class SQLiteSpanExporter(SpanExporter):
    """Stores the spans of executions and their model calls in a LearningDatabase, and passes over all others.

    Args:
        database: a LearningDatabase or a path; by default ``$LEARNING_INSTRUMENT_DATABASE``, else ``learning.db``.
            It is opened by the first export: a constructor that raises would make OpenTelemetry's
            loader drop all instrumentation.
    """

    def __init__(self, database: "LearningDatabase | str | os.PathLike[str] | None" = None) -> None:
        self._given = database
        self._database: LearningDatabase | None = None
        self._has_warned = False
        self._sorter = _Sorter()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Store the executions and model calls among *spans*; ``FAILURE`` if any was lost."""
        ours = [span for span in spans if is_execution(span)]
        is_stored = (not ours or self.store(ours)) and self._store_calls(spans)
        return SpanExportResult.SUCCESS if is_stored else SpanExportResult.FAILURE

    def store(self, executions: Sequence[ReadableSpan]) -> bool:
        """Store the spans of *executions*; answer False if any was lost."""
        try:
            return self.database.append(executions, row_from_span)
        except Exception as fault:  # a path that is none; an exporter must not raise
            return self._failed(fault)

    def store_call(self, span: ReadableSpan, execution_id: str, path: Sequence[int]) -> bool:
        """Store the span of a model call within an execution; answer False if it was lost. See :func:`model_call`."""
        try:
            return self.database.append_calls(CallBatch([model_call(span, execution_id, path)]))
        except Exception as fault:  # an odd span, or a path that is none: this is called in a task
            return self._failed(fault)

    def _store_calls(self, spans: Sequence[ReadableSpan]) -> bool:
        try:
            batch = self._sorter.sort(spans)
            return not batch.size or self.database.append_calls(batch)
        except Exception as fault:  # an odd span, or a path that is none; an exporter must not raise
            return self._failed(fault)

    def _failed(self, fault: Exception) -> bool:
        if is_interruption(fault):
            raise fault
        if not self._has_warned:
            self._has_warned = True
            log.warning("Executions are not stored.", exc_info=fault)
        return False

    @property
    def database(self) -> LearningDatabase:
        """The database that is written to.

        Raises:
            ConfigurationError: if none can be made of what was given.
        """
        if self._database is None:
            self._database = as_database(self._given)
        return self._database

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Wait until all that was exported is committed. Answer whether it is."""
        return self._database is None or self._database.flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        """Write what is queued, and close a database of our own making."""
        if self._database is not None:
            links = self._sorter.take_kept()
            if links:  # other processes may have the executions and the calls of these traces
                self._database.append_calls(CallBatch(links=links))
            self._database.flush() if self._database is self._given else self._database.close()


class _Sorter:
    """Picks the model calls out of exports, and the links from span to span that may lead to their executions.

    In most traces of an application there is neither: their links are kept in memory for a while, and not stored.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may end a span in the thread that holds it
        self._kept: dict[str, list[SpanLink]] = {}
        self._kept_links = 0
        self._traces: dict[str, None] = {}
        tell_of_forks(self)

    def sort(self, spans: Sequence[ReadableSpan]) -> CallBatch:
        """Return the model calls among *spans*, and the links of their traces and those of executions."""
        calls, links = [], []
        for span in spans:
            if span.context is None:
                continue
            link = _link_of(span)
            links.append(link)
            attributes: Mapping[str, Any] = span.attributes or {}
            if is_model_call(attributes):
                calls.append(model_call(span, link.execution_id))
        with self._lock:
            for trace_id in {call.trace_id for call in calls} | {link.trace_id for link in links if link.execution_id}:
                self._traces[trace_id] = None
            wanted = [link for link in links if link.trace_id in self._traces]
            for trace_id in {link.trace_id for link in wanted}:
                earlier = self._kept.pop(trace_id, ())
                self._kept_links -= len(earlier)
                wanted += earlier
            self._keep([link for link in links if link.trace_id not in self._traces])
        return CallBatch(calls, wanted)

    def take_kept(self) -> list[SpanLink]:
        """Return the links that are kept in memory, and keep them no longer."""
        with self._lock:
            kept, self._kept, self._kept_links = self._kept, {}, 0
        return [link for links in kept.values() for link in links]

    def suspend(self) -> bool:
        """Keep other threads out while the process forks: in the child, nobody would give the lock back."""
        return self._lock.acquire(timeout=_FORK_SECONDS)

    def resume(self, held: bool) -> None:
        """Go on in the parent of a fork."""
        if held:
            self._lock.release()

    def start_anew(self) -> None:
        """Go on in a forked child."""
        self._lock = threading.RLock()

    def _keep(self, links: Sequence[SpanLink]) -> None:
        for link in links:
            self._kept.setdefault(link.trace_id, []).append(link)
        self._kept_links += len(links)
        while self._kept_links > _MOST_LINKS:  # the oldest traces go
            self._kept_links -= len(self._kept.pop(next(iter(self._kept))))
        while len(self._traces) > _MOST_TRACES:
            self._traces.pop(next(iter(self._traces)))


def _link_of(span: ReadableSpan) -> SpanLink:
    ids = span.context
    assert ids is not None  # who calls looked
    identity = execution_id(span.start_time or 0, ids.trace_id, ids.span_id) if is_execution(span) else None
    parent = None if span.parent is None else f"{span.parent.span_id:016x}"
    return SpanLink(f"{ids.trace_id:032x}", f"{ids.span_id:016x}", parent, identity)


def is_execution(span: ReadableSpan) -> bool:
    """Tell whether *span* is that of an execution. A batch's is none: its items are."""
    scope = span.instrumentation_scope
    return scope is not None and scope.name == SCOPE_NAME and BATCH_SIZE not in (span.attributes or ())


def as_database(
    database: "LearningDatabase | str | os.PathLike[str] | None", durability: str | None = None
) -> LearningDatabase:
    """Return *database*, or that of a path, or of ``$LEARNING_INSTRUMENT_DATABASE``, else ``learning.db``.

    Raises:
        ConfigurationError: if none can be made of it.
    """
    if isinstance(database, LearningDatabase):
        if durability not in (None, database.durability):
            raise ConfigurationError(
                f"durability={durability!r} contradicts {database!r}; give it to LearningDatabase, or leave it out."
            )
        return database
    path = os.environ.get("LEARNING_INSTRUMENT_DATABASE") or DEFAULT_PATH if database is None else database
    return LearningDatabase(path, durability)
