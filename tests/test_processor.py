"""The way from a finished execution to the exporter, and its part in the host's provider."""

import pytest
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from learning_instrument import SQLiteSpanExporter, configure, record_execution
from learning_instrument.processor import ExecutionProcessor


@pytest.fixture
def processor(database):
    """A processor with ``database`` behind it."""
    return ExecutionProcessor(SQLiteSpanExporter(database))


def finished_span(provider=None, **keywords):
    """Return the span of an execution that nobody has stored."""
    spans = []
    provider = provider or TracerProvider()
    record = type("Keep", (SpanProcessor,), {"on_end": lambda self, span: spans.append(span)})()
    provider.add_span_processor(record)
    record_execution(tracer_provider=provider, **keywords)(lambda task: None)({})
    return spans[0]


def test_recorded_span_is_a_row(processor, rows):
    """As soon as it ended."""
    processor.record(finished_span())

    assert len(rows()) == 1


def test_on_end_does_nothing(processor, rows):
    """A span comes by ``record()``; in the host's provider it must not come again, nor slow down others."""
    span = finished_span()
    processor.on_start(span)
    processor.on_end(span)

    assert rows() == []


def test_flush_and_shutdown_before_anything_was_recorded(processor, tmp_path):
    """Nothing is opened for them."""
    assert processor.force_flush()
    processor.shutdown()

    assert list(tmp_path.iterdir()) == []


def test_execution_after_shutdown_is_recorded(processor, rows):
    """The host's provider may go before its pools do."""
    processor.shutdown()

    processor.record(finished_span())

    assert len(rows()) == 1


def test_hosts_shutdown_writes_what_is_queued(tmp_path, provider):
    """In batch mode as well."""
    database = configure(tmp_path / "learning.db", durability="batch", tracer_provider=provider)
    record_execution(lambda task: None)({})

    provider.shutdown()

    assert database.statistics().stored == 1


def test_losses_are_counted_and_logged_once(processor, database, caplog):
    """With the fault, so that it can be reported to us."""
    for _ in range(3):
        processor.lose(ValueError("ours"))

    assert database.statistics().lost == {"fault": 3}
    (warning,) = caplog.records
    assert isinstance(warning.exc_info[1], ValueError)
