"""Spans that look like model calls and are not understood are counted, by scope and operation."""

import json

import pytest
from calls import execution, span, usage
from google.protobuf import json_format
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

from learning_instrument import LearningDatabase, SQLiteSpanExporter, configure, record_execution
from learning_instrument.costs import span_sorter, unknown_spans
from learning_instrument.costs.unknown_spans import Counted, UnknownSpan
from learning_instrument.transfer import import_executions

#: Looks like a model call, in words that are not understood.
STRANGE = {"gen_ai.operation.name": "muse", "gen_ai.request.model": "m"}
NAMELESS = {"gen_ai.request.model": "m", "gen_ai.request.temperature": 1.0}


@pytest.fixture
def tracer(provider):
    return provider.get_tracer("strange.client")


def counts(database):
    database.flush()
    rows = database.query("SELECT scope, operation, spans FROM unknown_spans ORDER BY 1, 2")
    return [tuple(row.values()) for row in rows]


def do(tracer, attributes, context=None):
    tracer.start_span("span", context, attributes=attributes).end()


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_spans_within_executions_are_counted(tmp_path, provider, tracer, durability):
    """Once each, wherever in them; model calls, other spans and those outside of executions are not."""
    database = configure(tmp_path / "learning.db", tracer_provider=provider, durability=durability)
    kept = []

    @record_execution
    def execute_task(task):
        for attributes in (STRANGE, STRANGE, NAMELESS, usage(), {"http.request.method": "GET"}, {}):
            do(tracer, attributes)
        do(provider.get_tracer("another"), STRANGE)
        kept.append(trace.get_current_span())

    for _ in range(2):
        execute_task({})
    do(tracer, STRANGE)
    do(tracer, STRANGE, trace.set_span_in_context(kept[0], Context()))

    assert counts(database) == [("another", "muse", 2), ("strange.client", "", 2), ("strange.client", "muse", 5)]
    assert [row["calls"] for row in database.query("SELECT count(*) AS calls FROM model_calls")] == [2]


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("processor", [SimpleSpanProcessor, BatchSpanProcessor])
def test_exporter_beside_counts_none_twice(tmp_path, processor, is_first):
    """Into one file, by another object; before ours in the provider or after it."""
    provider, path = TracerProvider(), tmp_path / "learning.db"
    exporter = SQLiteSpanExporter(path)
    if is_first:
        provider.add_span_processor(processor(exporter))
    database = configure(path, tracer_provider=provider)
    if not is_first:
        provider.add_span_processor(processor(exporter))

    for _ in range(3):
        record_execution(lambda task: do(provider.get_tracer("strange.client"), STRANGE))({})
    provider.force_flush()

    assert counts(database) == [("strange.client", "muse", 3)]


def test_two_databases_count_each_their_own(tmp_path, provider, tracer):
    """An exporter into another file has all that ours has."""
    exporter = SQLiteSpanExporter(tmp_path / "other.db")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    database = configure(tmp_path / "learning.db", tracer_provider=provider)

    record_execution(lambda task: do(tracer, STRANGE))({})
    exporter.force_flush()  # a SimpleSpanProcessor does not pass it on

    with LearningDatabase(tmp_path / "other.db") as other:
        assert counts(other) == counts(database) == [("strange.client", "muse", 1)]


def test_exporter_counts_traces_with_an_execution(database):
    """Whichever comes first; an application's other traces are none of ours."""
    exporter = SQLiteSpanExporter(database)
    exporter.export([span(2, 1, STRANGE)])
    exporter.export([span(2, 1, STRANGE, trace_id=2), span(3, 2, NAMELESS, trace_id=2)])
    assert counts(database) == []

    exporter.export([execution(1)])
    exporter.export([span(3, 1, STRANGE), span(3, 1, STRANGE)])

    assert counts(database) == [("other.library", "muse", 2)]


def test_received_file_counts_once(tmp_path, provider, exporter, tracer):
    """However often it is imported."""
    record_execution(lambda task: do(tracer, STRANGE), tracer_provider=provider)({"task_type": "t"})
    file = tmp_path / "spans.jsonl"
    file.write_text(json.dumps(json_format.MessageToDict(encode_spans(exporter.get_finished_spans()))))

    with LearningDatabase(tmp_path / "target.db") as database:
        for _ in range(2):
            import_executions(database, [file])

        assert counts(database) == [("strange.client", "muse", 1)]


def test_memory_is_bounded(database, monkeypatch):
    """Of traces that have no execution, and of spans that were counted."""
    monkeypatch.setattr(span_sorter, "_MOST_UNKNOWN", 10)
    monkeypatch.setattr(unknown_spans, "_MOST_COUNTED", 10)
    sorter, counted = span_sorter.SpanSorter(), Counted()

    for n in range(1, 100):
        sorter.sort([span(2, 1, STRANGE, trace_id=n), span(3, 1, STRANGE, trace_id=n)])
        assert counted.add("x.db", UnknownSpan(1, n, "", ""))
    assert not counted.add("x.db", UnknownSpan(1, 99, "", ""))

    assert sum(map(len, sorter._unknown.values())) == sorter._kept_unknown == 10
    assert len(counted._new) + len(counted._old) <= 21
    assert len(sorter.sort([execution(1, trace_id=99)]).unknown) == 2


def test_kinds_are_bounded(database, monkeypatch):
    """An operation made of an id cannot flood the file; known kinds go on being counted."""
    monkeypatch.setattr(unknown_spans, "_INSERT", unknown_spans._INSERT.replace("< 200", "< 3"))
    exporter = SQLiteSpanExporter(database)

    for n in range(2):
        exporter.export(
            [execution(1, trace_id=n + 1)]
            + [span(i, 1, {**STRANGE, "gen_ai.operation.name": f"muse {i}"}, trace_id=n + 1) for i in range(2, 9)]
        )

    assert counts(database) == [("other.library", f"muse {i}", 2) for i in range(2, 5)]


def test_words_are_redacted_and_cut(database):
    """They are a library's, or a user's."""
    secret = "sk-proj-" + "aB3" * 20
    SQLiteSpanExporter(database).export(
        [
            execution(1),
            span(2, 1, {**STRANGE, "gen_ai.operation.name": f"muse {secret}"}),
            span(3, 1, {**STRANGE, "gen_ai.operation.name": "x" * 1000}),
            span(4, 1, {**STRANGE, "gen_ai.operation.name": "\ud800"}),
        ]
    )

    operations = [operation for _, operation, _ in counts(database)]
    assert len(operations) == 3
    assert secret not in str(operations)
    assert max(map(len, operations)) <= 100
