"""Spans of model calls as each library writes them, and what is read from them."""

import json

import pytest
from calls import span, usage

from learning_instrument.costs.model_calls import is_model_call, model_call
from learning_instrument.costs.vocabularies import AGGREGATES, ANSWER, EMBEDDINGS, OPERATIONS, VOCABULARIES

ANTHROPIC_RAW = {
    "cache_creation": {"ephemeral_1h_input_tokens": 200, "ephemeral_5m_input_tokens": 300},
    "cache_creation_input_tokens": 500,
    "cache_read_input_tokens": 2000,
    "input_tokens": 500,
    "output_tokens": 50,
}
OPENAI_USAGE = {
    "completion_tokens": 50,
    "prompt_tokens": 3000,
    "total_tokens": 3050,
    "completion_tokens_details": {"audio_tokens": 0, "reasoning_tokens": 20},
    "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 2000},
}
OPENAI = {"input_tokens": 3000, "cached_tokens": 2000, "output_tokens": 50}
ANTHROPIC = {**OPENAI, "cache_write_tokens": 500}
REASONING = {"output_reasoning_tokens": 20}
ONE_HOUR = {"cache_write_1h_tokens": 200}


def read(attributes):
    """Return what is stored of a span; it is a model call."""
    assert is_model_call(attributes)
    call = model_call(span(1, None, attributes))
    return call._asdict() | {"usage": json.loads(call.usage or "{}")}


