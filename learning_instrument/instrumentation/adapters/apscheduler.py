"""``apscheduler``: jobs that its executors run, each due time a run.

An executor is given a stand-in for the job, whose function is recorded: whether a run has missed its time is decided
only where it would run, and failures end there, too. A job that goes to another process takes along what records it.
"""

import functools
import inspect
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, Final

import wrapt
from opentelemetry import context as otel_context

from ...adapters import Adapter, Run, Sends
from ...recording.contexts import is_suppressed
from ...safety.guards import guarded
from ...safety.imported import imported
from ..called_functions import name_of, task_of
from ..library_runs import HEADER, RunRecorder
from ..submitted_calls import CallRecorder
from ..tools import Tools

_NAME: Final = "apscheduler"
#: Of a job that a schedule repeats: the clock sends it, and not who added it.
_NO_SENDER: Final[Mapping[str, Any]] = {HEADER: {"context": {}}}
#: Id of a job -> a reference to it, and its stamps: jobs have slots, and no hash.
_stamps: Final[dict[int, tuple[Any, MutableMapping[str, Any]]]] = {}


def _instrument(tools: Tools) -> None:
    """Give stand-ins of jobs to executors, and keep the stamps of a job in its state, which job stores pickle."""
    recorder, calls = tools.run_recorder(), tools.call_recorder()

    def submit_job(wrapped: Any, executor: Any, args: Any, kwargs: Any) -> Any:
        replaced = guarded(functools.partial(stand_in, *args, **kwargs))
        return wrapped(*args, **kwargs) if replaced is None else wrapped(*replaced)

    def stand_in(job: Any, run_times: Any) -> tuple[Any, Any] | None:
        if tools.options.resolve(None) is None or is_suppressed(otel_context.get_current()):
            return None
        times = _RunTimes(run_times)
        is_sent_once = type(job.trigger).__name__ == "DateTrigger"
        headers = _stamps_of(job) if is_sent_once and HEADER in _stamps_of(job) else _NO_SENDER
        return _Job(job, times, headers, calls, recorder), times

    def get_state(wrapped: Any, job: Any, args: Any, kwargs: Any) -> Any:
        state = wrapped(*args, **kwargs)
        if id(job) in _stamps:
            state[HEADER] = _stamps_of(job)
        return state

    def set_state(wrapped: Any, job: Any, args: Any, kwargs: Any) -> Any:
        guarded(lambda state: _stamps_of(job).update(state.get(HEADER, {})), *args)
        return wrapped(*args, **kwargs)

    tools.wrap("apscheduler.executors.base:BaseExecutor.submit_job", submit_job)
    tools.wrap("apscheduler.job:Job.__getstate__", get_state)
    tools.wrap("apscheduler.job:Job.__setstate__", set_state)


def _stamps_of(job: Any) -> MutableMapping[str, Any]:
    key = id(job)
    if key not in _stamps:
        _stamps[key] = weakref.ref(job, lambda _: _stamps.pop(key, None)), {}
    return _stamps[key][1]


class _RunTimes(list[Any]):
    """The times at which a job is due, and the one that an executor has come to."""

    due: Any = None

    def __iter__(self) -> Iterator[Any]:
        for self.due in super().__iter__():
            yield self.due


class _Job(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """Stands in for a job. Its function is recorded; the job itself, which stores keep, stays as it is."""

    def __init__(
        self, job: Any, times: _RunTimes, headers: Any, calls: CallRecorder, recorder: RunRecorder, process: str = ""
    ) -> None:
        super().__init__(job)
        self._self_times = times
        self._self_headers = headers
        self._self_calls = calls
        self._self_recorder = recorder
        self._self_process = process

    @property
    def func(self) -> Callable[..., Any]:
        """The function of the job, whose calls are recorded."""
        function = self.__wrapped__.func
        innermost = function
        while isinstance(innermost, functools.partial):
            innermost = innermost.func

        def call(*args: Any, **kwargs: Any) -> Any:
            read = functools.partial(self._self_read, args, kwargs)
            return self._self_recorder.run(read, function, None, args, kwargs)

        async def call_async(*args: Any, **kwargs: Any) -> Any:
            return await call(*args, **kwargs)

        return call_async if inspect.iscoroutinefunction(innermost) else call

    def _self_read(self, args: Any, kwargs: Any) -> Run:
        job, due = self.__wrapped__, self._self_times.due
        return Run(
            task=task_of(job.func, args, kwargs),
            # By default the function's name, which the task type says.
            description=None if job.name == name_of(job.func)[1] else job.name,
            args=args,
            kwargs=kwargs,
            task_id=job.id,
            pool_id=job.executor,
            worker_id=self._self_process or threading.current_thread().name,
            function=job.func,
            headers=self._self_headers,
            queued_at=None if due is None else due.timestamp(),
        )

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _arrive, (self.__wrapped__, self._self_times, self._self_headers, self._self_calls)


def _arrive(job: Any, times: _RunTimes, headers: Any, calls: CallRecorder | None) -> Any:
    """Return the stand-in for a job in the process that runs it; the job itself where nothing can record it."""
    if calls is None:
        return job
    process = imported("multiprocessing.process", "current_process")
    return _Job(job, times, headers, calls, RunRecorder(_NAME, calls.options), process().name if process else "")


def _of_job(job: Any, *_: Any, **__: Any) -> MutableMapping[str, Any]:
    return _stamps_of(job)


ADAPTERS: Final = (
    Adapter(
        name=_NAME,
        rows=(_instrument, Sends(target="apscheduler.job:Job.__init__", headers=_of_job)),
        records="runs of jobs, in threads, processes or an event loop",
    ),
)
