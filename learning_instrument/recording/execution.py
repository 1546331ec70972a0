"""One execution becomes one span: the hot path.

The host's tracer starts the span. Where that span does not record (no SDK, not sampled) or cannot be read back
(another implementation), a private span records the execution under the same ids. The host's span stays the current
one, so nothing changes below it. The finished span goes to the pipeline directly: recording depends on no processor
list, sampler or shutdown of the host.
"""

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Span, StatusCode

from .. import semconv
from ..errors import BudgetExceeded
from ..ids import execution_id
from ..outcome import Outcome, Verdict, judge_exception
from ..safety.clocks import time
from ..safety.forks import Process, check
from ..safety.guards import guarded, is_interruption, warn
from ..safety.redaction import redact_all
from ..safety.sanitize import repeated_label_of, text_of
from . import resource_usage
from .capture import Capture
from .contexts import BATCH_KEY, EXECUTION_KEY, QUEUED_KEY, SPAN_KEY, Enclosing, RunningBatch, batch_of, is_suppressed
from .exception_events import exception_event
from .fields import SETTABLE
from .host_spans import call_hook, end_host_span, start_host_span
from .resource_usage import Worker
from .settable import shows_columns
from .types import CallPlan, Pipeline, lose

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .settable import SettableColumns

log = logging.getLogger(__name__)

#: For how many sets of unknown columns it is known that a warning was given.
_REMEMBERED_WARNINGS: Final = 128
#: Of the name of an unknown column, in characters.
_NAME_LIMIT: Final = 100
_ENDED: Final = Context()
_NO_KEYWORDS: Final[Mapping[str, Any]] = MappingProxyType({})
#: Outcomes whose exception is no event of the span.
_NO_EVENT: Final = (Outcome.CANCELLED, Outcome.SUCCEEDED)


