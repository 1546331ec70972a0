"""What a model call used, class by class, by the names of ``genai-prices``' ``Usage``."""

import json
from typing import Any, Final, NamedTuple

from .model_calls import ModelCall
from .usage import count, tier_of
from .vocabularies import EMBEDDINGS, RERANK

#: What a class is part of: its tokens are in the other's count, too.
_PARTS: Final = (
    ("cache_write_tokens", ("cache_write_5m_tokens", "cache_write_1h_tokens")),
    ("input_tokens", ("input_text_tokens", "input_audio_tokens", "input_image_tokens", "input_video_tokens")),
    ("output_tokens", ("output_text_tokens", "output_audio_tokens", "output_image_tokens", "output_video_tokens")),
    ("output_tokens", ("output_reasoning_tokens",)),
)
#: Operations that answer with no text.
_WITHOUT_OUTPUT: Final = EMBEDDINGS | {RERANK}
#: The reason of a stream that broke off.
_BROKEN: Final = "error"


class Usage(NamedTuple):
    """What a call used."""

    #: Class -> its count; the input with what was read from the cache and written to it.
    counts: dict[str, int]
    #: The service tier, unless it is the plain one.
    tier: str | None

    @property
    def is_any(self) -> bool:
        """Whether anything was used: 0 is what a failed extraction says."""
        return any(self.counts.values())


def usage_of(call: ModelCall) -> Usage:
    """Return what *call* used. Cached tokens that are more than the input were told beside it, and are added."""
    said = further_of(call)
    found = {name: count(value) for name, value in said.items() if name != "service_tier"}
    counts = {name: tokens for name, tokens in found.items() if tokens is not None}
    counts["input_tokens"] = call.input_tokens or 0
    counts["output_tokens"] = call.output_tokens or 0
    counts["cache_read_tokens"] = call.cached_tokens or 0
    counts["cache_write_tokens"] = call.cache_write_tokens or 0
    for whole, parts in _PARTS:
        counts[whole] = max(counts[whole], sum(counts.get(part, 0) for part in parts))
    cached = counts["cache_read_tokens"] + counts["cache_write_tokens"]
    if cached > counts["input_tokens"]:
        counts["input_tokens"] += cached
    return Usage(counts, tier_of(said))


def is_whole(call: ModelCall) -> bool:
    """Tell whether the usage of *call* is all that it used.

    It is not where a side is missing (an input of 0 was not found), where the call failed, and where a text ends before
    its second token without a reason: the stream broke off, and its first chunk said what was known then.
    """
    if not call.input_tokens or call.error_type is not None or call.finish_reason == _BROKEN:
        return False
    if _has_no_output(call):
        return True
    return call.output_tokens is not None and (call.output_tokens > 1 or call.finish_reason is not None)


def _has_no_output(call: ModelCall) -> bool:
    """Tell whether *call* is of a kind that answers with no text: embeddings and rankings."""
    if call.operation is not None:
        return call.operation in _WITHOUT_OUTPUT
    model = (call.model or call.response_model or "").lower()
    return "embed" in model or "rerank" in model


def further_of(call: ModelCall) -> dict[str, Any]:
    """Return the further classes of *call*, and its service tier. One that came in a file may hold other text."""
    try:
        said = json.loads(call.usage) if call.usage else {}
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
