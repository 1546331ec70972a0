"""The private tracer, for executions whose host span does not record."""

import threading
from types import SimpleNamespace

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from learning_instrument.pipeline.private_tracer import OwnIds, PrivateTracer
from learning_instrument.pipeline.sdk_fast_path import set_valid_attributes

ROOT = Context()
#: The flag by its number: older releases have no name for it.
RANDOM_TRACE_ID = 2


def host_span(trace_id=0xA, span_id=0xB, flags=TraceFlags.DEFAULT):
    return NonRecordingSpan(SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(flags)))


@pytest.fixture
def tracer():
    """A private tracer without a resource of the host."""
    return PrivateTracer(lambda: None)


def test_private_span_has_the_host_spans_ids(tracer):
    """So that row and trace can be joined."""
    span = tracer.start_private_span(host_span(), "execute_task x", ROOT, 1, None)

    ids = span.get_span_context()
    assert (ids.trace_id, ids.span_id) == (0xA, 0xB)
    assert span.is_recording()
    assert isinstance(span, ReadableSpan)


def test_private_span_is_never_sampled(tracer):
    """No exporter receives it."""
    span = tracer.start_private_span(host_span(flags=TraceFlags.SAMPLED), "execute_task", ROOT, 1, None)

    assert not span.get_span_context().trace_flags.sampled


def test_private_span_has_its_own_ids_where_the_host_span_has_none(tracer):
    """A no-op tracer gives an invalid span, or the parent's own."""
    parent = host_span(0xA, 0xC)
    context = trace.set_span_in_context(parent)

    alone = tracer.start_private_span(trace.INVALID_SPAN, "execute_task", ROOT, 1, None).get_span_context()
    below = tracer.start_private_span(parent, "execute_task", context, 1, None).get_span_context()

    assert alone.is_valid
    assert below.trace_id == 0xA
    assert below.span_id != 0xC


def test_private_span_without_a_trace_joins_the_enclosing_executions(tracer):
    """Nested executions share a trace even without an SDK."""
    outer = tracer.start_private_span(trace.INVALID_SPAN, "execute_task", ROOT, 1, None)

    inner = tracer.start_private_span(trace.INVALID_SPAN, "execute_task", ROOT, 1, outer.get_span_context())

    assert inner.get_span_context().trace_id == outer.get_span_context().trace_id
    assert inner.get_span_context().span_id != outer.get_span_context().span_id


def test_ids_are_given_to_one_span(tracer):
    """The next span gets its own."""
    tracer.start_private_span(host_span(), "execute_task", ROOT, 1, None)

    following = tracer.start_private_span(trace.INVALID_SPAN, "execute_task", ROOT, 1, None)

    assert following.get_span_context().span_id != 0xB


def test_threads_do_not_get_each_others_ids(tracer):
    """Private spans that start at the same time have the ids of their own host span."""
    wrong = []

    def start(number):
        for n in range(200):
            ids = tracer.start_private_span(host_span(number, n + 1), "execute_task", ROOT, 1, None).get_span_context()
            if (ids.trace_id, ids.span_id) != (number, n + 1):
                wrong.append(ids)

    threads = [threading.Thread(target=start, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_hosts_attribute_limits_do_not_apply(monkeypatch):
    """No attribute is cut or dropped on its way to the database."""
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "4")
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1")
    span = PrivateTracer(lambda: None).start_private_span(host_span(), "execute_task", ROOT, 1, None)

    set_valid_attributes(span, {"a": "x" * 100, "b": "y"})

    assert dict(span.attributes) == {"a": "x" * 100, "b": "y"}


def test_private_span_keeps_the_hosts_trace_state(tracer):
    """And the flag that its trace id is random; so it was with the SDK's own spans."""
    state, flags = TraceState([("vendor", "x")]), TraceFlags(TraceFlags.SAMPLED | RANDOM_TRACE_ID)
    above = NonRecordingSpan(SpanContext(0xA, 0xC, is_remote=True, trace_flags=flags, trace_state=state))
    context = trace.set_span_in_context(above)

    ids = tracer.start_private_span(above, "execute_task", context, 1, None).get_span_context()

    assert ids.trace_state == state
    assert ids.trace_flags == RANDOM_TRACE_ID
    assert not ids.is_remote


def test_resource_is_detected_once_without_one_of_the_host(monkeypatch):
    """The service name comes from the environment then."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    tracer = PrivateTracer(lambda: None)

    first, second = [tracer.start_private_span(host_span(), "execute_task", ROOT, 1, None) for _ in range(2)]

    assert first.resource.attributes["service.name"] == "shop"
    assert second.resource is first.resource


def test_private_span_has_the_hosts_resource():
    """It holds the service name."""
    resource = Resource({"service.name": "checkout"})

    span = PrivateTracer(lambda: SimpleNamespace(resource=resource)).start_private_span(
        host_span(), "execute_task", ROOT, 1, None
    )

    assert span.resource.attributes["service.name"] == "checkout"


def test_ids_are_valid_and_differ():
    """Zero is not a valid id."""
    ids = OwnIds()

    spans, traces = {ids.generate_span_id() for _ in range(100)}, {ids.generate_trace_id() for _ in range(100)}
    assert (len(spans), len(traces)) == (100, 100)
    assert 0 < min(spans) < max(spans) < 2**64
    assert 0 < min(traces) < max(traces) < 2**128


@pytest.mark.parametrize("limit", ["3", "128"])
def test_attributes_set_at_once_are_those_set_one_by_one(monkeypatch, limit):
    """For any limits of the host."""
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", limit)
    tracer = TracerProvider().get_tracer("host")
    at_once, one_by_one = tracer.start_span("a"), tracer.start_span("b")
    attributes = {f"key.{n}": value for n, value in enumerate(["text", 1, 0.5, True, ("a", "b")])}

    set_valid_attributes(at_once, attributes)
    one_by_one.set_attributes(attributes)

    assert dict(at_once.attributes) == dict(one_by_one.attributes)