class Execution:
    """One run of one task, from its start to its end."""

    __slots__ = (
        "__weakref__",
        "_capture",
        "_clock",
        "_is_delivered",
        "_last",
        "_memory_mark",
        "_pipeline",
        "_process_id",
        "_processor_mark",
        "_recorded",
        "_span",
        "_started",
        "_task_type",
        "_waited",
        "context",
        "deadline",
        "execution_id",
        "ids",
        "instance",
        "outer",
        "plan",
        "task",
    )

    def __init__(
        self,
        pipeline: Pipeline,
        plan: CallPlan,
        instance: Any,
        task: Any,
        context: Context,
        started: int | None = None,
        captured: Capture | None = None,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = _NO_KEYWORDS,
    ) -> None:
        check()  # first: after a fork, ids and budgets are the parent's
        self._process_id = Process.id
        self.plan = plan
        self.instance = instance
        self.task = task
        #: When its library cancels the task, by the clock of ``perf_counter_ns``, where that is known.
        self.deadline: int | None = None
        self._is_delivered = False
        #: The last item of a stream, where the result is read from it.
        self._last: Any = None
        self._processor_mark: int | None = None
        self._waited: int | None = None
        self._pipeline = pipeline
        self.outer = context
        self._capture = capture = captured or Capture(plan.options, instance, task, args, kwargs)
        attributes = capture.attributes
        if pipeline.check_budgets is not None and started is None:  # otherwise it has run already
            pipeline.check_budgets(capture)
        self._task_type = task_type = attributes.get(semconv.TASK_TYPE)
        self._started = started = time.time_ns() if started is None else started
        enclosing: Enclosing | None = context.get(EXECUTION_KEY)  # type: ignore[assignment]
        self._span = span = start_host_span(pipeline.start_span, _span_name(task_type), context, started)
        is_whole = pipeline.start_private_span is None or (span.is_recording() and isinstance(span, pipeline.readable))
        recorded = span if is_whole else self._start_private_span(enclosing)
        self._recorded: Any = recorded
        self.ids = ids = recorded.get_span_context()
        self.execution_id = attributes[semconv.EXECUTION_ID] = execution_id(started, ids.trace_id, ids.span_id)
        attributes[semconv.CODE_FUNCTION_NAME] = repeated_label_of(plan.function_name)
        attributes[semconv.PROCESS_ID] = self._process_id
        self._memory_mark = resource_usage.memory_mark() if Worker.may_be_one else None
        if enclosing is not None:
            attributes[semconv.PARENT_EXECUTION_ID] = enclosing.execution_id
        below = {**context, SPAN_KEY: span, EXECUTION_KEY: self}
        if context:
            self._take_from(context, below, attributes)
        self.context = Context(below)
        if plan.request_hook is not None:
            pipeline.set_attributes(recorded, attributes.copy())
            call_hook(plan.request_hook, recorded, instance, task)
        self._clock = time.perf_counter_ns()

    def _take_from(self, context: Context, below: dict[str, Any], attributes: dict[str, Any]) -> None:
        """Set the *attributes* that *context* has for one task alone, and take them out *below*."""
        batch: RunningBatch | None = context.get(BATCH_KEY)  # type: ignore[assignment]
        if batch is not None:
            attributes[semconv.BATCH_ID] = batch.batch_id
            batch.recorded += 1
            below[BATCH_KEY] = None
        queued = context.get(QUEUED_KEY)
        if queued is not None:
            attributes[semconv.QUEUE_DURATION] = queued
            below[QUEUED_KEY] = None

    @property
    def has_ended(self) -> bool:
        """Tell whether it is recorded, or lost."""
        return self._capture is None

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline of this execution and its model calls."""
        return self._pipeline

    def is_own_span(self, span_id: int) -> bool:
        """Tell whether *span_id* is that of the execution's own span."""
        return self._span.get_span_context().span_id == span_id

    @shows_columns
    def set(self, /, **values: "Unpack[SettableColumns]") -> None:
        """Set columns that neither task nor result fills: column -> value, as in the table ``executions``.

        Values set here take precedence over the task's and the result's, and their columns are not marked as defaulted.
        An unknown column is ignored with one warning in a process: a task must not fail for its telemetry.
        """
        unknown = values.keys() - SETTABLE
        if unknown:
            _warn_of_columns(frozenset(unknown))
        if self._capture is not None:  # None after its end
            self._capture.set({column: value for column, value in values.items() if column not in unknown})

    def started(self) -> None:
        """Note that the work begins now: the task has what its pool made it wait for, such as a free worker.

        ``wait_seconds`` is then the time from the execution's start to here, and ``duration_seconds`` that from here to
        its end. The first call counts: a later one, by a library below perhaps, would count work as waiting.
        """
        if self._waited is None:
            self._waited = time.perf_counter_ns() - self._clock

    def enter(self, measures: bool = False) -> None:
        """Note that the task starts now; its driver ends the execution in any case.

        Args:
            measures: whether to measure resources: from now to its end the task has this thread to itself.
        """
        pipeline = self._pipeline
        running = pipeline.running
        if running is not None:
            running.by_id[self.execution_id] = ref(self)
            if not running.is_watched:
                guarded(running.watch)
        self._clock = clock = time.perf_counter_ns()
        if measures and pipeline.measures_resources:
            self._processor_mark = resource_usage.processor_mark(clock)

    def leave(self) -> None:
        """Note that it is not in flight any more."""
        running = self._pipeline.running
        if running is not None:
            running.ended.append(self.execution_id)  # first: a span that starts meanwhile finds it in one of both
            running.by_id.pop(self.execution_id, None)

    def forget_resources(self) -> None:
        """Stop measuring resources: the task continues on another thread, or later."""
        self._processor_mark = None

    def set_default(self, column: str, value: Any) -> None:
        """Set *column* to *value* where the task does not set it."""
        self._capture.set_default(column, value)

    def add_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Add *metadata* of the pool; the task's own takes precedence."""
        self._capture.add_metadata(metadata)

    def mark_defaulted(self, column: str) -> None:
        """Name *column* in ``defaulted``."""
        self._capture.also_defaulted += (column,)

    def elapsed_seconds(self) -> float:
        """Return the seconds since its start."""
        return (time.perf_counter_ns() - self._clock) / 1e9

    def attributes_so_far(self) -> tuple[Span, dict[str, Any]] | None:
        """Return its span and the attributes captured so far; None while it ends. For other threads."""
        capture, recorded = self._capture, self._recorded
        attributes = None if capture is None else capture.attributes_so_far()
        return None if recorded is None or attributes is None else (recorded, attributes)

    def yielded(self, item: Any) -> None:
        """Note what a stream yields, or the context manager of a block: the last item may have the result."""
        if self.plan.result is not None:
            self._last = item

    def returned(self, result: Any, elapsed: int | None = None) -> None:
        """End with the *result* that the task returned, *elapsed* nanoseconds after its start (by default now)."""
        elapsed = time.perf_counter_ns() - self._clock if elapsed is None else elapsed
        if not self.is_of_this_process():
            return
        try:
            used = self._processor_time(elapsed)
            if self.plan.result is not None:
                result = guarded(self.plan.result, result if self._last is None else self._last)
                if issubclass(type(result), BaseException):
                    self._end(self._capture.raised(result), elapsed, used, None, result)
                    return
            self._end(self._capture.returned(result), elapsed, used, result, None)
        except BaseException as fault:
            if self._must_pass(fault):
                raise

    def raised(self, exception: BaseException, elapsed: int | None = None) -> None:
        """End with the *exception* that the task raised, *elapsed* nanoseconds after its start (by default now)."""
        elapsed = time.perf_counter_ns() - self._clock if elapsed is None else elapsed
        if not self.is_of_this_process():
            return
        try:
            used = self._processor_time(elapsed)
            answer = None if self._last is None else guarded(self._answer_before, exception)
            if answer is not None:
                self._end(self._capture.returned(answer), elapsed, used, answer, None)
                return
            is_late = self.deadline is not None and self._clock + elapsed >= self.deadline
            self._end(self._capture.raised(exception, is_late), elapsed, used, None, exception)
        except BaseException as fault:
            if self._must_pass(fault):
                raise

    def _answer_before(self, exception: BaseException) -> Any:
        """Return the result that a stream had yielded when it was closed or cancelled; None where it had none."""
        if self.plan.result is None or judge_exception(exception, "").outcome is not Outcome.CANCELLED:
            return None
        answer = self.plan.result(self._last)
        return None if issubclass(type(answer), BaseException) else answer

    def _must_pass(self, fault: BaseException) -> bool:
        """Count it as lost for a *fault* of ours, so that the task goes on; tell whether it is an interruption instead.

        One that comes before the execution has ended is left to the driver, which ends it with that.
        """
        is_fault = isinstance(fault, Exception) and not is_interruption(fault)
        if not self._is_delivered and (is_fault or self.has_ended):
            self._lose(fault)
        return not is_fault

    def is_of_this_process(self) -> bool:
        """Tell whether it began in this process: that of a task that forked ends, and is recorded, in the parent."""
        check()
        return self._process_id == Process.id

    def _processor_time(self, elapsed: int) -> int | None:
        """Return the processor time of a task that ends now, in nanoseconds; None where it is not its own."""
        mark = self._processor_mark
        if mark is None or elapsed <= resource_usage.RESOLUTION:
            return None if mark is None else elapsed
        return resource_usage.processor_time(mark, self._clock, elapsed)

    def _end(
        self,
        verdict: Verdict,
        elapsed: int,
        used: int | None,
        result: Any,
        exception: BaseException | None,
    ) -> None:
        attributes, pipeline, plan = self._capture.attributes, self._pipeline, self.plan
        if used is not None:
            attributes.setdefault(semconv.CPU_TIME, used / 1e9)  # the pool's own value takes precedence
            memory = None if self._memory_mark is None else resource_usage.memory_peak(self._memory_mark)
            if memory is not None:
                attributes.setdefault(semconv.MEMORY_PEAK, memory)
        waited = self._waited
        if waited is None:
            attributes[semconv.TASK_DURATION] = elapsed / 1e9
        else:
            waited = max(0, min(waited, elapsed))  # another thread may have said so after the end was measured
            attributes[semconv.WAIT_DURATION] = waited / 1e9
            attributes[semconv.TASK_DURATION] = (elapsed - waited) / 1e9
        span, recorded = self._span, self._recorded
        if plan.request_hook is not None or plan.response_hook is not None:
            self._call_response_hook(recorded, attributes, result, exception)
        # At the end, at once: cheapest, and a full span drops its oldest attributes, not these.
        is_whole = pipeline.set_attributes(recorded, attributes)
        if recorded is not span:
            if span.is_recording():
                span.set_attributes(attributes)
        elif not is_whole and pipeline.start_private_span is not None:
            recorded = self._start_private_span(None)
            pipeline.set_attributes(recorded, attributes)
        task_type = attributes.get(semconv.TASK_TYPE)
        if task_type is not self._task_type or verdict.error_type is not None:
            for each in (span,) if recorded is span else (recorded, span):
                if task_type is not self._task_type:
                    each.update_name(_span_name(task_type))
                if verdict.error_type is not None:
                    _mark_failure(each, verdict)
        if exception is not None and verdict.outcome not in _NO_EVENT and span.is_recording():
            span.add_event(semconv.EXCEPTION_EVENT, exception_event(exception, verdict, plan.options.capture_content))
        if pipeline.record_metrics is not None:  # before it is stored: its model calls may be added up right then
            pipeline.record_metrics(attributes, span)
        self._release()
        end_time = self._started + elapsed
        if recorded is not span:
            recorded.end(end_time)
        end_host_span(span, end_time)
        if pipeline.deliver is not None:
            self._deliver(pipeline.deliver, recorded)
        self.leave()  # it is stored or queued now

    def _deliver(self, deliver: Callable[[Any, str], object], recorded: Any) -> None:
        """Hand over the ended span; once more after an interruption, before it is raised: it is stored once."""
        try:
            deliver(recorded, self.execution_id)
        except BaseException:  # an interruption, raised again: faults of ours are counted further in
            deliver(recorded, self.execution_id)
            self._is_delivered = True
            raise
        self._is_delivered = True

    def _call_response_hook(
        self, recorded: Span, attributes: dict[str, Any], result: Any, exception: BaseException | None
    ) -> None:
        """Call the user's hook with a span that has the *attributes*; redact what the hooks added."""
        self._pipeline.set_attributes(recorded, attributes.copy())
        hook = self.plan.response_hook
        if hook is not None:
            call_hook(hook, recorded, self.instance, self.task, result, exception)
        guarded(_redact_added, recorded, attributes)

    def _lose(self, fault: BaseException) -> None:
        self._capture = None  # type: ignore[assignment]
        lose(self._pipeline, fault)
        self.leave()

    def _start_private_span(self, enclosing: Enclosing | None) -> Span:
        """Start a private span in place of the host's, which does not record, or not everything."""
        start = self._pipeline.start_private_span
        assert start is not None
        above = None if enclosing is None else enclosing.ids
        return start(self._span, _span_name(self._task_type), self.outer, self._started, above)

    def _release(self) -> None:
        """Release the task's objects: a context copied by a background task may live on."""
        self._capture = None  # type: ignore[assignment]  # first: from here on it has ended
        self._recorded = self.instance = self.task = self._last = None
        self.context = self.outer = _ENDED


