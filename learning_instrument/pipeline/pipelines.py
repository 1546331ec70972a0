"""Pipelines."""

import functools
import threading
import weakref
from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan

from ..budgets import Budget
from ..database import LearningDatabase, store_of
from ..recording.types import Pipeline
from ..safety.guards import guarded
from . import host_providers, metrics, state
from .budget_gate import within_budgets
from .exporter import SQLiteSpanExporter
from .private_tracer import AwaitedTracer, PrivateTracer
from .processor import ExecutionProcessor, ModelCallProcessor
from .sdk_fast_path import set_valid_attributes


class _State:
    """What ``configure()`` set up."""

    lock = threading.Lock()
    members_lock = threading.RLock()  # a signal handler may record in the thread that holds it
    database: LearningDatabase | None = None
    measures_resources: bool = True
    #: Set up by the instrumentor: an application's own ``configure()`` goes before it.
    is_private: bool = False
    budgets: tuple[Budget, ...] = ()


def pipeline_for(database: LearningDatabase, terms: state.PipelineOptions) -> Pipeline | None:
    """Return the pipeline of executions with a database of their own; None where recording is turned off."""
    if host_providers.is_disabled():
        return None
    providers = terms.tracer_provider, terms.meter_provider
    kept = store_of(database).pipelines
    pipeline: Pipeline | None = kept.get(providers)
    if pipeline is None:
        pipeline = _pipeline(ExecutionProcessor(SQLiteSpanExporter(database)), _member_of, None, terms)
        kept[providers] = pipeline
    return within_budgets(pipeline, database, terms.budgets)


def _within_budgets(
    join: state.PipelineBuilder, database: LearningDatabase, budgets: tuple[Budget, ...], terms: state.PipelineOptions
) -> Pipeline | None:
    pipeline = join(terms)
    return None if pipeline is None else within_budgets(pipeline, database, (*budgets, *terms.budgets))


def _pipeline(
    processor: ExecutionProcessor,
    join: Callable[[Any], object],
    configured: trace.TracerProvider | None,
    terms: state.PipelineOptions,
) -> Pipeline:
    """Return the pipeline of one provider. Another than the *configured* one is joined as soon as it is there."""
    provider = terms.tracer_provider or configured
    tracer = host_providers.tracer_of(provider)
    if provider is None:
        tracer = AwaitedTracer(tracer, functools.partial(guarded, join))
    elif provider is not configured:
        guarded(join, provider)
    published = metrics.metrics_of(terms.meter_provider)
    if published is not None:
        published.count_running(processor.running)
        processor.tell_totals(published.totals_known)
    return Pipeline(
        tracer=tracer,
        private_tracer=PrivateTracer(trace.get_tracer_provider if provider is None else lambda: provider),
        readable=ReadableSpan,
        deliver=processor.record,
        lose=processor.lose,
        running=processor.running,
        set_attributes=set_valid_attributes,
        deliver_call=processor.record_call,
        metrics=published,
        measures_resources=_State.measures_resources,
    )


def _join(processor: ExecutionProcessor, provider: Any) -> None:
    """Take part in the provider's spans, and in its flush and shutdown."""
    member = _member_of(provider)
    if member is not None:
        member.processor = processor


def _member_of(provider: Any) -> ModelCallProcessor | None:
    """Return our member of *provider*, or None where it is one that has none."""
    if not hasattr(provider, "add_span_processor"):
        return None
    with _State.members_lock:
        try:
            member = _members.get(provider)
            if member is None:
                member = _members[provider] = ModelCallProcessor()
                provider.add_span_processor(member)
        except TypeError:  # another make, which takes no weak reference: it is not remembered
            member = ModelCallProcessor()
            provider.add_span_processor(member)
    return member


# A provider gives no processor back, so each gets one of ours, for good.
_members: "weakref.WeakKeyDictionary[Any, ModelCallProcessor]" = weakref.WeakKeyDictionary()
