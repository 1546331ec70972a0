"""``configure()`` and ``shutdown()``: join tracer provider, processor, exporter and database."""

import contextlib
import functools
import logging
import os
import sys
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from opentelemetry import trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from .budgets import VARIABLE as BUDGET_VARIABLE
from .budgets import Budget, budgets_in, budgets_of
from .costs.prices import prices_of
from .database import LearningDatabase, as_database, store_of
from .errors import ConfigurationError
from .pipeline import metrics, otlp, pipelines
from .pipeline.host_providers import check_providers, global_tracer_provider, is_disabled
from .pipeline.installed import Installed, install
from .pipeline.private_tracer import OwnIds
from .recording.text_settings import TextSettings
from .safety.forks import check, on_child
from .safety.guards import guarded, warn
from .safety.own_redaction import Redact
from .safety.variables import ignoring_invalid, value_of
from .sqlite.paths import DEFAULT_PATH, absolute
from .storage.retention import retention_or_default
from .storage.store import Durability

log = logging.getLogger(__name__)


class _Settings(NamedTuple):
    """The configuration of this process."""

    database: LearningDatabase
    budgets: tuple[Budget, ...] = ()
    #: Set by the instrumentor; an application's own ``configure()`` replaces it.
    is_private: bool = False
    #: Set by a function that another process sent; an application's own ``configure()`` replaces it without a word.
    is_sent: bool = False
    #: The arguments of ``configure()`` that a later call cannot change: name -> value, if given.
    fixed: Mapping[str, Any] = {}


class _State:
    lock = threading.RLock()  # a signal handler may configure in the thread that holds it
    settings: _Settings | None = None


def configure(
    database: "LearningDatabase | str | os.PathLike[str] | None" = None,
    *,
    durability: Durability | None = None,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    retention_days: float | None = None,
    max_size: int | str | None = None,
    prices: "Mapping[str, Any] | str | os.PathLike[str] | None" = None,
    budget: Budget | Sequence[Budget] | None = None,
    measure_resources: bool = True,
    redact: Redact | None = None,
    keep_metadata: Collection[str] = (),
) -> LearningDatabase:
    """Record every decorated execution.

    Called again with the same database it does nothing, but for what there was none of: a budget, ``redact``,
    ``keep_metadata``; a warning names the other settings that it ignores.

    Args:
        database: a path or a LearningDatabase; by default ``$LEARNING_INSTRUMENT_DATABASE``, else ``learning.db``.
        durability: ``"commit"`` or ``"batch"``; see :class:`LearningDatabase`.
        tracer_provider: the provider of spans; by default the global one, which is set up where there is none.
        meter_provider: the provider of metrics; by default the global one, once it is set up.
        retention_days: older executions are deleted in the background; by default
            ``$LEARNING_INSTRUMENT_RETENTION_DAYS``.
        max_size: the largest size of the database, in bytes or as ``"1GB"``; beyond it the oldest executions are
            deleted in the background; by default ``$LEARNING_INSTRUMENT_MAX_SIZE``.
        prices: your own prices, which take precedence: model -> ``{"input": 0.2, "cached": 0.05, "output": 0.6}``, in
            US dollars per million tokens, or the path of such a TOML file; by default
            ``$LEARNING_INSTRUMENT_PRICES``.
        budget: one or several, for all executions but those with a database of their own; by default
            ``$LEARNING_INSTRUMENT_BUDGET``, such as ``1.00/day`` or ``1.00/day by=pool_type``.
        measure_resources: whether to measure the processor time of synchronous tasks, and their memory where it can be
            attributed; about a microsecond for each task.
        redact: what else to remove from every text, after our own rules: a regular expression, several of them, or a
            function ``text -> text``. A text for which the function fails is stored as ``[redacted]``.
        keep_metadata: the keys of metadata whose values are kept where ``capture_content`` is False, beside numbers and
            booleans.

    Returns:
        The database of the executions.

    Raises:
        ConfigurationError: for an invalid argument, or a database, budget or ``redact`` that differs from the
            configured one.
    """
    check()
    text_settings = TextSettings.checked(redact, keep_metadata)
    limits, price_list = retention_or_default(retention_days, max_size), prices_of(prices)
    budgets, budgets_by_default = budgets_of(budget), () if budget is not None else _default_budgets()
    check_providers(tracer_provider, meter_provider)
    fixed = _given(
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
        retention_days=retention_days,
        max_size=max_size,
        prices=prices,
        measure_resources=None if measure_resources else False,
    )
    while True:  # again where another thread, or a signal handler, was first
        current = _State.settings
        wanted = _wanted_database(current, database, durability)
        if current is not None and not current.is_private:
            with _State.lock:
                if _State.settings is not current:
                    continue
                _add_budgets(current, budgets)
                text_settings.add()
            say_ignored("configure() was called before", "call shutdown() first", current.fixed, fixed)
            return current.database
        # Without the lock: a provider's methods, and the detectors of its resource, are the application's.
        provider = None if is_disabled() else tracer_provider if tracer_provider is not None else _global_provider()
        model_calls = None if provider is None else pipelines.model_call_processor_of(provider)
        with _State.lock:
            if _State.settings is not current:
                continue
            if budget is None:
                budgets = budgets_by_default
            _State.settings = _Settings(wanted, budgets, fixed=fixed)
            text_settings.add()
            store = store_of(wanted)
            store.limit(limits)
            store.model_calls.price_with(price_list)
            metrics.use(meter_provider)
            if provider is not None:
                builder = pipelines.builder_for(wanted, provider, model_calls, budgets)
                install(builder, measures_resources=measure_resources, misses=store.misses)
        break
    if current is not None:
        if current.database is not wanted:
            current.database.close()
        if not current.is_sent and current.database.path not in (wanted.path, guarded(absolute, DEFAULT_PATH)):
            _say_once(
                f"Ignored {current.database.path}, which the instrumentor was given (learning-instrument run"
                f" --database, or $LEARNING_INSTRUMENT_DATABASE): configure() records into {wanted.path}."
            )
    return wanted


