"""The private tracer, for executions that the host's tracing does not record.

Its spans are never sampled and never made current: no exporter of the host sees them, and no ``traceparent`` carries
them. They have the ids of the host's span where that has its own.
"""

import functools
from collections.abc import Callable
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Span, SpanContext, TraceFlags, Tracer

from ..ids import random_bits
from ..safety.forks import check, mark
from .host_providers import present_tracer_provider, tracer_of
from .pattern_spans import starter_of
from .private_span import PrivateSpan


class OwnIds(IdGenerator):
    """Generates ids independently of ``random``: a seeded application would repeat them."""

    def generate_trace_id(self) -> int:
        """Return a valid random trace id."""
        if not mark[0]:  # half the time of a call
            check()
        return _random(128)

    def generate_span_id(self) -> int:
        """Return a valid random span id."""
        if not mark[0]:
            check()
        return _random(64)


class AwaitedSpans:
    """Starts spans of the global provider, which may be set up later.

    Args:
        tracer: a proxy tracer.
        found: called once, with the provider, when it is set.
    """

    def __init__(self, tracer: Tracer, found: Callable[[Any], object]) -> None:
        self._start_span: Callable[..., Span] = tracer.start_span
        self._found: Callable[[Any], object] | None = found

    def __call__(self, name: str, context: Context, start_time: int) -> Span:
        """Start a span, as the tracer does."""
        if self._found is not None:
            self._find_provider()
        return self._start_span(name, context, start_time=start_time)

    def _find_provider(self) -> None:
        provider = present_tracer_provider()
        if provider is not None:
            found, self._found = self._found, None
            if found is not None:  # None if another thread was first
                found(provider)
                self._start_span = starter_of(tracer_of(provider))


class PrivateTracer:
    """Starts a private span in place of a host span that does not record.

    Args:
        host: returns the host's tracer provider; its resource is detected until there is one.
    """

    def __init__(self, host: Callable[[], object]) -> None:
        self._host = host
        self._resource: Resource | None = None

    def start_private_span(
        self, host_span: Span, name: str, context: Context, start_time: int, enclosing: SpanContext | None
    ) -> Span:
        """Start a span that records, in the same trace; it has the ids of *host_span* where that has its own."""
        parent = trace.get_current_span(context).get_span_context()
        ids = host_span.get_span_context()
        has_own = ids.is_valid and ids.span_id != parent.span_id
        if not has_own and enclosing is not None and not parent.is_valid:
            # Without an SDK there is no trace; nested executions still share one.
            parent = enclosing
        if not has_own or ids.trace_flags.sampled:
            above = ids if has_own else parent
            ids = SpanContext(
                above.trace_id or _random(128),
                ids.span_id if has_own else _random(64),
                is_remote=False,
                trace_flags=_flags(above.trace_flags & ~TraceFlags.SAMPLED),
                trace_state=above.trace_state,
            )
        return PrivateSpan(name, ids, parent if parent.is_valid else None, self._resource_of_host(), start_time)

    def _resource_of_host(self) -> Resource:
        """Return the resource of the host's provider, which holds the service name; what is detected without one."""
        resource: Resource | None = getattr(self._host(), "resource", None)
        if resource is None:
            resource = self._resource
        if resource is None:
            try:
                # Resource detectors run in a thread pool, which may be instrumented by us.
                with suppress_instrumentation():
                    resource = Resource.create()
            except RuntimeError:  # no thread can be started for the detectors now; the next execution tries again
                return OTELResourceDetector().detect()
        self._resource = resource
        return resource


#: Each is an object of its own otherwise, in each task that waits.
_flags: Final = functools.lru_cache(maxsize=256)(TraceFlags)


def _random(bits: int) -> int:
    """Return a valid id: zero is none."""
    return random_bits(bits) or _random(bits)
