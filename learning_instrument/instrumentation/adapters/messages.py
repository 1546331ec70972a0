"""Tasks sent as messages of a queue: puts context and time into messages, and records their execution.

Times are of the wall clock: the worker may run on another machine.
"""

import dataclasses
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context

from ...recording.contexts import enclosing_of, with_wait, within
from ...recording.drivers import driver_for
from ...recording.execution import Execution, start_execution, start_guarded
from ...recording.fields import IDENTIFIER_LIMIT
from ...recording.propagation import pack, unpack
from ...recording.timed import Begin, call_within
from ...recording.types import CallPlan, Pipeline
from ...safety.clocks import time
from ...safety.guards import guarded
from ...safety.sanitize import utf8
from ..options import RecordingOptions
from ..submitted_calls import records_itself

#: The header, or option, of a message that holds context and time.
HEADER: Final = "learning_instrument"
_PLANS_LIMIT: Final = 4096
#: The latest time that a message may say, in Unix time: the year 2286.
_LATEST_SECONDS: Final = 10**10


def stamp(headers: MutableMapping[str, Any], not_before: float = 0.0) -> None:
    """Put the present context and time into *headers* of a message.

    A message that is sent again for a retry keeps its first context.

    Args:
        headers: the headers of a message about to be sent.
        not_before: the earliest time to run it, in seconds of Unix time: its time in the queue starts then.
    """
    known = headers.get(HEADER)
    context = known.get("context") if isinstance(known, dict) else None
    if context is None:
        current = otel_context.get_current()
        # Without the batch: it records its own items, for the worker may not be instrumented.
        context = pack(within(current, enclosing_of(current), None))
    headers[HEADER] = {"context": context, "sent": max(time.time(), not_before)}


@dataclass(frozen=True, slots=True)
class Message:
    """A message that a worker processes."""

    task_type: str
    task: Any
    #: The value of its header, if it has one.
    stamped: Any
    #: Default columns of the execution.
    columns: Mapping[str, str | None]
    metadata: Mapping[str, Any] = field(default_factory=dict)


class MessageRecorder:
    """Records the messages that the workers of a library process.

    Args:
        pool_type: the default pool type of the executions.
        options: those of the instrumentor.
    """

    def __init__(self, pool_type: str, options: RecordingOptions) -> None:
        self.options = options
        self._capture = dataclasses.replace(options.capture, pool_type=options.capture.pool_type or pool_type)
        self._plans: dict[tuple[str, str], CallPlan] = {}

    def run(
        self, read: Callable[[], Message], original: Any, function: Callable[..., Any], args: Any, kwargs: Any
    ) -> Any:
        """Call *function* in the context of its message, as one execution.

        Args:
            read: returns the message. Where it fails, nothing is recorded.
            original: the user's function, which may record itself.
            function: the function that the worker calls.
            args: positional arguments of *function*.
            kwargs: keyword arguments of *function*.
        """
        pipeline, drive = self.options.resolve(None), guarded(driver_for, function)
        message = None if pipeline is None or drive is None else guarded(read)
        if message is None or pipeline is None:
            return function(*args, **kwargs)
        context = guarded(_context_of, message.stamped) or otel_context.get_current()
        if records_itself(original):
            return call_within(context, lambda: function(*args, **kwargs))

        def prepare(*_: object) -> Begin:
            return lambda: start_guarded(self._begin, pipeline, message, original)

        return call_within(context, drive, prepare, function, None, args, kwargs)

    def _begin(self, pipeline: Pipeline, message: Message, original: Any) -> Execution | None:
        plan = self._plan(message.task_type, original)
        execution = start_execution(pipeline, plan, None, message.task)
        if execution is not None:
            for column, value in message.columns.items():
                if type(value) is str:
                    execution.set_default(column, value)
            execution.add_metadata(message.metadata)
        return execution

    def _plan(self, task_type: str, original: Any) -> CallPlan:
        name = f"{getattr(original, '__module__', '')}.{getattr(original, '__qualname__', task_type)}"
        plan = self._plans.get((task_type, name))
        if plan is None:
            capture = dataclasses.replace(self._capture, task_type=utf8(task_type[:IDENTIFIER_LIMIT]))
            plan = CallPlan(utf8(name), task_type, capture, self.options.request_hook, self.options.response_hook)
            if len(self._plans) < _PLANS_LIMIT:
                self._plans[task_type, name] = plan
        return plan


def _context_of(stamped: Any) -> Context | None:
    """Return the context of a message, or None where it has none."""
    if not isinstance(stamped, dict):
        return None
    context = unpack(stamped.get("context"))
    # A foreign instrumentation may have propagated the trace already, and started a span for the worker.
    current = otel_context.get_current()
    here, there = _span_of(current), _span_of(context)
    if here.is_valid and (not there.is_valid or here.trace_id == there.trace_id):
        context = within(current, enclosing_of(context), None)
    sent = stamped.get("sent")
    if isinstance(sent, (int, float)) and 0 <= sent < _LATEST_SECONDS:
        return with_wait(context, max(0.0, time.time() - sent))
    return context


def _span_of(context: Context) -> trace.SpanContext:
    return trace.get_current_span(context).get_span_context()
