"""``@record_execution``: arguments in, wrapper out. What can be decided is decided when wrapping."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from opentelemetry.trace import TracerProvider

from ..errors import ConfigurationError
from ..pipeline.resolver import PipelineResolver
from ..pipeline.state import NOT_GIVEN
from ..recording.batches import start_batch
from ..recording.drivers import Driver, Timed, driver_for
from ..recording.execution import start_execution
from ..recording.fields import Extractor
from ..recording.types import CallPlan, RequestHook, ResponseHook
from ..safety.sanitize import utf8
from .options import Recording, recording_for
from .recorded_function import RecordedFunction
from .task_argument import TaskLocation, locate_task

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from ..budgets import Budget
    from ..database import LearningDatabase


F = TypeVar("F", bound="Callable[..., Any] | classmethod[Any, Any, Any] | staticmethod[Any, Any]")


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
    plan = CallPlan(name, name.rpartition(".")[2], recording.options, recording.request_hook, recording.response_hook)
    location = locate_task(target, recording.task, preferred="tasks" if start is start_batch else "task")
    return RecordedFunction(function, _wrapper(plan, recording.route, location, driver_for(function), start))


def _wrapper(
    plan: CallPlan, route: PipelineResolver, locate: "TaskLocation", drive: Driver, start: Callable[..., Timed | None]
) -> Callable[..., Any]:
    def wrapper(wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
        pool = args[0] if locate.takes_class and instance is None and args else instance
        pipeline = route(pool)
        if pipeline is None:
            return wrapped(*args, **kwargs)

        def begin() -> Timed | None:
            return start(pipeline, plan, pool, locate(instance, args, kwargs))

        return drive(begin, wrapped, args, kwargs)

    return wrapper