# Attributes as the libraries wrote them, contents of messages apart; the answers came from a server that told 3000
# tokens, of which 2000 were cached, and 50; of Anthropic's, 500 were written to the cache, 200 of them for an hour.
@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        pytest.param(
            {
                "gen_ai.operation.name": "generate_content",
                "gen_ai.provider.name": "gcp.gen_ai",
                "gen_ai.request.model": "gemini-2.5-flash",
                "gen_ai.response.model": "gemini-2.5-flash-001",
                "gen_ai.response.id": "r1",
                "gen_ai.response.finish_reasons": ("stop",),
                "gen_ai.response.time_to_first_chunk": 0.5,
                "gen_ai.usage.input_tokens": 3000,
                "gen_ai.usage.output_tokens": 50,
                "gen_ai.usage.cache_read.input_tokens": 2000,
                "gen_ai.usage.cache_write.input_tokens": 500,
                "gen_ai.usage.audio.input_tokens": 1200,
                "gen_ai.usage.audio.cache_read.input_tokens": 700,
                "gen_ai.usage.image.input_tokens": 258,
                "gen_ai.usage.image.cache_read.input_tokens": 128,
                "gen_ai.usage.text.input_tokens": 1542,
                "gen_ai.usage.text.cache_read.input_tokens": 40,
                "gen_ai.usage.audio.output_tokens": 24,
                "gen_ai.usage.image.output_tokens": 8,
                "gen_ai.usage.text.output_tokens": 18,
                "gen_ai.usage.reasoning.output_tokens": 20,
            },
            {
                **ANTHROPIC,
                "operation": "generate_content",
                "provider": "gcp.gen_ai",
                "model": "gemini-2.5-flash",
                "response_model": "gemini-2.5-flash-001",
                "response_id": "r1",
                "finish_reason": "stop",
                "time_to_first_chunk_seconds": 0.5,
                "usage": {
                    "input_audio_tokens": 1200,
                    "cache_audio_read_tokens": 700,
                    "input_image_tokens": 258,
                    "cache_image_read_tokens": 128,
                    "input_text_tokens": 1542,
                    "cache_text_read_tokens": 40,
                    "output_audio_tokens": 24,
                    "output_image_tokens": 8,
                    "output_text_tokens": 18,
                    "output_reasoning_tokens": 20,
                },
            },
            id="OpenTelemetry",
        ),
        pytest.param(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.system": "openai",
                "gen_ai.request.model": "gpt-4o-mini",
                "gen_ai.usage.prompt_tokens": 3000,
                "gen_ai.usage.completion_tokens": 50,
                "gen_ai.usage.cache_read_input_tokens": 2000,
            },
            {**OPENAI, "operation": "chat", "provider": "openai"},
            id="OpenTelemetry, former",
        ),
        pytest.param(
            {
                "openinference.span.kind": "LLM",
                "llm.model_name": "gpt-4o-mini",
                "llm.system": "openai",
                "llm.finish_reason": "stop",
                "llm.token_count.prompt": 3000,
                "llm.token_count.completion": 50,
                "llm.token_count.total": 3050,
                "llm.token_count.prompt_details.cache_read": 2000,
                "llm.token_count.prompt_details.audio": 0,
                "llm.token_count.completion_details.audio": 0,
                "llm.token_count.completion_details.reasoning": 20,
                "llm.invocation_parameters": '{"model": "gpt-4o-mini", "service_tier": "flex", "tools": [1',
            },
            {
                **OPENAI,
                "operation": "chat",
                "model": "gpt-4o-mini",
                "finish_reason": "stop",
                "usage": {**REASONING, "service_tier": "flex"},
            },
            id="OpenInference",
        ),
        pytest.param(
            {
                "openinference.span.kind": "EMBEDDING",
                "embedding.model_name": "text-embedding-3-small",
                "llm.token_count.prompt": 500,
                "llm.token_count.total": 500,
            },
            {"operation": "embeddings", "model": "text-embedding-3-small", "input_tokens": 500, "output_tokens": None},
            id="OpenInference, embedding",
        ),
        pytest.param(
            {"openinference.span.kind": "EMBEDDING", "llm.token_count.total": 500},
            {"input_tokens": 500, "output_tokens": None},
            id="OpenInference, embedding with a total",
        ),
        pytest.param(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "o3",
                "gen_ai.response.finish_reasons": ("stop",),
                "gen_ai.response.id": "chatcmpl-1",
                "gen_ai.usage.input_tokens": 3000,
                "gen_ai.usage.output_tokens": 50,
                "gen_ai.usage.total_tokens": 3050,
                "gen_ai.usage.cache_read.input_tokens": 2000,
                "gen_ai.usage.reasoning_tokens": 20,
                "openai.response.service_tier": "flex",
            },
            {**OPENAI, "response_id": "chatcmpl-1", "usage": {**REASONING, "service_tier": "flex"}},
            id="OpenLLMetry",
        ),
        pytest.param(
            {
                "llm.request.type": "completion",
                "gen_ai.system": "OpenAI",
                "gen_ai.request.model": "gpt-4o-mini",
                "gen_ai.usage.prompt_tokens": 3000,
                "llm.usage.total_tokens": 3050,
            },
            {"operation": "chat", "input_tokens": 3000, "output_tokens": 50},
            id="OpenLLMetry, former",
        ),
        pytest.param(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "anthropic",
                "gen_ai.request.model": "claude-sonnet-4-5",
                "gen_ai.response.id": "msg_1",
                "gen_ai.usage.input_tokens": 3000,
                "gen_ai.usage.output_tokens": 50,
                "gen_ai.usage.cache_read.input_tokens": 2000,
                "gen_ai.usage.cache_write.input_tokens": 500,
                "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 200,
                "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 300,
                "anthropic.response.service_tier": "standard",
                "anthropic.message.stop_reason": "end_turn",
            },
            {**ANTHROPIC, "response_id": "msg_1", "finish_reason": "end_turn", "usage": ONE_HOUR},
            id="Anthropic's client",
        ),
        pytest.param(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.system": "strands-agents",
                "gen_ai.request.model": "claude-sonnet-4-5",
                "gen_ai.usage.prompt_tokens": 3000,
                "gen_ai.usage.input_tokens": 3000,
                "gen_ai.usage.completion_tokens": 50,
                "gen_ai.usage.output_tokens": 50,
                "gen_ai.usage.total_tokens": 3050,
                "gen_ai.usage.cache_read_input_tokens": 2000,
                "gen_ai.usage.cache_write_input_tokens": 500,
            },
            {**ANTHROPIC, "provider": None},
            id="Strands",
        ),
        pytest.param(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "anthropic",
                "gen_ai.request.model": "claude-sonnet-4-5",
                "gen_ai.client.operation.time_to_first_chunk": 0.05,
                "gen_ai.usage.input_tokens": 3000,
                "gen_ai.usage.output_tokens": 50,
                "gen_ai.usage.cache_read.input_tokens": 2000,
                "gen_ai.usage.cache_creation.input_tokens": 500,
                "gen_ai.usage.details.cache_write_tokens": 500,
                "gen_ai.usage.details.ephemeral_1h_input_tokens": 200,
                "operation.cost": 0.005175,
            },
            {
                **ANTHROPIC,
                "cost": 0.005175,
                "cost_source": "reported",
                "time_to_first_chunk_seconds": 0.05,
                "usage": ONE_HOUR,
            },
            id="pydantic-ai",
        ),
        pytest.param(
            {
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": "a",
                "gen_ai.aggregated_usage.input_tokens": 3000,
                "gen_ai.aggregated_usage.output_tokens": 50,
                "gen_ai.aggregated_usage.cache_read.input_tokens": 2000,
                "gen_ai.aggregated_usage.details.reasoning_tokens": 20,
                "model_name": "gpt-4o-mini",
            },
            {**OPENAI, "operation": "invoke_agent", "model": "gpt-4o-mini", "usage": REASONING},
            id="pydantic-ai, agent",
        ),
        pytest.param(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "claude-sonnet-4-5",
                "gen_ai.response.finish_reasons": '["end_turn"]',
                "gen_ai.response.id": "msg_1",
                "gen_ai.usage.input_tokens": 3000,
                "gen_ai.usage.output_tokens": 50,
                "gen_ai.usage.cache_read.input_tokens": 2000,
                "gen_ai.usage.cache_creation.input_tokens": 500,
                "gen_ai.usage.raw": json.dumps(ANTHROPIC_RAW),
            },
            {**ANTHROPIC, "finish_reason": "end_turn", "usage": ONE_HOUR},
            id="logfire",
        ),
        pytest.param(
            {
                "gen_ai.operation.name": "chat",
                "llm.request.type": "completion",
                "gen_ai.system": "openai",
                "gen_ai.request.model": "gpt-4o-mini",
                "gen_ai.cost.input_cost": 0.0003,
                "gen_ai.cost.output_cost": 3e-05,
                "gen_ai.cost.total_cost": 0.00033,
                "gen_ai.usage.input_tokens": 3000,
                "gen_ai.usage.output_tokens": 50,
                "gen_ai.usage.total_tokens": 3050,
                "gen_ai.openai.response.service_tier": "default",
                "metadata.usage_object": str({**OPENAI_USAGE, "cost": None}),
            },
            {**OPENAI, "cost": 0.00033, "usage": REASONING},
            id="litellm",
        ),
        pytest.param(
            {
                "gen_ai.operation.name": "aembedding",
                "gen_ai.provider.name": "openai",
                "gen_ai.usage.input_tokens": 500,
                "litellm.cost.total": 0.25,
            },
            {"operation": "embeddings", "input_tokens": 500, "cost": 0.25},
            id="litellm, embedding",
        ),
        pytest.param(
            {
                "langfuse.observation.type": "generation",
                "langfuse.observation.model.name": "gpt-4o-mini",
                "langfuse.observation.model.parameters": '{"temperature": 1, "service_tier": "flex"}',
                "langfuse.observation.usage_details": json.dumps(OPENAI_USAGE),
                "langfuse.observation.cost_details": '{"total": 0.25, "input": 9}',
                "langfuse.observation.metadata.finish_reason": '"stop"',
            },
            {
                **OPENAI,
                "operation": "chat",
                "model": "gpt-4o-mini",
                "finish_reason": "stop",
                "cost": 0.25,
                "usage": {**REASONING, "service_tier": "flex"},
            },
            id="Langfuse",
        ),
        pytest.param(
            {
                "langfuse.observation.type": "generation",
                "langfuse.observation.usage_details": json.dumps(
                    {
                        "input": 500,
                        "input_cache_read": 2000,
                        "input_cache_creation": 0,
                        "input_ephemeral_1h_input_tokens": 200,
                        "input_ephemeral_5m_input_tokens": 300,
                        "output": 30,
                        "output_reasoning": 20,
                        "total": 3050,
                    }
                ),
                "langfuse.observation.cost_details": '{"input": 0.25, "output": 0.5}',
            },
            {**ANTHROPIC, "cost": 0.75, "usage": {**ONE_HOUR, **REASONING}},
            id="Langfuse's own words",
        ),
        pytest.param(
            {
                "langfuse.observation.type": "generation",
                "langfuse.observation.usage_details": json.dumps({**ANTHROPIC_RAW, "input_tokens": 2600}),
            },
            {**ANTHROPIC, "input_tokens": 5100, "usage": ONE_HOUR},
            id="Langfuse, of Anthropic's own answer",
        ),
        pytest.param(
            {"langfuse.observation.type": "embedding", "langfuse.observation.usage_details": '{"input": "500"}'},
            {"operation": "embeddings", "input_tokens": 500, "output_tokens": None},
            id="Langfuse, embedding",
        ),
        pytest.param(
            {
                "mlflow.spanType": '"CHAT_MODEL"',
                "mlflow.llm.model": '"claude-sonnet-4-5"',
                "mlflow.llm.provider": '"anthropic"',
                "mlflow.chat.tokenUsage": json.dumps(
                    {
                        "input_tokens": 3000,
                        "output_tokens": 50,
                        "total_tokens": 3050,
                        "cache_read_input_tokens": 2000,
                        "cache_creation_input_tokens": 500,
                        "cache_creation_input_tokens_above_1hr": 200,
                    }
                ),
                "mlflow.llm.cost": '{"input_cost": 0.25, "output_cost": 0.5, "total_cost": 0.75}',
            },
            {
                **ANTHROPIC,
                "operation": "chat",
                "model": "claude-sonnet-4-5",
                "provider": "anthropic",
                "cost": 0.75,
                "usage": ONE_HOUR,
            },
            id="MLflow",
        ),
        pytest.param(
            {"mlflow.spanType": '"EMBEDDING"', "mlflow.chat.tokenUsage": '{"input_tokens": 500}'},
            {"operation": "embeddings", "input_tokens": 500},
            id="MLflow, embedding",
        ),
        pytest.param(
            {
                "ai.operationId": "ai.streamText.doStream",
                "ai.model.id": "gpt-4o-mini",
                "ai.model.provider": "openai.chat",
                "ai.response.id": "chatcmpl-1",
                "ai.response.model": "gpt-4o-mini-2024-07-18",
                "ai.response.finishReason": "stop",
                "ai.response.msToFirstChunk": 500,
                "ai.usage.inputTokens": 3000,
                "ai.usage.outputTokens": 50,
                "ai.usage.totalTokens": 3050,
                "ai.usage.cachedInputTokens": 2000,
                "ai.usage.reasoningTokens": 20,
            },
            {
                **OPENAI,
                "operation": "chat",
                "model": "gpt-4o-mini",
                "response_model": "gpt-4o-mini-2024-07-18",
                "response_id": "chatcmpl-1",
                "finish_reason": "stop",
                "time_to_first_chunk_seconds": 0.5,
                "usage": REASONING,
            },
            id="Vercel",
        ),
        pytest.param(
            {
                "ai.operationId": "ai.generateText.doGenerate",
                "ai.model.id": "claude-sonnet-4-5",
                "ai.usage.promptTokens": 500,
                "ai.usage.completionTokens": 50,
                "ai.usage.inputTokenDetails.cacheReadTokens": 2000,
                "ai.usage.inputTokenDetails.cacheWriteTokens": 500,
            },
            {**ANTHROPIC, "operation": "chat"},
            id="Vercel, former",
        ),
        pytest.param(
            {"ai.operationId": "ai.embedMany.doEmbed", "ai.model.id": "m", "ai.usage.tokens": 500},
            {"operation": "embeddings", "input_tokens": 500, "output_tokens": None},
            id="Vercel, embedding",
        ),
        pytest.param(
            {
                "langsmith.span.kind": "llm",
                "langsmith.metadata.ls_model_name": "gpt-4o-mini",
                "langsmith.usage_metadata": json.dumps(
                    {
                        "input_tokens": 3000,
                        "output_tokens": 50,
                        "total_tokens": 3050,
                        "input_token_details": {"cache_read": 2000, "cache_creation": 500},
                        "output_token_details": {"reasoning": 20},
                    }
                ),
            },
            {**ANTHROPIC, "operation": "chat", "model": "gpt-4o-mini", "usage": REASONING},
            id="LangSmith",
        ),
    ],
)
def test_each_vocabulary_is_read(attributes, expected):
    """All that it says."""
    found = read(attributes)

    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100}, None),
        ({"gen_ai.operation.name": "acompletion", "gen_ai.usage.input_tokens": 1000}, "chat"),
        ({"gen_ai.operation.name": "ACOMPLETION"}, "chat"),
        ({"gen_ai.operation.name": "embedding"}, "embeddings"),
        ({"gen_ai.operation.name": "batch_embed_contents", "gen_ai.usage.input_tokens": 5}, "embeddings"),
        ({"gen_ai.operation.name": "speech", "gen_ai.usage.input_tokens": 5}, "speech"),
        ({"gen_ai.operation.name": "unknown", "gen_ai.usage.input_tokens": 5}, None),
        ({"gen_ai.operation.name": "litellm.x", "openinference.span.kind": "llm"}, "chat"),
        ({"openinference.span.kind": "UNKNOWN", "llm.token_count.prompt": 5}, None),
        ({"langfuse.observation.type": "generation", "openinference.span.kind": "UNKNOWN"}, "chat"),
        ({"mlflow.spanType": "LLM"}, "chat"),
    ],
)
def test_operation_is_that_of_the_conventions_where_there_is_one(attributes, expected):
    """Else the library's own word; NULL where it has none."""
    assert read(attributes)["operation"] == expected


