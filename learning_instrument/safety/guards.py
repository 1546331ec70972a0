"""Guards around foreign code: its faults do not reach the task, interruptions do.

A foreign object may raise anything, ``SystemExit`` included, and the task must not see it. An exception of a signal
handler, or one that another thread throws in, is caught at the same place, but is meant to end the task or the process.
"""

import functools
import logging
import sys
from collections.abc import Callable
from inspect import CO_VARARGS
from types import FrameType
from typing import Any, Final

from .deferral import when_free


def guarded(function: Callable[..., Any], *args: Any) -> Any:
    """Call foreign code; return None where it fails. An interruption, such as Ctrl-C, is raised."""
    try:
        return function(*args)
    except BaseException as fault:  # a user's property may raise SystemExit; the task must not see it
        if is_interruption(fault):
            raise
        return None


def warn(log: logging.Logger, message: str, *args: object, exc_info: bool | BaseException | None = False) -> None:
    """Log a warning as soon as this thread holds no lock of ours. A log handler that fails affects nothing.

    All log lines of this package go through here, or through :func:`inform`.
    """
    _log(log, logging.WARNING, message, args, exc_info)


def inform(log: logging.Logger, message: str, *args: object) -> None:
    """Log a line that needs no attention; otherwise like :func:`warn`."""
    _log(log, logging.INFO, message, args, None)


def _log(log: logging.Logger, level: int, message: str, args: tuple[object, ...], exc_info: Any) -> None:
    fault = sys.exc_info() if exc_info is True else exc_info  # the line may wait
    when_free(functools.partial(guarded, functools.partial(log.log, exc_info=fault), level, message, *args))


_PACKAGE: Final = __name__.partition(".")[0] + "."
# Not by attribute access, which a user's class may override.
_traceback_of: Final = vars(BaseException)["__traceback__"].__get__


def is_interruption(exception: BaseException) -> bool:
    """Tell whether *exception*, caught by a guard, was raised by a signal handler or another thread."""
    cls = type(exception)
    if issubclass(cls, KeyboardInterrupt):
        return True
    if cls is MemoryError:
        return False  # it comes from anywhere, and to look at frames would take memory
    has_only_ours = True
    caller, traceback = None, _traceback_of(exception)
    while traceback is not None:
        frame = traceback.tb_frame
        if caller is not None and _is_handler(frame, caller):
            return True
        has_only_ours = has_only_ours and _is_ours(frame)
        caller, traceback = frame, traceback.tb_next
    # Our code raises only errors, so where no other ran, another thread threw it in.
    return has_only_ours and not issubclass(cls, Exception)


def _is_handler(frame: FrameType, caller: FrameType) -> bool:
    """Tell whether *frame* has its caller's frame as an argument: a signal handler has, other functions hardly ever."""
    code = frame.f_code
    count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & CO_VARARGS)
    for name in code.co_varnames[:count]:
        argument = frame.f_locals.get(name)
        if argument is caller or (type(argument) is tuple and any(item is caller for item in argument)):
            return True
    return False


def _is_ours(frame: FrameType) -> bool:
    module = dict.get(frame.f_globals, "__name__")
    return type(module) is str and module.startswith(_PACKAGE)
