"""What a driver is given, and how it takes its context back after an exception."""

from collections.abc import Callable
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from .batches import Batch
from .execution import Execution
from .passage import Passage

Timed = Execution | Batch | Passage

Begin = Callable[[], Timed | None]
"""Starts an execution, or returns None where the call is not recorded. Its exceptions reach the caller."""

Prepare = Callable[[Any, Any, Any], Begin | None]
"""``(instance, args, kwargs) -> begin``: reads a call; None where it is not recorded."""

Driver = Callable[[Prepare, Callable[..., Any], Any, Any, Any], Any]
"""``(prepare, function, instance, args, kwargs) -> result``: calls the function and times it."""


def take_back(token: Any, context: Context, outer: Context) -> None:
    """Detach *context* after an exception, which may have come before it was attached, or after it was detached.

    Args:
        token: what ``attach`` returned; None where it was interrupted.
        context: our context.
        outer: the context before it.
    """
    current = otel_context.get_current()
    if token is None:
        if current is context:
            otel_context.attach(outer)
    elif current is not getattr(token, "old_value", None) and current is not outer:
        otel_context.detach(token)


def end_with(execution: Timed | None, token: Any, context: Context, exception: BaseException) -> None:
    """End *execution* with *exception*, of its task or of a signal's handler, unless it has ended."""
    if execution is None:
        take_back(token, context, context)
    elif execution.has_ended:
        execution.leave()
    else:
        take_back(token, context, execution.outer)
        execution.raised(exception)


def end_awaited_with(execution: Timed | None, token: Any, context: Context, exception: BaseException) -> None:
    """Do the same for a coroutine, which the garbage collector may close in another context: that is left alone."""
    is_elsewhere = issubclass(type(exception), GeneratorExit) and otel_context.get_current() is not context
    end_with(execution, None if is_elsewhere else token, context, exception)


def call_within(context: Context, function: Callable[..., Any], *args: Any) -> Any:
    """Call *function* within *context*, which is taken back wherever a signal's handler raises."""
    outer = otel_context.get_current()
    token = None
    try:
        try:
            token = otel_context.attach(context)
            return function(*args)
        finally:
            take_back(token, context, outer)
    finally:
        take_back(token, context, outer)
