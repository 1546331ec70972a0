"""The one place where provider, processor, exporter and database are joined."""

import contextlib
import functools
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from . import metrics, otlp, routes
from .admission import within_budgets
from .budgets import Budget, budgets_of
from .capture import guarded
from .database import LearningDatabase
from .errors import ConfigurationError
from .exporter import SQLiteSpanExporter, as_database
from .prices import prices_of
from .processor import ExecutionProcessor, Member
from .provider import AwaitedTracer, OwnIds, PrivateTracer, set_valid_attributes
from .retention import retention
from .tracing import Pipeline

log = logging.getLogger("learning_instrument")


class _State:
    """What ``configure()`` set up."""

    lock = threading.Lock()
    members_lock = threading.RLock()  # a signal handler may record in the thread that holds it
    database: LearningDatabase | None = None
    measures_resources: bool = True
    #: Set up by the instrumentor: an application's own ``configure()`` goes before it.
    is_private: bool = False
    budgets: tuple[Budget, ...] = ()


def configure(
    database: "LearningDatabase | str | os.PathLike[str] | None" = None,
    *,
    durability: str | None = None,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    retention_days: float | None = None,
    max_size: int | str | None = None,
    prices: "Mapping[str, Any] | str | os.PathLike[str] | None" = None,
    budget: Budget | Sequence[Budget] | None = None,
    measure_resources: bool = True,
) -> LearningDatabase:
    """Record every decorated execution. Called twice with the same database, it does nothing more.

    But a budget may be given later, where there was none.

    Args:
        database: a path or a LearningDatabase; by default ``$LEARNING_INSTRUMENT_DATABASE``, else ``learning.db``.
        durability: ``"commit"`` or ``"batch"``; see :class:`LearningDatabase`.
        tracer_provider: the spans' provider; by default the global one, which is set up where there is none.
        meter_provider: the metrics' provider; by default the global one, once there is one.
        retention_days: rows older than so many days are deleted in the background.
        max_size: the oldest rows are deleted in the background when the database holds more, in bytes or as ``"1GB"``.
        prices: your own, before all others: model -> ``{"input": 0.2, "cached": 0.05, "output": 0.6}``, in US dollars
            per million tokens, or the path of a TOML file that says so; by default ``$LEARNING_INSTRUMENT_PRICES``.
        budget: one or several, for all executions that are recorded here: not for those with a database of their own.
        measure_resources: whether the processor time of synchronous tasks is measured, and their memory where it can be
            told apart, which takes a microsecond for each.

    Returns:
        The database that is recorded into.

    Raises:
        ConfigurationError: for an argument that cannot be used, or another database or budget than before.
    """
    limits, price_list = retention(retention_days, max_size), prices_of(prices)
    budgets = budgets_of(budget)
    routes.check_providers(tracer_provider, meter_provider)
    with _State.lock:
        current = _State.database
        wanted = current if current is not None and database is None else as_database(database, durability)
        if current is not None and not _State.is_private:
            if wanted.path != current.path or durability not in (None, current.durability):
                raise ConfigurationError(
                    f"Executions are recorded into {current!r} already; call shutdown() before configuring {wanted!r}."
                )
            _limit_later(budgets)
            return current
        _State.database, _State.is_private, _State.budgets = wanted, False, budgets
        if current is not None and current is not wanted:
            current.close()
        wanted.limit(limits)
        wanted.calls.price_with(price_list)
        metrics.use(meter_provider)
        _State.measures_resources = measure_resources
        if not routes.is_disabled():
            provider = tracer_provider if tracer_provider is not None else _global_provider()
            processor = ExecutionProcessor(SQLiteSpanExporter(wanted))
            _join(processor, provider)
            join = functools.partial(_pipeline, processor, _member_of, provider)
            routes.install(functools.partial(_within_budgets, join, wanted, budgets))
    return wanted


def _limit_later(budgets: tuple[Budget, ...]) -> None:
    """Put what is configured already under *budgets*.

    Raises:
        ConfigurationError: if it is under others.
    """
    if not budgets or budgets == _State.budgets:
        return
    if _State.budgets:
        raise ConfigurationError(
            f"Executions are under the budget {_State.budgets!r} already; call shutdown() before {budgets!r}."
        )
    join = routes.installed()
    if join is not None and _State.database is not None:
        _State.budgets = budgets
        routes.install(functools.partial(_within_budgets, join, _State.database, budgets))


def configure_privately(
    database: "LearningDatabase | str | os.PathLike[str] | None" = None, durability: str | None = None
) -> LearningDatabase:
    """Record every execution without touching the global provider, unless ``configure()`` was called before.

    For the instrumentor: were it to set a global provider, the application's own would be refused. That one is used
    as soon as it is there.
    """
    with _State.lock:
        if _State.database is None:
            _State.database, _State.is_private = as_database(database, durability), True
            if not routes.is_disabled():
                if otlp.is_wanted(os.environ):
                    _export_by_otlp()
                processor = ExecutionProcessor(SQLiteSpanExporter(_State.database))
                join = functools.partial(_pipeline, processor, functools.partial(_join, processor), None)
                routes.install(functools.partial(_within_budgets, join, _State.database, ()))
        return _State.database


