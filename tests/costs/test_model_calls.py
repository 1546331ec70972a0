"""What counts as a model call, and what is read from its span."""

import pytest
from calls import chat, span, usage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Status, StatusCode

from learning_instrument import semconv
from learning_instrument.costs.model_calls import is_model_call, model_call


def test_model_calls_are_told_from_all_else(subtests):
    """An agent's run repeats the tokens of its calls, and is none."""
    for attributes, expected in [
        ({"gen_ai.operation.name": "chat"}, True),
        ({"gen_ai.operation.name": "text_completion"}, True),
        ({"gen_ai.operation.name": "generate_content"}, True),
        ({"gen_ai.operation.name": "embeddings"}, True),
        ({"openinference.span.kind": "LLM"}, True),
        ({"openinference.span.kind": "EMBEDDING"}, True),
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 10}, False),
        ({"gen_ai.operation.name": "invoke_agent", "openinference.span.kind": "LLM"}, False),
        ({"gen_ai.operation.name": "execute_tool"}, False),
        ({"openinference.span.kind": "AGENT"}, False),
        ({"gen_ai.usage.input_tokens": 10}, False),
        ({"gen_ai.operation.name": ("chat",)}, False),
        ({"openinference.span.kind": 5}, False),
        ({}, False),
    ]:
        with subtests.test(attributes=attributes, expected=expected):
            assert is_model_call(attributes) is expected


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
        "scope": "somebody.else",
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
    for tokens in [-1, 1.5, True, "10", float("nan"), float("inf"), 10**18, (1,)]:
        with subtests.test(tokens=tokens):
            call = model_call(
                span(1, None, {**usage(tokens=None), semconv.INPUT_TOKENS: tokens, semconv.OUTPUT_TOKENS: 5})
            )

            assert (call.input_tokens, call.output_tokens) == (None, 5)


def test_costs_that_are_none_are_missing(subtests):
    """Not 0, which would be a price."""
    for cost in [-0.1, True, "1", float("nan"), float("inf"), 1e12]:
        with subtests.test(cost=cost):
            call = model_call(span(1, None, {**usage(), semconv.TOTAL_COST: cost}))

            assert (call.cost, call.cost_source) == (None, "unpriced")


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


def test_contents_of_messages_stay_out():
    """Neither prompts nor answers are in a call."""
    attributes = {**usage(), "gen_ai.input.messages": "SECRET", "gen_ai.output.messages": "SECRET"}

    call = model_call(span(1, None, {**attributes, "llm.input_messages.0.message.content": "SECRET"}))

    assert "SECRET" not in repr(call)


KEYS = sorted(value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str))
anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["\ud800", ("a", "list")]),
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first example waits for the table of characters
@given(st.dictionaries(st.sampled_from(KEYS), anything, max_size=8))
def test_any_attributes_make_a_call_that_can_be_stored(attributes):
    """Text is valid UTF-8, numbers fit 64 bits."""
    is_model_call(attributes)
    call = model_call(span(1, 2, attributes))

    for value in call:
        assert value is None or isinstance(value, (str, int, float))
        if isinstance(value, str):
            value.encode()
        elif isinstance(value, int):
            assert abs(value) < 2**63
