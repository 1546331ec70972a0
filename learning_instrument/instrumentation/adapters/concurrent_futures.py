"""``concurrent.futures``: the functions submitted to, or mapped over by, thread and process executors."""

import functools
from types import ModuleType
from typing import Any

import wrapt

from ..submitted_calls import SubmittedCall, runs_in_a_context
from . import Tools


def instrument(tools: Tools) -> None:
    """Record what is sent to ``ThreadPoolExecutor`` and ``ProcessPoolExecutor``."""
    recorder = tools.call_recorder("concurrent.futures")
    patches = tools.patches

    def carry_first(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        if not args or _is_chunk(args[0]):
            return wrapped(*args, **kwargs)
        # ``submit(context.run, function)``: what runs in a context of its own is what is recorded.
        first = 1 if len(args) > 1 and runs_in_a_context(args[0]) else 0
        carried = recorder.wrap(args[first], instance)
        return wrapped(*args[:first], carried, *args[first + 1 :], **kwargs)

    def wrap(original: Any) -> Any:
        return wrapt.FunctionWrapper(original, carry_first, lambda: patches.active)

    def found_threads(module: ModuleType) -> None:
        patches.wrap(module.ThreadPoolExecutor, "submit", wrap)  # which its map() calls for each item

    def found_processes(module: ModuleType) -> None:
        patches.wrap(module.ProcessPoolExecutor, "submit", wrap)
        patches.wrap(module.ProcessPoolExecutor, "map", wrap)  # which submits whole chunks

    patches.when_imported("concurrent.futures.thread", found_threads)
    patches.when_imported("concurrent.futures.process", found_processes)


def _is_chunk(function: Any) -> bool:
    """Tell whether this is a chunk of ``ProcessPoolExecutor.map``, whose items are carried each by itself."""
    return type(function) is functools.partial and any(type(argument) is SubmittedCall for argument in function.args)
