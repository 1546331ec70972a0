"""Converts executions to spans in OTLP's JSON, and back.

The spans equal those of a live export, with the stored ids. Values of a row that its span does not hold, such as
feedback or an id of another form, are in one more attribute.
"""

import functools
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext

from .. import semconv
from ..columns import COLUMN_OF, COLUMNS, TABLE
from ..errors import ConfigurationError
from ..record import is_execution, row_from_span
from ..safety.sanitize import utf8
from .validation import derived_bits, nanoseconds

Values = Mapping[str, Any]

#: Column -> attribute key, where both have the same value.
_KEYS: Final = {
    column.name: column.key
    for column in TABLE
    if column.key is not None and column.name not in ("peak_memory_mb", "defaulted")
}
#: Columns whose attribute a live span lacks where they are defaulted.
_ABSENT: Final = frozenset({"cost_estimate", *(column.name for column in TABLE if column.default is not None)})
_INTERNAL: Final = 1
_ERROR: Final = 2
#: OTLP's times have 64 bits: until the year 2554, with room for a duration.
_LATEST: Final = 17 * 10**18
_LONGEST_SECONDS: Final = 1e9
_SCOPE: Final = InstrumentationScope(semconv.SCOPE_NAME)
_DIGITS: Final = re.compile(r"[0-9]{1,20}")
_HEXADECIMAL: Final = re.compile("[0-9a-fA-F]+")
_IDENTITY: Final = re.compile(r"([0-9a-f]{16})-([0-9a-f]{32})-([0-9a-f]{16})")
#: So that the bytes fit into 64 bits.
_MOST_MEGABYTES: Final = COLUMN_OF["peak_memory_mb"].high
_WITHOUT_ERROR: Final = ("succeeded", "cancelled")


def requests_of(rows: Iterable[Values], version: str) -> Iterator[dict[str, Any]]:
    """Yield an ExportTraceServiceRequest for each service among *rows*.

    Args:
        rows: rows of ``executions`` as the table has them.
        version: that of the scope.
    """
    services: dict[str | None, list[dict[str, Any]]] = {}
    for row in rows:
        services.setdefault(row["service_name"], []).append(_span_of(row))
    for name, spans in services.items():
        attributes = [] if name is None else _pairs({semconv.SERVICE_NAME: name})
        scope = {"name": semconv.SCOPE_NAME, "version": version}
        groups = [{"scope": scope, "spans": spans}]
        yield {"resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": groups}]}


def values_in(request: Any) -> Iterator[dict[str, Any] | ConfigurationError | None]:
    """Yield the values of an execution for each span of a request.

    None for a span that is not an execution; an error, which is not raised, for an unreadable one.
    """
    for group in _members(request, "resourceSpans"):
        resource = _resource_of(group)
        for scope_spans in _members(group, "scopeSpans"):
            scope = _member(_member(scope_spans, "scope"), "name")
            for span in _members(scope_spans, "spans"):
                if scope != semconv.SCOPE_NAME:
                    yield None
                    continue
                try:
                    yield _values_of(span, resource)
                except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
                    yield ConfigurationError(f"not the span of a finished execution: {error!r:.200}")


# Writing.


def _span_of(row: Values) -> dict[str, Any]:
    start, trace_id, span_id = _ids_of(row)
    defaulted = json.loads(row["defaulted"])
    absent = _ABSENT.intersection(defaulted)
    attributes = {key: row[column] for column, key in _KEYS.items() if row[column] is not None and column not in absent}
    memory = row["peak_memory_mb"]
    if memory is not None and abs(memory) < _MOST_MEGABYTES:
        attributes[semconv.MEMORY_PEAK] = round(memory * 1e6)
    attributes[semconv.DEFAULTED] = tuple(defaulted)
    task_type = attributes.get(semconv.TASK_TYPE)
    remainder = _not_in_span(row, attributes, start, trace_id, span_id)
    if remainder:
        attributes[semconv.RECORD] = json.dumps(remainder, separators=(",", ":"))
    has_failed = row["outcome"] not in _WITHOUT_ERROR
    duration = min(max(row["duration_seconds"], 0.0), _LONGEST_SECONDS)
    return {
        "traceId": f"{trace_id:032x}",
        "spanId": f"{span_id:016x}",
        **_parent(row, trace_id),
        "name": f"{semconv.SPAN_NAME} {task_type}" if task_type else semconv.SPAN_NAME,
        "kind": _INTERNAL,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + round(duration * 1e9)),
        "attributes": _pairs(attributes),
        "status": {"code": _ERROR, "message": row["error_message"] or ""} if has_failed else {},
    }


