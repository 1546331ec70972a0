"""Drives generators and asynchronous generators within an execution.

The context is attached around each step and never across a yield, so nothing of ours leaks into the consumer; a context
that the generator attached itself is restored for its next step.
"""

import sys
import types
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any, Final

from opentelemetry import context as otel_context

from .timed import Begin, end_awaited_with, end_with


def drive_generator(begin: Begin, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Run *generator* within an execution that starts at its first step."""
    execution = begin()
    if execution is None:
        return (yield from generator)
    context = execution.context
    step: Callable[[Any], Any] = generator.send
    value: Any = None
    token: Any = None
    try:
        try:
            execution.enter()
            while True:
                try:
                    token = otel_context.attach(context)
                    item = step(value)
                except StopIteration as stop:
                    otel_context.detach(token)
                    execution.returned(stop.value)
                    return stop.value
                value = None
                execution.yielded(item)
                context = otel_context.get_current()
                token = otel_context.detach(token)  # type: ignore[func-returns-value]
                try:
                    value = yield (item, item := None)[0]  # while it waits, this frame holds no object of the user
                    step = generator.send
                except BaseException as exception:  # GeneratorExit too: throwing it in is what closing does
                    step, value = generator.throw, exception
        except BaseException as exception:
            end_with(execution, token, context, exception)
            value = None  # it may be the exception, whose traceback holds this frame
            raise
    except BaseException as exception:  # of a signal's handler, in the lines just above
        end_with(execution, token, context, exception)
        raise


#: The same for functions decorated with ``types.coroutine``: generators that can be awaited, by a flag of their code.
drive_generator_based_coroutine: Final = types.coroutine(types.FunctionType(drive_generator.__code__, globals()))


async def drive_async_generator(begin: Begin, generator: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, Any]:
    """Run the asynchronous *generator* within an execution that starts at its first step."""
    execution = begin()
    context = otel_context.get_current() if execution is None else execution.context
    step: Callable[[Any], Awaitable[Any]] = generator.asend
    value: Any = None
    token: Any = None
    try:
        try:
            if execution is not None:
                execution.enter()
            pending: Any = first_step(generator)
            while True:
                try:
                    token = otel_context.attach(context)
                    item = await pending
                except StopAsyncIteration:
                    otel_context.detach(token)
                    if execution is not None:
                        execution.returned(None)
                    return
                value = pending = None
                if execution is not None:
                    execution.yielded(item)
                context = otel_context.get_current()
                token = otel_context.detach(token)  # type: ignore[func-returns-value]
                try:
                    value = yield (item, item := None)[0]  # while it waits, this frame holds no object of the user
                    step = generator.asend
                except BaseException as exception:  # GeneratorExit too: throwing it in is what closing does
                    step, value = generator.athrow, exception
                pending = step(value)
        except BaseException as exception:
            end_awaited_with(execution, token, context, exception)
            value = None  # it may be the exception, whose traceback holds this frame
            raise
    except BaseException as exception:  # of a signal's handler, in the lines just above
        end_awaited_with(execution, token, context, exception)
        raise


def first_step(generator: AsyncGenerator[Any, Any]) -> Awaitable[Any]:
    """Start *generator* without the event loop's hooks: the loop must close ours alone, or both closings collide."""
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, _do_not_finalize)
    try:
        return generator.asend(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _do_not_finalize(generator: AsyncGenerator[Any, Any]) -> None:
    """Do nothing: the loop closes our generator, which closes *generator*."""
