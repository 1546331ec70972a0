"""Starts spans of the SDK past its constructor, which works out for each span what is the same for all of a tracer.

This rests on private names of the SDK, so it is tried when a tracer is first used: spans made in both ways are
compared, and where they differ, or where the tracer is not the SDK's own, all its spans are made in the public way. So
they are as soon as a library patches the methods that are left out. Samplers, generators of ids and span processors are
called as the SDK calls them, but for its default sampler, which says the same of every span without a parent.
"""

import copy
import threading
from collections.abc import Callable
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import sampling
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import (
    DEFAULT_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    StaticSampler,
)
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags, Tracer
from opentelemetry.trace.span import TraceState

from ..recording.contexts import EXECUTION_KEY, SPAN_KEY
from ..safety.guards import is_interruption
from .processor import ModelCallProcessor

_SAMPLED: Final = TraceFlags.SAMPLED
_RANDOM: Final = 2
_FLAGS: Final = tuple(map(TraceFlags, range(4)))
#: What each span has of its own; the rest is that of its tracer.
_OWN: Final = ("_name", "_context", "_start_time", "_lock", "_attributes", "_events", "_links", "_record_end_metrics")
#: The methods of the SDK in whose place ours are called.
_START: Final = sdk.Tracer.start_span
_END: Final = sdk.Span.end
_BY_PARENT: Final = ParentBased.should_sample
_STATIC: Final = StaticSampler.should_sample
#: What the default sampler says of a span without a parent.
_SAMPLED_ROOT: Final = DEFAULT_ON.should_sample(Context(), 1, "root", SpanKind.INTERNAL, None, ())
_MADE_LATER: Final[dict[str, Callable[[Any], object]]] = {
    "_events": lambda span: span._new_events(),
    "_links": lambda span: span._new_links(()),
}


class _PatternSpan(sdk.Span):
    """A span of the SDK. Each tracer has a subclass, with what its spans have in common."""

    #: The flag of a trace whose id is random; 0 where the SDK does not know it.
    _random: int
    #: Whether the attributes of a span that has ended are immutable.
    _is_sealed: bool

    def __getattr__(self, name: str) -> Any:
        """Make what most spans never need: fewer objects in a task that waits."""
        make = _MADE_LATER.get(name)
        if make is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
        return vars(self).setdefault(name, make(self))

    def end(self, end_time: int | None = None) -> None:
        """End it; at once where no other processor than ours listens, and that need not know."""
        listeners: Any = self._span_processor
        is_heard = not _is_ours_alone(listeners) or listeners._span_processors[0].awaits(self._context)
        if is_heard or end_time is None or self._end_time is not None or sdk.Span.end is not _END:
            super().end(end_time)
            return
        with self._lock:
            self._end_time = end_time
            self._attributes._immutable = self._is_sealed  # type: ignore[union-attr]
        if self._record_end_metrics is not None:
            self._record_end_metrics()


def _is_ours_alone(listeners: Any) -> bool:
    """Tell whether the only one of these span processors is ours, which need not know of an outermost execution."""
    processors = listeners._span_processors
    return len(processors) == 1 and type(processors[0]) is ModelCallProcessor


def starter_of(tracer: Tracer) -> Callable[..., Span]:
    """Return the function that starts the spans of *tracer*: its own method, or a faster one."""
    try:
        is_known = type(tracer) is sdk.Tracer and type(tracer.span_processor) is sdk.SynchronousMultiSpanProcessor
        if is_known and _is_as_written() and _are_alike(_twin_of(tracer)):  # type: ignore[arg-type]
            return _Starter(tracer).start_span  # type: ignore[arg-type]
    except Exception as fault:  # another release of the SDK
        if is_interruption(fault):
            raise
    return tracer.start_span


def _is_as_written() -> bool:
    """Tell whether no library has patched what is left out."""
    left_out: tuple[Any, ...] = (
        _START,
        _END,
        sdk.Span.__init__,
        sdk.Span.start,
        sdk.ReadableSpan.__init__,
        _BY_PARENT,
        _STATIC,
    )
    return all(method.__code__.co_filename in (sdk.__file__, sampling.__file__) for method in left_out)


def _is_default_as_written() -> bool:
    """Tell whether no library has patched the default sampler."""
    return ParentBased.should_sample is _BY_PARENT and StaticSampler.should_sample is _STATIC


