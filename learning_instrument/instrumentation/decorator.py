"""``@record_execution``: checks its arguments and wraps the function."""

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from opentelemetry.trace import TracerProvider

from ..errors import ConfigurationError
from ..pipeline.host_providers import check_providers
from ..pipeline.installed import NOT_GIVEN, Installed, PipelineOptions
from ..pipeline.resolver import PipelineResolver, resolver_for
from ..recording.batches import start_batch
from ..recording.drivers import driver_for
from ..recording.execution import start_execution
from ..recording.fields import Extractor
from ..recording.timed import Begin, Prepare, Timed
from ..recording.types import CallPlan, RequestHook, ResponseHook
from ..safety.memory import EXHAUSTED
from ..safety.sanitize import utf8
from .options import RecordingOptions, budgets_given, capture_options, check_functions
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
    keep_metadata: Collection[str] = ...,
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
    keep_metadata: Collection[str] = (),
    request_hook: RequestHook | None = None,
    response_hook: ResponseHook | None = None,
    fields: Mapping[str, str | Extractor] | None = None,
    learning_db: Any = NOT_GIVEN,
    tracer_provider: TracerProvider | None = None,
    meter_provider: "MeterProvider | None" = None,
    budget: "Budget | Sequence[Budget] | None" = None,
) -> Any:
    """Record each call of the decorated function as one execution. Bare, or with keywords.

    Decorates functions and methods, plain and async, generators and async generators, class and static methods (either
    order), and functions that return a coroutine or a future, which are timed until it is done.
    Result, exception and signature do not change.

    Args:
        function: the function, where the decorator is used bare.
        task: the name of the argument that holds the task. By default a parameter called ``task``, else the first one
            after ``self``.
        pool_type: the pool's type; by default its ``config.pool_type``, ``pool_type`` or class name.
        batch: whether the argument is a list of tasks (by default one called ``tasks``). The call is one span, and each
            task one execution, recorded from its own decorated call, else from the result of the batch.
        success_when: ``result -> bool | None``: whether the execution succeeded. None leaves the decision to the
            result's own fields.
        capture_content: whether to keep what people wrote: description, solution summary, texts in metadata and in
            error messages, source lines of stacks.
        keep_metadata: the keys of metadata whose values are kept all the same.
        request_hook: called with ``(span, instance, task)`` before the task.
        response_hook: called with ``(span, instance, task, result, exception)`` after the task.
        fields: column -> a name or a dotted path in the task or result, or ``(instance, task, result) -> value``.
        learning_db: a LearningDatabase to record into, or ``instance -> LearningDatabase | None``. None records
            nothing and changes nothing. By default the database of ``configure()``.
        tracer_provider: the provider of spans; by default the global one.
        meter_provider: the provider of metrics; by default that of ``configure()``, else the global one.
        budget: one or several, in addition to those of ``configure()``. All executions in the database count towards
            it; calls of this function are refused once it is spent.

    Raises:
        ConfigurationError: for an invalid argument.
    """
    check_functions(success_when=success_when, request_hook=request_hook, response_hook=response_hook)
    check_providers(tracer_provider, meter_provider)
    capture = capture_options(pool_type, capture_content, success_when, fields, keep_metadata)
    budgets = budgets_given(budget)
    resolve = resolver_for(learning_db, PipelineOptions(tracer_provider, meter_provider, budgets))
    options = RecordingOptions(resolve, capture, task, request_hook, response_hook, learning_db, budgets)
    decorator = ExecutionDecorator(options, batch)
    return decorator if function is None else decorator(function)


class ExecutionDecorator:
    """Decorates functions with options that were checked; :func:`record_execution` with keywords returns one."""

    def __init__(self, options: RecordingOptions, batch: bool = False) -> None:
        self.options = options
        self._batch = batch

    def __call__(self, function: Any) -> Any:
        """Return *function*, recorded.

        Raises:
            ConfigurationError: if *function* is not a function or method, or lacks the argument of the task.
        """
        if isinstance(function, RecordedFunction):
            return function
        target = getattr(function, "__func__", function)
        _check_target(target)
        name = f"{getattr(target, '__module__', '')}.{getattr(target, '__qualname__', type(target).__qualname__)}"
        name = utf8(name)
        options = self.options
        plan = CallPlan(name, name.rpartition(".")[2], options.capture, options.request_hook, options.response_hook)
        location = locate_task(target, options.task, preferred="tasks" if self._batch else "task")
        start = start_batch if self._batch else start_execution
        prepare = _prepare(plan, options.resolve, location, start)
        return RecordedFunction(function, functools.partial(driver_for(function), prepare), location.take_instance)


def _check_target(target: Any) -> None:
    if isinstance(target, str):
        raise ConfigurationError(
            f"Invalid function {target!r}: expected a function or method."
            f" For a pool type, write record_execution(pool_type={target!r})."
        )
    if isinstance(target, type) and hasattr(target, "execute_task"):  # creating a pool is not an execution
        raise ConfigurationError(
            f"Invalid function {target!r}: expected a function or method. Decorate execute_task of the class."
        )
    if not callable(target):
        raise ConfigurationError(f"Invalid function {target!r}: expected a function or method.")


def _prepare(
    plan: CallPlan, resolve: PipelineResolver, locate: TaskLocation, start: Callable[..., Timed | None]
) -> Prepare:
    def prepare(instance: Any, args: Any, kwargs: Any) -> Begin | None:
        pipeline = None
        try:
            pool = args[0] if instance is None and locate.takes_instance and args else instance
            pipeline = resolve(pool)
            if pipeline is None:
                return None
            return functools.partial(start, pipeline, plan, pool, locate(instance, args, kwargs))
        except EXHAUSTED:  # the task may need none
            misses = Installed.misses if pipeline is None else pipeline.misses
            if misses is not None:
                misses.add()
            return None

    return prepare
