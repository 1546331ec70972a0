"""What counts as a model call, and what is read from its span."""

import json
import re

import pytest
from calls import START, chat, span, usage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Status, StatusCode

from learning_instrument import semconv
from learning_instrument.costs.model_calls import is_model_call, looks_like_model_call, model_call
from learning_instrument.costs.usage_members import USAGE_MEMBERS
from learning_instrument.costs.vocabularies import AGGREGATES, CLASSES, VOCABULARIES

TOKENS = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100}
MODEL = {"gen_ai.request.model": "gpt-4o"}


def foreign(cls, value):
    """Return *value* as an instance of a class of its own, whose methods end the process."""

    def method(self, *args):
        raise SystemExit("a foreign method ran")

    names = ("__eq__", "__hash__", "__len__", "__getitem__", "__iter__", "__le__", "__ge__", "__int__", "__float__")
    return type("Foreign", (cls,), dict.fromkeys((*names, "__str__", "__bool__", "strip", "lower"), method))(value)


def test_no_method_of_a_value_runs():
    """A library may write text and numbers of classes of its own."""
    written = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 1000.0,
        "gen_ai.usage.output_tokens": "100",
        "gen_ai.cost.total_cost": 0.25,
        "gen_ai.response.id": '"r"',
        "gen_ai.usage.raw": '{"reasoning_tokens": 7}',
        "llm.invocation_parameters": '{"service_tier": "flex"}',
    }
    attributes = {key: foreign(type(value), value) for key, value in written.items()}
    attributes["gen_ai.response.finish_reasons"] = (foreign(str, "stop"),)

    assert is_model_call(attributes)
    call = model_call(span(2, 1, attributes))

    assert (call.operation, call.model, call.input_tokens, call.output_tokens) == ("chat", "m", 1000, 100)
    assert (call.cost, call.response_id, call.finish_reason) == (0.25, "r", "stop")
    assert json.loads(call.usage) == {"output_reasoning_tokens": 7, "service_tier": "flex"}
    assert looks_like_model_call({"gen_ai.operation.name": foreign(str, "unheard of"), "llm.cost.total": "much"})


def test_model_calls_are_told_from_all_else(subtests):
    """By the operation or the kind; where there is none that is known, by the usage or a model's answer."""
    for attributes, expected in [
        ({"gen_ai.operation.name": "chat"}, True),
        ({"gen_ai.operation.name": "text_completion"}, True),
        ({"gen_ai.operation.name": "generate_content"}, True),
        ({"gen_ai.operation.name": "embeddings"}, True),
        ({"openinference.span.kind": "LLM"}, True),
        ({"openinference.span.kind": "EMBEDDING"}, True),
        ({"gen_ai.operation.name": "execute_tool"}, False),
        ({"gen_ai.operation.name": "execute_tool", **TOKENS}, False),
        ({"gen_ai.operation.name": "retrieval", **MODEL}, False),
        ({"gen_ai.operation.name": "invoke_agent", **MODEL}, False),
        ({"openinference.span.kind": "AGENT"}, False),
        ({"openinference.span.kind": "RERANKER", "reranker.model_name": "m"}, False),
        ({"openinference.span.kind": "GUARDRAIL"}, False),
        # A foreign operation beside a kind that is known.
        ({"gen_ai.operation.name": "litellm.acompletion", "openinference.span.kind": "LLM"}, True),
        ({"gen_ai.operation.name": "invoke_agent", "openinference.span.kind": "LLM"}, False),
        # Operations that are in no convention.
        ({"gen_ai.operation.name": "acompletion"}, True),
        ({"gen_ai.operation.name": "responses"}, True),
        ({"gen_ai.operation.name": "realtime.session", **TOKENS}, True),
        ({"gen_ai.operation.name": "realtime.session", **MODEL, "gen_ai.response.id": "r"}, True),
        ({"gen_ai.operation.name": "realtime.session", **MODEL, "gen_ai.usage.input_tokens": 0}, True),
        ({"gen_ai.operation.name": "realtime.session", **MODEL}, False),
        ({"gen_ai.operation.name": "realtime.session"}, False),
        # None at all.
        (TOKENS, True),
        ({"gen_ai.usage.prompt_tokens": "10"}, True),
        ({"llm.token_count.prompt": 10}, True),
        ({"gen_ai.usage.input_tokens": 0}, False),
        ({"gen_ai.usage.input_tokens": "many"}, False),
        (MODEL, False),
        ({"gen_ai.tool.name": "search", **TOKENS}, False),
        ({"operation.cost": 0.5}, False),
        ({"operation.cost": 0.5, **MODEL}, True),
        ({"operation.cost": 0, **MODEL}, False),
        # The client of Anthropic counts tokens ahead of a call.
        ({**MODEL, "anthropic.message.count_tokens.input_tokens": 10}, False),
        # litellm's child span holds the raw answer.
        ({"llm.openai.model": "gpt-4o", "llm.openai.id": "x", "llm.openai.usage": "{'prompt_tokens': 10}"}, False),
        ({"gen_ai.operation.name": ("chat",)}, False),
        ({"gen_ai.operation.name": ["chat"]}, False),
        ({"openinference.span.kind": 5}, False),
        ({"http.request.method": "GET", "url.full": "https://api.openai.com/v1/chat/completions"}, False),
        ({}, False),
    ]:
        with subtests.test(attributes=attributes, expected=expected):
            assert is_model_call(attributes) is expected


