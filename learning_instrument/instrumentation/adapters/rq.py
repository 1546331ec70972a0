"""``rq``: jobs that workers perform, forked or not, and those of queues that are not asynchronous.

The stamp is a field of its own in the job's hash: ``job.meta`` is the user's, and jobs may share one dict.
"""

import io
import json
import pickle
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from datetime import datetime
from typing import Any, Final

from ...adapters import Adapter, Executes, Run, Sends
from ...safety.clocks import time
from ...safety.guards import guarded
from ..called_functions import task_of
from ..library_runs import HEADER, RunRecorder, stamp, stamps_of
from ..tools import Tools

_RETRIES: Final = "retries"
#: The attribute of a worker that holds the id of the job that its work horse runs, the process, and the time before.
_HORSE: Final = "_learning_instrument_horse"


class WorkHorseTerminatedError(Exception):
    """What a worker hears of a work horse that died."""


class _Absent:
    """Stands in for an object of a module that is not imported."""

    def __new__(cls, *_: Any, **__: Any) -> "_Absent":
        """Take the arguments of its class."""
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        """Ignore them."""

    def __setstate__(self, state: Any) -> None:
        """Ignore its state."""


class _Unpickler(pickle.Unpickler):
    """Imports nothing."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what is imported, else a class that stands in for it."""
        if module in sys.modules:
            return super().find_class(module, name)
        return type(name, (_Absent,), {"__module__": module})


def _instrument(tools: Tools) -> None:
    """Carry the stamp in the hash of the job, count its retries, of which rq only knows how many are left, and hear."""
    recorder = tools.run_recorder()

    def to_dict(wrapped: Any, job: Any, args: Any, kwargs: Any) -> Any:
        fields = wrapped(*args, **kwargs)
        guarded(_write, job, fields)
        return fields

    def restore(wrapped: Any, job: Any, args: Any, kwargs: Any) -> Any:
        guarded(_read_hash, job, *args, *kwargs.values())
        return wrapped(*args, **kwargs)

    def retry(wrapped: Any, job: Any, args: Any, kwargs: Any) -> Any:
        guarded(_count, job)
        return wrapped(*args, **kwargs)

    def fork(wrapped: Any, worker: Any, args: Any, kwargs: Any) -> Any:
        began = time.time()
        vars(worker).pop(_HORSE, None)  # the work horse has none
        forked = wrapped(*args, **kwargs)
        guarded(lambda: _note_horse(worker, began, *args, **kwargs))
        return forked

    def fail(wrapped: Any, worker: Any, args: Any, kwargs: Any) -> Any:
        if _HORSE in vars(worker):
            guarded(lambda: _lose(recorder, worker, *args, **kwargs))
        return wrapped(*args, **kwargs)

    tools.wrap_original("rq.worker:Worker.fork_work_horse", lambda _: fork, subclasses=True)
    tools.wrap("rq.worker:Worker.handle_job_failure", fail)
    tools.wrap("rq.job:Job.to_dict", to_dict)
    tools.wrap("rq.job:Job.restore", restore)
    tools.wrap("rq.job:Job.retry", retry)


def _write(job: Any, fields: MutableMapping[str, Any]) -> None:
    stamps = stamps_of(job)
    if HEADER not in stamps:  # it waits for another job, and enters no queue yet
        stamp(stamps)
    fields[HEADER] = json.dumps(stamps)


def _read_hash(job: Any, raw_data: Any) -> None:
    text = raw_data.get(HEADER.encode(), raw_data.get(HEADER))
    if text is not None:
        stamps_of(job).update(json.loads(text))


def _count(job: Any) -> None:
    stamps = stamps_of(job)
    stamps[_RETRIES] = stamps.get(_RETRIES, 0) + 1


def _entering(queue: Any, job: Any, *_: Any, **__: Any) -> MutableMapping[str, Any] | None:
    """Return the stamps of a job that enters a queue now; None for one that was due already."""
    stamps = stamps_of(job)
    return None if HEADER in stamps and job.get_status(refresh=False) == "scheduled" else stamps


