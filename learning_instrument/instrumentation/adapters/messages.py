"""Tasks that travel as messages of a queue: what a message takes along, and the run of what it asks for.

The clock is the wall's, for the worker may be another machine's.
"""

import dataclasses
import time
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
from ...recording.types import CallPlan, Pipeline
from ...safety.guards import guarded
from ...safety.sanitize import utf8
from ..options import Recording
from ..submitted_calls import records_itself

#: Of a message: what we put there.
HEADER: Final = "learning_instrument"
_PLANS_LIMIT: Final = 4096


def stamp(headers: MutableMapping[str, Any], not_before: float = 0.0) -> None:
    """Put into *headers* of a message the context it is sent in, and when.

    A message that is sent once more, to be retried, keeps the context it was first sent in.

    Args:
        headers: of a message that is about to be sent.
        not_before: when it is meant to run, in seconds of Unix time: its wait begins then.
    """
    known = headers.get(HEADER)
    context = known.get("context") if isinstance(known, dict) else None
    if context is None:
        current = otel_context.get_current()
        # Not the batch: whether anybody records the message is not known here, so the batch records its own items.
        context = pack(within(current, enclosing_of(current), None))
    headers[HEADER] = {"context": context, "sent": max(time.time(), not_before)}


@dataclass(frozen=True, slots=True)
class Message:
    """What a worker knows of the message that it works off."""

    task_type: str
    task: Any
    #: What was stamped, if it was.
    stamped: Any
    #: Attributes of the execution, unless the task says otherwise.
    attributes: Mapping[str, str | None]
    metadata: Mapping[str, Any] = field(default_factory=dict)


class MessageRecorder:
    """Records what the workers of some library run.

    Args:
        pool_type: of the executions, unless the instrumentor was told one.
        recording: what the instrumentor was told.
    """

    def __init__(self, pool_type: str, recording: Recording) -> None:
        self.recording = recording
        self._options = dataclasses.replace(recording.options, pool_type=recording.options.pool_type or pool_type)
        self._plans: dict[tuple[str, str], CallPlan] = {}

    def run(
        self, read: Callable[[], Message], original: Any, function: Callable[..., Any], args: Any, kwargs: Any
    ) -> Any:
        """Call *function* in the context that its message brings, as one execution.

        Args:
            read: answers what is known of the message. Where it fails, nothing is recorded.
            original: the function that the user wrote, which may be recorded by itself.
            function: what the worker calls.
            args: positional arguments of *function*.
            kwargs: keyword arguments of *function*.
        """
        pipeline, call = self.recording.route(None), guarded(driver_for, function)
        message = None if pipeline is None or call is None else guarded(read)
        if message is None:
            return function(*args, **kwargs)
        token = otel_context.attach(guarded(_context_of, message.stamped) or otel_context.get_current())
        try:
            if records_itself(original):
                return function(*args, **kwargs)
            return call(lambda: start_guarded(self._begin, pipeline, message, original), function, args, kwargs)
        finally:
            otel_context.detach(token)

    def _begin(self, pipeline: Pipeline, message: Message, original: Any) -> Execution | None:
        plan = self._plan(message.task_type, original)
        execution = start_execution(pipeline, plan, None, message.task)
        if execution is not None:
            for key, value in message.attributes.items():
                if type(value) is str:
                    execution.set_default(key, utf8(value[:IDENTIFIER_LIMIT]))
            execution.add_metadata(message.metadata)
        return execution

    def _plan(self, task_type: str, original: Any) -> CallPlan:
        name = f"{getattr(original, '__module__', '')}.{getattr(original, '__qualname__', task_type)}"
        plan = self._plans.get((task_type, name))
        if plan is None:
            options = dataclasses.replace(self._options, task_type=utf8(task_type[:IDENTIFIER_LIMIT]))
            plan = CallPlan(utf8(name), task_type, options, self.recording.request_hook, self.recording.response_hook)
            if len(self._plans) < _PLANS_LIMIT:
                self._plans[task_type, name] = plan
        return plan


def _context_of(stamped: Any) -> Context | None:
    """Return the context that a message brings, and None where it brings none."""
    if not isinstance(stamped, dict):
        return None
    context = unpack(stamped["context"])
    # An instrumentation of others may have carried the trace already, and opened a span for the worker.
    current = otel_context.get_current()
    here, brought = _span_of(current), _span_of(context)
    if here.is_valid and (not brought.is_valid or here.trace_id == brought.trace_id):
        context = within(current, enclosing_of(context), None)
    return with_wait(context, max(0.0, time.time() - stamped["sent"]))


def _span_of(context: Context) -> trace.SpanContext:
    return trace.get_current_span(context).get_span_context()
