"""``dask``: functions that are delayed, submitted or mapped, run by its local schedulers and by clusters.

Wherever it runs, a task of a graph calls its function in ``Task.__call__``, which raises what the function raises. A
thread of a local scheduler calls it there as an execution; in the pickle of a task that is sent to another process, a
call that takes context and settings along is in the place of the function: once in what ``Client.map`` sends, of which
the scheduler makes the tasks. Chunks of collections are no tasks: their keys are tuples.
"""

import contextlib
import itertools
import sys
import threading
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from ...adapters import Adapter
from ...safety.clocks import time
from ...safety.guards import guarded
from ..called_functions import name_of
from ..carried_calls import CarriedCall, Submission
from ..runners import is_plumbing
from ..tools import Tools, Wrapper

#: The modules that call ``get_async`` by a name of their own.
_SCHEDULERS: Final = ("dask.local", "dask.threaded", "dask.multiprocessing")
#: The modules of dask's own functions, and of what operators and items of delayed objects become.
_PLUMBING: Final = ("dask.", "distributed.", "_operator", "operator", "toolz.", "cytoolz.")


class _Sending(NamedTuple):
    submission: Submission
    #: Since when tasks that depend on others can run, in seconds of Unix time; None: since they arrive.
    ready: float | None


class _Current(threading.local):
    #: What this thread pickles tasks for.
    sending: _Sending | None = None
    #: The task that this thread runs for a local scheduler.
    running: "_LocalTask | None" = None


_current: Final = _Current()


