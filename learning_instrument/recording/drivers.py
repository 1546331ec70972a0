"""Drives each kind of call within an execution: plain functions here, all others in their modules."""

import contextlib
import functools
import inspect
from collections.abc import Callable
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Final

from opentelemetry import context as otel_context

from ..safety.guards import guarded
from .blocks import drive_async_block, drive_block
from .coroutines import Pending, abandon, drive_coroutine, named_like
from .generators import drive_async_generator, drive_generator, drive_generator_based_coroutine
from .results import end_when_done
from .timed import Begin, Driver, Prepare, end_with

#: The code of the functions that contextlib makes of generators.
_OF_BLOCKS: Final = contextlib.contextmanager(drive_block).__code__
_OF_ASYNC_BLOCKS: Final = contextlib.asynccontextmanager(drive_async_block).__code__


def driver_for(function: Any) -> Driver:
    """Return the driver for the kind of *function*; chosen once, when it is wrapped."""
    while isinstance(function, (classmethod, staticmethod, functools.partial)):
        function = function.func if isinstance(function, functools.partial) else function.__func__
    if inspect.iscoroutinefunction(function):
        return _drive_coroutine_later
    if inspect.isasyncgenfunction(function):
        return functools.partial(_drive_later, AsyncGeneratorType, drive_async_generator)
    if inspect.isgeneratorfunction(function):
        is_awaitable = function.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE
        drive = drive_generator_based_coroutine if is_awaitable else drive_generator
        return functools.partial(_drive_later, GeneratorType, drive)
    code = getattr(function, "__code__", None)
    if code is _OF_BLOCKS or code is _OF_ASYNC_BLOCKS:
        return functools.partial(_drive_block_later, drive_block if code is _OF_BLOCKS else drive_async_block)
    return drive_plainly


def _drive_block_later(
    drive: Callable[..., Any], prepare: Prepare, function: Callable[..., Any], instance: Any, args: Any, kwargs: Any
) -> Any:
    """Call a *function* that returns a context manager, and time its block. The caller gets the same object."""

    def driven(generator: Any) -> Any:
        begin = prepare(instance, args, kwargs)
        return generator if begin is None else named_like(drive(begin, generator), generator)

    theirs = function(*args, **kwargs)
    theirs.gen = driven(theirs.gen)
    generate = theirs.func
    # contextlib generates anew for each call of a function that the manager decorates.
    theirs.func = lambda *args, **kwargs: driven(generate(*args, **kwargs))
    return theirs


def _drive_later(
    kind: type,
    drive: Callable[..., Any],
    prepare: Prepare,
    function: Callable[..., Any],
    instance: Any,
    args: Any,
    kwargs: Any,
) -> Any:
    """Call a *function* whose body runs later. A wrong argument is an error now, as without recording."""
    begin = prepare(instance, args, kwargs)
    theirs = function(*args, **kwargs)
    if begin is None:
        return theirs
    if type(theirs) is kind:
        return named_like(drive(begin, theirs), theirs)
    return _drive_otherwise(begin, theirs)


def _drive_coroutine_later(
    prepare: Prepare, function: Callable[..., Any], instance: Any, args: Any, kwargs: Any
) -> Any:
    """Do the same for a coroutine function."""
    begin = prepare(instance, args, kwargs)
    pending = Pending()
    theirs = function(*args, **kwargs)
    if begin is None:
        return theirs
    if type(theirs) is CoroutineType:
        pending.coroutine = theirs
        return named_like(drive_coroutine(begin, pending), theirs)
    return _drive_otherwise(begin, theirs)


def _drive_otherwise(begin: Begin, theirs: Any) -> Any:
    """Start an execution with what a function returned that is only marked as a coroutine function."""
    try:
        execution = begin()
    except BaseException:  # the task must not start: close its coroutine
        guarded(abandon, theirs)
        raise
    return theirs if execution is None else end_when_done(execution, theirs)


def drive_plainly(prepare: Prepare, function: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    """Call a plain *function*. A returned coroutine or future is timed until it is done.

    The only frame of ours below which the function runs: a recursive one must not use up the stack.
    """
    begin = prepare(instance, args, kwargs)
    execution = None if begin is None else begin()
    if execution is None:
        return function(*args, **kwargs)
    token = None
    try:
        try:
            token = otel_context.attach(execution.context)
            execution.enter(True)
            result = function(*args, **kwargs)
            otel_context.detach(token)
            cls = type(result)
            # By identity: hashing or comparing a user's class may run code.
            if not (
                result is None or cls is dict or cls is bool or cls is str or cls is list or cls is int or cls is float
            ):
                return end_when_done(execution, result)
            execution.returned(result)
            return result
        except BaseException as exception:
            end_with(execution, token, execution.context, exception)
            raise
    except BaseException as exception:  # of a signal's handler, in the lines just above
        end_with(execution, token, execution.context, exception)
        raise
