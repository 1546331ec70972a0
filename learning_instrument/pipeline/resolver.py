"""Which pipeline an execution takes: the one ``configure()`` set up, an explicit database's, or the bare tracer's.

Knows no SDK and no SQLite: what needs them is built by ``configuration``, which is imported when the
first execution with a database of its own starts.
"""

import sys
from collections.abc import Callable
from typing import Any

from opentelemetry import trace

from ..errors import ConfigurationError
from ..recording.types import Pipeline
from ..safety.guards import guarded, is_interruption, warn
from .host_providers import is_disabled, tracer_of
from .state import NOT_GIVEN, PipelineOptions, _Configured

PipelineResolver = Callable[[Any], Pipeline | None]
"""A pool instance (or None) -> the pipeline its executions take, or None to leave the call alone."""


def resolver_for(learning_db: Any, terms: PipelineOptions) -> PipelineResolver:
    """Return the route of executions decorated with these arguments.

    Raises:
        ConfigurationError: if *learning_db* is neither a LearningDatabase, nor None, nor callable.
    """
    if learning_db is NOT_GIVEN:
        return _ConfiguredResolver(terms)
    if learning_db is None:
        return lambda instance: None
    from ..database import LearningDatabase

    if isinstance(learning_db, LearningDatabase):
        return _DatabaseResolver(lambda instance: learning_db, terms)
    if callable(learning_db):
        return _DatabaseResolver(learning_db, terms)
    raise ConfigurationError(
        f"learning_db={learning_db!r} is not a LearningDatabase; pass LearningDatabase(path), None, or a callable"
        " instance -> LearningDatabase | None."
    )


class _ConfiguredResolver:
    def __init__(self, terms: PipelineOptions) -> None:
        self._terms = terms
        self._generation = -1
        self._pipeline: Pipeline | None = None

    def __call__(self, instance: Any) -> Pipeline | None:
        if self._generation != _Configured.generation:
            generation, join = _Configured.generation, _Configured.join
            self._pipeline = _guarded(join or _spans_only, self._terms)
            self._generation = generation
        return self._pipeline


class _DatabaseResolver:
    def __init__(self, database_of: Callable[[Any], Any], terms: PipelineOptions) -> None:
        self._database_of = database_of
        self._terms = terms
        self._last: tuple[Any, Pipeline | None] = (None, None)
        self._has_warned = False

    def __call__(self, instance: Any) -> Pipeline | None:
        try:
            database = self._database_of(instance)
        except BaseException as fault:  # a user's callable: whatever it raises, the task goes on unrecorded
            if is_interruption(fault):
                raise
            self._warn("learning_db=%r failed; the executions are not recorded.", self._database_of, exc_info=True)
            return None
        if database is None:
            return None
        last, pipeline = self._last
        if database is not last:
            from ..database import LearningDatabase
            from .pipelines import pipeline_for

            if not guarded(isinstance, database, LearningDatabase):  # which may ask a property of its own
                self._warn("learning_db gave %r, no LearningDatabase; the executions are not recorded.", type(database))
                return None
            pipeline = _guarded(pipeline_for, database, self._terms)
            self._last = (database, pipeline)
        return pipeline

    def _warn(self, message: str, *args: Any, exc_info: bool = False) -> None:
        if not self._has_warned:
            self._has_warned = True
            warn(message, *args, exc_info=exc_info)


def _guarded(join: Callable[..., Pipeline | None], *args: Any) -> Pipeline | None:
    """Build a pipeline; answer None, which leaves the calls alone, where a provider of the user's fails."""
    try:
        return join(*args)
    except Exception as fault:  # this is the first call of somebody's task
        if is_interruption(fault):
            raise
        warn("No tracer could be had; the executions are not recorded.", exc_info=True)
        return None


def _spans_only(terms: PipelineOptions) -> Pipeline | None:
    """Return the pipeline where nothing is configured: spans and metrics to the providers, and no rows."""
    if is_disabled():
        return None
    if terms.tracer_provider is None:
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider) and not _Configured.has_warned:
            _Configured.has_warned = True
            warn(
                "Executions are decorated, but nothing records them: call learning_instrument.configure(), or set up an"
                " OpenTelemetry SDK."
            )
    pipeline = _spans_and_metrics(terms)
    if not terms.budgets:
        return pipeline
    from .budget_gate import within_budgets

    return within_budgets(pipeline, None, terms.budgets)


def _spans_and_metrics(terms: PipelineOptions) -> Pipeline:
    tracer = tracer_of(terms.tracer_provider)
    if "opentelemetry.metrics" not in sys.modules:  # so nobody takes any
        return Pipeline(tracer)
    from .metrics import metrics_of

    metrics = metrics_of(terms.meter_provider)
    return Pipeline(tracer, metrics=metrics, running=None if metrics is None else metrics.own_running)