def counts(**said):
    """Return input, cached, written and output of a call with these counts."""
    keys = {
        "input": "gen_ai.usage.input_tokens",
        "output": "gen_ai.usage.output_tokens",
        "total": "gen_ai.usage.total_tokens",
        "cached": "gen_ai.usage.cache_read.input_tokens",
        "written": "gen_ai.usage.cache_write.input_tokens",
        "reasoning": "gen_ai.usage.reasoning.output_tokens",
        "hour": "gen_ai.usage.details.ephemeral_1h_input_tokens",
        "minutes": "gen_ai.usage.details.ephemeral_5m_input_tokens",
        "audio": "gen_ai.usage.audio.input_tokens",
    }
    found = read(usage(tokens=None, **{keys[name]: tokens for name, tokens in said.items()}))
    return tuple(found[name] for name in ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens"))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        # The total tells that the cache is beside the input, or within.
        ({"input": 3000, "cached": 2000, "output": 50, "total": 5050}, (5000, 2000, None, 50)),
        ({"input": 3000, "cached": 2000, "output": 50, "total": 3050}, (3000, 2000, None, 50)),
        ({"input": 3000, "cached": 2000, "written": 500, "output": 50, "total": 5550}, (5500, 2000, 500, 50)),
        ({"input": 3000, "cached": 2000, "written": 500, "output": 50, "total": 3550}, (3500, 2000, 500, 50)),
        # It says nothing: the cache cannot be within what is smaller.
        ({"input": 3, "cached": 2000, "output": 50}, (2003, 2000, None, 50)),
        ({"input": 3, "cached": 2000, "output": 50, "total": 53}, (2003, 2000, None, 50)),
        ({"input": 1500, "cached": 1000, "written": 1000, "output": 50}, (3500, 1000, 1000, 50)),
        ({"input": 0, "cached": 2000, "output": 50}, (2000, 2000, None, 50)),
        ({"input": 3000, "cached": 2000, "output": 50}, (3000, 2000, None, 50)),
        ({"input": 3000, "cached": 2000, "output": 50, "total": 9}, (3000, 2000, None, 50)),
        # Reasoning.
        ({"input": 100, "output": 50, "reasoning": 20, "total": 150}, (100, None, None, 50)),
        ({"input": 100, "output": 50, "reasoning": 20, "total": 170}, (100, None, None, 70)),
        ({"input": 100, "output": 50, "reasoning": 80}, (100, None, None, 130)),
        ({"input": 100, "cached": 80, "output": 50, "reasoning": 20, "total": 250}, (180, 80, None, 70)),
        # One of both follows from the total.
        ({"input": 100, "total": 150}, (100, None, None, 50)),
        ({"output": 50, "total": 150}, (100, None, None, 50)),
        ({"input": 100, "total": 100}, (100, None, None, None)),
        ({"input": 3000, "cached": 2000, "total": 3050}, (3000, 2000, None, 50)),
        ({"input": 3000, "cached": 20, "total": 3050}, (3000, 20, None, None)),
        ({"total": 150}, (None, None, None, None)),
        # What was written is at least what was written for a time.
        ({"input": 1000, "hour": 200, "minutes": 300, "output": 1}, (1000, None, 500, 1)),
        ({"input": 1000, "written": 500, "hour": 200, "output": 1}, (1000, None, 500, 1)),
        ({"input": 100, "audio": 300, "output": 1}, (400, None, None, 1)),
    ],
)
def test_counts_are_inclusive(said, expected):
    """The input holds what was cached, the output the reasoning."""
    assert counts(**said) == expected


