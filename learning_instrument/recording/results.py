"""Ends an execution with what a plain call returned: now, or once a coroutine or future is done.

Only a coroutine is replaced, by a native one that runs it. Every other object is returned as it is: a future is
followed by its own done-callback, and an awaitable that has none cannot be followed.
"""

import functools
import logging
import sys
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any, Final

from ..safety.guards import guarded, is_interruption, warn
from ..safety.imported import imported
from .coroutines import Pending, drive_coroutine, named_like
from .timed import Timed

log = logging.getLogger(__name__)

#: For how many classes it is known that a warning was given.
_REMEMBERED_WARNINGS: Final = 128
#: Special methods that a coroutine has no use for: an object with one is more than a coroutine.
_OTHER_PROTOCOLS: Final = {
    f"__{name}__"
    for name in ("aenter", "aexit", "aiter", "anext", "call", "enter", "exit", "getattr", "getitem", "len")
}
#: Those of compiled coroutines and of ``types.coroutine`` too.
_OF_COROUTINES: Final = frozenset(
    name
    for name in (*dir(CoroutineType), "gi_code", "gi_frame", "gi_running", "gi_suspended", "gi_yieldfrom")
    if not name.startswith("_")
)


def end_when_done(execution: Timed, result: Any) -> Any:
    """End *execution* with *result*, once that is done; return what the caller gets."""
    cls = type(result)
    if cls is CoroutineType:
        return _continued(execution, result)
    try:
        is_awaitable, is_future = hasattr(cls, "__await__"), hasattr(cls, "add_done_callback")
        if is_awaitable and _is_only_a_coroutine(cls):
            return _continued(execution, result)
        if is_future:
            execution.forget_resources()
            is_future = _follow(execution, result, cls)
    except BaseException as fault:  # a metaclass, or a future of another library, may raise
        if is_interruption(fault):
            raise
        is_awaitable = is_future = False
    if is_future:
        return result
    if is_awaitable:
        execution.forget_resources()
        execution.mark_defaulted("duration_seconds")
        _warn_of_class(f"{cls.__module__}.{cls.__qualname__}")
        execution.returned(None)  # it is not the task's result: its fields say nothing
    else:
        execution.returned(result)
    return result


def _continued(execution: Timed, coroutine: Any) -> Coroutine[Any, Any, Any]:
    """Return a native coroutine that runs *coroutine*, a compiled one perhaps, and then ends *execution*."""
    execution.forget_resources()
    ours = drive_coroutine(lambda: execution, Pending(coroutine))
    guarded(named_like, ours, coroutine)
    return ours


def _is_only_a_coroutine(cls: type) -> bool:
    """Tell whether *cls* is a coroutine and nothing more, such as the context manager that aiohttp returns."""
    return issubclass(cls, Coroutine) and not any(
        name in _OTHER_PROTOCOLS or not (name.startswith("_") or name in _OF_COROUTINES) for name in type.__dir__(cls)
    )


def _follow(execution: Timed, future: Any, cls: type) -> bool:
    """End *execution* when *future* is done; False where its class does not take the callback."""
    if _is_of_the_standard_library(cls):
        future.add_done_callback(lambda future: _end(execution, _settle, future))
        return True
    answer = future.add_done_callback(lambda *_: _end(execution, _settle_foreign, future))
    if type(answer) is CoroutineType:  # it takes the callback once that is awaited
        answer.close()
        return False
    return True


def _is_of_the_standard_library(cls: type) -> bool:
    """Tell whether *cls* is a future of concurrent.futures or asyncio, without importing either."""
    kinds = (imported("concurrent.futures._base", "Future"), imported("asyncio.futures", "Future"))
    return any(kind is not None and issubclass(cls, kind) for kind in kinds)


def _end(execution: Timed, settle: Callable[[Timed, Any], None], future: Any) -> None:
    """End *execution* with *future*, which is done, or with the interruption that comes meanwhile."""
    try:
        settle(execution, future)
    except BaseException as exception:
        if execution.has_ended:
            execution.leave()
        else:
            execution.raised(exception)
        raise


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
    asyncio_future = imported("asyncio.futures", "Future")
    if asyncio_future is not None and isinstance(future, asyncio_future):
        return sys.modules["asyncio.exceptions"].CancelledError()  # type: ignore[no-any-return]
    return sys.modules["concurrent.futures._base"].CancelledError()  # type: ignore[no-any-return]


def _settle_foreign(execution: Timed, future: Any) -> None:
    """End with the outcome of a *future* of another library. Its result is not fetched: that may cost a transfer."""
    if guarded(lambda: future.cancelled()) is True:
        from concurrent.futures import CancelledError

        execution.raised(CancelledError())
    elif guarded(lambda: future.done()) is False:  # its exception would be waited for
        execution.returned({"success": False, "error": f"The future ended as {guarded(getattr, future, 'status')}."})
    else:
        exception = guarded(lambda: future.exception())
        if isinstance(exception, BaseException):
            execution.raised(exception)
            return
        if type(exception) is CoroutineType:
            exception.close()
        execution.returned({"status": guarded(getattr, future, "status")})


@functools.lru_cache(maxsize=_REMEMBERED_WARNINGS)
def _warn_of_class(name: str) -> None:
    """Warn of awaitables of this class: once, for the cache answers the next calls."""
    warn(
        log,
        "Executions that return a %s are recorded as they return it: it is an awaitable without add_done_callback(),"
        " and its outcome and duration are not known. Await it in the function.",
        name,
    )
