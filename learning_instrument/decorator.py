"""``@record_execution``: arguments in, wrapper out. What can be decided is decided when wrapping."""

import copy
import functools
import importlib
import inspect
import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

import wrapt
from opentelemetry.trace import TracerProvider

from .batches import start_batch
from .calls import Call, Timed, call_for
from .capture import CaptureOptions
from .errors import ConfigurationError
from .fields import IDENTIFIER_LIMIT, SETTABLE, Extractor
from .plain import utf8
from .routes import NOT_GIVEN, Route, Terms, check_providers, route_to
from .tracing import Plan, RequestHook, ResponseHook, start_execution

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from .budgets import Budget
    from .database import LearningDatabase

F = TypeVar("F", bound="Callable[..., Any] | classmethod[Any, Any, Any] | staticmethod[Any, Any]")

_TRUE_WORDS: Final = ("", "1", "true", "yes", "on")


@overload
def record_execution(function: F, /) -> F: ...


@overload
def record_execution(
    *,
    task: str = ...,
    pool_type: str | None = ...,
    batch: bool = ...,
    success_when: Callable[[Any], bool | None] | None = ...,
    capture_content: bool = ...,
    request_hook: RequestHook | None = ...,
    response_hook: ResponseHook | None = ...,
    fields: Mapping[str, str | Extractor] | None = ...,
    learning_db: "LearningDatabase | Callable[[Any], LearningDatabase | None] | None" = ...,
    tracer_provider: TracerProvider | None = ...,
    meter_provider: "MeterProvider | None" = ...,
    budget: "Budget | Sequence[Budget] | None" = ...,
) -> Callable[[F], F]: ...


def record_execution(
    function: Any = None,
    /,
    *,
    task: str = "task",
    pool_type: str | None = None,
    batch: bool = False,
    success_when: Callable[[Any], bool | None] | None = None,
    capture_content: bool = True,
    request_hook: RequestHook | None = None,
    response_hook: ResponseHook | None = None,
    fields: Mapping[str, str | Extractor] | None = None,
    learning_db: Any = NOT_GIVEN,
    tracer_provider: TracerProvider | None = None,
    meter_provider: "MeterProvider | None" = None,
    budget: "Budget | Sequence[Budget] | None" = None,
) -> Any:
    """Record each call of the decorated function as one execution. Bare, or with keywords.

    Works on functions and methods, plain and async, generators and async generators, class and static
    methods (either order), and functions that return an awaitable or a ``concurrent.futures.Future``,
    which are timed until it is done. The result, the exception and the signature stay what they are.

    Args:
        function: what is decorated, where the decorator is used bare.
        task: the name of the argument that holds the task. By default a parameter called ``task``, else the
            first one after ``self``.
        pool_type: the column of that name; by default the pool's ``config.pool_type``, ``pool_type`` or class name.
        batch: the argument is a list of tasks (by default one called ``tasks``): one span for the call, and one
            execution for each task, from its own decorated call or else from what the batch returned.
        success_when: ``result -> bool | None``, asked first; None leaves the answer to the result itself.
        capture_content: whether description and solution summary are kept.
        request_hook: called with ``(span, instance, task)`` before the task.
        response_hook: called with ``(span, instance, task, result, exception)`` after it.
        fields: column -> a name or a dotted path in the task or result, or ``(instance, task, result) -> value``.
        learning_db: a LearningDatabase to record into, or ``instance -> LearningDatabase | None``. None records
            nothing and changes nothing. By default whatever ``configure()`` set up.
        tracer_provider: the spans' provider; by default the global one.
        meter_provider: the metrics' provider; by default that of ``configure()``, else the global one.
        budget: one or several, beside those that ``configure()`` was given. What all executions in the database cost
            counts; the calls of this function are what is refused.

    Raises:
        ConfigurationError: for an argument that cannot be used.
    """
    recording = recording_for(
        task=task,
        pool_type=pool_type,
        success_when=success_when,
        capture_content=capture_content,
        request_hook=request_hook,
        response_hook=response_hook,
        fields=fields,
        learning_db=learning_db,
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
        budget=budget,
    )
    decorate = decorator_for(recording, batch=batch)
    return decorate if function is None else decorate(function)


