"""``concurrent.futures``: functions submitted to executors."""

import functools
from types import ModuleType
from typing import Any, Final

import wrapt

from ...adapters import Adapter
from ..submitted_calls import SubmittedCall, class_of, is_submitted_by_a_runner, runs_in_a_context
from ..tools import Tools


def _instrument(tools: Tools) -> None:
    """Record functions submitted to ``ThreadPoolExecutor`` and ``ProcessPoolExecutor``."""
    recorder = tools.call_recorder()
    patches = tools.patches

    def wrap_first(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        if not args or _is_chunk(args[0]) or is_submitted_by_a_runner():
            return wrapped(*args, **kwargs)
        # ``submit(context.run, function)``: the function is recorded, not ``run``.
        first = 1 if len(args) > 1 and runs_in_a_context(args[0]) else 0
        call = recorder.wrap(args[first], instance, class_of(instance))
        return wrapped(*args[:first], call, *args[first + 1 :], **kwargs)

    def wrap(original: Any) -> Any:
        return wrapt.FunctionWrapper(original, wrap_first, lambda: patches.active)

    def found_threads(module: ModuleType) -> None:
        patches.wrap(module.ThreadPoolExecutor, "submit", wrap)  # map() calls it for each item

    def found_processes(module: ModuleType) -> None:
        patches.wrap(module.ProcessPoolExecutor, "submit", wrap)
        patches.wrap(module.ProcessPoolExecutor, "map", wrap)  # it submits chunks of items

    patches.when_imported("concurrent.futures.thread", found_threads)
    patches.when_imported("concurrent.futures.process", found_processes)


def _is_chunk(function: Any) -> bool:
    """Tell whether *function* is a chunk of ``ProcessPoolExecutor.map``, whose items are wrapped already."""
    return type(function) is functools.partial and any(type(argument) is SubmittedCall for argument in function.args)


ADAPTERS: Final = (
    Adapter(
        name="concurrent.futures",
        rows=(_instrument,),
        records="functions submitted to executors",
    ),
)
