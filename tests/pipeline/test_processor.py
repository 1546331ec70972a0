"""The way from a finished execution to the exporter, and its part in the host's provider."""

import pytest
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from learning_instrument import SQLiteSpanExporter, configure, record_execution, shutdown
from learning_instrument.pipeline.processor import ExecutionProcessor, ModelCallProcessor


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


@pytest.fixture
def member(processor):
    """Our member of a host's provider."""
    member = ModelCallProcessor()
    member.processor = processor
    return member


def test_on_end_does_nothing(member, rows):
    """A span comes by ``record()``; in the host's provider it must not come again, nor slow down others."""
    span = finished_span()
    member.on_start(span)
    member.on_end(span)

    assert rows() == []


def test_flush_and_shutdown_before_anything_was_recorded(no_file, member, tmp_path):
    """Nothing is opened for them."""
    assert member.force_flush()
    member.shutdown()

    assert list(tmp_path.iterdir()) == []


def test_execution_after_shutdown_is_recorded(member, processor, rows):
    """The host's provider may go before its pools do."""
    member.shutdown()

    processor.record(finished_span())

    assert len(rows()) == 1


def test_provider_gets_one_member_however_often_it_is_configured(tmp_path, provider):
    """A provider gives no processor back."""
    for n in range(5):
        configure(tmp_path / f"{n}.db", tracer_provider=provider)
        shutdown()

    members = [
        item for item in provider._active_span_processor._span_processors if isinstance(item, ModelCallProcessor)
    ]
    assert len(members) == 1
    assert members[0].processor is None


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
