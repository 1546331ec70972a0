"""Spans of the Collector's table, of either of its schemas, as the spans that model calls are read from.

Only what is read of a model call leaves the server: of contents of messages that they are there.
"""

import contextlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, Status, StatusCode

from .. import semconv
from ..costs.model_calls import READ
from ..costs.usage import CONTENTS
from ..costs.vocabularies import FIRST_CHUNK_EVENTS

_KEYS: Final = sorted((READ | {semconv.EXECUTION_ID, semconv.BATCH_SIZE}) - CONTENTS)
_LIST: Final = '{"values":'
_NOTHING: Final = Resource({})
_STATUS: Final = {True: Status(StatusCode.ERROR), False: Status()}


def _literals(values: Any) -> str:
    return ", ".join(f"'{value}'" for value in sorted(values))


_MAP: Final = (
    f"mapUpdate(mapFilter((k, v) -> k IN ({_literals(_KEYS)}), SpanAttributes),"
    f" mapApply((k, v) -> (k, ''), mapFilter((k, v) -> k IN ({_literals(CONTENTS)}), SpanAttributes)))"
)
#: Each value as JSON: their types are kept.
_JSON: Final = (
    "mapFilter((k, v) -> v IS NOT NULL, map("
    + ", ".join(
        [f"'{key}', toJSONString(SpanAttributes.`{key}`)" for key in _KEYS]
        + [f"'{key}', if(SpanAttributes.`{key}` IS NULL, NULL, '\"\"')" for key in sorted(CONTENTS)]
    )
    + "))"
)
_TYPE: Final = {False: f"a['{semconv.EXCEPTION_TYPE}']", True: f"ifNull(a.`{semconv.EXCEPTION_TYPE}`::String, '')"}


def select_spans(is_json: bool, condition: str) -> str:
    """Return the SQL of the spans for which *condition* holds, each once.

    Args:
        is_json: whether attributes are JSON; else they are maps of texts.
        condition: over the Collector's columns.
    """
    events = (
        f"arrayFilter(e -> e.1 IN ({_literals(FIRST_CHUNK_EVENTS)}) OR e.3 <> '', arrayMap((n, t, a) -> (toString(n),"
        f" toUnixTimestamp64Nano(t), {_TYPE[is_json]}), `Events.Name`, `Events.Timestamp`, `Events.Attributes`))"
    )
    return (
        "SELECT TraceId AS trace_id, SpanId AS span_id, ParentSpanId AS parent_id,"
        " toUnixTimestamp64Nano(Timestamp) AS start, toInt64(Duration) AS duration, toString(ScopeName) AS scope,"
        f" lower(StatusCode) LIKE '%error' AS is_error, {_JSON if is_json else _MAP} AS attributes, {events} AS events"
        f" FROM otel_traces WHERE {condition} LIMIT 1 BY trace_id, span_id"
    )


def span_of(row: Mapping[str, Any], is_json: bool) -> ReadableSpan | None:
    """Return the span of a *row* of :func:`select_spans`; None where its ids are invalid."""
    try:
        trace_id, span_id = int(row["trace_id"], 16), int(row["span_id"], 16)
        parent_id = int(row["parent_id"] or "0", 16)
    except ValueError:
        return None
    if not trace_id or not span_id:
        return None
    start = row["start"]
    attributes = {key: _value(json.loads(value) if is_json else value) for key, value in row["attributes"].items()}
    return ReadableSpan(
        semconv.SPAN_NAME,
        context=SpanContext(trace_id, span_id, is_remote=False),
        parent=SpanContext(trace_id, parent_id, is_remote=False) if parent_id else None,
        resource=_NOTHING,
        attributes=attributes,
        events=[
            Event(name, {semconv.EXCEPTION_TYPE: exception_type} if exception_type else {}, timestamp)
            for name, timestamp, exception_type in row["events"]
        ],
        status=_STATUS[bool(row["is_error"])],
        start_time=start,
        end_time=start + row["duration"],
        instrumentation_scope=_scope(row["scope"]),
    )


def _value(value: Any) -> Any:
    """Return a value of an attribute; the list that the collector rotel writes as an object is one again."""
    if isinstance(value, str) and value.startswith(_LIST):
        with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError):
            return tuple(held for item in json.loads(value)["values"] for held in item.values())
    return value


@lru_cache(maxsize=256)
def _scope(name: str) -> InstrumentationScope:
    return InstrumentationScope(name)
