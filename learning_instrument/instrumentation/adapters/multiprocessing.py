"""``multiprocessing``: the functions that its pools of processes, and of threads, apply and map."""

from types import ModuleType
from typing import Any, Final

import wrapt

from . import Tools

#: ``apply`` goes by ``apply_async``, and ``map``, ``starmap`` and their asynchronous forms by ``_map_async``.
_METHODS: Final = ("apply_async", "_map_async", "imap", "imap_unordered")


def instrument(tools: Tools) -> None:
    """Record what is sent to ``multiprocessing.Pool`` and ``ThreadPool``."""
    recorder = tools.call_recorder("multiprocessing")
    patches = tools.patches

    def carry_first(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        if args:
            args = (recorder.wrap(args[0], instance), *args[1:])
        elif "func" in kwargs:
            kwargs = {**kwargs, "func": recorder.wrap(kwargs["func"], instance)}
        return wrapped(*args, **kwargs)

    def found(module: ModuleType) -> None:
        for name in _METHODS:
            patches.wrap(
                module.Pool, name, lambda original: wrapt.FunctionWrapper(original, carry_first, lambda: patches.active)
            )

    patches.when_imported("multiprocessing.pool", found)
