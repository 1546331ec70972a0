"""Tasks that a library runs: records each run, within the context that came with its message.

Times are of the wall clock: the worker may run on another machine.
"""

import dataclasses
import logging
from collections.abc import Callable, MutableMapping
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context

from ..adapters import Run
from ..recording.arguments import plain_text
from ..recording.contexts import enclosing_of, is_suppressed, with_wait, within
from ..recording.drivers import driver_for
from ..recording.execution import Execution, start_execution, start_guarded
from ..recording.fields import IDENTIFIER_LIMIT
from ..recording.lost_execution import execution_elsewhere
from ..recording.passage import Passage
from ..recording.propagation import pack, unpack
from ..recording.timed import Timed
from ..recording.types import CallPlan, Pipeline
from ..safety.clocks import time
from ..safety.guards import guarded, is_interruption, warn
from ..safety.sanitize import type_name, utf8
from .called_functions import innermost_parameters, name_of, signature_of
from .options import RecordingOptions
from .submitted_calls import recording_options_of, records_itself

log = logging.getLogger(__name__)

#: The header, or option, of a message that holds context and time.
HEADER: Final = "learning_instrument"
#: The attribute of a message that holds its stamps, where the message itself has no place for them.
_ATTRIBUTE: Final = "_learning_instrument"
_PLANS_LIMIT: Final = 4096
#: The latest time that a message may say, in Unix time: the year 2286.
_LATEST_SECONDS: Final = 10**10
#: The columns that a run may say, where its task does not.
_COLUMNS: Final = ("task_id", "pool_id", "worker_id", "model")


Read = Callable[[], Run | None]


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


def stamps_of(message: Any) -> MutableMapping[str, Any]:
    """Return the stamps that an attribute of *message* holds."""
    stamps: MutableMapping[str, Any] = vars(message).setdefault(_ATTRIBUTE, {})
    return stamps


