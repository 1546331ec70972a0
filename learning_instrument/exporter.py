"""``SQLiteSpanExporter``: finished spans -> rows -> database. An ordinary OpenTelemetry span exporter."""

import logging
import os
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from .database import DEFAULT_PATH, LearningDatabase
from .errors import ConfigurationError
from .record import row_from_span
from .semconv import BATCH_SIZE, SCOPE_NAME

log = logging.getLogger("learning_instrument")


class SQLiteSpanExporter(SpanExporter):
    """Stores the spans of executions in a LearningDatabase, and passes over all others.

    Args:
        database: a LearningDatabase or a path; by default ``$LEARNING_INSTRUMENT_DATABASE``, else ``learning.db``.
            It is opened by the first export: a constructor that raises would make OpenTelemetry's
            loader drop all instrumentation.
    """

    def __init__(self, database: "LearningDatabase | str | os.PathLike[str] | None" = None) -> None:
        self._given = database
        self._database: LearningDatabase | None = None
        self._has_warned = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Store the executions among *spans*; ``FAILURE`` if any was lost."""
        ours = [span for span in spans if is_execution(span)]
        return SpanExportResult.SUCCESS if not ours or self.store(ours) else SpanExportResult.FAILURE

    def store(self, executions: Sequence[ReadableSpan]) -> bool:
        """Store the spans of *executions*; answer False if any was lost."""
        try:
            return self.database.append(executions, row_from_span)
        except Exception:  # a path that is none; an exporter must not raise
            if not self._has_warned:
                self._has_warned = True
                log.warning("Executions are not stored.", exc_info=True)
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
            self._database.flush() if self._database is self._given else self._database.close()


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