def test_classes_that_cannot_be_within_the_whole_are_left_out():
    """A price list refuses them."""
    said = usage(tokens=(100, 50), **{"gen_ai.usage.text.input_tokens": 101, "gen_ai.usage.text.output_tokens": 50})

    assert read(said)["usage"] == {"output_text_tokens": 50}


@pytest.mark.parametrize("tier", ["default", "standard", "AUTO", "on-demand", "standard_only", ""])
def test_plain_tier_is_none(tier):
    """Its prices are those of the list."""
    assert read(usage(**{"openai.response.service_tier": tier}))["usage"] == {}


def test_tier_of_the_response_is_preferred():
    """To what was asked for."""
    tiers = {"openai.request.service_tier": "flex", "openai.response.service_tier": "priority"}

    assert read(usage(**tiers))["usage"] == {"service_tier": "priority"}


@pytest.mark.parametrize("framework", ["strands-agents", "Langchain", "litellm_proxy"])
def test_name_of_a_framework_is_no_provider(framework):
    """Another attribute may have the provider."""
    assert read(usage(**{"gen_ai.system": framework}))["provider"] is None
    assert read(usage(**{"gen_ai.system": framework, "llm.provider": "anthropic"}))["provider"] == "anthropic"


@pytest.mark.parametrize("value", ["{", "[1]", "null", "[" * 10_000, '{"input": ' + "9" * 5000 + "}", "x" * 30_000, 5])
def test_objects_that_are_none_say_nothing(value):
    """The rest of the span is read."""
    found = read(usage(**{"langfuse.observation.usage_details": value, "langfuse.observation.cost_details": value}))

    assert (found["input_tokens"], found["output_tokens"], found["cost"]) == (10, 5, None)


