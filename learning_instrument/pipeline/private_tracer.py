"""The private tracer, for executions that the host's tracing does not record.

Its spans are never sampled and never made current: no exporter of the host sees them, and no ``traceparent`` carries
them. They have the ids of the host's span where that has its own.
"""

import threading
from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision, StaticSampler
from opentelemetry.trace import Span, Tracer

from ..ids import random_bits
from ..safety.forks import check, mark
from ..safety.variables import METER_PROVIDER, ignoring_invalid
from ..semconv import SCOPE_NAME
from .host_providers import global_tracer_provider


class OwnIds(IdGenerator):
    """Generates ids independently of ``random``: a seeded application would repeat them."""

    def generate_trace_id(self) -> int:
        """Return a valid random trace id."""
        if not mark[0]:  # half the time of a call
            check()
        return random_bits(128) or self.generate_trace_id()

    def generate_span_id(self) -> int:
        """Return a valid random span id."""
        if not mark[0]:
            check()
        return random_bits(64) or self.generate_span_id()


class _GivenIds(OwnIds):
    """Returns the ids set for the next span of this thread."""

    def __init__(self) -> None:
        self.next = threading.local()

    def generate_trace_id(self) -> int:
        return getattr(self.next, "trace_id", None) or super().generate_trace_id()

    def generate_span_id(self) -> int:
        return getattr(self.next, "span_id", None) or super().generate_span_id()


class AwaitedTracer(Tracer):
    """A tracer of the global provider, which may be set up later.

    Args:
        tracer: a proxy tracer.
        found: called once, with the provider, when it is set.
    """

    def __init__(self, tracer: Tracer, found: Callable[[Any], object]) -> None:
        self._tracer = tracer
        self._found: Callable[[Any], object] | None = found

    def start_span(self, /, *args: Any, **kwargs: Any) -> Span:
        """Start a span, as the tracer does."""
        if self._found is not None:
            self._find_provider()
        return self._tracer.start_span(*args, **kwargs)

    def start_as_current_span(self, /, *args: Any, **kwargs: Any) -> Any:
        """Start a span, as the tracer does."""
        return self._tracer.start_as_current_span(*args, **kwargs)

    def _find_provider(self) -> None:
        provider = global_tracer_provider()
        if not isinstance(provider, trace.ProxyTracerProvider):
            found, self._found = self._found, None
            if found is not None:  # None if another thread was first
                found(provider)


def _unlimited() -> SpanLimits:
    """Return limits that keep all attributes, at any length."""
    kinds = ("max_span_attributes", "max_span_attribute_length", "max_attribute_length", "max_event_attributes")
    return SpanLimits(**dict.fromkeys(kinds, SpanLimits.UNSET))


class PrivateTracer:
    """Starts a private span in place of a host span that does not record.

    Args:
        host: returns the host's tracer provider; its resource is read until there is one.
    """

    def __init__(self, host: Callable[[], object]) -> None:
        self._host = host
        self._ids = _GivenIds()
        self._resource: Resource | None = None
        self._tracer: Tracer | None = None

    def _own_tracer(self) -> Tracer:
        resource = getattr(self._host(), "resource", None)
        if self._tracer is None or (resource is not None and resource is not self._resource):
            try:
                tracer = self._tracer_for(resource)
            except RuntimeError:  # no thread can be started for the detectors now; the next execution tries again
                return self._tracer_for(OTELResourceDetector().detect())
            self._resource, self._tracer = resource, tracer
        return self._tracer

    def _tracer_for(self, resource: Resource | None) -> Tracer:
        # Resource detectors run in a thread pool, which may be instrumented by us.
        with suppress_instrumentation():
            provider = TracerProvider(
                sampler=StaticSampler(Decision.RECORD_ONLY),
                resource=resource,
                id_generator=self._ids,
                span_limits=ignoring_invalid(_unlimited),
                shutdown_on_exit=False,
            )
        return ignoring_invalid(lambda: provider.get_tracer(SCOPE_NAME), METER_PROVIDER)

    def start_private_span(
        self, host_span: Span, name: str, context: Context, start_time: int, enclosing: Span | None
    ) -> Span:
        """Start a span that records, in the same trace; it has the ids of *host_span* where that has its own."""
        parent = trace.get_current_span(context).get_span_context()
        ids = host_span.get_span_context()
        if ids.is_valid and ids.span_id != parent.span_id:
            self._ids.next.trace_id, self._ids.next.span_id = ids.trace_id, ids.span_id
        elif enclosing is not None and not parent.is_valid:
            # Without an SDK there is no trace; nested executions still share one.
            context = trace.set_span_in_context(enclosing, context)
        try:
            return self._own_tracer().start_span(name, context, start_time=start_time)
        finally:
            self._ids.next.trace_id = self._ids.next.span_id = None
