"""Drives each kind of call within an execution: plain functions, coroutines, generators, futures and awaitables.

The context is attached around each step of a generator and never across a yield, so nothing of ours leaks into the
consumer; a context that the generator attached itself is restored for its next step.
"""

import functools
import inspect
import sys
import types
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextvars import Token
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Final

import wrapt
from opentelemetry import context as otel_context
from opentelemetry.context import Context

from ..safety.guards import guarded, is_interruption
from .batches import Batch
from .execution import Execution

Timed = Execution | Batch

Begin = Callable[[], Timed | None]
"""Starts an execution, or returns None where the call is not recorded. Its exceptions reach the caller."""

Driver = Callable[[Begin, Callable[..., Any], Any, Any], Any]
"""``(begin, function, args, kwargs) -> result``: calls the function and times it."""


def driver_for(function: Any) -> Driver:
    """Return the driver for the kind of *function*; chosen once, when it is wrapped."""
    while isinstance(function, (classmethod, staticmethod, functools.partial)):
        function = function.func if isinstance(function, functools.partial) else function.__func__
    if inspect.iscoroutinefunction(function):
        return functools.partial(_drive_later, CoroutineType, drive_coroutine)
    if inspect.isasyncgenfunction(function):
        return functools.partial(_drive_later, AsyncGeneratorType, drive_async_generator)
    if inspect.isgeneratorfunction(function):
        is_awaitable = function.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE
        drive = drive_generator_based_coroutine if is_awaitable else drive_generator
        return functools.partial(_drive_later, GeneratorType, drive)
    return drive_plainly


def _drive_later(
    kind: type, drive: Callable[..., Any], begin: Begin, function: Callable[..., Any], args: Any, kwargs: Any
) -> Any:
    """Call a *function* whose body runs later. A wrong argument is an error now, as without recording."""
    theirs = function(*args, **kwargs)
    if type(theirs) is kind:
        return _named_like(drive(begin, theirs), theirs)
    try:
        execution = begin()  # a function that is only marked as a coroutine function
    except BaseException:  # the task must not start: close its coroutine
        guarded(_abandon, theirs)
        raise
    return theirs if execution is None else _when_done(execution, theirs)


def _abandon(theirs: Any) -> None:
    """Close a coroutine or generator; cancel a future."""
    end = getattr(theirs, "close", None) or getattr(theirs, "cancel", None)
    if end is not None:
        end()


