"""``PoolInstrumentor``: finds pools by their targets, wraps their methods, and restores them."""

import functools
import logging
import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]
from opentelemetry.trace import TracerProvider

from ..adapters import Adapter
from ..configuration import configure_privately, deconfigure_privately, say_ignored
from ..database import Durability
from ..errors import ConfigurationError
from ..pipeline.installed import NOT_GIVEN
from ..recording.fields import Extractor
from ..recording.types import RequestHook, ResponseHook
from ..safety.guards import warn
from . import rows, silence
from .adapters import adapter_of
from .decorator import ExecutionDecorator, record_execution
from .main_script import MainScriptWatch
from .patching import Patches, attempt
from .recorded_function import RecordedFunction
from .targets import (
    ADAPTERS_BY_DEFAULT,
    AUTO,
    NamedAdapter,
    NamedTarget,
    Target,
    can_be_imported,
    check_failures_show,
    declared_targets,
    installed_adapters,
    package_of,
    parse_target,
    runs_a_script,
    split_targets,
)
from .tools import Tools

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from ..budgets import Budget
    from ..database import LearningDatabase

log = logging.getLogger(__name__)


#: Typed, for the default of an argument.
_LEFT_OUT: Final[Any] = NOT_GIVEN
#: The arguments of ``instrument()`` that OpenTelemetry's loader passes.
_OF_THE_LOADER: Final = ("skip_dep_check", "raise_exception_on_conflict")
_BATCH_METHOD: Final = "execute_batch"
#: The methods of a pool class to instrument where the target names none.
_METHODS: Final = ("execute_task", _BATCH_METHOD)

Decorate = Callable[[Any], Any]


class PoolInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Records the executions of pools without changes to their code. Instrumenting twice records once.

    Its arguments are those of :meth:`instrument`.
    """

    _patches: Patches | None = None
    #: The arguments of ``instrument()``.
    _given: Mapping[str, Any] = MappingProxyType({})

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return no package: the pools are the application's own."""
        return ()

    def instrument(
        self,
        *,
        targets: "str | type | Callable[..., Any] | Iterable[str | type | Callable[..., Any]] | None" = None,
        database: "LearningDatabase | str | os.PathLike[str] | None" = None,
        durability: Durability | None = None,
        pool_type: str | None = None,
        success_when: Callable[[Any], bool | None] | None = None,
        capture_content: bool = True,
        keep_metadata: Collection[str] = (),
        request_hook: RequestHook | None = None,
        response_hook: ResponseHook | None = None,
        fields: Mapping[str, str | Extractor] | None = None,
        learning_db: "LearningDatabase | Callable[[Any], LearningDatabase | None] | None" = _LEFT_OUT,
        tracer_provider: TracerProvider | None = None,
        meter_provider: "MeterProvider | None" = None,
        budget: "Budget | Sequence[Budget] | None" = None,
        skip_dep_check: bool = False,
        raise_exception_on_conflict: bool = False,
        **unknown: NoReturn,
    ) -> None:
        """Instrument the targets; a second call does nothing, and a warning names the arguments that it ignores.

        Args:
            targets: classes, functions, ``"package.module:Class"``, ``"package.module:Class.method"``, names of
                adapters (``"celery"``, ``"concurrent.futures"``, ...: ``learning-instrument pools`` lists them),
                ``"auto"`` for all whose library is installed, an :class:`~learning_instrument.adapters.Adapter`, or
                a comma-separated string of these; by default ``$LEARNING_INSTRUMENT_POOLS``, the entry points of
                installed packages in the group ``learning_instrument_pools``, and mahavishnu.
            database: as in :func:`configure`; ignored, with a warning, if that was called before.
            durability: as in :func:`configure`; ignored, with a warning, if that was called before.
            pool_type: this and the next, to ``budget``, as in :func:`record_execution`.
            success_when: ``result -> bool | None``: whether the execution succeeded.
            capture_content: whether to keep what people wrote.
            keep_metadata: the keys of metadata whose values are kept all the same.
            request_hook: called with ``(span, instance, task)`` before the task.
            response_hook: called with ``(span, instance, task, result, exception)`` after the task.
            fields: column -> a name or a dotted path, or ``(instance, task, result) -> value``.
            learning_db: a LearningDatabase, or ``instance -> LearningDatabase | None``.
            tracer_provider: the provider of spans.
            meter_provider: the provider of metrics.
            budget: one or several, in addition to those of ``configure()``.
            skip_dep_check: passed by OpenTelemetry's loader.
            raise_exception_on_conflict: passed by OpenTelemetry's loader.
            unknown: there are no others.

        Raises:
            ConfigurationError: for an invalid target or argument.
        """
        of_the_call = locals()
        defaults: Mapping[str, Any] = PoolInstrumentor.instrument.__kwdefaults__ or {}
        given = {name: of_the_call[name] for name, default in defaults.items() if of_the_call[name] is not default}
        given |= unknown
        if not self.is_instrumented_by_opentelemetry:
            super().instrument(**given)
            return
        given = {name: value for name, value in given.items() if name not in _OF_THE_LOADER}
        say_ignored("instrument() was called before", "call uninstrument() first", self._given, given)

    def _instrument(self, **kwargs: Any) -> None:
        type(self)._given = dict(kwargs)
        targets = kwargs.pop("targets", None)
        database, durability = kwargs.pop("database", None), kwargs.pop("durability", None)
        wanted = _declared() if targets is None else [parse_target(target) for target in _listed(targets)]
        patches = Patches()
        decorator = _decorator(kwargs)
        if "learning_db" not in kwargs:
            try:
                configure_privately(database, durability)
            except ConfigurationError as error:
                if database is not None or durability is not None:
                    raise
                # The environment is invalid: an exception would stop OpenTelemetry from loading other instrumentors.
                warn(log, "%s Nothing is instrumented.", error)
                return
        instrument = _Instrumentation(patches, decorator).instrument
        try:
            for target in wanted:
                if targets is None:  # no caller could catch an exception, such as that of another package's adapter
                    attempt(instrument, target)
                else:
                    instrument(target)
        except BaseException:  # raised again: a part of an instrumentation must not stay
            patches.undo()
            deconfigure_privately()
            raise
        patches.on_undo(silence.watch(wanted))
        type(self)._patches = patches

    def _uninstrument(self, **kwargs: Any) -> None:
        patches, type(self)._patches = self._patches, None
        if patches is not None:
            patches.undo()
            deconfigure_privately()


