"""``taskiq``: tasks that its receivers run, in the event loop, in threads or in processes.

A receiver turns what its task raises into a result, so that the function it is given is recorded. The stamp is a label
of the message, a text as all of them; the receiver takes it out, for the labels come back with the result.
"""

import dataclasses
import inspect
import json
import threading
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any, Final

import wrapt

from ...adapters import Adapter, Run
from ...safety.clocks import time
from ...safety.guards import guarded
from ...safety.imported import imported
from ..called_functions import task_of
from ..library_runs import HEADER, RunRecorder, stamp
from ..submitted_calls import CallRecorder
from ..tools import Tools

_NAME: Final = "taskiq"
#: Those of ``Receiver.run_task``.
_PARAMETERS: Final = ("target", "message", "ack_controller")
#: The id and the stamps of the message that is received: a retry is sent meanwhile, as a message with the same id.
_received: Final[ContextVar[tuple[str, MutableMapping[str, Any]] | None]] = ContextVar("taskiq", default=None)


def _instrument(tools: Tools) -> None:
    """Record the functions that receivers run, and put the stamp into messages."""
    recorder, calls = tools.run_recorder(), tools.call_recorder()

    def prepare_message(wrapped: Any, kicker: Any, args: Any, kwargs: Any) -> Any:
        message = wrapped(*args, **kwargs)
        guarded(_stamp, message)
        return message

    async def run_task(wrapped: Any, receiver: Any, args: Any, kwargs: Any) -> Any:
        given = {**dict(zip(_PARAMETERS, args, strict=False)), **kwargs}
        token = _received.set(None)
        try:
            recorded = guarded(record, receiver, given.get("target"), given.get("message"))
            if recorded is not None:
                args, kwargs = args[len(_PARAMETERS) :], {**given, "target": recorded}
            return await wrapped(*args, **kwargs)
        finally:
            _received.reset(token)

    def record(receiver: Any, target: Any, message: Any) -> Any:
        stamps = _taken(message)
        run = Run(
            task_type=message.task_name,
            task=task_of(target, message.args, message.kwargs),
            args=message.args,
            kwargs=message.kwargs,
            task_id=message.task_id,
            attempt=int(message.labels.get("_retries", 0)) + 1,
            time_limit=None if message.labels.get("timeout") is None else float(message.labels["timeout"]),
            headers=stamps,
        )
        # Imported by what made one. At the end of a process, where all adapters are read, it cannot be imported.
        pool = imported("concurrent.futures.process", "ProcessPoolExecutor")
        if pool is not None and isinstance(receiver.executor, pool) and not inspect.iscoroutinefunction(target):
            return _Call(target, run, calls)

        def call(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
            return recorder.run(lambda: read(wrapped), wrapped, None, args, kwargs)

        def read(function: Any) -> Run:
            return dataclasses.replace(run, function=function, worker_id=threading.current_thread().name)

        return wrapt.FunctionWrapper(target, call)

    tools.wrap("taskiq.kicker:AsyncKicker._prepare_message", prepare_message)
    tools.wrap("taskiq.receiver.receiver:Receiver.run_task", run_task)


def _stamp(message: Any) -> None:
    """Stamp a *message*; that of a retry keeps the first context."""
    received = _received.get()
    stamps = dict(received[1]) if received is not None and received[0] == message.task_id else _read(message.labels)
    stamp(stamps, time.time() + float(message.labels.get("delay") or 0))
    message.labels[HEADER] = json.dumps(stamps[HEADER])


def _taken(message: Any) -> MutableMapping[str, Any]:
    """Take the stamps out of a *message*."""
    stamps = _read(message.labels)
    message.labels.pop(HEADER, None)
    _received.set((message.task_id, stamps))
    return stamps


def _read(labels: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    text = labels.get(HEADER)
    return {} if text is None else {HEADER: json.loads(text)}


class _Call:
    """A function that goes to another process, with what records it there."""

    def __init__(self, function: Any, run: Run, calls: CallRecorder | None) -> None:
        self._function, self._run, self._calls = function, run, calls

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function, as one execution."""
        calls = self._calls
        if calls is None:  # nothing can record it here
            return self._function(*args, **kwargs)
        process = imported("multiprocessing.process", "current_process")
        run = dataclasses.replace(self._run, function=self._function, worker_id=process().name if process else None)
        return RunRecorder(_NAME, calls.options).run(lambda: run, self._function, None, args, kwargs)


ADAPTERS: Final = (Adapter(name=_NAME, rows=(_instrument,), records="tasks that workers run"),)
