"""Spans of model calls -> :class:`ModelCall`: any vocabulary of :mod:`.vocabularies`, and no message contents.

A model call keeps the spans around it (``path``): where two instrumentations of one client nest their spans, the call
counts once.
"""

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from .. import semconv
from ..safety.sanitize import exact
from ..timestamps import iso_of_nanoseconds
from .usage import (
    ANSWERS,
    COUNTS,
    KEYS,
    MODELS,
    MOST_SECONDS,
    PAID,
    PARTS_OF_ANSWERS,
    REMEMBERED_KEYS,
    has_cost,
    has_counts,
    has_tokens,
    read,
    text,
    tier_of,
)
from .vocabularies import (
    AGENT,
    AGGREGATES,
    CLASSES,
    EMBED,
    EMBEDDINGS,
    FIRST_CHUNK_EVENTS,
    FIRST_CHUNK_MILLISECONDS,
    FIRST_CHUNK_TIME,
    OPERATIONS,
    TOTAL,
    VOCABULARIES,
)

REPORTED: Final = "reported"
PRICED: Final = "priced"
#: A lower bound: a part of the usage, or its price, is unknown.
PARTIAL: Final = "partial"
ESTIMATED: Final = "estimated"
UNPRICED: Final = "unpriced"

#: The operation of a model call whose span names none.
UNNAMED: Final = ""

_KINDS: Final = {vocabulary.kind: vocabulary.words for vocabulary in VOCABULARIES if vocabulary.kind}
#: A span without any of these is no model call.
TELLING_KEYS: Final = frozenset(_KINDS) | COUNTS | ANSWERS | PAID
#: What says nothing of what a span is.
_SILENT: Final = frozenset({"unknown", "none", ""})

#: How keys begin that libraries of model calls write.
_PREFIXES: Final = (*(f"{kind.partition('.')[0]}." for kind in _KINDS), "embedding.", "anthropic.", "openai.")
_USAGE_KEY: Final = re.compile("usage[._]|token_count|[tT]okenUsage")
#: Attributes of spans that are no model calls: tools, and a count of tokens ahead of a call.
_NO_CALLS: Final = frozenset({"gen_ai.tool.name", "mcp.method.name", "anthropic.message.count_tokens.input_tokens"})
#: Attributes of an agent's run; a call within it may have them too.
_AGENTS: Final = frozenset({"gen_ai.agent.name", "agent_name"})

#: All attributes that :func:`is_model_call` and :func:`model_call` look at.
READ: Final = KEYS | frozenset(_KINDS) | _NO_CALLS | _AGENTS | {semconv.TASK_OUTCOME, semconv.ERROR_TYPE}

#: Only the nearest enclosing spans are kept.
_LONGEST_PATH: Final = 64


class ModelCall(NamedTuple):
    """One finished model call: the columns of the table ``model_calls``, in its order."""

    execution_id: str | None
    trace_id: str
    span_id: str
    parent_span_id: str | None
    #: The ids of the spans between it and its execution, the nearest first, separated by blanks.
    path: str
    #: The next span on the path to its execution, while that is unknown.
    awaited_span_id: str | None
    timestamp: str
    model: str | None
    response_model: str | None
    provider: str | None
    input_tokens: int | None
    #: Of the input: read from the provider's cache, and written to it.
    cached_tokens: int | None
    cache_write_tokens: int | None
    output_tokens: int | None
    #: US dollars.
    cost: float | None
    cost_source: str
    #: The name and version of the price table it was priced with.
    price_table: str | None
    duration_seconds: float
    error_type: str | None
    #: The name of the instrumentation scope that made the span.
    scope: str | None = None
    operation: str | None = None
    response_id: str | None = None
    #: The first of the response's finish reasons.
    finish_reason: str | None = None
    #: Further classes of tokens, by genai-prices' names where it has one, and ``service_tier``: a JSON object.
    usage: str | None = None
    time_to_first_chunk_seconds: float | None = None


def is_model_call(attributes: Mapping[str, Any]) -> bool:
    """Tell whether a span with these attributes is a model call, or tells of the usage of several.

    An agent's run, a chain or a retrieval is one where it has a usage; which of them count is decided later. A tool's
    call is none. An execution's own span, which holds the usage that its pool reported, is one only where a library
    said so on it.
    """
    # Most spans have none of these: this runs in the application's code, for each span within an execution.
    if TELLING_KEYS.isdisjoint(attributes):
        return False
    operation = attributes.get(semconv.OPERATION_NAME)
    return (type(operation) is str and operation in OPERATIONS) or _operation(attributes) is not None


def looks_like_model_call(attributes: Mapping[str, Any]) -> bool:
    """Tell whether a span that is no model call by :func:`is_model_call` looks like one in words not understood."""
    # For each span within an execution, as above: those of one library mostly have the same keys.
    telling = _telling(tuple(attributes))
    if not telling or is_model_call(attributes) or not (_NO_CALLS | _AGENTS).isdisjoint(attributes):
        return False
    words = list(words_in(attributes))
    if any(operation is not None for _, operation in words):
        return False  # a known operation without a usage
    return (
        any(name.lower() not in _SILENT for name, _ in words)
        or not MODELS.isdisjoint(attributes)
        or any(_USAGE_KEY.search(key) for key in telling)
    )


