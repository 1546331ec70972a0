"""Spans that look like model calls in words that are not understood: counted by scope and operation, for ``doctor``."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from ..safety.sanitize import label_of
from ..sqlite.connection import Connection
from .model_calls import words_in

_TEXT_LIMIT: Final = 100
#: Kinds of spans in one database; further ones are not counted.
_MOST_KINDS: Final = 200
#: How many spans are remembered as counted, times two.
_MOST_COUNTED: Final = 4096

_INSERT: Final = (
    "INSERT INTO unknown_spans (scope, operation, spans) SELECT :scope, :operation, :spans"
    " WHERE EXISTS (SELECT 1 FROM unknown_spans WHERE scope = :scope AND operation = :operation)"
    f" OR (SELECT count(*) FROM unknown_spans) < {_MOST_KINDS}"
    " ON CONFLICT (scope, operation) DO UPDATE SET spans = spans + excluded.spans"
)


class UnknownSpan(NamedTuple):
    """A span that looks like a model call."""

    trace_id: int
    span_id: int
    #: The name of its instrumentation scope.
    scope: str
    #: What it says that it is; "" where it says nothing.
    operation: str


def unknown_span(span: Any) -> UnknownSpan:
    """Return what is counted of a finished *span*.

    Raises:
        AttributeError: if it has no context.
    """
    ids, scope, attributes = span.context, span.instrumentation_scope, span.attributes or {}
    operation = next((name for name, _ in words_in(attributes)), "")
    return UnknownSpan(
        ids.trace_id,
        ids.span_id,
        label_of(scope.name if scope is not None else "", _TEXT_LIMIT),
        label_of(operation, _TEXT_LIMIT),
    )


class Counted:
    """The last spans that were counted. One may come twice: to our span processor, and to an exporter beside it."""

    def __init__(self) -> None:
        self._new: dict[Any, object] = {}
        self._old: dict[Any, object] = {}

    def add(self, path: str, span: UnknownSpan) -> bool:
        """Add *span* of the database at *path*; return False if it was there."""
        key, this = (path, span.trace_id, span.span_id), object()
        if key in self._old or self._new.setdefault(key, this) is not this:
            return False
        if len(self._new) > _MOST_COUNTED:
            self._old, self._new = self._new, {}
        return True


#: Those of all databases in this process: one file may have several objects.
counted: Final = Counted()


def store_unknown(connection: Connection, spans: Iterable[UnknownSpan]) -> None:
    """Add *spans* to the counts, within a transaction.

    Raises:
        sqlite3.Error: if they cannot be stored.
    """
    kinds = Counter((span.scope, span.operation) for span in spans)
    connection.executemany(
        _INSERT,
        [{"scope": scope, "operation": operation, "spans": number} for (scope, operation), number in kinds.items()],
    )
