"""Finds model calls in exported spans, what looks like them, and the links between spans that lead to executions."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan

from ..ids import execution_id
from ..record import is_execution
from ..safety.forks import ForkLock
from .attribution import SpanLink
from .call_store import ModelCallBatch
from .model_calls import ModelCall, is_model_call, looks_like_model_call, model_call
from .unknown_spans import UnknownSpan, unknown_span

#: Links kept in memory, and traces that have an execution, and whose links are stored.
_MOST_LINKS: Final = 20_000
_MOST_TRACES: Final = 20_000
_MOST_UNKNOWN: Final = 2_000


class SpanSorter:
    """Sorts exported spans into model calls and links.

    Most traces of an application have no model call: the links of those that have no execution, or nothing but
    executions, are kept in memory for a while, and not stored. A call of another process finds these executions by
    their rows.
    """

    def __init__(self) -> None:
        self._lock = ForkLock()  # a signal handler may end a span in the thread that holds it
        self._kept: dict[str, list[SpanLink]] = {}
        self._kept_links = 0
        #: Traces whose links are stored, and traces that have an execution.
        self._stored: dict[str, None] = {}
        self._with_execution: dict[str, None] = {}
        #: What looks like a model call, of traces without an execution so far.
        self._unknown: dict[str, list[UnknownSpan]] = {}
        self._kept_unknown = 0

    def sort(self, spans: Sequence[ReadableSpan]) -> ModelCallBatch:
        """Return the model calls among *spans*, and the links of their traces and those of executions.

        What looks like a model call is returned once its trace has an execution.
        """
        calls, links, unknown = [], [], []
        for span in spans:
            if span.context is None:
                continue
            link = _link_of(span)
            links.append(link)
            attributes: Mapping[str, Any] = span.attributes or {}
            if is_model_call(attributes):
                calls.append(model_call(span, link.execution_id))
            elif link.execution_id is None and looks_like_model_call(attributes):
                unknown.append((link.trace_id, unknown_span(span)))
        batch = self._lock.call(self._batch_of, calls, links, unknown)
        assert batch is not None  # it waits for ever
        return batch

    def take_kept(self) -> list[SpanLink]:
        """Return and clear the links kept in memory, without those of executions: their rows tell them."""
        kept = self._lock.call(self._take_all) or {}
        return [link for links in kept.values() for link in links if link.execution_id is None]

    def _take_all(self) -> dict[str, list[SpanLink]]:
        kept, self._kept, self._kept_links = self._kept, {}, 0
        return kept

    def _batch_of(
        self, calls: Sequence[ModelCall], links: Sequence[SpanLink], unknown: Sequence[tuple[str, UnknownSpan]]
    ) -> ModelCallBatch:
        self._stored.update(dict.fromkeys(call.trace_id for call in calls))
        self._with_execution.update(dict.fromkeys(link.trace_id for link in links if link.execution_id))
        wanted = self._sort_links(links)
        within = self._within_executions(unknown, {link.trace_id for link in links})
        return ModelCallBatch(calls, wanted, unknown=within)

    def _sort_links(self, links: Iterable[SpanLink]) -> list[SpanLink]:
        """Return those of *links*, and those kept, that are to be stored; keep the others."""
        by_trace: dict[str, list[SpanLink]] = {}
        for link in links:
            by_trace.setdefault(link.trace_id, []).append(link)
        wanted: list[SpanLink] = []
        for trace_id, new in by_trace.items():
            kept = self._kept.get(trace_id)
            # What is kept of a trace is all of executions, or all of other spans: the first link tells.
            seen = new if kept is None else (kept[0], *new)
            if trace_id in self._with_execution and any(link.execution_id is None for link in seen):
                self._stored[trace_id] = None
            if trace_id in self._stored:
                wanted += new
                if kept is not None:
                    wanted += self._kept.pop(trace_id)
                    self._kept_links -= len(kept)
                continue
            self._kept_links += len(new)
            if kept is None:
                self._kept[trace_id] = new
            else:
                kept += new
        # The oldest traces go, together: each look for the first key passes the places of those that went.
        for trace_id in list(islice(self._kept, max(0, self._kept_links - _MOST_LINKS))):
            if self._kept_links > _MOST_LINKS:
                self._kept_links -= len(self._kept.pop(trace_id))
        for traces in (self._stored, self._with_execution):
            for trace_id in list(islice(traces, max(0, len(traces) - _MOST_TRACES))):
                del traces[trace_id]
        return wanted

    def _within_executions(
        self, unknown: Sequence[tuple[str, UnknownSpan]], traces: Iterable[str]
    ) -> list[UnknownSpan]:
        """Return those of *unknown*, and those kept, in *traces* that have an execution; keep the others."""
        for trace_id, span in unknown:
            self._unknown.setdefault(trace_id, []).append(span)
        self._kept_unknown += len(unknown)
        within = [
            span for trace_id in traces if trace_id in self._with_execution for span in self._unknown.pop(trace_id, ())
        ]
        self._kept_unknown -= len(within)
        while self._kept_unknown > _MOST_UNKNOWN:  # the oldest traces go
            self._kept_unknown -= len(self._unknown.pop(next(iter(self._unknown))))
        return within


def _link_of(span: ReadableSpan) -> SpanLink:
    ids = span.context
    assert ids is not None  # the caller checked
    parent = None if span.parent is None else f"{span.parent.span_id:016x}"
    identity = execution_id(span.start_time or 0, ids.trace_id, ids.span_id)
    # The ids as text are parts of it: formatting is most of the time that a link takes.
    return SpanLink(identity[17:49], identity[50:], parent, identity if is_execution(span) else None)
