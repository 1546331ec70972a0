"""Which pipeline an execution takes: the one ``configure()`` set up, an explicit database's, or the bare tracer's.

Knows no SDK and no SQLite: what needs them is built by ``configuration``, which is imported when the
first execution with a database of its own starts.
"""

import os
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from opentelemetry import trace
from opentelemetry.trace import Tracer, TracerProvider

from .capture import guarded
from .errors import ConfigurationError
from .interruptions import is_interruption
from .semconv import SCOPE_NAME
from .tracing import Pipeline, warn

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from .budgets import Budget


class _NotGiven:
    """The default of ``learning_db=``, where None has a meaning of its own."""

    def __repr__(self) -> str:
        return "..."


NOT_GIVEN: Final = _NotGiven()

Route = Callable[[Any], Pipeline | None]
"""A pool instance (or None) -> the pipeline its executions take, or None to leave the call alone."""


class Terms(NamedTuple):
    """What a decorated function asks for, beside what was configured."""

    tracer_provider: TracerProvider | None = None
    meter_provider: "MeterProvider | None" = None
    budgets: "tuple[Budget, ...]" = ()


def check_providers(tracer_provider: Any, meter_provider: Any) -> None:
    """Refuse what is no provider here, where the user gives it: in a task it would only be a log message.

    Raises:
        ConfigurationError: for an object that makes no tracers, or no meters.
    """
    for name, provider, method in (
        ("tracer_provider", tracer_provider, "get_tracer"),
        ("meter_provider", meter_provider, "get_meter"),
    ):
        if provider is not None and (isinstance(provider, type) or not callable(getattr(provider, method, None))):
            raise ConfigurationError(
                f"{name}={provider!r} is no provider: it needs {method}(). Pass an SDK's, or None."
            )


class Join(Protocol):
    """Builds pipelines; ``configuration`` has one."""

    def __call__(self, terms: Terms) -> Pipeline | None:
        """Return the pipeline of executions with these *terms* beside its own."""


class _Configured:
    """What ``configure()`` set up; None before it and after ``shutdown()``."""

    join: Join | None = None
    generation: int = 0
    #: Whether it was said that nothing records.
    has_warned: bool = False


def install(join: Join | None) -> None:
    """Make *join* build the pipelines of all executions without a database of their own. For ``configuration``."""
    _Configured.join = join
    _Configured.generation += 1
    _Configured.has_warned = False


def installed() -> Join | None:
    """Return what :func:`install` was given last."""
    return _Configured.join


def route_to(learning_db: Any, terms: Terms) -> Route:
    """Return the route of executions decorated with these arguments.

    Raises:
        ConfigurationError: if *learning_db* is neither a LearningDatabase, nor None, nor callable.
    """
    if learning_db is NOT_GIVEN:
        return _DefaultRoute(terms)
    if learning_db is None:
        return lambda instance: None
    from .database import LearningDatabase

    if isinstance(learning_db, LearningDatabase):
        return _ExplicitRoute(lambda instance: learning_db, terms)
    if callable(learning_db):
        return _ExplicitRoute(learning_db, terms)
    raise ConfigurationError(
        f"learning_db={learning_db!r} is not a LearningDatabase; pass LearningDatabase(path), None, or a callable"
        " instance -> LearningDatabase | None."
    )


class _DefaultRoute:
    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._generation = -1
        self._pipeline: Pipeline | None = None

    def __call__(self, instance: Any) -> Pipeline | None:
        if self._generation != _Configured.generation:
            generation, join = _Configured.generation, _Configured.join
            self._pipeline = _guarded(join or _bare, self._terms)
            self._generation = generation
        return self._pipeline


class _ExplicitRoute:
    def __init__(self, database_of: Callable[[Any], Any], terms: Terms) -> None:
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
            from .configuration import pipeline_for
            from .database import LearningDatabase

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
    except Exception:  # this is the first call of somebody's task
        warn("No tracer could be had; the executions are not recorded.", exc_info=True)
        return None


def is_disabled() -> bool:
    """Tell whether ``OTEL_SDK_DISABLED`` turns recording off."""
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def tracer_of(tracer_provider: TracerProvider | None) -> Tracer:
    """Return our tracer of *tracer_provider*, or of the global one, which may still be to come."""
    return trace.get_tracer(SCOPE_NAME, RELEASE, tracer_provider)


def _release() -> str:
    try:
        return version("learning_instrument")
    except PackageNotFoundError:  # run from a source tree
        return "0"


# Not by the first execution: asking imports, and a child forked while another thread imports waits for it for ever.
RELEASE: Final = _release()


def _bare(terms: Terms) -> Pipeline | None:
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
    pipeline = _measured(terms)
    if not terms.budgets:
        return pipeline
    from .admission import within_budgets

    return within_budgets(pipeline, None, terms.budgets)


def _measured(terms: Terms) -> Pipeline:
    tracer = tracer_of(terms.tracer_provider)
    if "opentelemetry.metrics" not in sys.modules:  # so nobody takes any
        return Pipeline(tracer)
    from .metrics import metrics_of

    metrics = metrics_of(terms.meter_provider)
    return Pipeline(tracer, metrics=metrics, running=None if metrics is None else metrics.own_running)