def _wanted_database(
    current: _Settings | None,
    database: "LearningDatabase | str | os.PathLike[str] | None",
    durability: Durability | None,
) -> LearningDatabase:
    """Return the database that ``configure()`` was called for.

    Raises:
        ConfigurationError: if it is invalid, or ``configure()`` was called for another one before.
    """
    if current is None or database is not None:
        wanted = as_database(database, durability)
    elif current.is_private and durability not in (None, current.database.durability):
        wanted = as_database(current.database.path, durability)
    else:
        wanted = current.database
    if (
        current is not None
        and not current.is_private
        and (wanted.path != current.database.path or durability not in (None, current.database.durability))
    ):
        raise ConfigurationError(
            f"Executions are recorded into {current.database!r} already: call shutdown() before configuring {wanted!r}."
        )
    return wanted


def _default_budgets() -> tuple[Budget, ...]:
    return value_of(BUDGET_VARIABLE, budgets_in, ())


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def say_ignored(why: str, remedy: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Warn, once, of the settings *now* that are ignored: those that differ from the ones *before*.

    Args:
        why: why they are ignored.
        remedy: how they would not be.
        before: the settings in force, name -> value.
        now: those of the later call.
    """
    ignored = [name for name, value in now.items() if not _are_equal(value, before.get(name))]
    if ignored:
        named = ", ".join(f"{name}={guarded(repr, now[name]) or '...':.200}" for name in ignored)
        _say_once(f"Ignored {named}: {why}; to change them, {remedy}.")


def _are_equal(value: Any, other: Any) -> bool:
    return value is other or guarded(lambda: bool(value == other)) is True


@functools.lru_cache(maxsize=64)
def _say_once(message: str) -> None:
    """Log a warning: once, for the cache answers the next calls."""
    warn(log, "%s", message)


def _add_budgets(current: _Settings, budgets: tuple[Budget, ...]) -> None:
    """Apply *budgets* to the *current* configuration.

    Raises:
        ConfigurationError: if it has other ones.
    """
    if not budgets or budgets == current.budgets:
        return
    if current.budgets:
        raise ConfigurationError(
            f"Executions have the budget {current.budgets!r} already: call shutdown() before configuring {budgets!r}."
        )
    if Installed.builder is not None:
        _State.settings = current._replace(budgets=budgets)
        limited = pipelines.limited(Installed.builder, current.database, budgets)
        install(limited, measures_resources=Installed.measures_resources, misses=Installed.misses)


def configure_privately(
    database: "LearningDatabase | str | os.PathLike[str] | None" = None,
    durability: Durability | None = None,
    *,
    text_settings: TextSettings | None = None,
    budgets: tuple[Budget, ...] | None = None,
) -> LearningDatabase:
    """Record every execution, unless ``configure()`` was called before.

    No global provider is set, but for ``run --otlp``.

    For the instrumentor: OpenTelemetry would refuse the application's own provider after one of ours. That provider is
    used as soon as it is set.
    """
    check()
    if _State.settings is None and otlp.is_wanted(os.environ) and not is_disabled():
        _export_by_otlp()  # without the lock: it may warn
    with _State.lock:
        current = _State.settings
        if current is None:
            private = as_database(database, durability)
            limits = retention_or_default(None, None)
            budgets = _default_budgets() if budgets is None else budgets
            _State.settings = _Settings(private, budgets, is_private=True, is_sent=text_settings is not None)
            if text_settings is not None:
                text_settings.add()
            store = store_of(private)
            store.limit(limits)
            if not is_disabled():
                install(pipelines.builder_for(private, budgets=budgets), misses=store.misses)
            return private
    if database is None and durability is None:
        return current.database
    wanted = as_database(current.database.path if database is None else database, durability)
    in_force = {"database": current.database.path, "durability": current.database.durability}
    given = {"database": wanted.path, "durability": wanted.durability if durability is not None else None}
    say_ignored("configure() was called before", "call shutdown() first", in_force, _given(**given))
    return current.database


def configured_database() -> LearningDatabase | None:
    """Return the configured database, or None."""
    return None if _State.settings is None else _State.settings.database


def records_for_another(path: str) -> bool:
    """Tell whether this process records for one that sent it a function before, and not into *path*."""
    settings = _State.settings
    return settings is not None and settings.is_sent and settings.database.path != path


def configured_budgets() -> tuple[Budget, ...]:
    """Return the budgets given to ``configure()``."""
    return () if _State.settings is None else _State.settings.budgets


def deconfigure_privately() -> None:
    """Undo :func:`configure_privately`, unless ``configure()`` was called since."""
    if _State.settings is not None and _State.settings.is_private:
        shutdown()


def shutdown() -> None:
    """Undo :func:`configure`: write the queue, detach from providers, and close the database."""
    check()
    with _State.lock:
        settings, _State.settings = _State.settings, None
        TextSettings().use()
        install(None)
        metrics.use(None)
        pipelines.detach()
    _say_once.cache_clear()
    if settings is not None:
        settings.database.close()


@contextlib.contextmanager
def redirected_to(database: LearningDatabase) -> Iterator[LearningDatabase]:
    """Record into *database* until the block ends, then restore the configuration. For tests.

    No global tracer provider is set: that could not be undone.
    """
    check()
    with _State.lock:
        before, _State.settings = _State.settings, None
        text_settings = TextSettings.current()
        builder, measures_resources, misses = Installed.builder, Installed.measures_resources, Installed.misses
        meter_provider, attachments = metrics.in_use(), pipelines.attached()
    try:
        yield configure(database, tracer_provider=global_tracer_provider())
    finally:
        shutdown()
        with _State.lock:
            _State.settings = before
            text_settings.use()
            install(builder, measures_resources=measures_resources, misses=misses)
            metrics.use(meter_provider)
            pipelines.reattach(attachments)


def _global_provider() -> Any:
    """Return the global provider; set up the SDK's where there is none."""
    provider = global_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        provider = ignoring_invalid(lambda: TracerProvider(id_generator=OwnIds()))
        trace.set_tracer_provider(provider)
    return provider


def _export_by_otlp() -> None:
    """Set up an SDK that exports, where there is none. The user asked for it, so the application's own is refused."""
    if isinstance(global_tracer_provider(), trace.ProxyTracerProvider):
        exporter = otlp.exporter()
        if exporter is None:
            warn(log, "The OTLP exporter is not installed in %s; spans go to no collector.", sys.prefix)
        else:
            _global_provider().add_span_processor(BatchSpanProcessor(exporter))


def _reset_in_child() -> None:
    """Replace the lock in a forked child: another thread of the parent may have held it."""
    _State.lock = threading.RLock()  # a signal handler may configure in the thread that holds it


on_child(_reset_in_child)