class _Starter:
    """Starts the spans of one tracer of the SDK."""

    def __init__(self, tracer: sdk.Tracer) -> None:
        self._tracer: Any = tracer
        self._class = _class_of(tracer)

    def start_span(self, name: str, context: Context, start_time: int) -> Span:
        """Start a span by the steps of the tracer."""
        tracer, cls = self._tracer, self._class
        parent: SpanContext | None = INVALID_SPAN_CONTEXT
        if SPAN_KEY in context:
            parent = trace.get_current_span(context).get_span_context()
        is_patched = getattr(tracer.start_span, "__func__", None) is not _START
        if is_patched or type(parent) is not SpanContext or not tracer._is_enabled():
            return tracer.start_span(name, context, start_time=start_time)  # type: ignore[no-any-return]
        if cls._resource is not tracer.resource:  # a fork changes it
            cls = self._class = _class_of(tracer)
        ids = tracer.id_generator
        if parent.is_valid:
            trace_id, random = parent.trace_id, parent.trace_flags & cls._random
        else:
            parent, trace_id = None, ids.generate_trace_id()
            random = cls._random and ids.is_trace_id_random() and _RANDOM
        if parent is None and tracer.sampler is DEFAULT_ON and _is_default_as_written():
            sampled = _SAMPLED_ROOT
        else:
            sampled = tracer.sampler.should_sample(context, trace_id, name, SpanKind.INTERNAL, None, ())
        decision = sampled.decision
        flags = _FLAGS[random | (_SAMPLED if decision is Decision.RECORD_AND_SAMPLE else 0)]
        own = SpanContext(trace_id, ids.generate_span_id(), False, flags, sampled.trace_state)
        record_end = tracer._tracer_metrics.start_span(parent, decision)
        if decision is Decision.DROP:
            return NonRecordingSpan(own)
        span = object.__new__(cls)
        span._name = name
        span._context = own
        span._start_time = start_time
        span._lock = threading.Lock()
        span._record_end_metrics = record_end
        if parent is not None:
            span._parent = parent
        limits = cls._limits
        span._attributes = BoundedAttributes(
            limits.max_span_attributes,
            sampled.attributes,
            immutable=False,
            max_value_len=limits.max_span_attribute_length,
        )
        if parent is not None or not _is_ours_alone(tracer.span_processor) or EXECUTION_KEY in context:
            span._events, span._links = span._new_events(), span._new_links(())  # its end will read them
            tracer.span_processor.on_start(span, parent_context=context)
        return span  # type: ignore[no-any-return]


def _class_of(tracer: sdk.Tracer) -> Any:
    """Return the class of *tracer*'s spans, with the attributes that one of a twin's has in common with all."""
    pattern: Any = _twin_of(tracer).start_span("pattern", Context(), start_time=1)
    common = {key: value for key, value in vars(pattern).items() if key not in _OWN}
    common |= {"_sampler": tracer.sampler, "_span_processor": tracer.span_processor}
    pattern.end(2)
    common["_is_sealed"] = pattern._attributes._immutable
    common["_random"] = _RANDOM if hasattr(IdGenerator, "is_trace_id_random") else 0
    return type("_Span", (_PatternSpan,), common)


class _Fixed(Sampler, IdGenerator):
    """What a tracer asks, with answers that are always the same; notes what it is asked."""

    def __init__(self) -> None:
        self.noted: list[object] = []

    def should_sample(self, parent_context: Any, trace_id: int, *args: Any, **kwargs: Any) -> SamplingResult:
        self.noted.append((parent_context, trace_id, args, kwargs))
        decision = Decision.DROP if trace_id == _DROPPED else Decision.RECORD_AND_SAMPLE
        return SamplingResult(decision, {"sampled": "x" * 9}, _STATE)

    def get_description(self) -> str:
        return "fixed"

    def generate_span_id(self) -> int:
        return 0xA

    def generate_trace_id(self) -> int:
        return 0xB

    def is_trace_id_random(self) -> bool:
        return True

    def start_span(self, *args: Any) -> Callable[[], None]:
        """Note a span, as the SDK's own metrics do, and its end."""
        self.noted.append(args)
        return self._end

    def _end(self) -> None:
        self.noted.append("end")


_DROPPED: Final = 0xD
_STATE: Final = TraceState([("vendor", "x")])
#: Without a parent, and with a parent of another process whose flags are these.
_TRIED: Final = (
    Context(),
    *(
        trace.set_span_in_context(NonRecordingSpan(SpanContext(trace_id, 0xC, True, flags, _STATE)), Context())
        for flags in _FLAGS
        for trace_id in (_DROPPED, 0xE)
    ),
)


def _twin_of(tracer: sdk.Tracer) -> Any:
    """Return a copy of *tracer* that calls nothing of the host's."""
    twin: Any = copy.copy(tracer)
    asked = _Fixed()
    for name in ("sampler", "id_generator", "_tracer_metrics"):
        getattr(twin, name)  # an SDK without it is another
        setattr(twin, name, asked)
    twin.span_processor = sdk.SynchronousMultiSpanProcessor()  # type: ignore[no-untyped-call]
    deaf: Any = ModelCallProcessor()
    deaf.on_start = deaf.on_end = lambda *args, **kwargs: None
    twin.span_processor.add_span_processor(deaf)
    return twin


def _are_alike(twin: Any) -> bool:
    """Tell whether the spans of *twin* are the same in both ways: they, and what is asked at their start and end."""
    after_a_pattern = _Starter(twin)
    common, pattern = vars(after_a_pattern._class), vars(twin.start_span("x", Context(), start_time=1))
    return all(pattern[key] is common[key] for key in pattern.keys() - set(_OWN)) and all(
        _life_of(twin.start_span, context, twin.sampler) == _life_of(after_a_pattern.start_span, context, twin.sampler)
        for context in _TRIED
    )


def _life_of(start: Callable[..., Any], context: Context, asked: _Fixed) -> list[object]:
    """Return the state of a span after its start and after its end, and what *asked* was asked for it."""
    asked.noted.clear()
    span = start("x", context, start_time=1)
    if not span.is_recording():
        return [span.get_span_context(), *asked.noted]
    at_start = _told(span)
    span.end(2)
    return [at_start, _told(span), *asked.noted]


def _told(span: Any) -> dict[str, Any]:
    """Return what *span* has of its own, comparable."""
    return {key: _comparable(getattr(span, key)) for key in (*_OWN, "_parent", "_end_time", "_status")}


def _comparable(value: Any) -> Any:
    if isinstance(value, (BoundedAttributes, BoundedList)):
        return {key: _comparable(inner) for key, inner in vars(value).items()}
    return type(value) if hasattr(value, "acquire") else value
