"""``rq``: jobs that workers perform, forked or not, and those of queues that are not asynchronous.

The stamp is a field of its own in the job's hash: ``job.meta`` is the user's, and jobs may share one dict.
"""

import json
from collections.abc import MutableMapping
from datetime import datetime
from typing import Any, Final

from ...adapters import Adapter, Executes, Run, Sends
from ...safety.guards import guarded
from ..called_functions import task_of
from ..library_runs import HEADER, stamp, stamps_of
from ..tools import Tools

_RETRIES: Final = "retries"


def _instrument(tools: Tools) -> None:
    """Carry the stamp in the hash of the job, and count its retries: rq only knows how many are left."""

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
    stamps = stamps_of(job)
    instance = job.instance
    owner = f"{type(instance).__module__}.{type(instance).__qualname__}." if instance is not None else ""
    function = guarded(lambda: job.func)  # its import may fail, and fails the job then
    return Run(
        task_type=f"{owner}{job.func_name}",
        task=task_of(function, job.args, job.kwargs),
        # By default rq's own text of the call, which shows passwords.
        description=None if job.description == job.get_call_string() else job.description,
        args=job.args,
        kwargs=job.kwargs,
        task_id=job.id,
        pool_id=job.origin,
        worker_id=job.worker_name,
        attempt=1 + stamps.get(_RETRIES, 0) + (getattr(job, "number_of_retries", None) or 0),
        function=function,
        headers=stamps,
    )


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
