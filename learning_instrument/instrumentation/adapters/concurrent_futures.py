"""``concurrent.futures``: functions submitted to executors."""

import functools
from collections.abc import Mapping
from typing import Any, Final

from ...adapters import Adapter
from ...safety.guards import guarded
from ..called_functions import runs_in_a_context
from ..noted_calls import NotedCall
from ..runners import is_submitted_by_a_runner
from ..submitted_calls import SubmittedCall, class_of
from ..tools import Tools


def _instrument(tools: Tools) -> None:
    """Record functions submitted to ``ThreadPoolExecutor`` and ``ProcessPoolExecutor``."""
    recorder = tools.call_recorder()

    def wrap_first(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        if not args or _is_chunk(args[0]) or is_submitted_by_a_runner():
            return wrapped(*args, **kwargs)
        # ``submit(context.run, function)``: the function is recorded, not ``run``.
        first = 1 if len(args) > 1 and runs_in_a_context(args[0]) else 0
        call = recorder.wrap(args[first], instance, class_of(instance))
        return wrapped(*args[:first], call, *args[first + 1 :], **kwargs)

    def submit(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        if not args or not _is_chunk(args[0]):
            return wrap_first(_noting(wrapped), instance, args, kwargs)
        chunk = args[0]
        return wrapped(functools.partial(chunk.func, *map(_noted, chunk.args), **chunk.keywords), *args[1:], **kwargs)

    def terminate(wrapped: Any, manager: Any, args: Any, kwargs: Any) -> Any:
        items = guarded(lambda: list(manager.pending_work_items.values())) or ()
        processes = guarded(lambda: dict(manager.processes)) or {}
        wrapped(*args, **kwargs)  # all processes are dead now
        for item in items:
            guarded(_lose, item, processes)

    tools.wrap("concurrent.futures.thread:ThreadPoolExecutor.submit", wrap_first)  # map() calls it for each item
    tools.wrap("concurrent.futures.process:ProcessPoolExecutor.submit", submit)
    tools.wrap("concurrent.futures.process:ProcessPoolExecutor.map", wrap_first)  # it submits chunks of items
    tools.wrap("concurrent.futures.process:_ExecutorManagerThread.terminate_broken", terminate)


def _is_chunk(function: Any) -> bool:
    """Tell whether *function* is a chunk of ``ProcessPoolExecutor.map``, whose items are wrapped already."""
    return type(function) is functools.partial and any(type(argument) is SubmittedCall for argument in function.args)


def _noted(function: Any) -> Any:
    """Return *function* as its worker process notes its start, where it is recorded."""
    return NotedCall(function) if type(function) is SubmittedCall else function


def _noting(submit: Any) -> Any:
    return lambda function, /, *args, **kwargs: submit(_noted(function), *args, **kwargs)


def _lose(item: Any, processes: Mapping[int, Any]) -> None:
    """Record the call of a pending work *item* as lost, if one of the *processes*, which died, had begun it."""
    function, args, kwargs = item.fn, item.args, item.kwargs
    is_chunk = type(function) is functools.partial
    noted = function.args[0] if is_chunk else function
    note = noted.note() if type(noted) is NotedCall else None
    if note is not None:
        if is_chunk:
            args, kwargs = args[0][note.number - 1], {}
        noted.call.lose(args, kwargs, item.future.exception(0), processes[note.process_id], note.started)


ADAPTERS: Final = (
    Adapter(
        name="concurrent.futures",
        rows=(_instrument,),
        records="functions submitted to executors",
    ),
)
