"""Finds model calls in exported spans, and the links between spans that lead to their executions."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan

from ..costs.attribution import SpanLink
from ..costs.call_store import ModelCallBatch
from ..costs.model_calls import is_model_call, model_call
from ..ids import execution_id
from ..record import is_execution
from ..safety.forks import ForkLock

#: Links of traces without an execution or a model call so far, and traces that have one.
_MOST_LINKS: Final = 20_000
_MOST_TRACES: Final = 20_000


class SpanSorter:
    """Sorts exported spans into model calls and links.

    Most traces of an application have no model call: their links are kept in memory for a while, and not stored.
    """

    def __init__(self) -> None:
        self._lock = ForkLock()  # a signal handler may end a span in the thread that holds it
        self._kept: dict[str, list[SpanLink]] = {}
        self._kept_links = 0
        self._traces: dict[str, None] = {}

    def sort(self, spans: Sequence[ReadableSpan]) -> ModelCallBatch:
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
        return ModelCallBatch(calls, wanted)

    def take_kept(self) -> list[SpanLink]:
        """Return and clear the links kept in memory."""
        with self._lock:
            kept, self._kept, self._kept_links = self._kept, {}, 0
        return [link for links in kept.values() for link in links]

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
    assert ids is not None  # the caller checked
    identity = execution_id(span.start_time or 0, ids.trace_id, ids.span_id) if is_execution(span) else None
    parent = None if span.parent is None else f"{span.parent.span_id:016x}"
    return SpanLink(f"{ids.trace_id:032x}", f"{ids.span_id:016x}", parent, identity)
