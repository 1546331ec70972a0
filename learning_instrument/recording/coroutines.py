"""Drives coroutines within an execution."""

from typing import Any

from opentelemetry import context as otel_context

from ..safety.guards import guarded
from .timed import Begin, end_awaited_with


class _Awaited:
    """A coroutine that is awaited."""

    __slots__ = ("coroutine",)

    def __init__(self, coroutine: Any = None) -> None:
        self.coroutine = coroutine


class Pending(_Awaited):
    """A coroutine that is not awaited yet. If it never is, ours warns under its name, and it must not warn too.

    Make it before its coroutine: of a cycle, the garbage collector finalizes the older object first.
    """

    __slots__ = ()

    def __del__(self) -> None:
        if self.coroutine is not None:
            self.coroutine.close()


async def drive_coroutine(begin: Begin, pending: _Awaited) -> Any:
    """Await the coroutine of *pending* within an execution that starts at its first step."""
    coroutine = pending.coroutine
    try:
        execution = begin()
    except BaseException:  # the task must not start; Python would warn of a coroutine never awaited
        guarded(abandon, coroutine)
        raise
    del begin  # this and what else ends early is no object for the garbage collector to visit in a task that waits
    if execution is None:
        pending.__class__ = _Awaited
        return await coroutine
    token = None
    try:
        try:
            token = otel_context.attach(execution.context)
            execution.enter()
            pending.__class__ = _Awaited
            del pending
            result = await coroutine
            otel_context.detach(token)
            execution.returned(result)
            return result
        except BaseException as exception:
            end_awaited_with(execution, token, execution.context, exception)
            raise
    except BaseException as exception:  # of a signal's handler, in the lines just above
        end_awaited_with(execution, token, execution.context, exception)
        raise


def named_like(ours: Any, theirs: Any) -> Any:
    """Give our coroutine or generator the names of *theirs*, for reprs and warnings."""
    ours.__name__, ours.__qualname__ = theirs.__name__, theirs.__qualname__
    return ours


def abandon(theirs: Any) -> None:
    """Close a coroutine or generator; cancel a future."""
    end = getattr(theirs, "close", None) or getattr(theirs, "cancel", None)
    if end is not None:
        end()