@dataclass(frozen=True, slots=True)
class Recording:
    """What the arguments of :func:`record_execution` amount to."""

    route: Route
    options: CaptureOptions
    task: str = "task"
    request_hook: RequestHook | None = None
    response_hook: ResponseHook | None = None
    #: As it was given: a LearningDatabase, None, a callable, or nothing.
    learning_db: Any = NOT_GIVEN
    budgets: "tuple[Budget, ...]" = ()


def recording_for(
    *,
    task: str = "task",
    pool_type: str | None = None,
    success_when: Callable[[Any], bool | None] | None = None,
    capture_content: bool = True,
    request_hook: RequestHook | None = None,
    response_hook: ResponseHook | None = None,
    fields: Mapping[str, str | Extractor] | None = None,
    learning_db: Any = NOT_GIVEN,
    tracer_provider: TracerProvider | None = None,
    meter_provider: "MeterProvider | None" = None,
    budget: "Budget | Sequence[Budget] | None" = None,
) -> Recording:
    """Check the arguments of :func:`record_execution`, and return what they amount to.

    Raises:
        ConfigurationError: for an argument that cannot be used.
    """
    fields = dict(fields or {})
    _check(pool_type, fields, success_when, request_hook, response_hook)
    check_providers(tracer_provider, meter_provider)
    pool_type = None if pool_type is None else utf8(pool_type[:IDENTIFIER_LIMIT])
    options = CaptureOptions(pool_type, capture_content and content_is_wanted(), success_when, fields)
    budgets = _budgets(budget)
    route = route_to(learning_db, Terms(tracer_provider, meter_provider, budgets))
    return Recording(route, options, task, request_hook, response_hook, learning_db, budgets)


def _budgets(budget: Any) -> "tuple[Budget, ...]":
    if budget is None:
        return ()
    from .budgets import budgets_of

    return budgets_of(budget)


def decorator_for(recording: Recording, *, batch: bool = False) -> Callable[[Any], Any]:
    """Return the decorator of functions whose calls, or batches of them, are recorded."""
    return functools.partial(_recorded, recording, start_batch if batch else start_execution)


def _recorded(recording: Recording, start: Callable[..., Timed | None], function: Any) -> Any:
    if isinstance(function, RecordedFunction):
        return function
    target = getattr(function, "__func__", function)
    if isinstance(target, str):
        raise ConfigurationError(f"record_execution decorates functions; for a pool type, write pool_type={target!r}.")
    if isinstance(target, type) and hasattr(target, "execute_task"):  # making a pool is no execution
        raise ConfigurationError(f"record_execution decorates methods; put it on execute_task, not on {target!r}.")
    if not callable(target):
        raise ConfigurationError(f"record_execution decorates functions and methods; {function!r} is neither.")
    name = f"{getattr(target, '__module__', '')}.{getattr(target, '__qualname__', type(target).__qualname__)}"
    name = utf8(name)
    plan = Plan(name, name.rpartition(".")[2], recording.options, recording.request_hook, recording.response_hook)
    location = locate_task(target, recording.task, preferred="tasks" if start is start_batch else "task")
    return RecordedFunction(function, _wrapper(plan, recording.route, location, call_for(function), start))


