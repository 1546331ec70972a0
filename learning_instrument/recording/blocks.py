"""Drives context managers of contextlib within an execution, which lasts as long as the block of their ``with``.

Its context stays attached meanwhile, for what the block does is part of the task. It is taken back by value: the block
may end in another context than it began in.
"""

from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

from opentelemetry import context as otel_context

from .generators import first_step
from .passage import Passage
from .timed import Begin, end_with, take_back


def drive_block(begin: Begin, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, None]:
    """Run the *generator* of a context manager within an execution that starts where the block is entered."""
    execution = begin() or _unrecorded()
    context = execution.context
    has_entered = False
    step: Callable[[Any], Any] = generator.send
    value: Any = None
    try:
        try:
            otel_context.attach(context)
            execution.enter()
            while True:
                try:
                    item = step(value)
                except StopIteration:
                    take_back(None, context, execution.outer)
                    execution.returned(None)
                    return
                value = None
                if has_entered:  # it yields again, which is an error: the block is over
                    take_back(None, context, execution.outer)
                has_entered = True
                execution.yielded(item)
                try:
                    value = yield (item, item := None)[0]
                    step = generator.send
                except BaseException as exception:
                    step, value = generator.throw, exception
        except BaseException as exception:
            end_with(execution, None, context, exception)
            value = None  # it may be the exception, whose traceback holds this frame
            raise
    except BaseException as exception:  # of a signal's handler, in the lines just above
        end_with(execution, None, context, exception)
        raise


async def drive_async_block(begin: Begin, generator: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, Any]:
    """Do the same for an asynchronous context manager."""
    execution = begin() or _unrecorded()
    context = execution.context
    has_entered = False
    value: Any = None
    try:
        try:
            otel_context.attach(context)
            execution.enter()
            pending: Any = first_step(generator)
            while True:
                try:
                    item = await pending
                except StopAsyncIteration:
                    take_back(None, context, execution.outer)
                    execution.returned(None)
                    return
                value = pending = None
                if has_entered:
                    take_back(None, context, execution.outer)
                has_entered = True
                execution.yielded(item)
                try:
                    value = yield (item, item := None)[0]
                    step: Callable[[Any], Any] = generator.asend
                except BaseException as exception:
                    step, value = generator.athrow, exception
                pending = step(value)
        except BaseException as exception:
            end_with(execution, None, context, exception)
            value = None  # it may be the exception, whose traceback holds this frame
            raise
    except BaseException as exception:  # of a signal's handler, in the lines just above
        end_with(execution, None, context, exception)
        raise


def _unrecorded() -> Passage:
    current = otel_context.get_current()
    return Passage(current, current)