def configured_database() -> LearningDatabase | None:
    """Return the database that is recorded into, where one is configured."""
    return _State.database


def configured_budgets() -> tuple[Budget, ...]:
    """Return the budgets of all executions that are recorded where ``configure()`` said."""
    return _State.budgets


def deconfigure_privately() -> None:
    """Undo :func:`configure_privately`, unless ``configure()`` was called since."""
    if _State.is_private:
        shutdown()


def shutdown() -> None:
    """Undo :func:`configure`: write what is queued, detach, and close the database."""
    with _State.lock:
        database, _State.database, _State.is_private, _State.budgets = _State.database, None, False, ()
        routes.install(None)
        metrics.use(None)
        _State.measures_resources = True
        for member in _members.values():
            member.processor = None
    if database is not None:
        database.close()


@contextlib.contextmanager
def redirected_to(database: LearningDatabase) -> Iterator[LearningDatabase]:
    """Record into *database* until the block ends, in place of what was configured. For tests.

    No global tracer provider is set: it could not be taken back.
    """
    with _State.lock:
        before = _State.database, _State.is_private, _State.budgets, _State.measures_resources
        join = routes.installed()
        meter_provider = metrics.in_use()
        processors = [(member, member.processor) for member in _members.values()]
        _State.database, _State.is_private, _State.budgets = None, False, ()
    try:
        yield configure(database, tracer_provider=trace.get_tracer_provider())
    finally:
        shutdown()
        with _State.lock:
            _State.database, _State.is_private, _State.budgets, _State.measures_resources = before
            routes.install(join)
            metrics.use(meter_provider)
            for member, processor in processors:
                member.processor = processor


def pipeline_for(database: LearningDatabase, terms: routes.Terms) -> Pipeline | None:
    """Return the pipeline of executions with a database of their own; None where recording is turned off."""
    if routes.is_disabled():
        return None
    providers = terms.tracer_provider, terms.meter_provider
    pipeline: Pipeline | None = database.pipelines.get(providers)
    if pipeline is None:
        pipeline = _pipeline(ExecutionProcessor(SQLiteSpanExporter(database)), _member_of, None, terms)
        database.pipelines[providers] = pipeline
    return within_budgets(pipeline, database, terms.budgets)


def _within_budgets(
    join: routes.Join, database: LearningDatabase, budgets: tuple[Budget, ...], terms: routes.Terms
) -> Pipeline | None:
    pipeline = join(terms)
    return None if pipeline is None else within_budgets(pipeline, database, (*budgets, *terms.budgets))


def _pipeline(
    processor: ExecutionProcessor,
    join: Callable[[Any], object],
    configured: trace.TracerProvider | None,
    terms: routes.Terms,
) -> Pipeline:
    """Return the pipeline of one provider. Another than the *configured* one is joined as soon as it is there."""
    provider = terms.tracer_provider or configured
    tracer = routes.tracer_of(provider)
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


def _global_provider() -> Any:
    """Return the global provider; set up the SDK's where there is none."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        provider = TracerProvider(id_generator=OwnIds())
        trace.set_tracer_provider(provider)
    return provider


def _export_by_otlp() -> None:
    """Set up an SDK that exports, where there is none: the user asked for it, so the application's own is refused."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        exporter = otlp.exporter()
        if exporter is None:
            log.warning("The OTLP exporter is not installed in %s; spans go to no collector.", sys.prefix)
        else:
            _global_provider().add_span_processor(BatchSpanProcessor(exporter))


def _join(processor: ExecutionProcessor, provider: Any) -> None:
    """Take part in the provider's spans, and in its flush and shutdown."""
    member = _member_of(provider)
    if member is not None:
        member.processor = processor


def _member_of(provider: Any) -> Member | None:
    """Return our member of *provider*, or None where it is one that has none."""
    if not hasattr(provider, "add_span_processor"):
        return None
    with _State.members_lock:
        try:
            member = _members.get(provider)
            if member is None:
                member = _members[provider] = Member()
                provider.add_span_processor(member)
        except TypeError:  # another make, which takes no weak reference: it is not remembered
            member = Member()
            provider.add_span_processor(member)
    return member


# A provider gives no processor back, so each gets one of ours, for good.
_members: "weakref.WeakKeyDictionary[Any, Member]" = weakref.WeakKeyDictionary()


def _start_anew() -> None:
    """Go on in a forked child: another thread of the parent's may have held them."""
    _State.lock, _State.members_lock = threading.Lock(), threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
