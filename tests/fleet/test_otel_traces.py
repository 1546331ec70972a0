"""The table that other tests put spans into is what the Collector's exporter makes of them."""

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode

from .otel_traces import COLUMNS, KEYS, as_string, create, insert, insert_spans

TEXT = "Grüße \N{PILE OF POO}, a NUL \x00 and a \n 'quote\\'"


def array(*values):
    return AnyValue(array_value=ArrayValue(values=values))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (AnyValue(), ""),
        (AnyValue(string_value=TEXT), TEXT),
        (AnyValue(bool_value=True), "true"),
        (AnyValue(int_value=-(2**63)), "-9223372036854775808"),
        (AnyValue(bytes_value=b"\x00\xff"), "AP8="),
        (AnyValue(double_value=75.5), "75.5"),
        (AnyValue(double_value=100.0), "100"),
        (AnyValue(double_value=0.0), "0"),
        (AnyValue(double_value=1e-5), "0.00001"),
        (AnyValue(double_value=1e-7), "1e-7"),
        (AnyValue(double_value=-1.25e-10), "-1.25e-10"),
        (AnyValue(double_value=1e20), "100000000000000000000"),
        (AnyValue(double_value=1e21), "1e+21"),
        (AnyValue(double_value=float("inf")), "json: unsupported value: +Inf"),
        (array(AnyValue(string_value="a"), AnyValue(int_value=1)), '["a",1]'),
        (AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="k", value=AnyValue(int_value=1))])), '{"k":1}'),
    ],
)  # fmt: skip
def test_value_is_the_text_that_the_exporter_writes(value, expected):
    """Text is as it is; numbers are as Go's JSON has them."""
    assert as_string(value) == expected


@pytest.fixture
def spans():
    """A failed span with an event and a link inside another one."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "agents", "n": 1}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("learning_instrument", "1.2.3")
    link = Link(SpanContext(7, 8, is_remote=True), {"why": "before"})
    with tracer.start_as_current_span("outer", kind=SpanKind.SERVER):
        span = tracer.start_span("inner", links=[link], start_time=1_764_299_141_925_019_001)
        span.set_attributes({"text": TEXT, "learning_instrument.task.type": "x", "list": ["a", "b"], "half": 0.5})
        span.add_event("exception", {"exception.type": "ValueError"}, timestamp=1_764_299_141_925_019_003)
        span.set_status(StatusCode.ERROR, "no good")
        span.end(1_764_299_141_925_020_001)
    return exporter.get_finished_spans()


def read(client, *expressions):
    return client.query(f"SELECT {', '.join(expressions)} FROM otel_traces ORDER BY SpanName").result_rows


@pytest.mark.parametrize("attributes", ["map", "json"])
def test_span_is_a_row_to_the_nanosecond(clickhouse, spans, attributes):
    """Ids are hexadecimal, kinds and statuses words."""
    create(clickhouse, attributes)

    assert insert_spans(clickhouse, spans, attributes) == 2

    inner, outer = spans
    ids = {span: f"{span.context.trace_id:032x} {span.context.span_id:016x}" for span in spans}
    assert read(clickhouse, "TraceId || ' ' || SpanId", "SpanKind", "StatusCode", "StatusMessage", "ServiceName") == [
        (ids[inner], "Internal", "Error", "no good", "agents"),
        (ids[outer], "Server", "Unset", "", "agents"),
    ]
    first, _ = read(
        clickhouse, "toUnixTimestamp64Nano(Timestamp)", "Duration", "ParentSpanId", "ScopeName", "ScopeVersion"
    )
    assert first == (
        1_764_299_141_925_019_001, 1000, f"{outer.context.span_id:016x}", "learning_instrument", "1.2.3",
    )  # fmt: skip
    first, second = read(
        clickhouse, "arrayMap(t -> toUnixTimestamp64Nano(t), Events.Timestamp)", "Events.Name", "Links.SpanId"
    )
    assert first == ([1_764_299_141_925_019_003], ["exception"], ["0000000000000008"])
    assert second == ([], [], [])


def test_attributes_are_maps_of_text(clickhouse, spans):
    """Numbers and lists too."""
    create(clickhouse, "map")
    insert_spans(clickhouse, spans, "map")

    first, _ = read(clickhouse, "SpanAttributes", "ResourceAttributes['n']", "Events.Attributes", "Links.Attributes")

    assert first == (
        {"text": TEXT, "learning_instrument.task.type": "x", "list": '["a","b"]', "half": "0.5"},
        "1",
        [{"exception.type": "ValueError"}],
        [{"why": "before"}],
    )


def test_attributes_are_json_of_their_types(clickhouse, spans):
    """A key with dots is a path; its names are beside it."""
    create(clickhouse, "json")
    insert_spans(clickhouse, spans, "json")

    first, _ = read(clickhouse, "SpanAttributes.text.:String", "SpanAttributes.learning_instrument.task.type.:String",
                    "SpanAttributes.list.:`Array(Nullable(String))`", "SpanAttributes.half.:Float64",
                    "ResourceAttributes.n.:Int64", "SpanAttributesKeys")  # fmt: skip

    assert first == (TEXT, "x", ["a", "b"], 0.5, 1, ["half", "learning_instrument.task.type", "list", "text"])


@pytest.mark.parametrize("attributes", ["map", "json"])
def test_batch_that_comes_twice_is_twice_in_the_table(clickhouse, spans, attributes):
    """OTLP is delivered at least once, and the table keeps what it is given."""
    create(clickhouse, attributes)
    body = encode_spans(spans).SerializeToString()

    insert(clickhouse, [body, body], attributes)

    assert read(clickhouse, "SpanName") == [("inner",), ("inner",), ("outer",), ("outer",)]


def test_columns_are_those_of_the_insert(clickhouse):
    """In both schemas; others are computed."""
    for attributes, columns in (("map", COLUMNS), ("json", COLUMNS + KEYS)):
        create(clickhouse, attributes)
        described = clickhouse.query("DESCRIBE otel_traces").result_rows
        assert [row[0] for row in described if row[2] != "ALIAS"] == columns
        for name in ("otel_traces_trace_id_ts_mv", "otel_traces_trace_id_ts", "otel_traces"):
            clickhouse.command(f"DROP TABLE {name} SYNC")