class RunRecorder:
    """Records the runs of one method of a library.

    Args:
        pool_type: the default pool type of the executions.
        options: those of the instrumentor.
        result: ``returned value -> result or exception`` of the task; None: the returned value is the result.
    """

    def __init__(self, pool_type: str, options: RecordingOptions, result: Callable[[Any], Any] | None = None) -> None:
        self.options = options
        self._pool_type = pool_type
        self._result = result
        self._capture = dataclasses.replace(options.capture, pool_type=options.capture.pool_type or pool_type)
        self._plans: dict[tuple[str, str, tuple[str, ...] | None], CallPlan] = {}
        self._has_warned = False

    def run(
        self, read: Callable[[], Run | None], method: Callable[..., Any], instance: Any, args: Any, kwargs: Any
    ) -> Any:
        """Call *method* in the context of its message, as one execution.

        Args:
            read: returns what the call runs; None: it is no task. Where it fails the execution is recorded without it.
            method: the method that the worker calls.
            instance: the object whose method it is, or None.
            args: positional arguments of *method*.
            kwargs: keyword arguments of *method*.
        """
        pipeline, drive = self.options.resolve(instance), guarded(driver_for, method)
        run = None if pipeline is None or drive is None else self._read(read)
        if run is None or pipeline is None:
            return method(*args, **kwargs)

        # The library's own time runs already; a coroutine starts later.
        deadline = None if run.time_limit is None else guarded(_clock_after, run.time_limit)

        def prepare(*_: object) -> Callable[[], Timed | None]:
            return lambda: self._begin(pipeline, run, instance, method, deadline)

        return drive(prepare, method, instance, args, kwargs)

    def _read(self, read: Read) -> Run | None:
        try:
            run = read()
            if run is None or type(run) is Run:
                return run
            raise TypeError(f"expected a Run or None, not {type_name(type(run))}")
        except BaseException as fault:  # the library is of another release, or its objects are unlike others
            if is_interruption(fault):
                raise
            if not self._has_warned:
                self._has_warned = True
                warn(
                    log, "The adapter of %s cannot read a task; rows lack its fields.", self._pool_type, exc_info=fault
                )
            return Run()

    def _begin(self, pipeline: Pipeline, run: Run, instance: Any, method: Any, deadline: int | None) -> Timed | None:
        current = otel_context.get_current()
        if is_suppressed(current):
            return None
        context = guarded(_context_of, run) or current
        if records_itself(run.function):
            return Passage(context, current)
        return start_guarded(self._start, pipeline, run, instance, method, context, deadline)

    def _start(
        self, pipeline: Pipeline, run: Run, instance: Any, method: Any, context: Context, deadline: int | None
    ) -> Execution | None:
        plan = guarded(self._plan, run.task_type, method if run.function is None else run.function)
        if plan is None:  # its attributes raise
            plan = self._plan(None, method)
        execution = start_execution(pipeline, plan, instance, run.task, run.args, run.kwargs, context)
        if execution is not None:
            _tell(execution, run)
            execution.deadline = deadline
        return execution

    def lose(self, read: Read, heard: BaseException, process_id: int, started: float) -> None:
        """Record a run as lost, in another process: the one that ran it died, perhaps without a trace.

        Args:
            read: returns what was run.
            heard: what this process heard of it.
            process_id: the process that died.
            started: when that began the run, in seconds of Unix time.
        """
        run, current = self._read(read), otel_context.get_current()
        if run is None or is_suppressed(current):
            return
        options = recording_options_of(run.function) or self.options  # what records itself may have its own database
        pipeline = options.resolve(None)
        if pipeline is not None:
            context = _context_of(run, started) or current
            plan = self._plan(run.task_type, run.function)
            begun = int(started * 1e9)
            execution = execution_elsewhere(pipeline, plan, run.task, run.args, run.kwargs, context, begun)
            if execution is not None:
                _tell(execution, run)
                execution.lost(heard, process_id)

    def _plan(self, task_type: str | None, function: Any) -> CallPlan:
        module, name = name_of(function)
        task_type = plain_text(task_type) or name.rpartition("<locals>.")[2]
        key = task_type, f"{module}.{name}", guarded(innermost_parameters, function)
        plan = self._plans.get(key)
        if plan is None:
            capture = dataclasses.replace(
                self._capture,
                task_type=utf8(task_type[:IDENTIFIER_LIMIT]),
                parameters=guarded(signature_of, function) or (),
                describes_calls=True,
            )
            options = self.options
            # One name for all methods: one that calls another for the same task on the same object is one run.
            method = f"{self._pool_type} {task_type}"
            plan = CallPlan(utf8(key[1]), method, capture, options.request_hook, options.response_hook, self._result)
            if len(self._plans) < _PLANS_LIMIT:
                self._plans[key] = plan
        return plan


def _tell(execution: Execution, run: Run) -> None:
    """Set what *run* says, where its task does not."""
    execution.set_default("task_description", run.description)
    execution.set_default("attempt", run.attempt)
    for column in _COLUMNS:
        value = getattr(run, column)
        if type(value) is str:
            execution.set_default(column, value)
    if run.metadata:
        execution.add_metadata(run.metadata)


def _clock_after(seconds: float) -> int | None:
    """Return what the clock of ``perf_counter_ns`` shows after *seconds*; None where that is no length of time."""
    return time.perf_counter_ns() + int(seconds * 1e9) if 0 <= seconds < _LATEST_SECONDS else None


def _context_of(run: Run, started: float | None = None) -> Context | None:
    """Return the context of a run's message, or None where it has none. The run *started* now, unless earlier."""
    stamped = None if run.headers is None else run.headers.get(HEADER)
    sent = run.queued_at
    context = current = otel_context.get_current()
    if isinstance(stamped, dict):
        sent = stamped.get("sent") if sent is None else sent
        context = unpack(stamped.get("context"))
        # A foreign instrumentation may have propagated the trace already, and started a span for the worker.
        here, there = _span_of(current), _span_of(context)
        if here.is_valid and (not there.is_valid or here.trace_id == there.trace_id):
            context = within(current, enclosing_of(context), None)
    if isinstance(sent, (int, float)) and 0 <= sent < _LATEST_SECONDS:
        return with_wait(context, max(0.0, (time.time() if started is None else started) - sent))
    return context


def _span_of(context: Context) -> trace.SpanContext:
    return trace.get_current_span(context).get_span_context()
