"""``SQLiteSpanExporter``: finished spans -> rows -> database. An ordinary OpenTelemetry span exporter."""

import logging
import os
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from ..costs.call_store import ModelCallBatch
from ..costs.span_sorter import SpanSorter
from ..database import LearningDatabase, as_database, store_of
from ..record import Row, is_execution, row_from_span
from ..safety.forks import check
from ..safety.guards import is_interruption, warn
from ..safety.memory import EXHAUSTED
from ..storage.store import Store

log = logging.getLogger(__name__)


class SQLiteSpanExporter(SpanExporter):
    """Stores the spans of executions and their model calls in a LearningDatabase, and ignores all others.

    An export waits for the commit of executions as a task does: in ``commit`` mode for at most 50 ms if another
    writer holds the lock, in ``batch`` mode not at all. The background writer commits the rest, and model calls.
    :meth:`force_flush` waits for all of it.

    Args:
        database: a LearningDatabase or a path; by default ``$LEARNING_INSTRUMENT_DATABASE``, else ``learning.db``.
            It is opened by the first export: a constructor that raises would make OpenTelemetry's
            loader drop all instrumentation.
    """

    def __init__(self, database: "LearningDatabase | str | os.PathLike[str] | None" = None) -> None:
        self._given = database
        self._database: LearningDatabase | None = None
        self._write_path: Store | None = None
        self._has_warned = False
        self._sorter = SpanSorter()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Store the executions and model calls among *spans*.

        Returns:
            ``FAILURE`` if any was lost; otherwise ``SUCCESS``: they are committed, or queued for the background
            writer. A span processor may export in a task, so this does not wait for the queue.
        """
        check()
        ours = [span for span in spans if is_execution(span)]
        is_stored = (not ours or self.store(ours)) and self._store_model_calls(spans)
        return SpanExportResult.SUCCESS if is_stored else SpanExportResult.FAILURE

    def store(self, executions: Sequence[Any], to_row: Callable[[Any], Row] = row_from_span) -> bool:
        """Store executions, spans or other arguments of *to_row*; return False if any was lost."""
        try:
            return self.write_path.append(executions, to_row)
        except EXHAUSTED:
            if self._write_path is not None:
                for _ in executions:
                    self._write_path.misses.add()
            return False
        except Exception as fault:  # such as an invalid path; an exporter must not raise
            if self._write_path is not None and not is_interruption(fault):  # whose execution counts itself
                self._write_path.count_lost("fault", len(executions))
            # Without stack the warning would fail as well, and the execution would be counted twice.
            return False if isinstance(fault, RecursionError) else self._failed(fault)

    def store_lost(self, execution: Any, to_row: Callable[[Any], Row]) -> bool:
        """Store an execution whose process died, unless that process did; return False if it was lost."""
        try:
            return self.write_path.append_lost(execution, to_row)
        except Exception as fault:  # such as an invalid path: this is called in the pool's own code
            return self._failed(fault)

    def store_model_call(self, span: ReadableSpan, execution_id: str, path: Sequence[int]) -> bool:
        """Store the span of a model call within an execution; return False if it was lost. See :func:`model_call`."""
        try:
            return self.write_path.append_model_call(span, execution_id, path)
        except Exception as fault:  # such as a malformed span or an invalid path: this is called in a task
            return self._failed(fault)

    def _store_model_calls(self, spans: Sequence[ReadableSpan]) -> bool:
        try:
            batch = self._sorter.sort(spans)
            return not batch.size or self.write_path.append_model_calls(batch)
        except Exception as fault:  # such as a malformed span or an invalid path; an exporter must not raise
            return self._failed(fault)

    def _failed(self, fault: Exception) -> bool:
        if is_interruption(fault):
            raise fault
        if not self._has_warned:
            self._has_warned = True
            warn(log, "Executions are not stored.", exc_info=fault)
        return False

    @property
    def database(self) -> LearningDatabase:
        """The database of the executions.

        Raises:
            ConfigurationError: if the constructor's argument is invalid.
        """
        if self._database is None:
            self._database = as_database(self._given)
        return self._database

    @property
    def write_path(self) -> Store:
        """The store of the database.

        Raises:
            ConfigurationError: if the database given is invalid.
        """
        if self._write_path is None:
            self._write_path = store_of(self.database)
        return self._write_path

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Wait until all exported spans are committed; return whether they are."""
        return self._database is None or self._database.flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        """Write the queue, and close the database if this exporter opened it."""
        check()
        try:
            links = self._sorter.take_kept()
            # Other processes may have the executions and the calls of these traces: not without a file.
            if links and (self._database is not None or os.path.exists(self.database.path)):
                self.write_path.append_model_calls(ModelCallBatch(links=links))
        except Exception as fault:  # such as an invalid path; an exporter must not raise
            self._failed(fault)
        if self._database is not None:
            self._database.flush() if self._database is self._given else self._database.close()