def _ids_of(row: Values) -> tuple[int, int, int]:
    """Return the start in nanoseconds and the ids of trace and span: stored ones, else derived from the row's id."""
    identity = row["execution_id"]
    start = min(nanoseconds(row["timestamp"]), _LATEST)
    own = [int(digits, 16) for digits in found.groups()] if (found := _IDENTITY.fullmatch(identity)) else [0, 0, 0]
    if own[0] // 1000 == start // 1000:
        start = own[0]
    try:
        return start, _number_of(row["trace_id"], 32), _number_of(row["span_id"], 16)
    except ValueError:
        return start, own[1] or derived_bits(identity, 128), own[2] or derived_bits(identity, 64)


def _not_in_span(row: Values, attributes: Values, start: int, trace_id: int, span_id: int) -> dict[str, Any]:
    """Return the values of *row* that the span alone does not hold."""
    rebuilt = row_from_span(_readable(attributes, _resource(row["service_name"]), start, trace_id, span_id))
    return {column: row[column] for column, value in zip(COLUMNS, rebuilt, strict=True) if value != row[column]}


def _parent(row: Values, trace_id: int) -> dict[str, str]:
    """Return the span of the execution around this one, where both are in one trace."""
    found = _IDENTITY.fullmatch(row["parent_execution_id"] or "")
    is_near = found is not None and int(found[2], 16) == trace_id
    return {"parentSpanId": found[3]} if found is not None and is_near else {}


def _pairs(attributes: Values) -> list[dict[str, Any]]:
    return [{"key": key, "value": _any_value(value)} for key, value in attributes.items()]


def _any_value(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"}
    return {"arrayValue": {"values": [_any_value(item) for item in value]}}


# Reading.


def _values_of(span: Any, resource: Resource) -> dict[str, Any] | None:
    attributes = {pair["key"]: _read(pair["value"]) for pair in _members(span, "attributes")}
    start = _count(span["startTimeUnixNano"])
    if not 0 <= start <= _LATEST:
        raise ValueError(f"it starts at {start} ns")
    trace_id, span_id = _number_of(span["traceId"], 32), _number_of(span["spanId"], 16)
    readable = _readable(attributes, resource, start, trace_id, span_id)
    if not is_execution(readable):
        return None
    values = dict(zip(COLUMNS, row_from_span(readable), strict=True))
    if semconv.RECORD in attributes:
        values.update(json.loads(attributes[semconv.RECORD]))
    return values


def _readable(attributes: Values, resource: Resource, start: int, trace_id: int, span_id: int) -> ReadableSpan:
    return ReadableSpan(
        semconv.SPAN_NAME,
        context=SpanContext(trace_id, span_id, is_remote=False),
        resource=resource,
        attributes=dict(attributes),
        start_time=start,
        instrumentation_scope=_SCOPE,
    )


def _resource_of(group: Any) -> Resource:
    for pair in _members(_member(group, "resource"), "attributes"):
        name = _member(_member(pair, "value"), "stringValue")
        if _member(pair, "key") == semconv.SERVICE_NAME and isinstance(name, str):
            return _resource(utf8(name))
    return _resource(None)


@functools.lru_cache(maxsize=64)
def _resource(service_name: str | None) -> Resource:
    return Resource({} if service_name is None else {semconv.SERVICE_NAME: service_name})


def _read(value: Any) -> Any:
    """Return the value of an AnyValue. Its integers are usually text; lists become tuples."""
    ((kind, held),) = value.items() or [("", None)]
    if kind == "intValue":
        return _whole(held)
    if kind == "doubleValue":
        return float(held)
    if kind == "arrayValue":
        return tuple(_read(item) for item in _members(held, "values"))
    if kind == "kvlistValue":
        return {pair["key"]: _read(pair["value"]) for pair in _members(held, "values")}
    return held


def _whole(value: Any) -> int:
    return -_count(value[1:]) if isinstance(value, str) and value.startswith("-") else _count(value)


def _count(value: Any) -> int:
    if type(value) is int:
        return value
    if not isinstance(value, str) or not _DIGITS.fullmatch(value):
        raise ValueError(f"invalid integer {value!r:.60}")
    return int(value)


def _number_of(text: Any, digits: int) -> int:
    """Return a trace id or a span id as a number."""
    number = int(text, 16) if isinstance(text, str) and len(text) == digits and _HEXADECIMAL.fullmatch(text) else 0
    if not number:
        raise ValueError(f"invalid id {text!r:.60}: expected {digits} hexadecimal digits")
    return number


def _members(value: Any, name: str) -> list[Any]:
    found = _member(value, name)
    return found if isinstance(found, list) else []


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
