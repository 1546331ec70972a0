"""The table ``otel_traces`` as the OpenTelemetry Collector's ClickHouse exporter has it, and OTLP spans put into it.

The columns, their types and what becomes of a value were read from the main branch of opentelemetry-collector-contrib
(exporter/clickhouseexporter: internal/sqltemplates/traces_table.sql and traces_json_table.sql, exporter_traces.go and
exporter_traces_json.go; pdata's ``Value.AsString`` and ``Value.AsRaw``). There are two: attributes are maps of
strings by default, and JSON columns with the exporter's setting ``json``. Its indexes for searching attributes, which
change no answer, are left out.
"""

import base64
import decimal
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any, Literal

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan

Attributes = Literal["map", "json"]
_TYPE = {"map": "Map(LowCardinality(String), String)", "json": "JSON"}
#: Columns for searching attributes.
_MORE = {
    "map": ", ".join(
        f"{name}Items Array(String) ALIAS"
        f" arrayMap(kv -> concat(kv.1, '=', kv.2), CAST({name}s, 'Array(Tuple(String, String))'))"
        for name in ("ResourceAttribute", "SpanAttribute")
    ),
    "json": ", ".join(
        f"{name}AttributesKeys Array(LowCardinality(String)) CODEC(ZSTD(1))" for name in ("Resource", "Span")
    ),
}
#: What the exporter names in its INSERT, in this order.
COLUMNS = [
    *("Timestamp", "TraceId", "SpanId", "ParentSpanId", "TraceState", "SpanName", "SpanKind", "ServiceName"),
    *("ResourceAttributes", "ScopeName", "ScopeVersion", "SpanAttributes", "Duration", "StatusCode", "StatusMessage"),
    *("Events.Timestamp", "Events.Name", "Events.Attributes"),
    *("Links.TraceId", "Links.SpanId", "Links.TraceState", "Links.Attributes"),
]
#: And behind them, where attributes are JSON.
KEYS = ["ResourceAttributesKeys", "SpanAttributesKeys"]
_KINDS = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
_STATUSES = ("Unset", "Ok", "Error")
#: How many spans an INSERT has: the exporter's default.
BATCH = 8192


def create(client: Any, attributes: Attributes = "map", *, duration: str = "UInt64") -> None:
    """Make the table, and the look-up of traces that the exporter keeps beside it, in the client's database.

    Args:
        client: one of clickhouse-connect.
        attributes: the exporter's schema.
        duration: the type of ``Duration``: ``Int64`` in older releases.
    """
    kind, more = _TYPE[attributes], _MORE[attributes]
    client.command(f"""
        CREATE TABLE otel_traces (
            Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
            TraceId String CODEC(ZSTD(1)), SpanId String CODEC(ZSTD(1)), ParentSpanId String CODEC(ZSTD(1)),
            TraceState String CODEC(ZSTD(1)), SpanName LowCardinality(String) CODEC(ZSTD(1)),
            SpanKind LowCardinality(String) CODEC(ZSTD(1)), ServiceName LowCardinality(String) CODEC(ZSTD(1)),
            ResourceAttributes {kind} CODEC(ZSTD(1)),
            ScopeName String CODEC(ZSTD(1)), ScopeVersion String CODEC(ZSTD(1)),
            SpanAttributes {kind} CODEC(ZSTD(1)),
            Duration {duration} CODEC(ZSTD(1)),
            StatusCode LowCardinality(String) CODEC(ZSTD(1)), StatusMessage String CODEC(ZSTD(1)),
            Events Nested (Timestamp DateTime64(9), Name LowCardinality(String), Attributes {kind}) CODEC(ZSTD(1)),
            Links Nested (TraceId String, SpanId String, TraceState String, Attributes {kind}) CODEC(ZSTD(1)),
            {more},
            INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
            INDEX idx_duration Duration TYPE minmax GRANULARITY 1
        ) ENGINE = MergeTree PARTITION BY toDate(Timestamp)
        ORDER BY (ServiceName, SpanName, toDateTime(Timestamp), Timestamp)
        SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1""")
    client.command("""
        CREATE TABLE otel_traces_trace_id_ts (
            TraceId String CODEC(ZSTD(1)), Start SimpleAggregateFunction(min, DateTime) CODEC(ZSTD(1)),
            End SimpleAggregateFunction(max, DateTime) CODEC(ZSTD(1))
        ) ENGINE = MergeTree PARTITION BY toStartOfWeek(Start) ORDER BY TraceId""")
    client.command("""
        CREATE MATERIALIZED VIEW otel_traces_trace_id_ts_mv TO otel_traces_trace_id_ts AS
        SELECT TraceId, min(Timestamp) AS Start, max(Timestamp) AS End FROM otel_traces
        WHERE TraceId != '' GROUP BY TraceId""")


