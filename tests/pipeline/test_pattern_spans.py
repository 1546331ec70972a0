"""Spans that are made after a pattern are those that the SDK makes in the public way."""

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    StaticSampler,
    TraceIdRatioBased,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.trace.span import TraceState

from learning_instrument.pipeline import pattern_spans
from learning_instrument.pipeline.pattern_spans import starter_of
from learning_instrument.pipeline.processor import ModelCallProcessor
from learning_instrument.semconv import SCOPE_NAME
from tests.pipeline.test_private_span import HOOKS

RESOURCE = Resource({"service.name": "checkout"})
STATE = TraceState([("vendor", "x")])


class Counting(IdGenerator):
    """Ids 1, 2, 3 ...: two providers draw the same ones."""

    def __init__(self):
        self.last = 0

    def generate_span_id(self):
        self.last += 1
        return self.last

    generate_trace_id = generate_span_id


class CountingRandom(Counting):
    def is_trace_id_random(self):
        return True


class Telling(Sampler):
    """Notes what it is asked, and adds an attribute and a state."""

    def __init__(self, decision=Decision.RECORD_AND_SAMPLE):
        self.decision = decision
        self.asked = []

    def should_sample(self, *args, **kwargs):
        self.asked.append((*args[1:], kwargs))
        return SamplingResult(self.decision, {"sampled": "because"}, STATE)

    def get_description(self):
        return "telling"


class Heard(SpanProcessor):
    """Notes what it is told."""

    def __init__(self):
        self.calls = []

    def on_start(self, span, parent_context=None):
        self.calls.append(("start", span.to_json(), dict(parent_context or {})))

    def on_end(self, span):
        self.calls.append(("end", type(span), span.to_json()))


def above(flags=0, *, remote=False, state=None, trace_id=0xA):
    ids = SpanContext(trace_id, 0xB, remote, TraceFlags(flags), state)
    return trace.set_span_in_context(NonRecordingSpan(ids), Context())


SAMPLERS = {
    "default": lambda: None,
    "on": lambda: ALWAYS_ON,
    "off": lambda: ALWAYS_OFF,
    "half": lambda: TraceIdRatioBased(0.5),
    "by parent": lambda: ParentBased(ALWAYS_OFF),
    "records only": lambda: StaticSampler(Decision.RECORD_ONLY),
    "telling": Telling,
    "telling, records only": lambda: Telling(Decision.RECORD_ONLY),
    "telling, drops": lambda: Telling(Decision.DROP),
}
CONTEXTS = {
    "root": Context(),
    "sampled": above(1),
    "random": above(3),
    "unsampled": above(2),
    "remote": above(1, remote=True, state=STATE),
    "invalid": above(1, trace_id=0),
    "other flags": above(255),
}
PROVIDERS = {
    "plain": {},
    "random ids": {"id_generator": CountingRandom},
    "limits": {"span_limits": lambda: SpanLimits(max_span_attributes=2, max_span_attribute_length=3, max_events=1)},
    "no attributes": {"span_limits": lambda: SpanLimits(max_span_attributes=0)},
}


def providers(**made):
    """Return two providers that are alike, and what each of their processors hears."""
    made = {"id_generator": Counting, **made}
    found = []
    for _ in range(2):
        provider = TracerProvider(resource=RESOURCE, **{name: make() for name, make in made.items()})
        heard = Heard()
        provider.add_span_processor(heard)
        found.append((provider, heard))
    return found


def both(pair):
    """Return what starts the spans of the first of two providers, and of the second in the public way."""
    (ours, _), (theirs, _) = pair
    fast, public = starter_of(ours.get_tracer(SCOPE_NAME, "1")), theirs.get_tracer(SCOPE_NAME, "1").start_span
    assert fast.__name__ == public.__name__
    assert fast.__func__ is not public.__func__  # a shortcut that is never taken is as good as none
    return fast, public