def _due(queue: Any, job: Any, datetime: datetime, *_: Any, **__: Any) -> float:
    return datetime.timestamp()


def _read(job: Any) -> Run:
    function = guarded(lambda: job.func)  # its import may fail, and fails the job then
    return _run_of(job, job.worker_name, function, job.func_name, job.instance, job.args, job.kwargs)


def _run_of(
    job: Any,
    worker_name: Any,
    function: Any,
    function_name: str,
    instance: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Run:
    stamps = stamps_of(job)
    # By default rq's own text of the call, which shows passwords.
    is_of_rq = str(job.description).startswith(f"{function_name}(")
    return Run(
        task_type=_full_name(function_name, instance),
        task=task_of(function, tuple(args), kwargs),
        description=None if is_of_rq else job.description,
        args=args,
        kwargs=kwargs,
        task_id=job.id,
        pool_id=job.origin,
        worker_id=worker_name,
        attempt=1 + stamps.get(_RETRIES, 0) + (getattr(job, "number_of_retries", None) or 0),
        function=function,
        headers=stamps,
    )


def _full_name(function_name: str, instance: Any) -> str:
    kind = type(instance)
    return function_name if instance is None else f"{kind.__module__}.{kind.__qualname__}.{function_name}"


def _note_horse(worker: Any, began: float, job: Any, *_: Any, **__: Any) -> None:
    vars(worker)[_HORSE] = job.id, worker.horse_pid, began


def _lose(
    recorder: RunRecorder, worker: Any, job: Any, queue: Any, registry: Any = None, exc_string: Any = "", **_: Any
) -> None:
    """Record the run of a *job* whose work horse died, killed or stopped. One that had not begun it is none."""
    job_id, process_id, began = vars(worker).pop(_HORSE)
    if job_id == job.id and job.get_status(refresh=False) == "started":
        heard = WorkHorseTerminatedError(str(exc_string).strip("; "))
        recorder.lose(lambda: _read_elsewhere(job, worker.name), heard, process_id, began)


def _read_elsewhere(job: Any, worker_name: str) -> Run:
    """Return what a work horse ran. Its *job* stays as it is, and imports nothing: modules of jobs are the horses'."""
    is_pickled = job.serializer.loads is pickle.loads
    data = _Unpickler(io.BytesIO(job.data)).load() if is_pickled else job.serializer.loads(job.data)
    function_name, instance, args, kwargs = data
    function = guarded(_imported_function, function_name, instance)
    if function is None:
        module, _, name = _full_name(function_name, instance).rpartition(".")
        function = type(name, (), {"__module__": module})
    return _run_of(job, worker_name, function, function_name, instance, args, kwargs)


def _imported_function(name: str, instance: Any) -> Any:
    """Return the function of a job; None where its module is not imported."""
    found, path = instance, name
    if instance is None:
        module = name.replace(":", ".")
        while module and module not in sys.modules:
            module = module.rpartition(".")[0]
        found, path = sys.modules.get(module), name[len(module) + 1 :]
    for part in path.split("."):
        found = getattr(found, part, None)
    return found


def _result(returned: Any) -> Any:
    """Return what a job returned. One that asks for a retry gave itself up, as where it raises such a thing."""
    kind = type(returned)
    return {"status": "cancelled"} if (kind.__module__, kind.__name__) == ("rq.job", "Retry") else returned


ADAPTERS: Final = (
    Adapter(
        name="rq",
        rows=(
            _instrument,
            Sends(target="rq.queue:Queue._enqueue_job", headers=_entering),
            Sends(
                target="rq.queue:Queue.schedule_job",
                headers=lambda queue, job, *_, **__: stamps_of(job),
                not_before=_due,
            ),
            Executes(target="rq.job:Job._execute", read=_read, result=_result),
        ),
        records="jobs that workers perform",
    ),
)