class _Instrumentation:
    """Wraps the targets, each once it is imported or defined."""

    def __init__(self, patches: Patches, decorator: ExecutionDecorator) -> None:
        self._patches = patches
        self._options = decorator.options
        self._decorate = _while_active(patches, decorator)
        self._decorate_batch = _while_active(patches, ExecutionDecorator(decorator.options, batch=True))

    def instrument(self, target: Target) -> None:
        """Instrument *target*, now or later.

        Raises:
            ConfigurationError: for a function that cannot be replaced.
        """
        if isinstance(target, NamedTarget):
            self._named(target)
        elif isinstance(target, NamedAdapter):
            adapter = adapter_of(target.name)
            if not target.is_default:
                _warn_if_missing(target, package_of(adapter))
            self._library(adapter)
        elif isinstance(target, Adapter):
            self._library(target)
        elif isinstance(target, type):
            self._pool_class(target, _METHODS)
        else:
            self._function(target)

    def _library(self, adapter: Adapter) -> None:
        tools = Tools(adapter.name, self._patches, self._options, lambda text: self.instrument(parse_target(text)))
        rows.instrument(adapter, tools)

    def _named(self, target: NamedTarget) -> None:
        if target.module == "__main__":
            MainScriptWatch(self._patches, target, self._found).start()
        else:
            _warn_if_missing(target, target.module)
            # In any case: the application may still extend sys.path.
            self._patches.when_imported(target.module, functools.partial(self._found, target))

    def _found(self, target: NamedTarget, module: ModuleType) -> None:
        """Instrument *target*, now that *module* is imported."""
        owner: Any = module
        *outer, name = target.path.split(".")
        for part in outer:
            owner = _defined(owner, part)
        found = _defined(owner, name)
        try:
            check_failures_show(found)
        except ConfigurationError as error:  # it was named by a module that imports it
            warn(log, "%s", error)
            return
        if found is None:
            warn(log, "The target %s is not instrumented: %s has no %s.", target, module.__name__, target.path)
        elif isinstance(found, type):
            self._pool_class(found, _METHODS)
        elif isinstance(owner, type):
            self._pool_class(owner, (name,))
        else:
            self._wrap(owner, name)

    def _function(self, function: Callable[..., Any]) -> None:
        module, path = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
        owner: Any = sys.modules.get(str(module))
        *outer, name = path.split(".")
        for part in outer:
            owner = getattr(owner, part, None)
        if getattr(owner, name, None) != function:
            raise ConfigurationError(
                f"Invalid target {function!r}: {module}:{path} is another object. Decorate the function instead."
            )
        if isinstance(owner, type):
            self._pool_class(owner, (name,))
        else:
            self._wrap(owner, name)

    def _pool_class(self, pool: type, methods: Sequence[str]) -> None:
        """Wrap *methods* where *pool* and its present and future subclasses define them.

        A method that *pool* inherits is wrapped in the class that defines it.
        """

        def wrap_own(cls: type) -> None:
            for name in methods:
                if name in vars(cls):
                    self._wrap(cls, name)

        definers = [(definer, name) for name in methods if (definer := _definer(pool, name)) is not None]
        for definer, name in definers:
            self._wrap(definer, name)
        if not definers and not type.__subclasses__(pool):
            warn(log, "%s has no method %s: only subclasses with one are recorded.", pool.__qualname__, methods[0])
        self._patches.watch_subclasses(pool, wrap_own)

    def _wrap(self, owner: type | ModuleType, name: str) -> None:
        original = vars(owner)[name]
        if isinstance(original, RecordedFunction):
            self._patches.adopt(owner, name)  # wrapped already, or decorated
        elif not getattr(original, "__isabstractmethod__", False):  # it never runs
            self._patches.wrap(owner, name, self._decorate_batch if name == _BATCH_METHOD else self._decorate)


