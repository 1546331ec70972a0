"""The private span reads and writes as one of the SDK's does."""

import json

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode

from learning_instrument.pipeline.private_span import PrivateSpan

RESOURCE = Resource({"service.name": "checkout"})
LINKED = SpanContext(0xC, 0xD, is_remote=True)
ATTRIBUTES = {"text": "x", "list": [1, 2], "none": None, "of another class": Status(), "": "no key"}


def failed():
    try:
        raise ValueError("no \N{BULLET}")
    except ValueError as error:
        return error


ERROR = failed()
HOOKS = {
    "nothing": lambda span: None,
    "attributes": lambda span: span.set_attributes(ATTRIBUTES),
    "one attribute": lambda span: [span.set_attribute(key, value) for key, value in ATTRIBUTES.items()],
    "attribute again": lambda span: [span.set_attribute("a", 1), span.set_attribute("a", 2)],
    "event": lambda span: span.add_event("e", {"list": [1], "": 1}, 5),
    "event without attributes": lambda span: span.add_event("e", timestamp=5),
    "many events": lambda span: [span.add_event(f"e{n}", timestamp=n) for n in range(200)],
    "link": lambda span: span.add_link(LINKED, {"list": [1]}),
    "many links": lambda span: [span.add_link(LINKED, {"n": n}) for n in range(200)],
    "exception": lambda span: span.record_exception(ERROR, {"more": 1}, 5, escaped=True),
    "exception of a module": lambda span: span.record_exception(json.JSONDecodeError("no", "", 0), timestamp=5),
    "name": lambda span: span.update_name("other"),
    "status": lambda span: span.set_status(StatusCode.ERROR, "why"),
    "status object": lambda span: span.set_status(Status(StatusCode.ERROR, "why")),
    "status after OK": lambda span: [span.set_status(StatusCode.OK), span.set_status(StatusCode.ERROR, "why")],
    "unset status": lambda span: [span.set_status(StatusCode.ERROR, "why"), span.set_status(StatusCode.UNSET)],
    "end": lambda span: span.end(7),
    "after its end": lambda span: [
        span.end(7),
        span.set_attribute("a", 1),
        span.set_attributes({"a": 1}),
        span.add_event("e"),
        span.add_link(LINKED),
        span.record_exception(ERROR),
        span.update_name("other"),
        span.set_status(StatusCode.ERROR),
    ],
}


def span_of_the_sdk():
    unlimited = dict.fromkeys(("max_span_attributes", "max_attribute_length"), SpanLimits.UNSET)
    provider = TracerProvider(resource=RESOURCE, span_limits=SpanLimits(**unlimited))
    return provider.get_tracer("learning_instrument").start_span("execute_task x", start_time=1)


def private_span():
    return PrivateSpan("execute_task x", SpanContext(0xA, 0xB, is_remote=False), None, RESOURCE, 1)


def told(span):
    told = {key: value for key, value in json.loads(span.to_json()).items() if key != "context"}
    whole = span.attributes, span.kind, span.instrumentation_scope, span.parent, span.end_time, span.is_recording()
    return (
        told,
        dict(whole[0]),
        whole[1:],
        [event.attributes["exception.message"] for event in span.events if event.name == "exception"],
    )


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_private_span_is_what_a_hook_would_make_of_one_of_the_sdk(hook):
    """For every method of the API."""
    private, theirs = private_span(), span_of_the_sdk()

    hook(private)
    hook(theirs)

    assert told(private) == told(theirs)


def test_private_span_can_be_read_whole():
    """Every public name of the SDK's class that reads a span."""
    private, theirs = private_span(), span_of_the_sdk()
    names = [name for name, value in vars(ReadableSpan).items() if isinstance(value, property)]
    others = "context", "status", "instrumentation_info"  # a new one of each span; not comparable; deprecated
    differ = [name for name in names if name not in others and getattr(private, name) != getattr(theirs, name)]

    assert {"name", "attributes", "events", "dropped_links", "resource", "status"} <= set(names)
    assert differ == []
    assert private.kind is SpanKind.INTERNAL


def test_attributes_of_a_private_span_are_read_only():
    """As those of the SDK's spans: a hook writes by its methods."""
    span = private_span()

    with pytest.raises(TypeError):
        span.attributes["a"] = 1
