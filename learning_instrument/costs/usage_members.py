"""The members of the objects, written as JSON, that some libraries put usage and costs in, as data."""

from typing import Final

from .vocabularies import FIVE_MINUTES, FRESH_INPUT, FRESH_OUTPUT, ONE_HOUR, TOTAL, Keys

#: The members of an object of usage, nested ones with a dot: those of the providers' own answers, and of libraries.
USAGE_MEMBERS: Final[Keys] = {
    "input_tokens": (
        *("input_tokens", "prompt_tokens", "inputTokens", "promptTokens", "inputTokenCount", "input_token_count"),
        *("prompt_token_count", "promptTokenCount"),
    ),
    "output_tokens": (
        *("output_tokens", "completion_tokens", "outputTokens", "completionTokens", "outputTokenCount"),
        *("output_token_count", "generated_token_count", "candidates_token_count", "candidatesTokenCount"),
    ),
    # Langfuse's: the classes beside them are not within.
    FRESH_INPUT: ("input",),
    FRESH_OUTPUT: ("output",),
    TOTAL: ("total", "total_tokens", "totalTokens", "totalTokenCount", "total_token_count"),
    "cached_tokens": (
        *("prompt_tokens_details.cached_tokens", "input_tokens_details.cached_tokens", "cache_read_input_tokens"),
        *("input_cache_read", "input_cached_tokens", "cache_read", "cached_tokens", "cachedInputTokens"),
        *("inputTokenDetails.cacheReadTokens", "input_token_details.cache_read", "cacheReadInputTokens"),
        *("cacheReadTokens", "cache_read_tokens", "cached_content_token_count", "cachedContentTokenCount"),
    ),
    "cache_write_tokens": (
        *("cache_creation_input_tokens", "cache_write_input_tokens", "input_cache_creation", "input_cache_write"),
        *("cache_write", "cache_write_tokens", "prompt_tokens_details.cache_write_tokens", "cacheWriteInputTokens"),
        *("inputTokenDetails.cacheWriteTokens", "input_token_details.cache_creation", "cacheWriteTokens"),
        *("cacheCreationInputTokens", "cache_creation_tokens", "prompt_tokens_details.cache_creation_tokens"),
    ),
    FIVE_MINUTES: (
        *("cache_creation.ephemeral_5m_input_tokens", "cache_creation_ephemeral_5m_input_tokens"),
        *("input_ephemeral_5m_input_tokens", "ephemeral_5m_input_tokens"),
    ),
    ONE_HOUR: (
        *("cache_creation.ephemeral_1h_input_tokens", "cache_creation_ephemeral_1h_input_tokens"),
        *("input_ephemeral_1h_input_tokens", "ephemeral_1h_input_tokens", "cache_creation_input_tokens_above_1hr"),
    ),
    "input_audio_tokens": (
        *("prompt_tokens_details.audio_tokens", "input_tokens_details.audio_tokens", "input_token_details.audio"),
        *("input_audio", "input_audio_tokens"),
    ),
    "input_image_tokens": ("input_tokens_details.image_tokens", "input_image", "input_image_tokens"),
    "output_audio_tokens": (
        *("completion_tokens_details.audio_tokens", "output_tokens_details.audio_tokens"),
        *("output_token_details.audio", "output_audio", "output_audio_tokens"),
    ),
    "output_image_tokens": ("output_tokens_details.image_tokens", "output_image", "output_image_tokens"),
    "output_reasoning_tokens": (
        *("completion_tokens_details.reasoning_tokens", "output_tokens_details.reasoning_tokens"),
        *("output_tokens_details.thinking_tokens", "output_token_details.reasoning", "output_reasoning"),
        *("output_reasoning_tokens", "reasoning_tokens", "reasoningTokens", "outputTokenDetails.reasoningTokens"),
        *("thoughts_token_count", "thoughtsTokenCount"),
    ),
    "web_searches": ("server_tool_use.web_search_requests", "web_search_requests"),
    "service_tier": ("service_tier",),
}

#: Those of Anthropic's own answers, which have no total: their ``input_tokens`` leave out what these count.
ANTHROPIC_MEMBERS: Final = frozenset({"cache_read_input_tokens", "cache_creation_input_tokens"})

#: The member of an object of costs that holds the sum of the others.
COST_TOTALS: Final = ("total", "total_cost", "totalCost")