@functools.lru_cache(maxsize=_REMEMBERED_WARNINGS)
def _warn_of_columns(unknown: frozenset[str]) -> None:
    """Warn of these unknown columns: once, for the cache answers the next calls."""
    warn(
        log,
        "Invalid columns %s in current_execution().set(): expected some of %s.",
        [text_of(name, _NAME_LIMIT) for name in sorted(unknown)],
        sorted(SETTABLE),
    )


def start_execution(
    pipeline: Pipeline,
    plan: CallPlan,
    instance: Any,
    task: Any,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] = _NO_KEYWORDS,
    around: Context | None = None,
) -> Execution | None:
    """Start an execution within *around* (by default the current context); return None where it is not recorded.

    Args:
        pipeline: where it goes.
        plan: how its function is recorded.
        instance: the pool.
        task: the task.
        args: the positional arguments of the call, which may describe it.
        kwargs: the named ones.
        around: the context around it.

    Raises:
        BudgetExceeded: if the task must not start.
    """
    try:
        context = otel_context.get_current() if around is None else around
        if context:
            if is_suppressed(context):
                return None
            enclosing: Enclosing | None = context.get(EXECUTION_KEY)  # type: ignore[assignment]
            if enclosing is not None and _is_the_same(enclosing, plan, instance):
                return None
        return Execution(pipeline, plan, instance, task, context, None, None, args, kwargs)
    except BudgetExceeded:
        batch = batch_of(context)
        if batch is not None:
            batch.recorded += 1  # a task that never ran: the batch's result for it is not an execution
        raise
    except Exception as fault:  # ours, or of the host's tracing: the task goes on
        if is_interruption(fault):  # the task does not run
            raise
        lose(pipeline, fault)
        return None


