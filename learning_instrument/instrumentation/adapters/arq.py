"""``arq``: jobs that its workers run, cron jobs too.

A worker's ``run_job`` catches what its jobs raise, so that the functions of the worker are recorded. The stamp is a key
of the serialized job, beside those that arq reads.
"""

import dataclasses
from collections.abc import MutableMapping
from contextvars import ContextVar
from pickle import dumps, loads
from typing import Any, Final

import wrapt

from ...adapters import Adapter, Run
from ...safety.clocks import time
from ...safety.guards import guarded
from ..called_functions import task_of
from ..library_runs import HEADER, stamp
from ..tools import Tools

_MOST_GIVEN_UP: Final = 10_000
#: What the message of the job held that this task runs.
_arrived: Final[ContextVar[MutableMapping[str, Any] | None]] = ContextVar("learning_instrument_arq", default=None)


def _instrument(tools: Tools) -> None:
    """Record the functions of workers, and carry the stamp of each job."""
    recorder = tools.run_recorder()
    given_up: dict[str, float] = {}  # a job that runs again keeps its score, the time when it was due first

    def make_worker(wrapped: Any, worker: Any, args: Any, kwargs: Any) -> None:
        wrapped(*args, **kwargs)
        guarded(record_functions, worker)

    def record_functions(worker: Any) -> None:
        for name, function in worker.functions.items():
            recorded = wrapt.FunctionWrapper(function.coroutine, by(function, worker), lambda: tools.patches.active)
            worker.functions[name] = dataclasses.replace(function, coroutine=recorded)

    def by(function: Any, worker: Any) -> Any:
        def run(coroutine: Any, _: Any, args: Any, kwargs: Any) -> Any:
            return recorder.run(lambda: read(function, worker, coroutine, args, kwargs), coroutine, None, args, kwargs)

        return run

    def read(function: Any, worker: Any, coroutine: Any, args: Any, kwargs: Any) -> Run:
        context = args[0]
        task = task_of(coroutine, args, kwargs)
        return Run(
            task_type=function.name,
            task=task_of(None, args[1:], kwargs) if task is context else task,
            args=args,
            kwargs=kwargs,
            task_id=context["job_id"],
            pool_id=worker.queue_name,
            attempt=context["job_try"],
            time_limit=worker.job_timeout_s if function.timeout_s is None else function.timeout_s,
            function=coroutine,
            headers=_arrived.get(),
            queued_at=max(context["score"] / 1e3, given_up.pop(context["job_id"], 0.0)),
        )

    def finish_job(wrapped: Any, worker: Any, args: Any, kwargs: Any) -> Any:
        guarded(note_end, *args)
        return wrapped(*args, **kwargs)

    def note_end(job_id: str, is_finished: bool, *_: Any) -> None:
        if not is_finished:
            given_up[job_id] = time.time()
            if len(given_up) > _MOST_GIVEN_UP:  # other workers took them
                given_up.pop(next(iter(given_up)))

    def serialize(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        dump = kwargs.get("serializer")
        stamps: MutableMapping[str, Any] = {}
        guarded(stamp, stamps)
        # A serializer of the user's may want no other key. What cannot be serialized at all fails as without us.
        data = guarded(
            lambda: wrapped(*args, **{**kwargs, "serializer": lambda job: (dump or dumps)({**job, **stamps})})
        )
        return wrapped(*args, **kwargs) if data is None else data

    def deserialize(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        load = kwargs.get("deserializer")

        def loaded(data: Any) -> Any:
            job = (load or loads)(data)
            _arrived.set(guarded(lambda: {HEADER: job[HEADER]}))
            return job

        return wrapped(*args, **{**kwargs, "deserializer": loaded})

    tools.wrap("arq.worker:Worker.__init__", make_worker)
    tools.wrap("arq.worker:Worker.finish_job", finish_job)
    tools.wrap("arq.connections:serialize_job", serialize)
    tools.wrap("arq.worker:deserialize_job_raw", deserialize)


ADAPTERS: Final = (Adapter(name="arq", rows=(_instrument,), records="jobs that workers run"),)
