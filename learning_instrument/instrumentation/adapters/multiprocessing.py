"""``multiprocessing``: functions applied and mapped by its pools of processes or threads."""

from typing import Any, Final

from ...adapters import Adapter
from ..runners import is_submitted_by_a_runner
from ..submitted_calls import class_of
from ..tools import Tools

#: ``apply`` calls ``apply_async``; ``map``, ``starmap`` and their asynchronous forms call ``_map_async``.
_METHODS: Final = ("apply_async", "_map_async", "imap", "imap_unordered")


def _instrument(tools: Tools) -> None:
    """Record functions submitted to ``multiprocessing.Pool`` and ``ThreadPool``."""
    recorder = tools.call_recorder()

    def wrap_first(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        if is_submitted_by_a_runner():
            return wrapped(*args, **kwargs)
        if args:
            args = (recorder.wrap(args[0], instance, class_of(instance)), *args[1:])
        elif "func" in kwargs:
            kwargs = {**kwargs, "func": recorder.wrap(kwargs["func"], instance, class_of(instance))}
        return wrapped(*args, **kwargs)

    for method in _METHODS:
        tools.wrap(f"multiprocessing.pool:Pool.{method}", wrap_first)


ADAPTERS: Final = (Adapter(name="multiprocessing", rows=(_instrument,), records="functions that pools apply or map"),)