def _instrument(tools: Tools) -> None:
    """Record the functions of tasks."""
    recorder = tools.call_recorder()

    def running(original: Any) -> Wrapper:
        subgraph = vars(sys.modules["dask._task_spec"]).get("_execute_subgraph")

        def run(wrapped: Any, task: Any, args: Any, kwargs: Any) -> Any:
            local = _current.running
            if local is None or task.func is subgraph:  # its tasks are called in turn
                return wrapped(*args, **kwargs)
            recorded = guarded(local.recorded, task)
            _current.running = None  # the function may have a graph of its own
            try:
                return wrapped(*args, **kwargs) if recorded is None else original(recorded, *args, **kwargs)
            finally:
                _current.running = local

        return run

    def state_of(wrapped: Any, task: Any, args: Any, kwargs: Any) -> Any:
        state, sending = wrapped(*args, **kwargs), _current.sending
        return state if sending is None else guarded(_carried, task, state, sending) or state

    def run_graph(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        submission = guarded(Submission.now, recorder, None)
        dumps = None if submission is None else guarded(_Dumps, kwargs.get("dumps"), submission)
        return wrapped(*args, **kwargs if dumps is None else {**kwargs, "dumps": dumps})

    def reduced(wrapped: Any, expression: Any, args: Any, kwargs: Any) -> Any:
        parts, sending = wrapped(*args, **kwargs), _current.sending
        if sending is None or type(expression).__name__ != "_MapExpr":
            return parts
        return guarded(_carried_map, expression, parts, sending.submission) or parts

    def send_graph(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        with _sent_by(guarded(Submission.now, recorder, client), None):
            return wrapped(*args, **kwargs)

    def message_of(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        guarded(_count_attempt, *args, **kwargs)
        return wrapped(*args, **kwargs)

    tools.wrap_original("dask._task_spec:Task.__call__", running)
    tools.wrap("dask._task_spec:Task.__getstate__", state_of)
    tools.wrap("dask._expr:Expr.__reduce__", reduced)
    for module in _SCHEDULERS:
        tools.wrap(f"{module}:get_async", run_graph)
    tools.wrap("distributed.client:Client._graph_to_futures", send_graph)
    tools.wrap("distributed.scheduler:SchedulerState._task_to_msg", message_of)


class _Dumps:
    """Stands in for ``dumps`` of a local scheduler, which is given each task that it submits."""

    def __init__(self, dumps: Any, submission: Submission) -> None:
        self._dumps = dumps
        self._submission = submission
        self._nodes: Any = sys.modules["dask._task_spec"].GraphNode

    def __call__(self, value: Any) -> Any:
        dumps = self._dumps
        if not (type(value) is tuple and len(value) == 2 and issubclass(type(value[0]), self._nodes)):
            return value if dumps is None else dumps(value)  # a result
        if dumps is None:  # for a thread of this process
            return _LocalTask(value[0], self._submission), value[1]
        with _sent_by(self._submission, time.time()):
            return dumps(value)

    def __reduce__(self) -> Any:
        return eval, ("dumps", {"dumps": self._dumps})  # the original, for the result


class _LocalTask:
    """Stands in for a task that a thread of this process runs."""

    def __init__(self, task: Any, submission: Submission) -> None:
        self._task = task
        self._sending = _Sending(submission, time.time())

    def __call__(self, data: Any) -> Any:
        """Run the task."""
        outer, _current.running = _current.running, self
        try:
            return self._task(data)
        finally:
            _current.running = outer

    def recorded(self, task: Any) -> Any:
        """Return a copy of *task*, or of one within it, that records its function; None where it has none to record."""
        if not _is_recorded(task):
            return None
        submission, ready = self._sending
        call = submission.call(task.func, ready if task.dependencies and ready is not None else submission.sent)
        call.defaults = {"task_id": str(task.key), "worker_id": threading.current_thread().name}
        cls: Any = type(task)
        copy = cls.__new__(cls)
        copy.__setstate__(_replaced(task, task.__getstate__(), call))
        return copy


class DaskCall(CarriedCall):
    """The function of a task that is sent to another process."""

    __slots__ = ()

    def here(self) -> dict[str, Any] | None:
        """Return the address of the worker; None for the chunk of a collection."""
        worker = sys.modules.get("distributed.worker")
        if worker is None:
            return {}
        key = getattr(worker.thread_state, "key", None)
        if type(key) is tuple:
            return None
        found = guarded(worker.get_worker)
        return {} if found is None else {"worker_id": found.address, "task_id": str(key)}

    def __dask_tokenize__(self) -> Any:
        return sys.modules["dask.tokenize"].normalize_token(self.function)


def _is_recorded(task: Any) -> bool:
    """Tell whether *task* runs a function of the application."""
    if task.key is None or type(task.key) is tuple or type(task.func) is DaskCall:
        return False
    return _is_of_application(task.func)


def _is_of_application(function: Any) -> bool:
    module, name = name_of(function)
    return not (module.startswith(_PLUMBING) or is_plumbing(function)) and (module, name) != ("builtins", "getattr")


def _carried(task: Any, state: Any, sending: _Sending) -> Any:
    """Return *state*, the pickle of *task*, with the call in place of the function; None where it is not recorded."""
    if not _is_recorded(task):
        return None
    submission, ready = sending
    sent = ready if task.dependencies else submission.sent
    parcel = {"settings": submission.settings(), "sent": sent, "defaults": {"task_id": str(task.key)}}
    return _replaced(task, state, DaskCall(task.func, parcel))


def _carried_map(expression: Any, parts: Any, submission: Submission) -> Any:
    """Return *parts*, the pickle of what is mapped, with the call for the function; None where it is not recorded."""
    function, iterables = expression.func, expression.iterables
    if not _is_of_application(function):
        return None
    reference = sys.modules["dask._task_spec"].TaskRef
    values = itertools.chain(*iterables, expression.kwargs.values())
    depends = any(isinstance(value, reference) for value in values)
    parcel: dict[str, Any] = {
        "settings": submission.settings(),
        "sent": None if depends else submission.sent,
        "defaults": {},
    }
    rebuild, (cls, _, *rest) = parts
    return rebuild, (cls, DaskCall(function, parcel), *rest)


def _replaced(task: Any, state: Any, function: Any) -> Any:
    values = list(state)
    values[type(task).get_all_slots().index("func")] = function
    return type(state)(values)


@contextlib.contextmanager
def _sent_by(submission: Submission | None, ready: float | None) -> Iterator[None]:
    outer = _current.sending
    _current.sending = None if submission is None else _Sending(submission, ready)
    try:
        yield
    finally:
        _current.sending = outer


def _count_attempt(task_state: Any) -> None:
    """Tell the call of a task that a scheduler of this process assigns to a worker, which attempt it is."""
    task = task_state.run_spec
    call = getattr(task, "func", None)
    if type(call) is DaskCall:
        retries = (task_state.annotations or {}).get("retries", 0)
        defaults = {**call.parcel["defaults"], "attempt": retries - task_state.retries + 1}
        task.func = DaskCall(call.function, {**call.parcel, "defaults": defaults})  # those that are mapped share one


ADAPTERS: Final = (
    Adapter(
        name="dask",
        rows=(_instrument,),
        records="functions that are delayed, submitted or mapped, by its schedulers and by clusters; not the chunks of"
        " collections",
    ),
)