def test_runs_of_agents_and_chains_are_read_where_they_have_a_usage(subtests):
    """Whether one counts depends on the calls within it."""
    for attributes, operation in [
        ({"gen_ai.operation.name": "invoke_agent", **TOKENS}, "invoke_agent"),
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.aggregated_usage.input_tokens": 1000}, "invoke_agent"),
        ({"gen_ai.operation.name": "invoke_agent", "openinference.span.kind": "LLM", **TOKENS}, "invoke_agent"),
        ({"gen_ai.operation.name": "create_agent", **TOKENS}, "invoke_agent"),
        ({"gen_ai.operation.name": "invoke_agent", "operation.cost": 0.5}, "invoke_agent"),
        ({"agent_name": "a", "model_name": "gpt-4o", **TOKENS}, "invoke_agent"),
        ({"gen_ai.operation.name": "invoke_workflow", **TOKENS}, "invoke_workflow"),
        ({"openinference.span.kind": "AGENT", "llm.token_count.prompt": 10}, "invoke_agent"),
        ({"openinference.span.kind": "CHAIN", "llm.token_count.total": 10}, "invoke_workflow"),
        ({"openinference.span.kind": "RERANKER", "llm.token_count.prompt": 10}, "rerank"),
        (
            {"langfuse.observation.type": "chain", "langfuse.observation.usage_details": '{"input": 5}'},
            "invoke_workflow",
        ),
        ({"mlflow.spanType": '"AGENT"', "mlflow.chat.tokenUsage": '{"input_tokens": 5}'}, "invoke_agent"),
        ({"ai.operationId": "ai.generateText", "ai.usage.promptTokens": 5}, "invoke_workflow"),
        ({"traceloop.span.kind": "task", "llm.usage.total_tokens": 5}, "invoke_workflow"),
    ]:
        with subtests.test(attributes=attributes):
            assert is_model_call(attributes)
            assert model_call(span(1, None, attributes)).operation == operation
            assert operation in AGGREGATES
            nothing = {key: value for key, value in attributes.items() if not re.search("sage|token|cost", key)}
            for unused in (nothing, nothing | {"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0}):
                assert not is_model_call(unused)


def test_own_span_of_an_execution_is_a_call_only_where_a_library_says_so(subtests):
    """Its model and its usage are what the pool reported."""
    own = {"learning_instrument.task.outcome": "succeeded", **MODEL, **TOKENS}
    for more, expected in [
        ({}, False),
        ({"gen_ai.response.id": "x"}, False),
        ({"gen_ai.operation.name": "route"}, False),
        ({"gen_ai.operation.name": "invoke_agent"}, False),
        ({"gen_ai.operation.name": "chat"}, True),
        ({"openinference.span.kind": "LLM"}, True),
        ({"langfuse.observation.type": "generation"}, True),
    ]:
        with subtests.test(more=more):
            assert is_model_call({**own, **more}) is expected


def test_spans_that_look_like_model_calls_are_told(subtests):
    """Those whose words are unknown, for ``doctor``; not what is known to be none."""
    for attributes, expected in [
        ({"gen_ai.operation.name": "realtime.session"}, True),
        ({"openinference.span.kind": "SPEECH"}, True),
        ({"gen_ai.usage.input_tokens": "many"}, True),
        ({"gen_ai.usage.thinking": 10}, True),
        ({"llm.usage.some_tokens": 10}, True),
        ({"llm.token_count.reasoning": 10}, True),
        ({"ai.usage.imageTokens": 10}, True),
        (MODEL, True),
        ({"langfuse.observation.model.name": "m"}, True),
        *[({row.kind: "of a later release"}, True) for row in VOCABULARIES if row.kind],
        # Understood.
        ({"gen_ai.operation.name": "chat"}, False),
        (TOKENS, False),
        # No calls.
        ({"gen_ai.operation.name": "execute_tool"}, False),
        ({"gen_ai.operation.name": "invoke_agent", **MODEL}, False),
        ({"gen_ai.agent.name": "a", **MODEL}, False),
        ({"gen_ai.tool.name": "a", "gen_ai.operation.name": "custom"}, False),
        ({"openinference.span.kind": "CHAIN"}, False),
        ({"openinference.span.kind": "UNKNOWN"}, False),
        ({"mlflow.spanType": '"PARSER"'}, False),
        ({"traceloop.span.kind": "workflow"}, False),
        ({"ai.operationId": "ai.toolCall"}, False),
        ({**MODEL, "anthropic.message.count_tokens.input_tokens": 10}, False),
        ({"llm.openai.model": "gpt-4o", "llm.openai.usage": "{}", "llm.openai.max_tokens": 5}, False),
        ({"gen_ai.request.max_tokens": 5}, False),
        ({"http.request.method": "GET"}, False),
        ({"db.system": "postgresql", "db.usage.tokens": 1}, False),
        ({}, False),
    ]:
        with subtests.test(attributes=attributes, expected=expected):
            assert looks_like_model_call(attributes) is expected


def test_opentelemetrys_words_are_read():
    """All that a row holds."""
    attributes = {
        **usage("gpt-4o", (100, 20)),
        "gen_ai.response.model": "gpt-4o-2024-11-20",
        "gen_ai.provider.name": "openai",
        "gen_ai.usage.cache_read.input_tokens": 30,
        "gen_ai.usage.cache_creation.input_tokens": 7,
    }

    call = model_call(span(0xAB, 0xCD, attributes, trace_id=0xEF), "an execution", [0xCD, 0x12])

    assert call._asdict() == {
        "execution_id": "an execution",
        "trace_id": f"{0xEF:032x}",
        "span_id": f"{0xAB:016x}",
        "parent_span_id": f"{0xCD:016x}",
        "path": f"{0xCD:016x} {0x12:016x}",
        "awaited_span_id": None,
        "timestamp": "2026-09-21T14:13:20.000000+00:00",
        "model": "gpt-4o",
        "response_model": "gpt-4o-2024-11-20",
        "provider": "openai",
        "input_tokens": 100,
        "cached_tokens": 30,
        "cache_write_tokens": 7,
        "output_tokens": 20,
        "cost": None,
        "cost_source": "unpriced",
        "price_table": None,
        "duration_seconds": 1.0,
        "error_type": None,
        "scope": "other.library",
        "operation": "chat",
        "response_id": None,
        "finish_reason": None,
        "usage": None,
        "time_to_first_chunk_seconds": None,
    }


def test_openinferences_words_are_read():
    """The other vocabulary."""
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "claude-sonnet-4-5",
        "llm.provider": "anthropic",
        "llm.token_count.prompt": 100,
        "llm.token_count.completion": 20,
        "llm.token_count.prompt_details.cache_read": 30,
        "llm.token_count.prompt_details.cache_write": 7,
        "llm.cost.total": 0.25,
    }

    call = model_call(span(1, None, attributes))

    assert call[7:16] == ("claude-sonnet-4-5", None, "anthropic", 100, 30, 7, 20, 0.25, "reported")


def test_older_words_are_read_where_there_are_no_newer_ones():
    """Of libraries that did not follow the conventions yet."""
    old = {"gen_ai.usage.prompt_tokens": 8, "gen_ai.usage.completion_tokens": 4, "gen_ai.system": "openai"}

    call = model_call(span(1, None, {**usage(tokens=None), **old}))
    both = model_call(span(1, None, {**usage(tokens=(10, 5)), **old, "gen_ai.provider.name": "azure"}))

    assert (call.input_tokens, call.output_tokens, call.provider) == (8, 4, "openai")
    assert (both.input_tokens, both.output_tokens, both.provider) == (10, 5, "azure")


@pytest.mark.parametrize("key", ["gen_ai.cost.total_cost", "operation.cost", "gen_ai.usage.cost", "llm.cost.total"])
def test_cost_on_the_span_is_reported(key):
    """A reported cost takes precedence over a table."""
    call = model_call(span(1, None, {**usage(), key: 0.125}))

    assert (call.cost, call.cost_source) == (0.125, "reported")


def test_counts_that_are_none_are_missing(subtests):
    """An odd value takes nothing with it."""
    for tokens in [-1, 1.5, True, "ten", "1.5", "", "nan", "9" * 50, float("nan"), float("inf"), 10**18, (1,), [1]]:
        with subtests.test(tokens=tokens):
            call = model_call(
                span(1, None, {**usage(tokens=None), semconv.INPUT_TOKENS: tokens, semconv.OUTPUT_TOKENS: 5})
            )

            assert (call.input_tokens, call.output_tokens) == (None, 5)


def test_costs_that_are_none_are_missing(subtests):
    """Not 0, which would be a price."""
    for cost in [-0.1, True, "$1", "inf", "-1", float("nan"), float("inf"), 1e12, (1.0,)]:
        with subtests.test(cost=cost):
            call = model_call(span(1, None, {**usage(), semconv.TOTAL_COST: cost}))

            assert (call.cost, call.cost_source) == (None, "unpriced")


@pytest.mark.parametrize("tokens", [1000, 1000.0, "1000", "1000.0", " 1000 ", "1E+3"])
def test_counts_are_numbers_or_their_text(tokens):
    """Some exporters write every value as text."""
    call = model_call(span(1, None, {**usage(tokens=None), semconv.INPUT_TOKENS: tokens, semconv.OUTPUT_TOKENS: 5}))

    assert (call.input_tokens, call.output_tokens) == (1000, 5)


@pytest.mark.parametrize("cost", [0.125, "0.125", "0.1250", "1.25E-1"])
def test_costs_are_numbers_or_their_text(cost):
    """As the text of a Decimal."""
    call = model_call(span(1, None, {**usage(), semconv.TOTAL_COST: cost}))

    assert (call.cost, call.cost_source) == (0.125, "reported")


def test_reported_cost_of_nothing_is_kept():
    """Whether it is believed depends on the prices."""
    call = model_call(span(1, None, {**usage(), "llm.cost.total": 0.0}))

    assert (call.cost, call.cost_source) == (0.0, "reported")


def test_parts_of_a_cost_are_added_up():
    """Where no sum is told."""
    parts = {"llm.cost.prompt": 0.25, "llm.cost.completion": 0.5}

    assert model_call(span(1, None, {**usage(), **parts})).cost == 0.75
    assert model_call(span(1, None, {**usage(), **parts, "llm.cost.total": 1})).cost == 1.0
    assert model_call(span(1, None, {**usage(), "llm.cost.prompt": 0.25})).cost is None


def test_usage_of_an_answer_that_was_not_understood_is_unknown(subtests):
    """No call has no tokens."""
    for tokens, expected in [
        ((0, 0), (None, None)),
        ((0, None), (None, None)),
        ((None, 0), (None, None)),
        ((10, 0), (10, 0)),
        ((None, 5), (None, 5)),
        ((10, None), (10, None)),
    ]:
        said = {
            key: value
            for key, value in zip((semconv.INPUT_TOKENS, semconv.OUTPUT_TOKENS), tokens, strict=True)
            if value is not None
        }
        with subtests.test(tokens=tokens):
            call = model_call(span(1, None, {**usage(tokens=None), **said}))

            assert (call.input_tokens, call.output_tokens) == expected


def test_failed_call_has_the_class_of_its_error():
    """From the attribute, else from the exception, else that there was one."""
    failed = Status(StatusCode.ERROR)
    provider = TracerProvider()
    live = provider.get_tracer("x").start_span("chat", attributes=usage())
    live.record_exception(ValueError("secret prompt"))
    live.set_status(failed)

    named = model_call(span(1, None, {**usage(), "error.type": "RateLimitError"}, status=failed))

    assert named.error_type == "RateLimitError"
    assert model_call(live).error_type == "ValueError"
    assert model_call(span(1, None, usage(), status=failed)).error_type == "_OTHER"
    assert model_call(chat(1, None)).error_type is None


def test_failed_call_whose_answer_began_has_the_conventions_finish_reason():
    """By a part of the answer, which a request that was refused has not."""
    failed = Status(StatusCode.ERROR)
    begun = usage(tokens=None, **{"llm.output_messages.0.message.content": "four"})

    assert model_call(span(1, None, begun, status=failed)).finish_reason == "error"
    assert model_call(span(1, None, begun)).finish_reason is None
    assert model_call(span(1, None, usage(tokens=None), status=failed)).finish_reason is None
    empty = usage(tokens=None, **{"llm.output_messages.0.message.role": "assistant"})
    assert model_call(span(1, None, empty, status=failed)).finish_reason is None


def test_response_id_that_a_library_made_itself_is_none():
    """As litellm's, where the request was refused."""
    made = usage(**{"gen_ai.response.id": "x", "litellm.call_id": "x"})
    came = usage(**{"gen_ai.response.id": "y", "litellm.call_id": "x"})

    assert model_call(span(1, None, made)).response_id is None
    assert model_call(span(1, None, came)).response_id == "y"


@pytest.mark.parametrize("event", ["First Token Stream Event", "llm.content.completion.chunk", "mlflow.chunk.item.0"])
def test_event_of_the_first_chunk_tells_its_time(event):
    """And no other event does."""
    live = TracerProvider().get_tracer("x").start_span("chat", start_time=START, attributes=usage(tokens=None))
    live.add_event("exception", timestamp=START + 250_000_000)
    assert model_call(live).time_to_first_chunk_seconds is None
    live.add_event(event, timestamp=START + 500_000_000)

    assert model_call(live).time_to_first_chunk_seconds == pytest.approx(0.5)


def test_contents_of_messages_stay_out():
    """Neither prompts nor answers are in a call."""
    attributes = {**usage(), "gen_ai.input.messages": "SECRET", "gen_ai.output.messages": "SECRET"}

    call = model_call(span(1, None, {**attributes, "llm.input_messages.0.message.content": "SECRET"}))

    assert "SECRET" not in repr(call)


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        (("stop",), "stop"),
        (["stop", "length"], "stop"),
        ('["stop"]', "stop"),
        ('"stop"', "stop"),
        ("stop", "stop"),
        # So do the conventions mark a stream that broke off.
        (("stop", "error"), "error"),
        ((), None),
        (5, None),
    ],
)
def test_first_finish_reason_is_kept(reasons, expected):
    """In whichever form a library writes it."""
    call = model_call(span(1, None, {**usage(), "gen_ai.response.finish_reasons": reasons}))

    assert call.finish_reason == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"gen_ai.response.time_to_first_chunk": 0.25}, 0.25),
        ({"gen_ai.client.operation.time_to_first_chunk": "0.25"}, 0.25),
        ({"ai.response.msToFirstChunk": 250}, 0.25),
        ({"langfuse.observation.completion_start_time": '"2026-09-21T14:13:20.250000Z"'}, 0.25),
        ({"langfuse.observation.completion_start_time": '"2026-09-21T14:13:19.250000Z"'}, None),
        ({"langfuse.observation.completion_start_time": "soon"}, None),
        ({"gen_ai.response.time_to_first_chunk": -1}, None),
        ({}, None),
    ],
)
def test_time_to_first_chunk(attributes, expected):
    """In seconds."""
    call = model_call(span(1, None, {**usage(), **attributes}))

    assert call.time_to_first_chunk_seconds == (None if expected is None else pytest.approx(expected))


