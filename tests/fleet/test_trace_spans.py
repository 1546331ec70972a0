"""Spans read from the Collector's table: the model call of each is that of the span itself."""

import pytest
from calls import START, execution, span
from costs import test_vocabularies
from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Status, StatusCode

from learning_instrument import semconv
from learning_instrument.costs.model_calls import is_model_call, model_call
from learning_instrument.costs.usage import CONTENTS
from learning_instrument.costs.vocabularies import (
    ANSWER,
    COSTS,
    FIRST_CHUNK_EVENTS,
    FIRST_CHUNK_TIME,
    PARAMETERS,
    USAGE,
    VOCABULARIES,
)
from learning_instrument.fleet.trace_spans import select_spans, span_of
from learning_instrument.record import is_execution

from . import otel_traces

#: Values as libraries write them, by field; of the others counts.
VALUES = {
    "model": ("gpt-4o-mini", '"gpt-4o-mini"'),
    "response_model": ("gpt-4o-mini-2024-07-18",),
    "provider": ("openai", "langchain"),
    "response_id": ("chatcmpl-1", "17"),
    "request_id": ("r1",),
    "finish_reason": ("stop", ("stop", "length"), ("stop", "error"), '["stop"]', ()),
    "service_tier": ("flex", "default"),
    "cost": (0.1, 1e-7, 3, "0.25", 0.0, 1e22),
    "input_cost": (0.1,),
    "output_cost": (1e-9,),
    "time_to_first_chunk_seconds": (0.5, 2),
    "first_chunk_milliseconds": (1500.5,),
    FIRST_CHUNK_TIME: ("2026-09-21T14:13:21.5Z", '"2026-09-21T14:13:21.5Z"'),
    USAGE: ('{"input_tokens": 3, "output_tokens": 4}', "{'prompt_tokens': 5, 'cost': None}", "{"),
    COSTS: ('{"input": 0.1, "output": 0.2}', '{"total": 0.5}'),
    PARAMETERS: ('{"service_tier": "flex", "tools": [1',),
    ANSWER: ("an answer", '[{"role": "assistant"}]'),
}
COUNTS = (5, 5.0, 10**11 + 1, "7", "1E+3", 0, True, -1, 2.5, 10**13)
KINDS = [vocabulary for vocabulary in VOCABULARIES if vocabulary.kind]


def attribute_sets():
    """Yield the attributes of spans: those that libraries wrote, and each attribute of each vocabulary by itself."""
    (recorded, *_) = test_vocabularies.test_each_vocabulary_is_read.pytestmark
    yield from (attributes for attributes, _ in (param.values for param in recorded.args[1]))
    for vocabulary in KINDS:
        yield from ({vocabulary.kind: word, semconv.INPUT_TOKENS: 3} for word in (*vocabulary.words, "unheard of"))
    for vocabulary in VOCABULARIES:
        for field, keys in vocabulary.keys.items():
            for key in keys:
                for value in VALUES.get(field, COUNTS):
                    yield {"gen_ai.operation.name": "chat", "gen_ai.usage.output_tokens": 8, key: value}


def spans():
    """Return spans with these attributes, with events, and of executions."""
    found = [span(number, 1, attributes) for number, attributes in enumerate(attribute_sets(), 2)]
    number = len(found) + 2
    failed = Status(StatusCode.ERROR, "it failed")
    chat = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
    events = [
        [Event(name, {"index": 3}, START + number + 250_000_000) for name in (*FIRST_CHUNK_EVENTS, "other")],
        [Event("exception", {semconv.EXCEPTION_TYPE: name}, START) for name in ("ValueError", "KeyError")],
    ]
    for status in (Status(), failed):
        for more in (*events, []):
            made = span(number, 1, chat, status=status)
            made._events = more
            found.append(made)
            number += 1
    found += [span(number, None, {**chat, semconv.ERROR_TYPE: "timeout"}), execution(number + 1, 1)]
    found += [span(number + 2, 1, {semconv.BATCH_SIZE: 3}, scope=execution(1).instrumentation_scope)]
    return found


@pytest.mark.parametrize("attributes", ["map", "json"])
def test_model_call_of_the_table_is_that_of_the_span(clickhouse, client, attributes):
    """In every vocabulary, whatever types its values have there: maps have texts alone."""
    made = spans()
    otel_traces.create(clickhouse, attributes)
    otel_traces.insert_spans(clickhouse, made, attributes)

    rows = client.rows(select_spans(attributes == "json", "1"))

    found = {each.context.span_id: each for each in (span_of(row, attributes == "json") for row in rows)}
    assert found.keys() == {each.context.span_id for each in made}
    for one in made:
        other = found[one.context.span_id]
        assert is_execution(other) == is_execution(one)
        assert is_model_call(other.attributes) == is_model_call(one.attributes), one.attributes
        assert model_call(other) == model_call(one), one.attributes


@pytest.mark.parametrize("attributes", ["map", "json"])
def test_contents_of_messages_stay_on_the_server(clickhouse, client, attributes):
    """That there is an answer is all that is read of it."""
    secret = "what the user said"
    contents = dict.fromkeys([*CONTENTS, "gen_ai.input.messages", "gen_ai.prompt.0.content"], secret)
    otel_traces.create(clickhouse, attributes)
    otel_traces.insert_spans(clickhouse, [span(2, 1, {"gen_ai.operation.name": "chat", **contents})], attributes)

    (row,) = client.rows(select_spans(attributes == "json", "1"))

    assert secret not in str(row)
    assert row["attributes"].keys() >= CONTENTS


@pytest.mark.parametrize("name", ["trace_id", "span_id", "parent_id"])
def test_span_with_an_invalid_id_is_none(name):
    """Other programs may write to the table."""
    row = {"trace_id": "0" * 31 + "1", "span_id": "0" * 15 + "2", "parent_id": ""}

    assert span_of({**row, name: "no id"}, False) is None


@pytest.mark.parametrize("text", ['{"values":[{"stringValue":"stop"},{"stringValue":"length"}]}', '["stop","length"]'])
def test_list_is_read_as_either_collector_writes_it(text):
    """rotel writes an object, the Collector an array."""
    row = {"trace_id": f"{1:032x}", "span_id": f"{2:016x}", "parent_id": "", "start": 0, "duration": 0, "scope": ""}
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.response.finish_reasons": text}

    found = span_of({**row, "attributes": attributes, "events": [], "is_error": 0}, False)

    assert model_call(found).finish_reason == "stop"
