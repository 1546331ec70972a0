"""Converts executions to spans in OTLP's JSON.

The spans equal those of a live export, with the stored ids. What its span does not hold, such as an
id of another form, feedback and model calls, is in one more attribute.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from .. import semconv
from ..columns import COLUMN_OF, COLUMNS, TABLE
from ..record import row_from_span
from .nested import NESTED
from .otlp_spans import LATEST, execution_span, id_of, resource
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
_LONGEST_SECONDS: Final = 1e9
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
    duration = min(max(row["duration_seconds"], 0.0) + max(row["wait_seconds"] or 0.0, 0.0), _LONGEST_SECONDS)
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
    start = min(nanoseconds(row["timestamp"]), LATEST)
    own = [int(digits, 16) for digits in found.groups()] if (found := _IDENTITY.fullmatch(identity)) else [0, 0, 0]
    if own[0] // 1000 == start // 1000:
        start = own[0]
    try:
        return start, id_of(row["trace_id"], 32), id_of(row["span_id"], 16)
    except ValueError:
        return start, own[1] or derived_bits(identity, 128), own[2] or derived_bits(identity, 64)


def _not_in_span(row: Values, attributes: Values, start: int, trace_id: int, span_id: int) -> dict[str, Any]:
    """Return the values of *row* that the span alone does not hold."""
    rebuilt = row_from_span(execution_span(attributes, resource(row["service_name"]), start, trace_id, span_id))
    missing = {column: row[column] for column, value in zip(COLUMNS, rebuilt, strict=True) if value != row[column]}
    return missing | {name: row[name] for name in NESTED if row.get(name) is not None}


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
