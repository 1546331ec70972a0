"""A tracer of our own, for executions that the host's tracing does not record.

Its spans are never sampled and never made current: no exporter of the host's sees them, and no
``traceparent`` carries them. They bear the ids of the host's span where that has any of its own.
"""

import threading

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision, StaticSampler
from opentelemetry.trace import Span

from .identifiers import random_bits
from .semconv import SCOPE_NAME


class OwnIds(IdGenerator):
    """Ids from a generator of our own, so that a seeded application neither notices nor repeats them."""

    def generate_trace_id(self) -> int:
        """Return a valid random trace id."""
        return random_bits(128) or self.generate_trace_id()

    def generate_span_id(self) -> int:
        """Return a valid random span id."""
        return random_bits(64) or self.generate_span_id()


class _GivenIds(OwnIds):
    """Hands out the ids laid down for this thread's next span."""

    def __init__(self) -> None:
        self.next = threading.local()

    def generate_trace_id(self) -> int:
        return getattr(self.next, "trace_id", None) or super().generate_trace_id()

    def generate_span_id(self) -> int:
        return getattr(self.next, "span_id", None) or super().generate_span_id()


class PrivateTracer:
    """Starts the twin of a span that records nothing."""

    def __init__(self, resource: Resource | None) -> None:
        self._ids = _GivenIds()
        unlimited = SpanLimits(
            **dict.fromkeys(
                ("max_span_attributes", "max_span_attribute_length", "max_attribute_length", "max_event_attributes"),
                SpanLimits.UNSET,
            )
        )
        provider = TracerProvider(
            sampler=StaticSampler(Decision.RECORD_ONLY),
            resource=resource,
            id_generator=self._ids,
            span_limits=unlimited,
            shutdown_on_exit=False,
        )
        self._tracer = provider.get_tracer(SCOPE_NAME)

    def start_twin(self, host_span: Span, name: str, context: Context, start_time: int, enclosing: Span | None) -> Span:
        """Start a span that records: under the host span's ids where it has any of its own, in the same trace."""
        parent = trace.get_current_span(context).get_span_context()
        ids = host_span.get_span_context()
        if ids.is_valid and ids.span_id != parent.span_id:
            self._ids.next.trace_id, self._ids.next.span_id = ids.trace_id, ids.span_id
        elif enclosing is not None and not parent.is_valid:
            # Without an SDK no trace is open; executions within executions still share one.
            context = trace.set_span_in_context(enclosing, context)
        try:
            return self._tracer.start_span(name, context, start_time=start_time)
        finally:
            self._ids.next.trace_id = self._ids.next.span_id = None