CONTENTS = (
    *(
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.prompt",
        "gen_ai.completion",
        "gen_ai.system_instructions",
    ),
    *("gen_ai.prompt.0.content", "gen_ai.completion.0.content", "input.value", "output.value", "llm.prompts"),
    *(
        "llm.input_messages.0.message.content",
        "llm.output_messages.0.message.content",
        "llm.output_messages.0.message.role",
    ),
    *("langfuse.observation.input", "langfuse.observation.output", "mlflow.spanInputs", "mlflow.spanOutputs"),
    *("ai.prompt", "ai.prompt.messages", "ai.response.text", "ai.value", "ai.values", "traceloop.entity.input"),
)


def test_contents_of_messages_are_not_read():
    """In no vocabulary."""
    call = model_call(span(1, None, {**usage("m"), **dict.fromkeys(CONTENTS, '{"input": 77, "content": "SECRET"}')}))

    assert "SECRET" not in repr(call)
    assert call[:-6] == model_call(span(1, None, usage("m")))[:-6]
    assert {key for row in VOCABULARIES for key in row.keys.get(ANSWER, ())} <= set(CONTENTS)


def test_words_stand_for_known_operations():
    """Each for a call, for what repeats the usage of calls, or for a tool."""
    for row in VOCABULARIES:
        assert bool(row.kind) == bool(row.words), row.name
        assert set(row.words.values()) <= OPERATIONS | AGGREGATES | {"execute_tool"}
        assert all(word == word.lower() for word in row.words)
    assert EMBEDDINGS < OPERATIONS
    assert OPERATIONS.isdisjoint(AGGREGATES)