def start_guarded(start: Callable[..., Execution | None], pipeline: Pipeline, *args: Any) -> Execution | None:
    """Start an execution by code that may fail; the task then runs unrecorded. Interruptions such as Ctrl-C pass.

    Args:
        start: called with *pipeline* and *args*.
        pipeline: where the execution goes, and its loss is counted.
        args: the other arguments of *start*.

    Raises:
        BudgetExceeded: if the task must not start.
    """
    try:
        return start(pipeline, *args)
    except BudgetExceeded:
        raise
    except BaseException as fault:  # foreign code may raise SystemExit; the task must not see it
        if is_interruption(fault):
            raise
        lose(pipeline, fault)
        return None


def _is_the_same(enclosing: Enclosing, plan: CallPlan, instance: Any) -> bool:
    """Tell whether this is ``super().execute_task()``: a function of the same name on the same pool."""
    return (
        instance is not None
        and enclosing.instance is instance
        and enclosing.plan is not plan
        and enclosing.plan.method == plan.method
    )


def _span_name(task_type: str | None) -> str:
    return f"{semconv.SPAN_NAME} {task_type}" if task_type else semconv.SPAN_NAME


def _mark_failure(span: Span, verdict: Verdict) -> None:
    if verdict.outcome is not Outcome.CANCELLED:  # whose status stays UNSET
        span.set_status(StatusCode.ERROR, verdict.error_message)


def _redact_added(span: Any, attributes: Mapping[str, Any]) -> None:
    """Redact the texts among the attributes that a hook set on *span*."""
    for key, value in dict(getattr(span, "attributes", None) or {}).items():
        if key not in attributes and type(value) is str:
            found = redact_all(value)
            if found != value:
                span.set_attribute(key, found)
