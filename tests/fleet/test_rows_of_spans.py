"""A row that ClickHouse makes of a span is the row that SQLite has of it."""

import string

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext

from learning_instrument import record_execution, semconv
from learning_instrument.analytics.shared_words import words
from learning_instrument.columns import COLUMNS, TABLE, Kind
from learning_instrument.fleet import schema
from learning_instrument.record import row_from_span
from tests import strategies

from . import otel_traces

#: By default, ClickHouse takes text within JSON for times where it can: "5" is one, of this month.
NO_GUESSES = {"input_format_try_infer_datetimes": 0, "input_format_try_infer_dates": 0}
OURS = InstrumentationScope(semconv.SCOPE_NAME, "1.0")
IDENTITY = COLUMNS.index("execution_id")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ["", "5", "-1", "1e3", "true", "null", "NaN", "[]", "{}", '["a"]', "a\x00b", "'\"\\`", "\r\n\t", "2026-11-22",
     "2026-11-22T10:00:00.123456+00:00", "\N{PILE OF POO}", "?", "{a:String}", "%s"]
)  # fmt: skip
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [1e-7, 0.1, 50.0, 1e15, 5e-324, 1e21, 1e22]
)
integers = st.integers(-(2**63), 2**63 - 1)
VALUES = {
    Kind.TEXT: texts,
    Kind.WORD: texts,
    Kind.OBJECT: texts,
    Kind.INTEGER: integers,
    Kind.REAL: numbers | integers.filter(lambda number: abs(number) < 2**53),
    Kind.NAMES: st.lists(st.sampled_from(COLUMNS), max_size=4, unique=True).map(tuple),
}
_KINDS = {column.key: column.kind for column in TABLE if column.key is not None}
_REQUIRED = {semconv.TASK_OUTCOME: st.sampled_from(["succeeded", "failed", "x"]), semconv.TASK_DURATION: numbers}


@st.composite
def spans_of_executions(draw):
    """A span with any attributes of ours, each of its column's type."""
    chosen = draw(st.sets(st.sampled_from(sorted(_KINDS.keys() - _REQUIRED.keys()))))
    attributes = {key: draw(VALUES[_KINDS[key]]) for key in sorted(chosen)}
    attributes |= {key: draw(values) for key, values in _REQUIRED.items()}
    resource = draw(st.none() | texts)
    start = draw(st.integers(0, 2**63 - 1) | st.integers(0, 2_000_000_000))
    return ReadableSpan(
        semconv.SPAN_NAME,
        context=SpanContext(draw(st.integers(1, 2**128 - 1)), draw(st.integers(1, 2**64 - 1)), is_remote=False),
        resource=Resource({} if resource is None else {semconv.SERVICE_NAME: resource}),
        attributes=attributes,
        start_time=start,
        end_time=start + draw(st.integers(0, 10**9)),
        instrumentation_scope=OURS,
    )


def expected(spans):
    rows = [row_from_span(span) for span in spans]
    return {row[IDENTITY]: dict(zip(COLUMNS, row, strict=True)) for row in rows}


def stored(client, identities):
    rows = client.rows(
        f"SELECT {', '.join(COLUMNS)} FROM executions WHERE execution_id IN {{ids:Array(String)}}",
        {"ids": list(identities)},
    )
    return {row["execution_id"]: row for row in rows}


@pytest.fixture(params=["map", "json"])
def arrive(request, clickhouse, client):
    """Put spans into the Collector's table, with its exporter's schema."""
    otel_traces.create(clickhouse, request.param)
    schema.init(client)
    return lambda spans: otel_traces.insert_spans(clickhouse, spans, request.param, NO_GUESSES)


#: The database is one for all examples: each has executions of its own.
shared = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@shared
@given(st.lists(spans_of_executions(), min_size=1, max_size=8))
def test_row_has_the_values_that_sqlite_has(arrive, client, spans):
    """Whatever the attributes are: text of any kind, numbers to the last digit, defaults for those that are missing."""
    rows = expected(spans)

    arrive(spans)

    assert stored(client, rows) == rows


