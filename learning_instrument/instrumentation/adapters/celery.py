"""``celery``: tasks run by its workers, and tasks run at once (``apply``, ``task_always_eager``).

The execution starts innermost, around the function that the worker calls: celery's signals do not report the end of
every run, and the context that their receivers attach must be current before it.
"""

import functools
import inspect
import logging
import os
import sys
from collections.abc import Callable
from datetime import datetime
from types import ModuleType
from typing import Any, Final

import wrapt
from opentelemetry import context as otel_context

from ...adapters import Adapter, Run
from ...recording.contexts import enclosing_of
from ...safety.guards import guarded, warn
from ..library_runs import HEADER, RunRecorder, stamp
from ..patching import Patches
from ..task_argument import TaskLocation, locate_task
from ..tools import Tools

log = logging.getLogger(__name__)

#: The modules with ``build_tracer``: the one that defines it, and the one that imports it by name.
_TRACERS_MODULES: Final = ("celery.app.trace", "celery.worker.consumer.consumer")
#: Of each value that the sender's own text should show, in characters: it may be cut.
_COMPARED: Final = 20
#: What the worker hears of a child that has died: by itself, or for a task that was revoked.
_DEATHS: Final = frozenset({"WorkerLostError", "Terminated"})


def _instrument(tools: Tools) -> None:
    """Record the runs of celery's tasks, and send the context in their messages."""
    recorder = tools.run_recorder()
    patches = tools.patches

    def build(build_tracer: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
        tracer = build_tracer(*args, **kwargs)
        guarded(_record_within, tracer, *args[1:2], *[kwargs[name] for name in ("task",) if name in kwargs])
        return tracer

    def _record_within(tracer: Any, task: Any) -> None:
        cell = _cell_of(tracer)
        if cell is None:
            warn(log, "This release of celery is not supported; its tasks are not recorded.")
        elif not (type(cell.cell_contents) is _Run and cell.cell_contents.patches is patches):
            cell.cell_contents = _Run(cell.cell_contents, task, recorder, patches)

    def found_tracers(module: ModuleType) -> None:
        patches.wrap(
            module, "build_tracer", lambda original: wrapt.FunctionWrapper(original, build, lambda: patches.active)
        )

    def found_signals(module: Any) -> None:
        def publishing(headers: Any = None, **_: Any) -> None:
            guarded(_keep_context, headers)
            guarded(stamp, headers, guarded(_eta_of, headers) or 0.0)

        module.before_task_publish.connect(publishing, weak=False)
        patches.on_undo(functools.partial(module.before_task_publish.disconnect, publishing))

    def failing(on_failure: Callable[..., Any], request: Any, args: Any, kwargs: Any) -> Any:
        guarded(_lose, recorder, request, args[0] if args else kwargs.get("exc_info"))
        return on_failure(*args, **kwargs)

    tools.wrap("celery.worker.request:Request.on_failure", failing)
    for name in _TRACERS_MODULES:
        patches.when_imported(name, found_tracers)
    patches.when_imported("celery.signals", found_signals)


def _text_that_hides(request: Any, args: Any, kwargs: Any) -> str | None:
    """Return the sender's text of the arguments, ``argsrepr``, where it does not show each of their plain values."""
    own = [text for text in map(request.get, ("argsrepr", "kwargsrepr")) if type(text) is str]
    plain = [str(value)[:_COMPARED] for value in (*args, *kwargs.values()) if type(value) in (str, int, float)]
    text = ", ".join(own)
    return text if own and not all(value in text for value in plain) else None


class _Run:
    """Stands in for the function of a task, which celery's tracer calls."""

    def __init__(self, function: Callable[..., Any], task: Any, recorder: RunRecorder, patches: Patches) -> None:
        self.patches = patches
        self._function = function
        self._task = task
        self._recorder = recorder
        self._location: TaskLocation | None = None

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function, as one execution."""
        if not self.patches.active:
            return self._function(*args, **kwargs)
        return self._recorder.run(lambda: self._read(args, kwargs), self._function, None, args, kwargs)

    def _read(self, args: Any, kwargs: Any) -> Run:
        if self._location is None:
            self._location = locate_task(self._task.run, "task")
        return _run_of(self._task, self._location, self._task.request, args, kwargs)


def _run_of(task: Any, location: TaskLocation, request: Any, args: Any, kwargs: Any) -> Run:
    """Return the run of *task* that the context *request* tells of."""
    return Run(
        task_type=task.name,
        task=location(None, args, kwargs),
        description=guarded(_text_that_hides, request, args, kwargs),
        args=args,
        kwargs=kwargs,
        task_id=request.id,
        pool_id=(request.delivery_info or {}).get("routing_key"),
        worker_id=request.hostname,
        attempt=(request.retries or 0) + 1,
        function=task.run,
        headers=request,
        metadata={"retries": request.retries or 0, "celery_id": request.id},
    )


def _lose(recorder: RunRecorder, request: Any, failure: Any) -> None:
    """Record the run of a worker's *request* whose child died. A run that no child has accepted is none.

    Any other *failure* is one that the child itself has recorded.
    """
    heard: Any = getattr(failure, "exception", None)
    heard = heard.exc if type(heard).__name__ == "ExceptionWithTraceback" else heard
    if type(heard).__name__ not in _DEATHS or request.time_start is None or request.worker_pid in (None, os.getpid()):
        return

    def read() -> Run:
        task, context = request.task, request._context
        return _run_of(task, locate_task(task.run, "task"), context, request.args, request.kwargs)

    recorder.lose(read, heard, request.worker_pid, request.time_start)


def _cell_of(tracer: Any) -> Any:
    """Return the closure cell of celery's *tracer* that holds the function it calls."""
    tracer = inspect.unwrap(tracer)  # it may have foreign wrappers
    names = tracer.__code__.co_freevars
    return tracer.__closure__[names.index("fun")] if "fun" in names else None


def _keep_context(headers: Any) -> None:
    """Put the context of the current task's message into a message sent at its end, such as the next of a chain."""
    task = sys.modules["celery._state"].get_current_worker_task()
    if task is not None and enclosing_of(otel_context.get_current()) is None:
        headers.setdefault(HEADER, task.request.get(HEADER))


def _eta_of(headers: Any) -> float:
    """Return the earliest time to run a message, in seconds of Unix time; 0.0 without one."""
    eta = headers.get("eta")
    return datetime.fromisoformat(eta).timestamp() if isinstance(eta, str) else 0.0


ADAPTERS: Final = (
    Adapter(
        name="celery",
        rows=(_instrument,),
        records="tasks that workers run, or that run at once",
    ),
)
