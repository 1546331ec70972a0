"""The engine of adapters: wraps the methods that their rows name."""

import functools
import inspect
from typing import Any

from ..adapters import Adapter, Executes, Sends, Submits
from ..safety.guards import guarded
from .library_runs import stamp
from .runners import is_submitted_by_a_runner
from .tools import Tools, Wrapper


def instrument(adapter: Adapter, tools: Tools) -> None:
    """Instrument a library by the rows of its *adapter*."""
    for row in adapter.rows:
        if isinstance(row, Executes):
            tools.wrap_original(row.target, functools.partial(_executing, row, tools), subclasses=row.subclasses)
        elif isinstance(row, Sends):
            tools.wrap(row.target, _sending(row))
        elif isinstance(row, Submits):
            tools.wrap_original(row.target, functools.partial(_submitting, row, tools))
        else:
            row(tools)


def _executing(row: Executes, tools: Tools, original: Any) -> Wrapper:
    # One for each class: a method that calls the one that it overrides is one run, one that calls itself several.
    recorder = tools.run_recorder(row.result)

    def run(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        return recorder.run(lambda: row.read(*_all(instance, args), **kwargs), wrapped, instance, args, kwargs)

    return run


def _sending(row: Sends) -> Wrapper:
    def stamp_headers(args: Any, kwargs: Any) -> None:
        headers = row.headers(*args, **kwargs)
        if headers is not None:
            stamp(headers, (row.not_before(*args, **kwargs) if row.not_before is not None else None) or 0.0)

    def send(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        guarded(stamp_headers, _all(instance, args), kwargs)
        return wrapped(*args, **kwargs)

    return send


def _submitting(row: Submits, tools: Tools, original: Any) -> Wrapper:
    recorder = tools.call_recorder()
    function_index = list(inspect.signature(getattr(original, "__func__", original)).parameters).index(row.function)

    def submit(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        index = function_index if instance is None else function_index - 1
        if is_submitted_by_a_runner():
            return wrapped(*args, **kwargs)
        if row.function in kwargs:
            kwargs = {**kwargs, row.function: recorder.wrap(kwargs[row.function], instance)}
        elif index < len(args):
            args = (*args[:index], recorder.wrap(args[index], instance), *args[index + 1 :])
        return wrapped(*args, **kwargs)

    return submit


def _all(instance: Any, args: Any) -> tuple[Any, ...]:
    """Return the arguments of a call, with ``self`` where it has one."""
    return args if instance is None else (instance, *args)