def _wrapper(
    plan: Plan, route: Route, locate: "TaskLocation", call: Call, start: Callable[..., Timed | None]
) -> Callable[..., Any]:
    def wrapper(wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
        pool = args[0] if locate.takes_class and instance is None and args else instance
        pipeline = route(pool)
        if pipeline is None:
            return wrapped(*args, **kwargs)

        def begin() -> Timed | None:
            return start(pipeline, plan, pool, locate(instance, args, kwargs))

        return call(begin, wrapped, args, kwargs)

    return wrapper


@dataclass(frozen=True, slots=True)
class TaskLocation:
    """Where in a call the task is: its index among the positional arguments, its name, and its default."""

    method_index: int
    method_name: str
    function_index: int
    function_name: str
    default: Any = None
    #: From Python 3.13 on, ``classmethod`` around a recorded function hands its class over as an argument.
    takes_class: bool = False

    def __call__(self, instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Return the task of a call; *args* are without ``self``."""
        if instance is None:
            index, name = self.function_index, self.function_name
        else:
            index, name = self.method_index, self.method_name
        return args[index] if 0 <= index < len(args) else kwargs.get(name, self.default)


def locate_task(function: Callable[..., Any], name: str, preferred: str = "task") -> TaskLocation:
    """Find the parameter *name*, or the first after ``self`` where that is the default name and there is none.

    Where *name* is the default, a parameter called *preferred* goes before it.

    Raises:
        ConfigurationError: if *name* was chosen and *function* has no such parameter.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # no signature: some built-in functions
        return TaskLocation(0, name, 0, name)
    positional = [p for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names = [parameter.name for parameter in positional]
    takes_class = names[:1] == ["cls"]
    if name == "task" and preferred in parameters:
        name = preferred
    if name in parameters:
        index = names.index(name) if name in names else -1
        default = parameters[name].default
        return TaskLocation(
            # Index -1 + 1 must not become 0: a keyword-only task has no index.
            index - 1 if index > 0 else -1,
            name,
            index,
            name,
            None if default is inspect.Parameter.empty else default,
            takes_class,
        )
    if name != "task" and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        raise ConfigurationError(f"task={name!r} names no parameter of {function!r}; it has {list(parameters)}.")
    if name != "task":
        return TaskLocation(-1, name, -1, name, takes_class=takes_class)  # among the **keywords
    names += [name, name]  # there may be none: ``*args``
    first = 1 if takes_class else 0
    return TaskLocation(0, names[1], first, names[first], takes_class=takes_class)


def _check(pool_type: Any, fields: Mapping[str, Any], *callables: Any) -> None:
    if pool_type is not None and not isinstance(pool_type, str):
        raise ConfigurationError(f"pool_type={pool_type!r} is not a string.")
    for function in callables:
        if function is not None and not callable(function):
            raise ConfigurationError(f"{function!r} is not callable; success_when and the hooks are functions.")
    for column, extractor in fields.items():
        if column not in SETTABLE:
            raise ConfigurationError(f"fields has no column {column!r}; it takes {', '.join(sorted(SETTABLE))}.")
        if not (callable(extractor) or (isinstance(extractor, str) and extractor)):
            raise ConfigurationError(
                f"fields[{column!r}]={extractor!r} is neither a name, nor a dotted path, nor a function"
                " (instance, task, result) -> value."
            )


def content_is_wanted() -> bool:
    """Tell whether the environment lets description and summary be kept."""
    return os.environ.get("LEARNING_INSTRUMENT_CAPTURE_CONTENT", "").strip().lower() in _TRUE_WORDS


class RecordedMethod(wrapt.BoundFunctionWrapper[..., Any]):
    """A recorded function bound to its instance or class. It pickles and copies as a method does."""

    def __reduce__(self) -> Any:
        owner = getattr(self.__wrapped__, "__self__", None)
        if owner is None:  # a static method, or one got from its class
            return _resolve, _importable_name(self)
        return getattr, (owner, self.__name__)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__reduce__()

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        owner = getattr(self.__wrapped__, "__self__", None)
        return self if owner is None else getattr(copy.deepcopy(owner, memo), self.__name__)


class RecordedFunction(wrapt.FunctionWrapper[..., Any]):
    """A recorded function. It pickles by its name, and copies to itself, as a function does."""

    __bound_function_wrapper__ = RecordedMethod

    def __reduce__(self) -> Any:
        return _resolve, _importable_name(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__reduce__()

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self


def _importable_name(function: Any) -> tuple[str, str]:
    """Return the name *function* can be found by, where that leads back to it: here, not in another process."""
    module, name = function.__module__, function.__qualname__
    found = _resolve(module, name)
    if not isinstance(found, (RecordedFunction, RecordedMethod)) or found.__wrapped__ != function.__wrapped__:
        raise pickle.PicklingError(f"Can't pickle {function!r}: it is not {module}.{name}")
    return module, name


def _resolve(module: str, qualified_name: str) -> Any:
    found: Any = importlib.import_module(module)
    for name in qualified_name.split("."):
        found = getattr(found, name)
    return found