def alive(span):
    """Return what can be read of a *span*."""
    return span.to_json() if span.is_recording() else span.get_span_context()


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_span_is_that_of_the_public_way(provider, sampler, context):
    """For any sampler, limits, ids and context around it; processors hear the same."""
    pair = providers(sampler=sampler, **provider)
    spans = [start("execute_task x", context, start_time=1) for start in both(pair)]

    assert alive(spans[0]) == alive(spans[1])
    for span in spans:
        span.end(2)
    assert spans[0].get_span_context() == spans[1].get_span_context()
    assert spans[0].is_recording() is spans[1].is_recording() is False
    assert pair[0][1].calls == pair[1][1].calls
    assert getattr(pair[0][0].sampler, "asked", 0) == getattr(pair[1][0].sampler, "asked", 0)


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_span_takes_what_one_of_the_public_way_takes(provider, hook):
    """Every method of the API, within the limits of the host."""
    pair = providers(**provider)
    spans = [start("execute_task x", Context(), start_time=1) for start in both(pair)]

    for span in spans:
        hook(span)
        span.end(9)

    assert spans[0].to_json() == spans[1].to_json()
    assert [call[:2] for call in pair[0][1].calls] == [call[:2] for call in pair[1][1].calls]
    readings = [name for name, value in vars(sdk.ReadableSpan).items() if isinstance(value, property)]
    for name in set(readings) - {"status", "events", "links", "instrumentation_info"}:  # in the JSON, or deprecated
        assert getattr(spans[0], name) == getattr(spans[1], name), name
    assert isinstance(spans[0], sdk.Span)
    assert repr(spans[0]) == repr(spans[1])


@pytest.mark.parametrize("ends", [(2,), (None,), (2, 3)], ids=["once", "now", "twice"])
def test_span_that_only_we_hear_ends(ends, caplog):
    """With the time given, once, and for good: the ends are those of the public way."""
    made = []
    for _ in range(2):
        provider = TracerProvider(resource=RESOURCE, id_generator=Counting())
        provider.add_span_processor(ModelCallProcessor())
        made.append(provider.get_tracer(SCOPE_NAME, "1"))
    spans = [starter_of(made[0])("x", Context(), start_time=1), made[1].start_span("x", Context(), start_time=1)]

    logged = []
    for span in spans:
        caplog.clear()
        for end in ends:
            span.end(end)
        span.set_attribute("late", 1)
        logged.append([record.getMessage() for record in caplog.records])

    assert logged[0] == logged[1]
    assert spans[0].attributes == spans[1].attributes == {}
    assert (spans[0].end_time == spans[1].end_time == 2) is (ends[0] == 2)
    assert not spans[0].is_recording()
    assert spans[0]._attributes._immutable is spans[1]._attributes._immutable


def test_processor_that_is_added_while_a_task_runs_hears_its_end():
    """As in the public way."""
    provider = TracerProvider()
    provider.add_span_processor(ModelCallProcessor())
    span = starter_of(provider.get_tracer(SCOPE_NAME))("x", Context(), start_time=1)
    heard = Heard()
    provider.add_span_processor(heard)

    span.end(2)

    assert [call[0] for call in heard.calls] == ["end"]


def test_attribute_that_no_span_has_is_an_error():
    """A hook that looks for another library's sees what it would see."""
    span = starter_of(TracerProvider().get_tracer(SCOPE_NAME))("x", Context(), start_time=1)

    assert not hasattr(span, "others")
    with pytest.raises(AttributeError, match="others"):
        span.others  # noqa: B018


def test_resource_of_a_forked_child_is_its_own():
    """The SDK gives the tracer another one there."""
    provider = TracerProvider(resource=Resource({"service.name": "parent"}))
    tracer = provider.get_tracer(SCOPE_NAME)
    start = starter_of(tracer)
    before = start("x", Context(), start_time=1)

    tracer.resource = Resource({"service.name": "child"})

    assert start("x", Context(), start_time=1).resource.attributes["service.name"] == "child"
    assert before.resource.attributes["service.name"] == "parent"


