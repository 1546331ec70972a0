"""``huey``: tasks that its consumers run, or that run at once.

``Huey._execute`` catches what tasks raise, so that each task's own ``execute`` is recorded. Messages of huey have no
room for a stamp: it follows the pickle, where unpickling ends. A serializer of the user's carries none.
"""

import json
import threading
from collections.abc import MutableMapping
from contextvars import ContextVar
from datetime import timezone
from typing import Any, Final, NamedTuple

from opentelemetry import context as otel_context

from ...adapters import Adapter, Executes, Run
from ...recording.contexts import enclosing_of
from ...safety.guards import guarded
from ..called_functions import task_of
from ..library_runs import HEADER, stamp, stamps_of
from ..tools import Tools

#: What ends a message with a stamp, after the stamp's length. Pickles end with a dot.
_END: Final = b"learning_instrument"


class _Running(NamedTuple):
    """The task that a thread runs."""

    huey: Any
    stamps: MutableMapping[str, Any]


_running: Final[ContextVar[_Running | None]] = ContextVar("huey_running", default=None)
#: The stamps of the task that is serialized, or read, by this thread.
_carried: Final[ContextVar[MutableMapping[str, Any] | None]] = ContextVar("huey_carried", default=None)


def _instrument(tools: Tools) -> None:
    """Carry the stamp behind the message, count the retries, and know the consumer's queue."""

    def execute(wrapped: Any, huey: Any, args: Any, kwargs: Any) -> Any:
        token = _running.set(guarded(lambda task, *_: _Running(huey, stamps_of(task)), *args))
        try:
            return wrapped(*args, **kwargs)
        finally:
            _running.reset(token)

    def requeue(wrapped: Any, huey: Any, args: Any, kwargs: Any) -> Any:
        guarded(_count, *args[:1])
        return wrapped(*args, **kwargs)

    def serialize_task(wrapped: Any, huey: Any, args: Any, kwargs: Any) -> Any:
        token = _carried.set(guarded(_stamped, huey, *args))
        try:
            return wrapped(*args, **kwargs)
        finally:
            _carried.reset(token)

    def deserialize_task(wrapped: Any, huey: Any, args: Any, kwargs: Any) -> Any:
        stamps: MutableMapping[str, Any] = {}
        token = _carried.set(stamps)
        try:
            task = wrapped(*args, **kwargs)
        finally:
            _carried.reset(token)
        guarded(lambda: stamps_of(task).update(stamps))
        return task

    def serialize(wrapped: Any, serializer: Any, args: Any, kwargs: Any) -> Any:
        data = wrapped(*args, **kwargs)
        return (guarded(_appended, data, _carried.get()) or data) if _carried.get() else data

    def deserialize(wrapped: Any, serializer: Any, args: Any, kwargs: Any) -> Any:
        guarded(_take, _carried.get(), *args)
        return wrapped(*args, **kwargs)

    tools.wrap("huey.api:Huey._execute", execute)
    tools.wrap("huey.api:Huey._requeue_task", requeue)
    tools.wrap("huey.api:Huey.serialize_task", serialize_task)
    tools.wrap("huey.api:Huey.deserialize_task", deserialize_task)
    tools.wrap("huey.serializer:Serializer._serialize", serialize)
    tools.wrap("huey.serializer:Serializer._deserialize", deserialize)


def _stamped(huey: Any, task: Any) -> MutableMapping[str, Any]:
    """Stamp a task that enters the queue or the schedule. One that was scheduled has waited since it was due."""
    stamps = stamps_of(task)
    eta = _seconds(huey, task.eta)
    running = _running.get()
    if running is not None and enclosing_of(otel_context.get_current()) is None:
        stamps.setdefault(HEADER, running.stamps.get(HEADER))  # the next of a pipeline
    if eta is None or stamps.get("eta") != eta or HEADER not in stamps:
        stamp(stamps, eta or 0.0)
        stamps["eta"] = eta
    return stamps


def _seconds(huey: Any, eta: Any) -> float | None:
    if eta is None:
        return None
    return float((eta.replace(tzinfo=timezone.utc) if huey.utc and eta.tzinfo is None else eta).timestamp())


def _count(task: Any) -> None:
    stamps = stamps_of(task)
    stamps["retries"] = stamps.get("retries", 0) + 1
    stamps["eta"] = None  # its old one


def _appended(data: bytes, stamps: MutableMapping[str, Any]) -> bytes:
    text = json.dumps(stamps).encode()
    return b"%b%b%b%b" % (data, text, len(text).to_bytes(4, "big"), _END)


def _take(carried: MutableMapping[str, Any] | None, data: bytes) -> None:
    end = data.rfind(_END)  # a signature may follow
    if carried is not None and end >= 0:
        start = end - 4 - int.from_bytes(data[end - 4 : end], "big")
        carried.update(json.loads(data[start : end - 4]))


def _read(task: Any) -> Run:
    args, kwargs = task.data
    stamps = stamps_of(task)
    running = _running.get()
    function = guarded(_function_of, task)
    return Run(
        task_type=f"{type(task).__module__}.{type(task).__name__}",
        task=task_of(function, args, kwargs),
        args=args,
        kwargs=kwargs,
        task_id=task.id,
        pool_id=None if running is None else running.huey.name,
        worker_id=threading.current_thread().name,
        attempt=stamps.get("retries", 0) + 1,
        function=function,
        headers=stamps,
    )


def _function_of(task: Any) -> Any:
    """Return the user's function, which only a closure of huey's has."""
    execute = type(task).execute
    execute = getattr(execute, "__wrapped__", execute)
    return execute.__closure__[execute.__code__.co_freevars.index("func")].cell_contents


ADAPTERS: Final = (
    Adapter(
        name="huey",
        rows=(_instrument, Executes(target="huey.api:Task.execute", read=_read, subclasses=True)),
        records="tasks that consumers run",
    ),
)
