"""The one place where provider, processor, exporter and database are joined."""

import contextlib
import functools
import logging
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from .budgets import Budget, budgets_of
from .costs.prices import prices_of
from .database import LearningDatabase, as_database, store_of
from .errors import ConfigurationError
from .pipeline import host_providers, metrics, otlp, state
from .pipeline.exporter import SQLiteSpanExporter
from .pipeline.pipelines import _join, _member_of, _members, _pipeline, _State, _within_budgets
from .pipeline.private_tracer import OwnIds
from .pipeline.processor import ExecutionProcessor
from .storage.retention import retention

log = logging.getLogger(__name__)


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
    host_providers.check_providers(tracer_provider, meter_provider)
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
        store = store_of(wanted)
        store.limit(limits)
        store.model_calls.price_with(price_list)
        metrics.use(meter_provider)
        _State.measures_resources = measure_resources
        if not host_providers.is_disabled():
            provider = tracer_provider if tracer_provider is not None else _global_provider()
            processor = ExecutionProcessor(SQLiteSpanExporter(wanted))
            _join(processor, provider)
            join = functools.partial(_pipeline, processor, _member_of, provider)
            state.install(functools.partial(_within_budgets, join, wanted, budgets))
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
    join = state.installed()
    if join is not None and _State.database is not None:
        _State.budgets = budgets
        state.install(functools.partial(_within_budgets, join, _State.database, budgets))


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
            if not host_providers.is_disabled():
                if otlp.is_wanted(os.environ):
                    _export_by_otlp()
                processor = ExecutionProcessor(SQLiteSpanExporter(_State.database))
                join = functools.partial(_pipeline, processor, functools.partial(_join, processor), None)
                state.install(functools.partial(_within_budgets, join, _State.database, ()))
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
        state.install(None)
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
        join = state.installed()
        meter_provider = metrics.in_use()
        processors = [(member, member.processor) for member in _members.values()]
        _State.database, _State.is_private, _State.budgets = None, False, ()
    try:
        yield configure(database, tracer_provider=trace.get_tracer_provider())
    finally:
        shutdown()
        with _State.lock:
            _State.database, _State.is_private, _State.budgets, _State.measures_resources = before
            state.install(join)
            metrics.use(meter_provider)
            for member, processor in processors:
                member.processor = processor


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


def _start_anew() -> None:
    """Go on in a forked child: another thread of the parent's may have held them."""
    _State.lock, _State.members_lock = threading.Lock(), threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
