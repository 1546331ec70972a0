"""Resolves the pipeline of an execution: that of ``configure()``, of an explicit database, or of a tracer alone.

It imports neither the SDK nor SQLite: ``pipelines``, which does, is imported by the first execution with a database of
its own.
"""

import logging
import sys
from collections.abc import Callable
from typing import Any, Final

from opentelemetry import trace

from ..errors import ConfigurationError
from ..recording.types import Pipeline
from ..safety.guards import guarded, is_interruption, warn
from ..safety.memory import EXHAUSTED, Misses
from .host_providers import global_tracer_provider, is_disabled, tracer_of
from .installed import NOT_GIVEN, Installed, PipelineOptions

log = logging.getLogger(__name__)
_EXHAUSTED: Final = (*EXHAUSTED, RecursionError)

PipelineResolver = Callable[[Any], Pipeline | None]
"""Takes a pool instance (or None); returns the pipeline of its executions, or None to leave the call alone."""


def resolver_for(learning_db: Any, options: PipelineOptions) -> PipelineResolver:
    """Return the resolver for a function decorated with these arguments.

    Raises:
        ConfigurationError: if *learning_db* is not a LearningDatabase, None or callable.
    """
    if learning_db is NOT_GIVEN:
        return _ConfiguredResolver(options)
    if learning_db is None:
        return lambda instance: None
    from ..database import LearningDatabase

    if isinstance(learning_db, LearningDatabase):
        return _DatabaseResolver(lambda instance: learning_db, options)
    if callable(learning_db):
        return _DatabaseResolver(learning_db, options)
    raise ConfigurationError(
        f"Invalid learning_db {learning_db!r}: expected a LearningDatabase, None, or a callable"
        " instance -> LearningDatabase | None."
    )


class _ConfiguredResolver:
    def __init__(self, options: PipelineOptions) -> None:
        self._options = options
        self._generation = -1
        self._pipeline: Pipeline | None = None

    def __call__(self, instance: Any) -> Pipeline | None:
        if self._generation != Installed.generation:
            generation, builder, misses = Installed.generation, Installed.builder, Installed.misses
            try:
                self._pipeline = _built(builder or _spans_only, self._options)
            except _EXHAUSTED:
                _miss(misses)
                return None
            self._generation = generation
        return self._pipeline


class _DatabaseResolver:
    def __init__(self, database_of: Callable[[Any], Any], options: PipelineOptions) -> None:
        self._database_of = database_of
        self._options = options
        self._last: tuple[Any, Pipeline | None] = (None, None)
        self._has_warned = False

    def __call__(self, instance: Any) -> Pipeline | None:
        try:
            database = self._database_of(instance)
        except BaseException as fault:  # a user's callable: for any exception the task goes on unrecorded
            if is_interruption(fault):
                raise
            self._warn(
                "The callable learning_db %r failed; its executions are not recorded.", self._database_of, exc_info=True
            )
            return None
        if database is None:
            return None
        last, pipeline = self._last
        if database is not last:
            from ..database import LearningDatabase, store_of
            from .pipelines import pipeline_for

            if not guarded(isinstance, database, LearningDatabase):  # isinstance may run a property of the object
                self._warn(
                    "The callable learning_db returned %r, not a LearningDatabase; its executions are not recorded.",
                    type(database),
                )
                return None
            try:
                pipeline = _built(pipeline_for, database, self._options)
            except _EXHAUSTED:
                _miss(store_of(database).misses)
                return None
            self._last = (database, pipeline)
        return pipeline

    def _warn(self, message: str, *args: Any, exc_info: bool = False) -> None:
        if not self._has_warned:
            self._has_warned = True
            warn(log, message, *args, exc_info=exc_info)


def _built(build: Callable[..., Pipeline | None], *args: Any) -> Pipeline | None:
    """Build a pipeline; return None, which leaves the calls alone, where a provider fails.

    Raises:
        MemoryError, SystemError, RecursionError: for want of memory or stack, which the next call may have.
    """
    try:
        pipeline = build(*args)
    except _EXHAUSTED:
        raise
    except Exception as fault:  # this runs in the first call of a task
        if is_interruption(fault):
            raise
        warn(log, "No tracer is available; the executions are not recorded.", exc_info=True)
        return None
    Installed.has_built = Installed.has_built or pipeline is not None
    return pipeline


def _miss(misses: Misses | None) -> None:
    """Count an execution whose call is left alone; the next one builds the pipeline."""
    if misses is not None:
        misses.add()


def _spans_only(options: PipelineOptions) -> Pipeline | None:
    """Return the pipeline where nothing is configured: spans and metrics, but no rows."""
    if is_disabled():
        return None
    if options.tracer_provider is None:
        if isinstance(global_tracer_provider(), trace.ProxyTracerProvider) and not Installed.has_warned:
            Installed.has_warned = True
            warn(
                log,
                "Executions are decorated, but not recorded: call learning_instrument.configure(), or set up an"
                " OpenTelemetry SDK.",
            )
    pipeline = _spans_and_metrics(options)
    if not options.budgets:
        return pipeline
    from .budget_gate import within_budgets

    return within_budgets(pipeline, None, options.budgets)


def _spans_and_metrics(options: PipelineOptions) -> Pipeline:
    tracer = tracer_of(options.tracer_provider)
    if "opentelemetry.metrics" not in sys.modules:  # no metrics are in use
        return Pipeline(tracer.start_span)
    from .metrics import metrics_of

    metrics = metrics_of(options.meter_provider)
    if metrics is None:
        return Pipeline(tracer.start_span)
    return Pipeline(tracer.start_span, record_metrics=metrics.ended, running=metrics.own_running)
