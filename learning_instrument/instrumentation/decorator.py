"""``@record_execution``: checks its arguments and wraps the function."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from opentelemetry.trace import TracerProvider

from ..errors import ConfigurationError
from ..pipeline.host_providers import check_providers
from ..pipeline.installed import NOT_GIVEN, PipelineOptions
from ..pipeline.resolver import resolver_for
from ..recording.fields import Extractor
from ..recording.types import RequestHook, ResponseHook
from .call_recording import CallRecording
from .options import RecordingOptions, budgets_given, capture_options, check_functions
from .recorded_function import RecordedFunction

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
    has_provider = tracer_provider is not None or meter_provider is not None
    options = RecordingOptions(resolve, capture, task, request_hook, response_hook, learning_db, budgets, has_provider)
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
        _check_target(getattr(function, "__func__", function))
        return RecordedFunction(function, CallRecording.of(function, self.options, self._batch))


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