def insert(
    client: Any, bodies: Iterable[bytes], attributes: Attributes = "map", settings: dict[str, Any] | None = None
) -> int:
    """Put the spans of OTLP requests (protobuf, as an exporter posts them) into the table; return how many."""
    columns = COLUMNS + (KEYS if attributes == "json" else [])
    rows = (row for body in bodies for row in rows_of(ExportTraceServiceRequest.FromString(body), attributes))
    inserted = 0
    while batch := list(itertools.islice(rows, BATCH)):
        lines = (json.dumps(dict(zip(columns, row, strict=True)), allow_nan=False) for row in batch)
        client.raw_insert("otel_traces", columns, "\n".join(lines).encode(), settings, "JSONEachRow")
        inserted += len(batch)
    return inserted


def insert_spans(
    client: Any, spans: Sequence[ReadableSpan], attributes: Attributes = "map", settings: dict[str, Any] | None = None
) -> int:
    """Put *spans* into the table, by way of OTLP's bytes; return how many."""
    slices = (spans[start : start + BATCH] for start in range(0, len(spans), BATCH))
    return insert(client, (encode_spans(part).SerializeToString() for part in slices), attributes, settings)


def rows_of(request: ExportTraceServiceRequest, attributes: Attributes) -> Iterator[tuple[Any, ...]]:
    """Yield the row of each span, its values as JSON takes them, in the order of the columns."""
    pairs = _strings if attributes == "map" else _raw
    for resource_spans in request.resource_spans:
        resource = pairs(resource_spans.resource.attributes)
        service = _strings(resource_spans.resource.attributes).get("service.name", "")
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                row = (
                    _seconds(span.start_time_unix_nano),
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.trace_state,
                    span.name,
                    _KINDS[span.kind],
                    service,
                    resource,
                    scope_spans.scope.name,
                    scope_spans.scope.version,
                    pairs(span.attributes),
                    span.end_time_unix_nano - span.start_time_unix_nano,
                    _STATUSES[span.status.code],
                    span.status.message,
                    [_seconds(event.time_unix_nano) for event in span.events],
                    [event.name for event in span.events],
                    [pairs(event.attributes) for event in span.events],
                    [link.trace_id.hex() for link in span.links],
                    [link.span_id.hex() for link in span.links],
                    [link.trace_state for link in span.links],
                    [pairs(link.attributes) for link in span.links],
                )
                if attributes == "json":
                    row += (_keys(resource_spans.resource.attributes), _keys(span.attributes))
                yield row


def _seconds(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 10**9)  # as a date and a time: a small number would be a year
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%d %H:%M:%S}.{rest:09}Z"


def _keys(pairs: Any) -> list[str]:
    return sorted({pair.key for pair in pairs})


def _strings(pairs: Any) -> dict[str, str]:
    return {pair.key: as_string(pair.value) for pair in pairs}


def _raw(pairs: Any) -> dict[str, Any]:
    return {pair.key: as_raw(pair.value) for pair in pairs}


def as_string(value: Any) -> str:
    """Return a value of an attribute as the exporter's maps have it: text as it is, all else as JSON."""
    kind = value.WhichOneof("value")
    if kind is None:
        return ""
    if kind == "string_value":
        return str(value.string_value)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    if kind == "double_value":
        return _number(value.double_value)
    return json.dumps(as_raw(value), separators=(",", ":"), ensure_ascii=False)


def as_raw(value: Any) -> Any:
    """Return a value of an attribute as the exporter's JSON columns are sent it."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [as_raw(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _raw(value.kvlist_value.values)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return getattr(value, kind)


def _number(number: float) -> str:
    """As JavaScript and Go's JSON write it: an exponent only below a millionth, and from 1e21."""
    if not math.isfinite(number):
        return f"json: unsupported value: {'NaN' if math.isnan(number) else '+Inf' if number > 0 else '-Inf'}"
    digits = decimal.Decimal(repr(number))
    if number and not 1e-6 <= abs(number) < 1e21:
        return format(digits, "e")
    return format(digits, "f").removesuffix(".0")