@functools.lru_cache(maxsize=REMEMBERED_KEYS)
def _telling(keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(key for key in keys if key.startswith(_PREFIXES))


def words_in(attributes: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Yield what a span says that it is, with the operation that this stands for."""
    for kind, words in _KINDS.items():
        if kind in attributes:
            name = exact(attributes[kind])
            if isinstance(name, str):
                name = name.strip('"')
                yield name, words.get(name.lower())


def _operation(attributes: Mapping[str, Any]) -> str | None:
    """Return the operation of a model call, :data:`UNNAMED` where it has no name; None for what is no call."""
    unknown = None
    for name, operation in words_in(attributes):
        if operation in OPERATIONS:
            return operation
        if operation is not None:
            is_own = semconv.TASK_OUTCOME in attributes
            is_told = operation in AGGREGATES and not is_own and (has_tokens(attributes) or has_cost(attributes))
            return operation if is_told else None
        if unknown is None and name.lower() not in _SILENT:
            unknown = name
    if semconv.TASK_OUTCOME in attributes or not _NO_CALLS.isdisjoint(attributes):
        return None
    is_answered = not MODELS.isdisjoint(attributes) and (
        not ANSWERS.isdisjoint(attributes) or has_counts(attributes) or has_cost(attributes)
    )
    if is_answered or has_tokens(attributes):
        if unknown is not None and "embed" in unknown.lower():
            return EMBED
        is_agent = unknown is None and not _AGENTS.isdisjoint(attributes) and ANSWERS.isdisjoint(attributes)
        return AGENT if is_agent else unknown or UNNAMED
    return None


def model_call(span: ReadableSpan, execution_id: str | None = None, path: Iterable[int] = ()) -> ModelCall:
    """Return the model call of a finished *span*.

    Args:
        span: the span of a model call, by :func:`is_model_call`.
        execution_id: the innermost execution around it, where that is known.
        path: the ids of the spans between the two, the nearest first.

    Raises:
        AttributeError: if the span has no context.
    """
    # The SDK's own copy(), and not key by key: this runs in the application's code.
    attributes: Mapping[str, Any] = span.attributes.copy() if span.attributes else {}  # type: ignore[attr-defined]
    ids, parent = span.context, span.parent
    assert ids is not None  # every span of a provider has one
    start = span.start_time or 0
    said = read(attributes)
    get = said.get
    cost = get("cost")
    operation = text(_operation(attributes))
    if operation in EMBEDDINGS and get("input_tokens") is None:
        said["input_tokens"] = get(TOTAL)
    parent_span_id = None if parent is None else f"{parent.span_id:016x}"
    error_type = _error_type(span, attributes)
    return ModelCall(
        execution_id=execution_id,
        trace_id=f"{ids.trace_id:032x}",
        span_id=f"{ids.span_id:016x}",
        parent_span_id=parent_span_id,
        path=" ".join([f"{span_id:016x}" for span_id in path][:_LONGEST_PATH]),
        awaited_span_id=parent_span_id if execution_id is None else None,
        timestamp=iso_of_nanoseconds(start),
        model=get("model"),
        response_model=get("response_model"),
        provider=get("provider"),
        input_tokens=get("input_tokens"),
        cached_tokens=get("cached_tokens"),
        cache_write_tokens=get("cache_write_tokens"),
        output_tokens=get("output_tokens"),
        cost=cost,
        cost_source=UNPRICED if cost is None else REPORTED,
        price_table=None,
        duration_seconds=max(0, (span.end_time or start) - start) / 1e9,
        error_type=error_type,
        scope=text(span.instrumentation_scope.name) if span.instrumentation_scope else None,
        operation=operation,
        response_id=get("response_id"),
        # The conventions' word for an answer that began and broke off.
        finish_reason=get("finish_reason")
        or (None if error_type is None or PARTS_OF_ANSWERS.isdisjoint(attributes) else "error"),
        usage=_usage(said),
        time_to_first_chunk_seconds=_time_to_first_chunk(said, span),
    )


def _error_type(span: ReadableSpan, attributes: Mapping[str, Any]) -> str | None:
    named = text(attributes.get(semconv.ERROR_TYPE))
    if named is not None or span.status.status_code is not StatusCode.ERROR:
        return named
    types = [text((event.attributes or {}).get(semconv.EXCEPTION_TYPE)) for event in span.events]
    return next((found for found in reversed(types) if found is not None), semconv.OTHER_ERROR)


def _usage(said: Mapping[str, Any]) -> str | None:
    """Return the further classes of tokens and the tier as a JSON object, None where there are none."""
    usage: dict[str, Any] = {name: said[name] for name in CLASSES if said.get(name)}
    tier = tier_of(said)
    if tier is not None:
        usage["service_tier"] = tier
    return json.dumps(usage) if usage else None


def _time_to_first_chunk(said: Mapping[str, Any], span: ReadableSpan) -> float | None:
    seconds: float | None = said.get("time_to_first_chunk_seconds")
    if seconds is None and FIRST_CHUNK_MILLISECONDS in said:
        seconds = said[FIRST_CHUNK_MILLISECONDS] / 1000
    if seconds is None:
        arrived = next((event.timestamp / 1e9 for event in span.events if event.name in FIRST_CHUNK_EVENTS), None)
        if FIRST_CHUNK_TIME in said:
            try:
                arrived = datetime.fromisoformat(said[FIRST_CHUNK_TIME].replace("Z", "+00:00")).timestamp()
            except (ValueError, OverflowError):
                return None
        seconds = None if arrived is None else arrived - (span.start_time or 0) / 1e9
    return seconds if seconds is not None and 0 <= seconds < MOST_SECONDS else None