def drive_plainly(begin: Begin, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Call a plain *function*. A returned future or awaitable is timed until it is done."""
    execution = begin()
    if execution is None:
        return function(*args, **kwargs)
    token = otel_context.attach(execution.context)
    execution.measure_resources()
    try:
        result = function(*args, **kwargs)
    except BaseException as exception:
        otel_context.detach(token)
        execution.raised(exception)
        raise
    otel_context.detach(token)
    cls = type(result)
    # By identity: hashing or comparing a user's class may run code.
    if result is None or cls is dict or cls is bool or cls is str or cls is list or cls is int or cls is float:
        execution.returned(result)
        return result
    return _when_done(execution, result)


def _when_done(execution: Timed, result: Any) -> Any:
    cls = type(result)
    if cls is CoroutineType:
        execution.forget_resources()
        return _named_like(drive_coroutine(lambda: execution, result), result)
    try:
        if _is_future(cls):
            execution.forget_resources()
            result.add_done_callback(lambda future: _settle(execution, future))
            return result
        is_awaitable = hasattr(cls, "__await__")
    except BaseException as fault:  # a metaclass may raise
        if is_interruption(fault):
            raise
        is_awaitable = False
    if is_awaitable:
        execution.forget_resources()
        return _TimedAwaitable(result, execution)
    execution.returned(result)
    return result


def _is_future(cls: type) -> bool:
    """Tell whether *cls* is a future of concurrent.futures or asyncio, without importing either."""
    futures = sys.modules.get("concurrent.futures._base")
    if futures is not None and issubclass(cls, futures.Future):
        return True
    futures = sys.modules.get("asyncio.futures")
    return futures is not None and issubclass(cls, futures.Future)


def _settle(execution: Timed, future: Any) -> None:
    """End with the outcome of *future*. Its exception is not retrieved: asyncio warns if no one retrieves it."""
    if future.cancelled():
        exception: BaseException | None = _cancelled_error(future)
    else:
        exception = future._exception
    if exception is not None:
        execution.raised(exception)
    else:
        execution.returned(future.result())


def _cancelled_error(future: Any) -> BaseException:
    asyncio_futures = sys.modules.get("asyncio.futures")
    if asyncio_futures is not None and isinstance(future, asyncio_futures.Future):
        return asyncio_futures.exceptions.CancelledError()  # type: ignore[no-any-return]
    return sys.modules["concurrent.futures._base"].CancelledError()  # type: ignore[no-any-return]


class _Pending:
    """An awaitable that is not awaited yet."""

    __slots__ = ("awaitable",)
    awaitable: Any


class _PendingCoroutine(_Pending):
    """A coroutine; if it is never awaited, ours warns under its name, and it must not warn too."""

    __slots__ = ()

    def __del__(self) -> None:
        self.awaitable.close()


class _TimedAwaitable(wrapt.ObjectProxy[Any]):
    """A proxy of a user's awaitable that times it when it is awaited."""

    def __init__(self, awaitable: Awaitable[Any], execution: Timed) -> None:
        super().__init__(awaitable)
        self._self_execution: Timed | None = execution

    def __await__(self) -> Generator[Any, Any, Any]:
        execution, self._self_execution = self._self_execution, None  # a second await is not timed
        pending = _Pending()
        pending.awaitable = self.__wrapped__
        return _drive(lambda: execution, pending).__await__()


def _named_like(ours: Any, theirs: Any) -> Any:
    """Give our coroutine or generator the names of *theirs*, for reprs and warnings."""
    ours.__name__, ours.__qualname__ = theirs.__name__, theirs.__qualname__
    return ours


def drive_coroutine(begin: Begin, coroutine: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
    """Run *coroutine* within an execution that starts at its first step."""
    pending = _PendingCoroutine()
    pending.awaitable = coroutine
    return _drive(begin, pending)


async def _drive(begin: Begin, pending: _Pending) -> Any:
    """Await *pending* within an execution that starts at its first step."""
    try:
        execution = begin()
    except BaseException:  # the task must not start; Python would warn of a coroutine never awaited
        guarded(_abandon, pending.awaitable)
        raise
    if execution is None:
        return await pending.awaitable
    token = otel_context.attach(execution.context)
    try:
        result = await pending.awaitable
    except BaseException as exception:
        _detach(execution.context, token, exception)
        execution.raised(exception)
        raise
    otel_context.detach(token)
    execution.returned(result)
    return result


def drive_generator(begin: Begin, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Run *generator* within an execution that starts at its first step."""
    execution = begin()
    if execution is None:
        return (yield from generator)
    context = execution.context
    step: Callable[[Any], Any] = generator.send
    value: Any = None
    while True:
        token = otel_context.attach(context)
        try:
            item = step(value)
        except StopIteration as stop:
            otel_context.detach(token)
            execution.returned(stop.value)
            return stop.value
        except BaseException as exception:
            otel_context.detach(token)
            execution.raised(exception)
            value = None  # it may be the exception, whose traceback holds this frame
            raise
        value = None
        context = otel_context.get_current()
        otel_context.detach(token)
        try:
            value = yield (item, item := None)[0]  # while it waits, this frame holds no object of the user
            step = generator.send
        except BaseException as exception:  # GeneratorExit too: throwing it in is what closing does
            step, value = generator.throw, exception


#: The same for functions decorated with ``types.coroutine``: generators that can be awaited, by a flag of their code.
drive_generator_based_coroutine: Final = types.coroutine(types.FunctionType(drive_generator.__code__, globals()))


async def drive_async_generator(begin: Begin, generator: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, Any]:
    """Run the asynchronous *generator* within an execution that starts at its first step."""
    execution = begin()
    context = otel_context.get_current() if execution is None else execution.context
    step: Callable[[Any], Awaitable[Any]] = generator.asend
    value: Any = None
    pending: Any = _first_step(generator)
    while True:
        token = otel_context.attach(context)
        try:
            item = await pending
        except StopAsyncIteration:
            otel_context.detach(token)
            if execution is not None:
                execution.returned(None)
            return
        except BaseException as exception:
            _detach(context, token, exception)
            if execution is not None:
                execution.raised(exception)
            value = None  # it may be the exception, whose traceback holds this frame
            raise
        value = pending = None
        context = otel_context.get_current()
        otel_context.detach(token)
        try:
            value = yield (item, item := None)[0]  # while it waits, this frame holds no object of the user
            step = generator.asend
        except BaseException as exception:  # GeneratorExit too: throwing it in is what closing does
            step, value = generator.athrow, exception
        pending = step(value)


def _first_step(generator: AsyncGenerator[Any, Any]) -> Awaitable[Any]:
    """Start *generator* without the event loop's hooks: the loop must close ours alone, or both closings collide."""
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, _do_not_finalize)
    try:
        return generator.asend(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _do_not_finalize(generator: AsyncGenerator[Any, Any]) -> None:
    """Do nothing: the loop closes our generator, which closes *generator*."""


def _detach(context: Context, token: Token[Context], exception: BaseException) -> None:
    """Detach, unless the generator was closed from another context, as by the garbage collector."""
    if not issubclass(type(exception), GeneratorExit) or otel_context.get_current() is context:
        otel_context.detach(token)