@shared
@given(st.lists(st.tuples(strategies.tasks, strategies.results), min_size=1, max_size=5))
@example([({"metadata": {"deep": [1, {"a": None}]}, "prompt": ""}, {"cost": 1e-7, "peak_memory_mb": 12.345678})])
def test_row_of_a_recorded_task_is_the_one_that_sqlite_has(arrive, client, calls):
    """Of any task and any result that it may return."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    for task, result in calls:
        returned = strategies.made(result)
        record_execution(lambda task, returned=returned: returned, tracer_provider=provider)(strategies.made(task))
    provider.shutdown()
    spans = [span for span in exporter.get_finished_spans() if span.instrumentation_scope.name == semconv.SCOPE_NAME]
    rows = expected(spans)

    arrive(spans)

    assert stored(client, rows) == rows


def span_of(attributes, number, scope=OURS):
    return ReadableSpan(
        semconv.SPAN_NAME,
        context=SpanContext(number, number, is_remote=False),
        attributes=attributes,
        start_time=number,
        end_time=number,
        instrumentation_scope=scope,
    )


def test_span_that_is_no_execution_makes_no_row_and_stops_no_others(arrive, client):
    """That of a batch, an unfinished one, one of another library, and one whose values are of other types."""
    whole = {semconv.TASK_OUTCOME: "succeeded", semconv.TASK_DURATION: 1.5}
    others = [
        span_of({**whole, semconv.BATCH_SIZE: 3}, 1),
        span_of({semconv.TASK_DURATION: 1.5}, 2),
        span_of({semconv.TASK_OUTCOME: "succeeded"}, 3),
        span_of({**whole, semconv.TASK_DURATION: "long"}, 4),
        span_of({**whole, semconv.TASK_DURATION: ""}, 5),
        span_of(whole, 6, InstrumentationScope("another")),
        span_of({}, 7),
        span_of(None, 8),
    ]
    odd = span_of({**whole, semconv.TASK_FILE_COUNT: "many", semconv.QUALITY_SCORE: True, semconv.TASK_TYPE: 5}, 9)
    item = span_of({**whole, semconv.BATCH_SIZE: 3, semconv.EXECUTION_ID: "any"}, 10)

    arrive([*others, odd, item])

    rows = client.rows("SELECT span_id, task_type, file_count FROM executions ORDER BY span_id")
    assert rows == [
        {"span_id": f"{9:016x}", "task_type": "5", "file_count": 0},
        {"span_id": f"{10:016x}", "task_type": "unknown", "file_count": 0},
    ]


def test_rowid_grows_by_the_end_of_the_execution(arrive, client):
    """And no two are alike."""
    starts = [(1000, 5.0), (2000, 0.0), (3000, 1.0), (3000, 1.0), (4000, 0.000001)]
    arrive(
        [
            ReadableSpan(
                semconv.SPAN_NAME,
                context=SpanContext(number, number, is_remote=False),
                attributes={semconv.TASK_OUTCOME: "failed", semconv.TASK_DURATION: duration},
                start_time=start * 10**9,
                end_time=start * 10**9,
                instrumentation_scope=OURS,
            )
            for number, (start, duration) in enumerate(starts, 1)
        ]
    )

    rows = client.rows("SELECT rowid, span_id FROM executions ORDER BY rowid")
    assert [row["rowid"] >> 64 for row in rows] == [1005000000, 2000000000, 3001000000, 3001000000, 4000000001]
    assert len({row["rowid"] for row in rows}) == len(starts)


_LETTERS = st.text(
    st.characters(categories=["L", "N", "P", "Zs"], max_codepoint=0x24F)
    | st.sampled_from(string.punctuation + "\u0301"),
    max_size=60,
)


@shared
@given(_LETTERS)
@example("Café İstanbul cafe\u0301 ÀÀ x_y don't Straße 1.5 日本語 ①½")
def test_words_of_a_description_are_those_that_are_compared(arrive, client, text):
    """In lower case and without accents."""
    number = hash(text) % 2**63 + 1
    attributes = {semconv.TASK_OUTCOME: "failed", semconv.TASK_DURATION: 0.0, semconv.TASK_DESCRIPTION: text}
    arrive([span_of(attributes, number)])

    (row,) = client.rows("SELECT words FROM executions WHERE span_id = {id:String}", {"id": f"{number:016x}"})
    assert set(row["words"]) == words(text).keys()
