"""Finished executions go from the span processors to the exporter."""

import pytest
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from learning_instrument import SQLiteSpanExporter, configure, record_execution, shutdown
from learning_instrument.pipeline.pipelines import model_call_processor_of
from learning_instrument.pipeline.processor import ExecutionProcessor, ModelCallProcessor
from learning_instrument.semconv import EXECUTION_ID


@pytest.fixture
def processor(database):
    """A processor that records into ``database``."""
    return ExecutionProcessor(SQLiteSpanExporter(database))


def finished_span(provider=None, **keywords):
    """Return the span of an execution that was not stored."""
    spans = []
    provider = provider or TracerProvider()
    record = type("Keep", (SpanProcessor,), {"on_end": lambda self, span: spans.append(span)})()
    provider.add_span_processor(record)
    record_execution(tracer_provider=provider, **keywords)(lambda task: None)({})
    return spans[0]


def test_recorded_span_is_a_row(processor, rows):
    """As soon as it ended."""
    span = finished_span()
    processor.record(span, span.attributes[EXECUTION_ID])

    assert len(rows()) == 1


@pytest.fixture
def model_calls(processor):
    """Our span processor in a provider of the host."""
    model_calls = ModelCallProcessor()
    model_calls.processor = processor
    return model_calls


def test_execution_is_not_recorded_on_end(model_calls, rows):
    """It is recorded by ``record()``; the host's provider must not record it again, nor slow other spans down."""
    span = finished_span()
    model_calls.on_start(span)
    model_calls.on_end(span)

    assert rows() == []


def test_flush_and_shutdown_before_any_execution(no_file, model_calls, tmp_path):
    """No database is opened for them."""
    assert model_calls.force_flush()
    model_calls.shutdown()

    assert list(tmp_path.iterdir()) == []


def test_execution_after_shutdown_is_recorded(model_calls, processor, rows):
    """The host's provider may be shut down before its pools."""
    model_calls.shutdown()

    span = finished_span()
    processor.record(span, span.attributes[EXECUTION_ID])

    assert len(rows()) == 1


def test_provider_gets_one_span_processor_however_often_it_is_configured(tmp_path, provider):
    """A provider gives no processor back."""
    for n in range(5):
        configure(tmp_path / f"{n}.db", tracer_provider=provider)
        shutdown()

    processors = [
        item for item in provider._active_span_processor._span_processors if isinstance(item, ModelCallProcessor)
    ]
    assert len(processors) == 1
    assert processors[0].processor is None


def test_hosts_shutdown_writes_the_queue(tmp_path, provider):
    """In batch mode as well."""
    database = configure(tmp_path / "learning.db", durability="batch", tracer_provider=provider)
    record_execution(lambda task: None)({})

    provider.shutdown()

    assert database.statistics().stored == 1


def test_losses_are_counted_and_logged_once(processor, database, caplog):
    """With the traceback, for a bug report."""
    for _ in range(3):
        processor.lose(ValueError("ours"))

    assert database.statistics().lost == {"fault": 3}
    (warning,) = caplog.records
    assert isinstance(warning.exc_info[1], ValueError)


def test_type_error_of_the_provider_is_its_own():
    """It is not taken for a provider that cannot be weakly referenced, which would be called twice."""

    class Provider:
        calls = 0

        def add_span_processor(self, span_processor):
            self.calls += 1
            raise TypeError("theirs")

    provider = Provider()
    with pytest.raises(TypeError, match="theirs"):
        model_call_processor_of(provider)

    assert provider.calls == 1


def test_provider_without_weak_references_gets_a_span_processor():
    class Provider:
        __slots__ = ("added",)

        def add_span_processor(self, span_processor):
            self.added = span_processor

    provider = Provider()

    assert model_call_processor_of(provider) is provider.added