def _warn_if_missing(target: NamedTarget | NamedAdapter, module: str) -> None:
    if runs_a_script() and not can_be_imported(module):
        package = module.partition(".")[0]
        warn(log, "The target %s is not instrumented: the package %r is not installed.", target, package)


def _decorator(keywords: dict[str, Any]) -> ExecutionDecorator:
    try:
        decorator: Any = record_execution(batch=False, **keywords)
    except TypeError as error:
        raise ConfigurationError(f"Invalid arguments {sorted(keywords)} of instrument(): {error}.") from error
    return decorator  # type: ignore[no-any-return]


def _while_active(patches: Patches, decorate: Decorate) -> Decorate:
    """Return *decorate* with wrappers that do nothing once *patches* are undone."""

    def is_active() -> bool:
        return patches.active

    def decorate_for_now(function: Any) -> Any:
        return decorate(function).while_active(is_active)

    return decorate_for_now


def _defined(owner: Any, name: str) -> Any:
    """Return attribute *name* of *owner*, or None. A module's ``__getattr__``, which may import, is not called."""
    if isinstance(owner, ModuleType):
        return vars(owner).get(name)
    definer = _definer(owner, name) if isinstance(owner, type) else None
    return vars(definer)[name] if definer is not None else None


def _definer(cls: type, name: str) -> type | None:
    """Return the class that defines attribute *name* of *cls*."""
    return next((base for base in cls.__mro__ if name in vars(base)), None)


def _declared() -> list[Target]:
    """Return the declared targets and the adapters that are on by default.

    An invalid target is logged: no caller could catch an exception.
    """
    found: list[Target] = []
    for text in _expanded(declared_targets()):
        try:
            found.append(parse_target(text))
        except ConfigurationError as error:
            warn(log, "%s", error)
    return found + [
        NamedAdapter(name, is_default=True) for name in ADAPTERS_BY_DEFAULT if NamedAdapter(name) not in found
    ]


def _listed(targets: Any) -> list[Any]:
    if isinstance(targets, str):
        return _expanded(split_targets(targets))
    is_list = isinstance(targets, Iterable) and not isinstance(targets, type)
    return _expanded(targets if is_list else [targets])


def _expanded(targets: Iterable[Any]) -> list[Any]:
    """Return *targets* with adapters in place of ``"auto"``."""
    found: list[Any] = []
    for target in targets:
        is_auto = isinstance(target, str) and target == AUTO
        found += [NamedAdapter(name, is_of_auto=True) for name in installed_adapters()] if is_auto else [target]
    return found
