"""What somebody throws into a thread while it is in our hands: no fault of the object that we were reading.

A guard of ours keeps from the task whatever a foreign object raises, ``SystemExit`` included. What the handler of a
signal raises, or another thread throws in, arrives in the same place, but is meant to end the task, or the process.
"""

import functools
import logging
from collections.abc import Callable
from inspect import CO_VARARGS
from types import FrameType
from typing import Any, Final

log = logging.getLogger(__name__)


def guarded(function: Callable[..., Any], *args: Any) -> Any:
    """Call code that is not ours; answer None where it fails. What is thrown in, as by Ctrl-C, passes."""
    try:
        return function(*args)
    except BaseException as fault:  # a user's property may raise SystemExit; the task must not see it
        if is_interruption(fault):
            raise
        return None


def warn(message: str, *args: object, exc_info: bool = False) -> None:
    """Log a warning on a task's thread, where a log handler that fails must not be noticed."""
    guarded(functools.partial(log.warning, exc_info=exc_info), message, *args)


_PACKAGE: Final = __name__.partition(".")[0] + "."
# Past what a class of a user's own makes of attribute access.
_traceback_of: Final = vars(BaseException)["__traceback__"].__get__


def is_interruption(exception: BaseException) -> bool:
    """Tell whether *exception*, caught by a guard of ours, was thrown in from elsewhere."""
    cls = type(exception)
    if issubclass(cls, KeyboardInterrupt):
        return True
    has_only_ours = True
    caller, traceback = None, _traceback_of(exception)
    while traceback is not None:
        frame = traceback.tb_frame
        if caller is not None and _is_handler(frame, caller):
            return True
        has_only_ours = has_only_ours and _is_ours(frame)
        caller, traceback = frame, traceback.tb_next
    # Where none but our code ran, what is no error was thrown in by another thread.
    return has_only_ours and not issubclass(cls, Exception)


def _is_handler(frame: FrameType, caller: FrameType) -> bool:
    """Tell whether *frame* was given the frame that it interrupted, as handlers of signals are, and hardly others."""
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