KEYS = sorted(
    {
        *(value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str)),
        *(key for row in VOCABULARIES for key in (row.kind, *(key for keys in row.keys.values() for key in keys))),
    }
)
TOKEN_NAMES = sorted({name for names in USAGE_MEMBERS.values() for name in names})
counts = st.one_of(st.integers(0, 50), st.integers(0, 50).map(str), st.integers(), st.floats(), st.none())
objects = st.dictionaries(st.sampled_from(TOKEN_NAMES), counts, max_size=6)
words = sorted({word for row in VOCABULARIES for word in row.words})
anything = st.one_of(
    counts,
    st.booleans(),
    st.text(max_size=20),
    st.sampled_from(words),
    st.sampled_from(["\ud800", ("a", "list"), ["a"], {"a": 1}, b"x", "[" * 3000, "9" * 5000, "{'a': None}", '"']),
    objects,
    objects.map(json.dumps),
    objects.map(str),
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first example waits for the table of characters
@given(st.dictionaries(st.sampled_from(KEYS), anything, max_size=12))
def test_any_attributes_make_a_call_that_can_be_stored(attributes):
    """Text is valid UTF-8, numbers fit 64 bits, and what was cached is within the input."""
    assert is_model_call(attributes) in (True, False)
    assert looks_like_model_call(attributes) in (True, False)
    call = model_call(span(1, 2, attributes))

    for value in call:
        assert value is None or isinstance(value, (str, int, float))
        if isinstance(value, str):
            value.encode()
        elif isinstance(value, int):
            assert abs(value) < 2**63
    if call.input_tokens is not None:
        assert (call.cached_tokens or 0) + (call.cache_write_tokens or 0) <= call.input_tokens
    classes = json.loads(call.usage or "{}")
    assert all(name in CLASSES for name in classes.keys() - {"service_tier"})
    assert classes.get("output_reasoning_tokens", 0) <= (call.output_tokens or 0)
    assert classes.get("cache_write_1h_tokens", 0) <= (call.cache_write_tokens or 0)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(KEYS), anything, max_size=6))
def test_what_looks_like_a_call_is_none(attributes):
    """No span is both understood and not."""
    assert not (is_model_call(attributes) and looks_like_model_call(attributes))
