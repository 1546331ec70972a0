"""Builds pipelines: joins tracer, processor, metrics and budgets of one database and one provider."""

import functools
import weakref
from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan

from ..budgets import Budget
from ..database import LearningDatabase, store_of
from ..recording.types import Pipeline
from ..safety.exit import notice_end
from ..safety.forks import check
from ..safety.guards import guarded
from . import host_providers, metrics
from .budget_gate import within_budgets
from .exporter import SQLiteSpanExporter
from .installed import Installed, PipelineBuilder, PipelineOptions
from .pattern_spans import starter_of
from .private_tracer import AwaitedSpans, PrivateTracer
from .processor import ExecutionProcessor, ModelCallProcessor
from .sdk_fast_path import set_valid_attributes


def pipeline_for(database: LearningDatabase, options: PipelineOptions) -> Pipeline | None:
    """Return the pipeline of executions with a database of their own; None where recording is turned off."""
    if host_providers.is_disabled():
        return None
    providers = options.tracer_provider, options.meter_provider
    kept = store_of(database).pipelines
    pipeline: Pipeline | None = kept.get(providers)
    if pipeline is None:
        processor = ExecutionProcessor(SQLiteSpanExporter(database))
        pipeline = _pipeline(processor, model_call_processor_of, None, options)
        kept[providers] = pipeline
    return within_budgets(pipeline, database, options.budgets)


def builder_for(
    database: LearningDatabase,
    tracer_provider: trace.TracerProvider | None = None,
    model_calls: ModelCallProcessor | None = None,
    budgets: tuple[Budget, ...] = (),
) -> PipelineBuilder:
    """Return the builder of pipelines that record into *database*. Calls no method of a provider.

    Args:
        database: where executions are recorded.
        tracer_provider: the provider of their spans. None for the global one, which may be set up later.
        model_calls: our span processor of *tracer_provider*, by :func:`model_call_processor_of`.
        budgets: the budgets of all these executions.
    """
    processor = ExecutionProcessor(SQLiteSpanExporter(database))
    if tracer_provider is None:
        build = functools.partial(_pipeline, processor, functools.partial(_attach, processor), None)
    else:
        if model_calls is not None:
            model_calls.processor = processor
        build = functools.partial(_pipeline, processor, model_call_processor_of, tracer_provider)
    return limited(build, database, budgets)


def limited(builder: PipelineBuilder, database: LearningDatabase, budgets: tuple[Budget, ...]) -> PipelineBuilder:
    """Return *builder* with *budgets* added to those of each pipeline's options."""

    def build(options: PipelineOptions) -> Pipeline | None:
        pipeline = builder(options)
        return None if pipeline is None else within_budgets(pipeline, database, (*budgets, *options.budgets))

    return build


def _pipeline(
    processor: ExecutionProcessor,
    found: Callable[[Any], object],
    configured: trace.TracerProvider | None,
    options: PipelineOptions,
) -> Pipeline:
    """Build one pipeline.

    Args:
        processor: takes its executions.
        found: called with a provider other than *configured*: at once, or as soon as the global one is set up.
        configured: the provider that *processor* is attached to already.
        options: those of the decorated function.
    """
    provider = options.tracer_provider or configured
    tracer = host_providers.tracer_of(provider)
    if provider is None:
        start_span: Callable[..., trace.Span] = AwaitedSpans(tracer, functools.partial(guarded, found))
    else:
        if provider is not configured:
            guarded(found, provider)
        start_span = starter_of(tracer)
    published = metrics.metrics_of(options.meter_provider)
    if published is not None:
        published.count_running(processor.running)
        processor.add_totals_listener(published.totals_known)
    private = PrivateTracer(host_providers.present_tracer_provider if provider is None else lambda: provider)
    return Pipeline(
        start_span=start_span,
        start_private_span=private.start_private_span,
        readable=ReadableSpan,
        deliver=processor.record,
        deliver_lost=processor.record_lost,
        lose=processor.lose,
        misses=processor.misses,
        running=processor.running,
        set_attributes=set_valid_attributes,
        deliver_model_call=processor.record_model_call,
        record_metrics=None if published is None else published.ended,
        measures_resources=Installed.measures_resources,
    )


def _attach(processor: ExecutionProcessor, provider: Any) -> None:
    """Let flush and shutdown of *provider* flush *processor*, and find model calls among its spans."""
    model_calls = model_call_processor_of(provider)
    if model_calls is not None:
        model_calls.processor = processor


def attached() -> list[tuple[ModelCallProcessor, ExecutionProcessor | None]]:
    """Return the processors of executions of all providers, for :func:`reattach`."""
    return [(model_calls, model_calls.processor) for model_calls in _model_call_processors.values()]


def reattach(attachments: list[tuple[ModelCallProcessor, ExecutionProcessor | None]]) -> None:
    """Restore *attachments*."""
    for model_calls, processor in attachments:
        model_calls.processor = processor


def detach() -> None:
    """Attach no processor of executions to any provider."""
    for model_calls in _model_call_processors.values():
        model_calls.processor = None


def model_call_processor_of(provider: Any) -> ModelCallProcessor | None:
    """Return our span processor of *provider*, which is added once; None where the provider takes none."""
    if not hasattr(provider, "add_span_processor"):
        return None
    check()
    new = ModelCallProcessor()
    try:
        model_calls = _model_call_processors.setdefault(provider, new)  # of two threads, both get that of the first
    except TypeError:  # a provider of another make that takes no weak reference is not remembered
        model_calls = new
    if model_calls is new:
        provider.add_span_processor(new)
        notice_end()  # before the provider's exit handler, which waits for ours
    return model_calls


#: Provider -> our span processor. A provider gives no processor back, so each gets one, for good.
_model_call_processors: "weakref.WeakKeyDictionary[Any, ModelCallProcessor]" = weakref.WeakKeyDictionary()
