"""Spans of model calls -> :class:`ModelCall`: both attribute vocabularies, and no message contents.

A model call keeps the spans around it (``path``): where two instrumentations of one client nest their spans, the call
counts once.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from .. import semconv
from ..safety.sanitize import label_of
from ..timestamps import iso_of_nanoseconds

REPORTED: Final = "reported"
PRICED: Final = "priced"
#: A lower bound: a part of the usage, or its price, is unknown.
PARTIAL: Final = "partial"
ESTIMATED: Final = "estimated"
UNPRICED: Final = "unpriced"

OPERATIONS: Final = frozenset({"chat", "text_completion", "generate_content", "embeddings"})
KINDS: Final = frozenset({"LLM", "EMBEDDING"})

# The first key with a valid value counts.
_MODEL: Final = (
    semconv.REQUEST_MODEL,
    semconv.RESPONSE_MODEL,
    semconv.OPENINFERENCE_MODEL,
    semconv.OPENINFERENCE_EMBEDDING_MODEL,
)
_PROVIDER: Final = (
    semconv.PROVIDER_NAME,
    semconv.PROVIDER_NAME_BEFORE,
    semconv.OPENINFERENCE_PROVIDER,
    semconv.OPENINFERENCE_SYSTEM,
)
_INPUT: Final = (semconv.INPUT_TOKENS, semconv.INPUT_TOKENS_BEFORE, semconv.OPENINFERENCE_PROMPT)
_OUTPUT: Final = (semconv.OUTPUT_TOKENS, semconv.OUTPUT_TOKENS_BEFORE, semconv.OPENINFERENCE_COMPLETION)
_CACHE_READ: Final = (semconv.CACHE_READ_TOKENS, semconv.CACHE_READ_TOKENS_BEFORE, semconv.OPENINFERENCE_CACHE_READ)
_CACHE_WRITE: Final = (semconv.CACHE_WRITE_TOKENS, semconv.CACHE_WRITE_TOKENS_BEFORE, semconv.OPENINFERENCE_CACHE_WRITE)
_COST: Final = (semconv.TOTAL_COST, semconv.OPERATION_COST, semconv.USAGE_COST, semconv.OPENINFERENCE_COST)

_TEXT_LIMIT: Final = 200
_MOST_TOKENS: Final = 10**12
_MOST_DOLLARS: Final = 1e9
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
    #: Further classes of tokens, by genai-prices' names, and ``service_tier``: a JSON object.
    usage: str | None = None
    time_to_first_chunk_seconds: float | None = None


def is_model_call(attributes: Mapping[str, Any]) -> bool:
    """Tell whether a span with these attributes is a model call. An agent's run, which repeats their usage, is not."""
    operation = attributes.get(semconv.OPERATION_NAME)
    if operation is not None:
        return isinstance(operation, str) and operation in OPERATIONS
    kind = attributes.get(semconv.OPENINFERENCE_KIND)
    return isinstance(kind, str) and kind.upper() in KINDS


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
    cost = _first(attributes, _COST, _dollars)
    parent_span_id = None if parent is None else f"{parent.span_id:016x}"
    return ModelCall(
        execution_id=execution_id,
        trace_id=f"{ids.trace_id:032x}",
        span_id=f"{ids.span_id:016x}",
        parent_span_id=parent_span_id,
        path=" ".join([f"{span_id:016x}" for span_id in path][:_LONGEST_PATH]),
        awaited_span_id=parent_span_id if execution_id is None else None,
        timestamp=iso_of_nanoseconds(start),
        model=_first(attributes, _MODEL, _text),
        response_model=_first(attributes, (semconv.RESPONSE_MODEL,), _text),
        provider=_first(attributes, _PROVIDER, _text),
        input_tokens=_first(attributes, _INPUT, _tokens),
        cached_tokens=_first(attributes, _CACHE_READ, _tokens),
        cache_write_tokens=_first(attributes, _CACHE_WRITE, _tokens),
        output_tokens=_first(attributes, _OUTPUT, _tokens),
        cost=cost,
        cost_source=UNPRICED if cost is None else REPORTED,
        price_table=None,
        duration_seconds=max(0, (span.end_time or start) - start) / 1e9,
        error_type=_error_type(span, attributes),
        scope=_text(span.instrumentation_scope.name) if span.instrumentation_scope else None,
        operation=_first(attributes, (semconv.OPERATION_NAME,), _text),
    )


def _error_type(span: ReadableSpan, attributes: Mapping[str, Any]) -> str | None:
    named = _text(attributes.get(semconv.ERROR_TYPE))
    if named is not None or span.status.status_code is not StatusCode.ERROR:
        return named
    types = [_text((event.attributes or {}).get(semconv.EXCEPTION_TYPE)) for event in span.events]
    return next((found for found in reversed(types) if found is not None), semconv.OTHER_ERROR)


def _first(attributes: Mapping[str, Any], keys: Iterable[str], clean: Any) -> Any:
    """Return the first valid value under *keys*, or None."""
    for key in keys:
        value = clean(attributes.get(key))
        if value is not None:
            return value
    return None


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    return label_of(value, _TEXT_LIMIT)


def _tokens(value: Any) -> int | None:
    """A count of tokens; some libraries write it as a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _MOST_TOKENS:
        return None
    return int(value) if int(value) == value else None


def _dollars(value: Any) -> float | None:
    """An amount of US dollars. NaN fails both comparisons."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _MOST_DOLLARS:
        return None
    return float(value)
