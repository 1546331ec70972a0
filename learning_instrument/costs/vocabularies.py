"""The vocabularies of model calls' spans, as data: a row of :data:`VOCABULARIES` says how one library writes them.

To add one, write a row: the attribute that says what a span is and its words for that, and for each field the
attributes that may hold it. Of all rows, the first attribute with a valid value counts. Contents of messages stay
unread.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from .. import semconv

CHAT: Final = "chat"
TEXT_COMPLETION: Final = "text_completion"
GENERATE_CONTENT: Final = "generate_content"
EMBED: Final = "embeddings"
AGENT: Final = "invoke_agent"
WORKFLOW: Final = "invoke_workflow"
RETRIEVAL: Final = "retrieval"
RERANK: Final = "rerank"
GUARDRAIL: Final = "guardrail"
EVALUATION: Final = "evaluation"
PLAN: Final = "plan"
TOOL: Final = "execute_tool"

#: Operations that are one model call each.
OPERATIONS: Final = frozenset({CHAT, TEXT_COMPLETION, GENERATE_CONTENT, EMBED})
#: Operations without an output.
EMBEDDINGS: Final = frozenset({EMBED})
#: The service tiers that have a model's plain price.
PLAIN_TIERS: Final = frozenset({"default", "standard", "auto", "on_demand", "standard_only", ""})
#: Operations that repeat the usage of the calls within them: one counts only where no call is within it.
AGGREGATES: Final = frozenset({AGENT, WORKFLOW, RETRIEVAL, RERANK, GUARDRAIL, EVALUATION, PLAN})

#: A count of tokens that leaves out all classes told beside it.
FRESH_INPUT: Final = "fresh_input_tokens"
FRESH_OUTPUT: Final = "fresh_output_tokens"
TOTAL: Final = "total_tokens"
FIVE_MINUTES: Final = "cache_write_5m_tokens"
ONE_HOUR: Final = "cache_write_1h_tokens"
#: What is to be read as JSON: an object of counts, and one of costs.
USAGE: Final = "usage"
COSTS: Final = "costs"
INPUT_COST: Final = "input_cost"
OUTPUT_COST: Final = "output_cost"
#: Attributes that only a span with a model's answer has; their values stay unread.
ANSWER: Final = "answer"
#: The id that a library gave its own request, and, where that failed, tells as the response's too.
REQUEST_ID: Final = "request_id"
#: A moment (ISO 8601), and milliseconds.
FIRST_CHUNK_TIME: Final = "first_chunk_time"
FIRST_CHUNK_MILLISECONDS: Final = "first_chunk_milliseconds"
#: Events of a span when the first part of an answer arrives: of OpenInference, OpenLLMetry and MLflow.
FIRST_CHUNK_EVENTS: Final = frozenset(
    {"First Token Stream Event", "llm.content.completion.chunk", "mlflow.chunk.item.0"}
)
#: The request's parameters as JSON.
PARAMETERS: Final = "parameters"

#: Tokens beside the input and the output, of which some may be cached: their price is not known.
COMPACTIONS: Final = ("compaction_input_tokens", "compaction_output_tokens")
#: Classes of tokens within the input or the output, by ``genai-prices``' names, and what is counted besides tokens.
CLASSES: Final = (
    ONE_HOUR,
    "cache_audio_read_tokens",
    "cache_image_read_tokens",
    "cache_text_read_tokens",
    *COMPACTIONS,
    "input_audio_tokens",
    "input_image_tokens",
    "input_text_tokens",
    "input_video_tokens",
    "output_audio_tokens",
    "output_image_tokens",
    "output_reasoning_tokens",
    "output_text_tokens",
    "web_searches",
)

Words = Mapping[str, str]
Keys = Mapping[str, tuple[str, ...]]
_NONE: Final[Mapping[str, str]] = MappingProxyType({})

_OPERATION_NAMES: Final = {
    **{name: name for name in (*OPERATIONS, *AGGREGATES, TOOL)},
    # What libraries write in their place.
    **dict.fromkeys(("completion", "acompletion", "chat_completion", "chat.completions", "chat_completions"), CHAT),
    **dict.fromkeys(("response", "responses", "aresponses", "messages", "generation", "llm", "chat_model"), CHAT),
    **dict.fromkeys(("generate_text", "stream_text", "generate", "anthropic_messages"), CHAT),
    **dict.fromkeys(("atext_completion", "text_generation", "completions"), TEXT_COMPLETION),
    **dict.fromkeys(("agenerate_content", "generate_content_stream", "agenerate_content_stream"), GENERATE_CONTENT),
    **dict.fromkeys(("embedding", "aembedding", "embed", "embed_content"), EMBED),
    **dict.fromkeys(("agent", "create_agent", "agent_run", "run_agent"), AGENT),
    **dict.fromkeys(("chain", "workflow", "task", "span", "execute_task", "agent_workflow", "graph"), WORKFLOW),
    **dict.fromkeys(("retriever", "vector_db_retrieve", "memory"), RETRIEVAL),
    **dict.fromkeys(("create_memory", "search_memory", "update_memory", "upsert_memory", "delete_memory"), RETRIEVAL),
    **dict.fromkeys(("reranker", "arerank"), RERANK),
    **dict.fromkeys(("evaluator", "evaluate"), EVALUATION),
    **dict.fromkeys(("tool", "tool_call", "goto", "handoff", "event", "parser", "prompt"), TOOL),
    **dict.fromkeys(("create_memory_store", "delete_memory_store"), TOOL),
}

# `ai.generateText` and its like have one span for all, and one within for each request to the provider.
_VERCEL_WORDS: Final = {
    **{
        f"ai.{function}.{request}": operation
        for functions, request, operation in (
            (("generatetext", "generateobject"), "dogenerate", CHAT),
            (("streamtext", "streamobject"), "dostream", CHAT),
            (("embed", "embedmany"), "doembed", EMBED),
        )
        for function in functions
    },
    **dict.fromkeys(
        ("ai.generatetext", "ai.generateobject", "ai.streamtext", "ai.streamobject", "ai.embed", "ai.embedmany"),
        WORKFLOW,
    ),
    "ai.rerank": RERANK,
    "ai.rerank.dorerank": RERANK,
    "ai.toolcall": TOOL,
}


class Vocabulary(NamedTuple):
    """How one library writes model calls."""

    name: str
    keys: Keys
    #: The attribute that says what a span is; "" where the library has none of its own.
    kind: str = ""
    #: Its words, in lower case -> the operation.
    words: Words = _NONE


VOCABULARIES: Final = (
    Vocabulary(
        # github.com/open-telemetry/semantic-conventions-genai: docs/gen-ai/client-inference.md, and its releases before
        "OpenTelemetry",
        kind=semconv.OPERATION_NAME,
        words=_OPERATION_NAMES,
        keys={
            "model": (semconv.REQUEST_MODEL, semconv.RESPONSE_MODEL),
            "response_model": (semconv.RESPONSE_MODEL,),
            "provider": (semconv.PROVIDER_NAME, semconv.PROVIDER_NAME_BEFORE),
            "response_id": ("gen_ai.response.id",),
            "finish_reason": ("gen_ai.response.finish_reasons",),
            "time_to_first_chunk_seconds": ("gen_ai.response.time_to_first_chunk",),
            "input_tokens": (semconv.INPUT_TOKENS, semconv.INPUT_TOKENS_BEFORE),
            "output_tokens": (semconv.OUTPUT_TOKENS, semconv.OUTPUT_TOKENS_BEFORE),
            "cached_tokens": (semconv.CACHE_READ_TOKENS,),
            "cache_write_tokens": ("gen_ai.usage.cache_write.input_tokens", semconv.CACHE_WRITE_TOKENS),
            "cache_audio_read_tokens": ("gen_ai.usage.audio.cache_read.input_tokens",),
            "cache_image_read_tokens": ("gen_ai.usage.image.cache_read.input_tokens",),
            "cache_text_read_tokens": ("gen_ai.usage.text.cache_read.input_tokens",),
            "input_audio_tokens": ("gen_ai.usage.audio.input_tokens",),
            "input_image_tokens": ("gen_ai.usage.image.input_tokens",),
            "input_text_tokens": ("gen_ai.usage.text.input_tokens",),
            "input_video_tokens": ("gen_ai.usage.video.input_tokens",),
            "output_audio_tokens": ("gen_ai.usage.audio.output_tokens",),
            "output_image_tokens": ("gen_ai.usage.image.output_tokens",),
            "output_text_tokens": ("gen_ai.usage.text.output_tokens",),
            "output_reasoning_tokens": ("gen_ai.usage.reasoning.output_tokens",),
            "service_tier": (
                "openai.response.service_tier",
                "gen_ai.openai.response.service_tier",
                "openai.request.service_tier",
                "gen_ai.openai.request.service_tier",
            ),
            ANSWER: ("gen_ai.output.messages", "gen_ai.completion", "gen_ai.completion.0.content"),
        },
    ),
    Vocabulary(
        # pypi.org/project/openinference-semantic-conventions
        "OpenInference",
        kind=semconv.OPENINFERENCE_KIND,
        words={
            "llm": CHAT,
            "embedding": EMBED,
            "agent": AGENT,
            "chain": WORKFLOW,
            "retriever": RETRIEVAL,
            "reranker": RERANK,
            "guardrail": GUARDRAIL,
            "evaluator": EVALUATION,
            "tool": TOOL,
            "prompt": TOOL,
        },
        keys={
            "model": (
                semconv.OPENINFERENCE_MODEL,
                semconv.OPENINFERENCE_EMBEDDING_MODEL,
                "llm.request.model_name",
                "llm.response.model_name",
                "reranker.model_name",
            ),
            "response_model": ("llm.response.model_name",),
            "provider": (semconv.OPENINFERENCE_PROVIDER, semconv.OPENINFERENCE_SYSTEM),
            "finish_reason": ("llm.finish_reason",),
            "input_tokens": (semconv.OPENINFERENCE_PROMPT,),
            "output_tokens": (semconv.OPENINFERENCE_COMPLETION,),
            TOTAL: ("llm.token_count.total",),
            "cached_tokens": (semconv.OPENINFERENCE_CACHE_READ, "llm.token_count.prompt_details.cache_input"),
            "cache_write_tokens": (semconv.OPENINFERENCE_CACHE_WRITE,),
            "input_audio_tokens": ("llm.token_count.prompt_details.audio",),
            "output_audio_tokens": ("llm.token_count.completion_details.audio",),
            "output_reasoning_tokens": ("llm.token_count.completion_details.reasoning",),
            "cost": (semconv.OPENINFERENCE_COST,),
            INPUT_COST: ("llm.cost.prompt",),
            OUTPUT_COST: ("llm.cost.completion",),
            PARAMETERS: ("llm.invocation_parameters", "embedding.invocation_parameters"),
            ANSWER: ("llm.output_messages.0.message.role", "llm.output_messages.0.message.content"),
        },
    ),
    Vocabulary(
        # pypi.org/project/opentelemetry-semantic-conventions-ai
        "OpenLLMetry (Traceloop)",
        kind="llm.request.type",
        words=_OPERATION_NAMES,
        keys={
            "model": ("llm.request.model", "llm.response.model"),
            "response_model": ("llm.response.model",),
            "provider": ("llm.vendor",),
            "finish_reason": (
                "gen_ai.response.finish_reason",
                "gen_ai.response.stop_reason",
                "gen_ai.completion.0.finish_reason",
                "llm.completions.0.finish_reason",
            ),
            "input_tokens": ("llm.usage.prompt_tokens",),
            "output_tokens": ("llm.usage.completion_tokens",),
            TOTAL: ("gen_ai.usage.total_tokens", "llm.usage.total_tokens"),
            "cached_tokens": (semconv.CACHE_READ_TOKENS_BEFORE,),
            "cache_write_tokens": (semconv.CACHE_WRITE_TOKENS_BEFORE,),
            "output_reasoning_tokens": ("gen_ai.usage.reasoning_tokens", "llm.usage.reasoning_tokens"),
        },
    ),
    Vocabulary(
        "OpenLLMetry (Traceloop), workflows",
        kind="traceloop.span.kind",
        words={"agent": AGENT, "workflow": WORKFLOW, "task": WORKFLOW, "tool": TOOL},
        keys={},
    ),
    Vocabulary(
        # The client of Anthropic, and what Strands writes of its models.
        "Anthropic, Strands",
        keys={
            "finish_reason": ("anthropic.message.stop_reason",),
            "cached_tokens": ("anthropic.usage.cache_read_input_tokens", "gen_ai.usage.cache_read_tokens"),
            "cache_write_tokens": (
                "gen_ai.usage.cache_write_input_tokens",
                "gen_ai.usage.cache_write_tokens",
                "gen_ai.usage.cache_creation_tokens",
                "anthropic.usage.cache_creation_input_tokens",
            ),
            FIVE_MINUTES: (
                "anthropic.usage.cache_creation.ephemeral_5m_input_tokens",
                "gen_ai.usage.ephemeral_5m_input_tokens",
                "gen_ai.usage.cache_creation.ephemeral_5m_input_tokens",
            ),
            ONE_HOUR: (
                "anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
                "gen_ai.usage.ephemeral_1h_input_tokens",
                "gen_ai.usage.cache_creation.ephemeral_1h_input_tokens",
            ),
            "compaction_input_tokens": ("anthropic.usage.compaction.input_tokens",),
            "compaction_output_tokens": ("anthropic.usage.compaction.output_tokens",),
            "web_searches": (
                "anthropic.usage.server_tool_use.web_search_requests",
                "gen_ai.usage.server_tool_use.web_search_requests",
                "gen_ai.usage.web_search_requests",
            ),
            "service_tier": (
                "anthropic.response.service_tier",
                "gen_ai.response.service_tier",
                "anthropic.request.service_tier",
                "gen_ai.request.service_tier",
            ),
        },
    ),
    Vocabulary(
        # pydantic_ai/usage.py, and logfire's integrations
        "pydantic-ai, logfire",
        keys={
            "time_to_first_chunk_seconds": ("gen_ai.client.operation.time_to_first_chunk",),
            "input_tokens": ("gen_ai.aggregated_usage.input_tokens",),
            "output_tokens": ("gen_ai.aggregated_usage.output_tokens",),
            "cost": (semconv.OPERATION_COST,),
            USAGE: ("gen_ai.usage.raw",),
            **{
                field: tuple(
                    f"gen_ai.{usage}.{name}" for usage in ("usage", "aggregated_usage") for name in (*more, *names)
                )
                for field, more, names in (
                    ("cached_tokens", ("cache_read.input_tokens",), ("details.cache_read_tokens",)),
                    ("cache_write_tokens", ("cache_creation.input_tokens",), ("details.cache_write_tokens",)),
                    (FIVE_MINUTES, (), ("details.ephemeral_5m_input_tokens",)),
                    (ONE_HOUR, (), ("details.ephemeral_1h_input_tokens",)),
                    ("cache_audio_read_tokens", (), ("details.cache_audio_read_tokens",)),
                    ("input_audio_tokens", (), ("details.input_audio_tokens",)),
                    ("output_audio_tokens", (), ("details.output_audio_tokens",)),
                    ("output_reasoning_tokens", (), ("details.reasoning_tokens", "details.thoughts_tokens")),
                    ("web_searches", (), ("details.web_search_requests", "details.web_searches")),
                )
            },
        },
    ),
    Vocabulary(
        # litellm/integrations: opentelemetry.py and otel/; the usage of its callback is the text of a Python dict
        "litellm",
        keys={
            REQUEST_ID: ("litellm.call_id",),
            "cost": (semconv.TOTAL_COST, "litellm.cost.total"),
            INPUT_COST: ("gen_ai.cost.input_cost", "litellm.cost.input"),
            OUTPUT_COST: ("gen_ai.cost.output_cost", "litellm.cost.output"),
            USAGE: ("metadata.usage_object",),
        },
    ),
    Vocabulary("costs beside OpenTelemetry's usage", keys={"cost": (semconv.USAGE_COST, "gen_ai.usage.total_cost")}),
    Vocabulary(
        # langfuse/_client/attributes.py
        "Langfuse",
        kind="langfuse.observation.type",
        words={
            "generation": CHAT,
            "embedding": EMBED,
            "agent": AGENT,
            "chain": WORKFLOW,
            "span": WORKFLOW,
            "retriever": RETRIEVAL,
            "evaluator": EVALUATION,
            "guardrail": GUARDRAIL,
            "tool": TOOL,
            "event": TOOL,
        },
        keys={
            "model": ("langfuse.observation.model.name", "langfuse.observation.model"),
            "finish_reason": ("langfuse.observation.metadata.finish_reason",),
            FIRST_CHUNK_TIME: ("langfuse.observation.completion_start_time",),
            USAGE: ("langfuse.observation.usage_details", "langfuse.observation.usage"),
            COSTS: ("langfuse.observation.cost_details",),
            PARAMETERS: ("langfuse.observation.model.parameters",),
            ANSWER: ("langfuse.observation.output",),
        },
    ),
    Vocabulary(
        # mlflow/tracing/constant.py; every value is JSON, text has its quotes
        "MLflow",
        kind="mlflow.spanType",
        words={
            "chat_model": CHAT,
            "llm": CHAT,
            "embedding": EMBED,
            "agent": AGENT,
            "chain": WORKFLOW,
            "workflow": WORKFLOW,
            "task": WORKFLOW,
            "retriever": RETRIEVAL,
            "memory": RETRIEVAL,
            "reranker": RERANK,
            "guardrail": GUARDRAIL,
            "evaluator": EVALUATION,
            "tool": TOOL,
            "parser": TOOL,
        },
        keys={
            "model": ("mlflow.llm.model",),
            "provider": ("mlflow.llm.provider",),
            USAGE: ("mlflow.chat.tokenUsage",),
            COSTS: ("mlflow.llm.cost",),
            ANSWER: ("mlflow.spanOutputs",),
        },
    ),
    Vocabulary(
        # sdk.vercel.ai: AI SDK Core, Telemetry
        "Vercel",
        kind="ai.operationId",
        words=_VERCEL_WORDS,
        keys={
            "model": ("ai.model.id", "ai.response.model"),
            "response_model": ("ai.response.model",),
            "provider": ("ai.model.provider",),
            "response_id": ("ai.response.id",),
            "finish_reason": ("ai.response.finishReason", "ai.finishReason"),
            FIRST_CHUNK_MILLISECONDS: (
                "ai.response.msToFirstChunk",
                "ai.stream.msToFirstChunk",
            ),
            "input_tokens": ("ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens"),
            "output_tokens": ("ai.usage.outputTokens", "ai.usage.completionTokens"),
            TOTAL: ("ai.usage.totalTokens",),
            "cached_tokens": ("ai.usage.inputTokenDetails.cacheReadTokens", "ai.usage.cachedInputTokens"),
            "cache_write_tokens": (
                "ai.usage.inputTokenDetails.cacheWriteTokens",
                "ai.usage.cacheCreationInputTokens",
            ),
            "output_reasoning_tokens": ("ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens"),
        },
    ),
    Vocabulary(
        # docs.langchain.com: LangSmith, trace with OpenTelemetry
        "LangSmith",
        kind="langsmith.span.kind",
        words={
            "llm": CHAT,
            "embedding": EMBED,
            "chain": WORKFLOW,
            "retriever": RETRIEVAL,
            "tool": TOOL,
            "prompt": TOOL,
            "parser": TOOL,
        },
        keys={
            "model": ("langsmith.metadata.ls_model_name",),
            "provider": ("langsmith.metadata.ls_provider",),
            USAGE: ("langsmith.usage_metadata",),
        },
    ),
    # Of pydantic-ai's agents, which name their model nowhere else.
    Vocabulary("a model's name alone", keys={"model": ("model_name",)}),
)