def test_disabled_tracer_starts_no_span():
    """A configurator of the host's may turn a scope off at any time."""
    tracer = TracerProvider().get_tracer(SCOPE_NAME)
    start = starter_of(tracer)

    tracer._tracer_config.is_enabled = False

    assert not start("x", Context(), start_time=1).is_recording()


class OtherTracer(sdk.Tracer):
    """A tracer of another library."""


def with_another_tracer(monkeypatch, tracer):
    tracer.__class__ = OtherTracer


def with_other_processors(monkeypatch, tracer):
    tracer.span_processor = sdk.ConcurrentMultiSpanProcessor(num_threads=1)


def with_one_more_attribute(monkeypatch, tracer):
    start = sdk.Span.start
    monkeypatch.setattr(sdk.Span, "start", lambda span, **kwargs: [start(span, **kwargs), setattr(span, "_more", [])])


def with_attributes_in_another_place(monkeypatch, tracer):
    monkeypatch.setattr(sdk.Span, "_new_events", lambda span: [])
    monkeypatch.setattr(sdk, "BoundedList", list)
    monkeypatch.setattr(sdk, "BoundedAttributes", lambda *args, **kwargs: {})


def with_other_flags(monkeypatch, tracer):
    monkeypatch.setattr(sdk.trace_api, "TraceFlags", lambda value: TraceFlags(value | 8))


def with_an_end_of_its_own(monkeypatch, tracer):
    end = sdk.Span.end
    monkeypatch.setattr(sdk.Span, "end", lambda span, end_time: [end(span, end_time), span._events.append(1)])
    monkeypatch.setattr(pattern_spans, "_END", sdk.Span.end)  # as if this release had it
    monkeypatch.setattr(pattern_spans, "_is_as_written", lambda: True)


def without_a_name(monkeypatch, tracer):
    del tracer._tracer_metrics


OTHERS = {
    make.__name__: make
    for make in (
        with_another_tracer,
        with_other_processors,
        with_one_more_attribute,
        with_attributes_in_another_place,
        with_other_flags,
        with_an_end_of_its_own,
        without_a_name,
    )
}


def patched(monkeypatch, owner, name):
    """Patch a method as another library would, with one that does the same; return what was called."""
    theirs, calls = getattr(owner, name), []
    monkeypatch.setattr(owner, name, lambda *args, **kwargs: [calls.append(name), theirs(*args, **kwargs)][1])
    return calls


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (sdk.Tracer, "start_span"),
        (sdk.Span, "end"),
        (ParentBased, "should_sample"),
        (StaticSampler, "should_sample"),
    ],
)
def test_method_that_another_library_patches_is_called(monkeypatch, owner, name):
    """Whether it does before or after our first span."""
    provider = TracerProvider(sampler=DEFAULT_ON)
    provider.add_span_processor(ModelCallProcessor())
    start = starter_of(provider.get_tracer(SCOPE_NAME))
    start("x", Context(), start_time=1).end(2)

    calls = patched(monkeypatch, owner, name)
    start("x", Context(), start_time=1).end(2)
    assert calls == [name]


def test_sdk_that_is_patched_already_is_used_in_the_public_way(monkeypatch):
    """Also where the patch does nothing that shows."""
    tracer = TracerProvider().get_tracer(SCOPE_NAME)
    patched(monkeypatch, sdk.Span, "__init__")

    assert starter_of(tracer) == tracer.start_span


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_sdk_of_another_make_is_used_in_the_public_way(monkeypatch, change):
    """Also where only one attribute of a span is not as known."""
    tracer = TracerProvider(id_generator=RandomIdGenerator()).get_tracer(SCOPE_NAME)
    change(monkeypatch, tracer)

    assert starter_of(tracer) == tracer.start_span
