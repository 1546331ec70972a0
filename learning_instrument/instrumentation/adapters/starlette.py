"""``starlette``, and FastAPI: background tasks.

A list of them is a background task as well, with a call of its own, and no execution. The call of a task drops what its
function returned, so a copy of the task is called, with a function that records itself.
"""

import copy
import functools
from typing import Any, Final

from ...adapters import Adapter, Run, Sends
from ...safety.guards import guarded
from ..called_functions import task_of
from ..tools import Tools, Wrapper


def _headers(task: Any, /, *args: Any, **kwargs: Any) -> Any:
    return vars(task)


def _read(task: Any) -> Run:
    args, kwargs = task.args, task.kwargs
    return Run(task=task_of(task.func, args, kwargs), args=args, kwargs=kwargs, function=task.func, headers=vars(task))


def _instrument(tools: Tools) -> None:
    """Record the functions of background tasks."""
    recorder = tools.run_recorder()

    def recorded(task: Any) -> Any:
        twin = copy.copy(task)
        twin.func = lambda *args, **kwargs: recorder.run(functools.partial(_read, task), task.func, None, args, kwargs)
        return twin

    def make(original: Any) -> Wrapper:
        def call(wrapped: Any, task: Any, args: Any, kwargs: Any) -> Any:
            twin = guarded(recorded, task)
            return wrapped(*args, **kwargs) if twin is None else original(twin, *args, **kwargs)

        return call

    tools.wrap_original("starlette.background:BackgroundTask.__call__", make)


ADAPTERS: Final = (
    Adapter(
        name="starlette",
        rows=(Sends(target="starlette.background:BackgroundTask.__init__", headers=_headers), _instrument),
        records="background tasks, FastAPI's too",
    ),
)
