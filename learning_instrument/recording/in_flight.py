"""The executions of one database in this process: those in flight, and the last that ended, with the spans in them."""

import weakref
from collections import deque
from collections.abc import Callable, Reversible, Sequence, Sized
from itertools import takewhile
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from opentelemetry.trace import SpanContext

from ..ids import ids_of
from ..safety.forks import copy_of

#: How many ended executions, and ended spans within executions, are remembered. A hundred bytes each.
_MOST_ENDED: Final = 16_384
#: How many more entries than its source an index holds before it is made anew.
_SLACK: Final = 2048


class Place(NamedTuple):
    """The place of a span: its ids, and the execution of the spans below it."""

    trace_id: int
    span_id: int
    execution_id: str
    #: The ids of the spans between a span below it and that execution, the nearest first.
    path: tuple[int, ...]


DeliverModelCall = Callable[[Any, str, Sequence[int]], object]
EndedSpan = tuple[SpanContext, str, tuple[int, ...]]


class InFlight:
    """Executions by their ids. Adding one takes a tenth of a microsecond; the watchdog's thread reads them.

    Of what has ended the ids are kept for a while: a model call may start later, and know nothing but its parent.

    Args:
        watch: called by an execution that begins while no watchdog runs.
        deliver_model_call: takes the finished span of a model call, the execution's id, and the ids of the spans
            between, the nearest first. None where executions are not stored: then no span finds them.
    """

    __slots__ = (
        "__weakref__", "_ended", "_running", "_spans", "by_id", "deliver_model_call", "ended", "ended_spans",
        "is_watched", "watch",
    )  # fmt: skip

    def __init__(self, watch: Callable[[], object], deliver_model_call: DeliverModelCall | None = None) -> None:
        #: Weak references: an entry must not keep a task or an unresolved future alive.
        self.by_id: dict[str, weakref.ref[Any]] = {}
        self.is_watched = False
        self.watch = watch
        self.deliver_model_call = deliver_model_call
        #: The ids of the last executions that ended.
        self.ended: deque[str] = deque(maxlen=_MOST_ENDED)
        #: The last spans that ended within executions: their ids, the execution's id, the spans between.
        self.ended_spans: deque[EndedSpan] = deque(maxlen=_MOST_ENDED)
        self._running = _Index(self.by_id, _place_of)
        self._ended = _Index(self.ended, _place_of)
        self._spans = _Index(self.ended_spans, _place_of_span)
        if deliver_model_call is not None:
            _stored.append(weakref.ref(self, _stored.remove))

    def execution_of(self, span_id: int) -> Place | None:
        """Return the place of an execution's own span; None where it is not known (any more)."""
        return self._running.get(span_id) or self._ended.get(span_id)

    def ended_span(self, span_id: int) -> Place | None:
        """Return the place of a span that has ended within an execution; None where it is not known (any more)."""
        return self._spans.get(span_id)

    def reset(self) -> None:
        """Take the executions in flight out, in a forked child: they are the parent's. Their spans find them still."""
        self.ended.extend(self.by_id)
        self.by_id.clear()


#: Those whose executions are stored.
_stored: list[weakref.ref[InFlight]] = []


def all_stored() -> list[InFlight]:
    """Return those whose executions are stored, of all databases in this process."""
    return [running for reference in _stored.copy() if (running := reference()) is not None]


def _place_of(execution_id: str) -> Place:
    trace_id, span_id = ids_of(execution_id)
    return Place(trace_id, span_id, execution_id, ())


def _place_of_span(span: EndedSpan) -> Place:
    ids, execution_id, path = span
    return Place(ids.trace_id, ids.span_id, execution_id, (ids.span_id, *path))


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class _Source(Reversible[T_co], Sized, Protocol[T_co]):
    """A collection that grows at its end."""


class _Index(Generic[T]):
    """Finds the items of a collection by their span. It reads new ones when asked, so that adding one costs nothing.

    No lock: a thread that reads the same new items as another does the same again. Items are entered the oldest first,
    so all that are older than a known one are known.

    Args:
        source: other threads add to its end, and take from anywhere.
        place_of: returns the place of an item.
    """

    __slots__ = ("_by_span", "_newest", "_place_of", "_source")

    def __init__(self, source: _Source[T], place_of: Callable[[T], Place]) -> None:
        self._source = source
        self._place_of = place_of
        self._by_span: dict[int, Place] = {}
        self._newest: T | None = None

    def get(self, span_id: int) -> Place | None:
        """Return the place of an item whose span has this id; it may have left the collection since."""
        try:
            newest = next(reversed(self._source), None)
            if newest is not self._newest:
                new = list(takewhile(lambda place: not self._knows(place), map(self._place_of, reversed(self._source))))
                self._enter(new, newest)
        except RuntimeError:  # another thread has added or taken one
            items = copy_of(self._source)
            self._enter([self._place_of(item) for item in reversed(items)], items[-1] if items else None)
        return self._by_span.get(span_id)

    def _enter(self, new: Sequence[Place], newest: T | None) -> None:
        """Enter *new* items, the newest first."""
        if len(self._by_span) + len(new) > 2 * len(self._source) + _SLACK:
            self._drop_old()
        for place in reversed(new):
            self._by_span[place.span_id] = place
        self._newest = newest

    def _drop_old(self) -> None:
        """Drop what has left the collection: no item that another thread enters meanwhile."""
        known = copy_of(self._by_span)
        present = {self._place_of(item).span_id for item in copy_of(self._source)}
        for span_id in known:
            if span_id not in present:
                self._by_span.pop(span_id, None)

    def _knows(self, place: Place) -> bool:
        known = self._by_span.get(place.span_id)
        return known is not None and known.execution_id == place.execution_id
