"""The private span: it records an execution where the host's span does not.

A span of our own, for no other code listens to it: it is never current, never sampled, and passes no processor. The
user's hooks get it, and the row is read from it. No limit of the host's applies to it.
"""

import traceback
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode

from .. import semconv
from ..safety.clocks import time

#: The most events, and the most links: the last ones are kept, as by the SDK.
_MOST: Final = 128
_UNSET: Final = Status(StatusCode.UNSET)


class PrivateSpan(ReadableSpan, Span):
    """A span that records: the API's methods to write it, the SDK's properties to read it.

    Args:
        name: its name.
        context: its ids, which are not sampled.
        parent: those of the span around it; None at the root of a trace.
        resource: that of the host's provider.
        start_time: in nanoseconds since 1970.
    """

    __slots__ = (
        "context", "end_time", "events", "kept", "links", "name", "parent", "resource", "start_time", "status",
    )  # fmt: skip

    name: str
    context: SpanContext
    parent: SpanContext | None
    resource: Resource
    start_time: int | None
    end_time: int | None
    status: Status
    events: tuple[Event, ...]
    links: tuple[Link, ...]
    #: Its attributes, for our own code: valid, and ready to be stored.
    kept: dict[str, Any]

    kind = SpanKind.INTERNAL
    instrumentation_scope = InstrumentationScope(semconv.SCOPE_NAME, "")
    instrumentation_info = None
    dropped_attributes = dropped_events = dropped_links = 0

    def __init__(
        self, name: str, context: SpanContext, parent: SpanContext | None, resource: Resource, start_time: int
    ) -> None:
        self.name = name
        self.context = context
        self.parent = parent
        self.resource = resource
        self.start_time = start_time
        self.end_time = None
        self.status = _UNSET
        self.events = ()
        self.links = ()
        self.kept = {}

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Its attributes, read-only."""
        return MappingProxyType(self.kept)

    def get_span_context(self) -> SpanContext:
        """Return its ids."""
        return self.context

    def is_recording(self) -> bool:
        """Tell whether it has not ended."""
        return self.end_time is None

    def set_attribute(self, key: str, value: Any) -> None:
        """Set an attribute, which the API cleans."""
        self.set_attributes({key: value})

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set attributes, which the API cleans."""
        if self.end_time is None:
            self.kept.update(BoundedAttributes(attributes=attributes))

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        """Add an event."""
        if self.end_time is None:
            self.events = (*self.events, Event(name, BoundedAttributes(attributes=attributes), timestamp))[-_MOST:]

    def add_link(self, context: SpanContext, attributes: Any = None) -> None:
        """Add a link to another span."""
        if self.end_time is None and context is not None:
            self.links = (*self.links, Link(context, BoundedAttributes(attributes=attributes)))[-_MOST:]

    def record_exception(
        self, exception: BaseException, attributes: Any = None, timestamp: int | None = None, escaped: bool = False
    ) -> None:
        """Add an event that describes *exception*, as the SDK does."""
        module, name = type(exception).__module__, type(exception).__qualname__
        event = {
            semconv.EXCEPTION_TYPE: f"{module}.{name}" if module and module != "builtins" else name,
            semconv.EXCEPTION_MESSAGE: str(exception),
            semconv.EXCEPTION_STACKTRACE: "".join(traceback.format_exception(exception)),
            "exception.escaped": str(escaped),
        }
        self.add_event(semconv.EXCEPTION_EVENT, {**event, **(attributes or {})}, timestamp)

    def update_name(self, name: str) -> None:
        """Rename it."""
        if self.end_time is None:
            self.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set its status, unless that is OK already."""
        given = status if isinstance(status, Status) else Status(status, description)
        is_final = self.status.status_code is StatusCode.OK or given.status_code is StatusCode.UNSET
        if self.end_time is None and not is_final:
            self.status = given

    def end(self, end_time: int | None = None) -> None:
        """End it."""
        self.end_time = time.time_ns() if end_time is None else end_time

    def to_json(self, indent: int | None = 4) -> str:
        """Return its JSON, by the SDK."""
        copy = ReadableSpan(
            name=self.name,
            context=self.context,
            parent=self.parent,
            resource=self.resource,
            attributes=self.attributes,
            events=self.events,
            links=self.links,
            status=self.status,
            start_time=self.start_time,
            end_time=self.end_time,
            instrumentation_scope=self.instrumentation_scope,
        )
        text: str = copy.to_json(indent)
        return text
