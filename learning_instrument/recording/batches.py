"""A call with a list of tasks: one span for the batch, and one execution for each task.

Where the pool calls its own ``execute_task`` for each item, those calls are the executions. Otherwise they are made
from the result of the batch.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Span, StatusCode

from .. import semconv
from ..errors import BudgetExceeded
from ..ids import new_uuid
from ..outcome import Outcome
from ..safety.clocks import time
from ..safety.forks import Process, check
from ..safety.guards import guarded, is_interruption
from ..safety.readers import is_mapping, reader_of
from .capture import Capture
from .contexts import batch_of, is_suppressed, with_batch
from .execution import Execution, start_execution
from .host_spans import end_host_span, start_host_span
from .judging import judge_raised
from .types import CallPlan, Pipeline, lose

_NO_RESULT: Final[Mapping[str, str]] = {"status": "failed", "error": "no result returned"}
_LISTS: Final = (list, tuple)


class Batch:
    """One call with a list of tasks, from its start to its end.

    Args:
        pipeline: where its executions go.
        plan: how its function is recorded.
        instance: the pool.
        tasks: its tasks; none where the pool is given an iterator.
        captures: for each task what was captured of it already, or None.
        context: the context around the call.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        plan: CallPlan,
        instance: Any,
        tasks: Sequence[Any],
        captures: Sequence[Capture | None],
        context: Context,
    ) -> None:
        self.batch_id = new_uuid()
        self._process_id = Process.id
        self.instance = instance
        self.plan = plan
        #: The executions that were recorded while the batch ran.
        self.recorded = 0
        self._tasks = tasks
        self._captures = captures
        self._pipeline = pipeline
        #: The context around the call.
        self.outer = context
        self.has_ended = False
        self._started = time.time_ns()
        self._span: Span = start_host_span(pipeline.start_span, semconv.BATCH_SPAN_NAME, context, self._started)
        self.context = with_batch(context, self._span, self)
        self._clock = time.perf_counter_ns()

    def start_item(self, task: Any) -> Execution | None:
        """Start one of its tasks, for pools that hand them to their own workers."""
        return start_execution(self._pipeline, self.plan, self.instance, task)

    def enter(self, measures: bool = False) -> None:
        """Do nothing: the resources of a batch cannot be attributed to its tasks."""

    def leave(self) -> None:
        """Do nothing."""

    def forget_resources(self) -> None:
        """Do nothing."""

    def mark_defaulted(self, column: str) -> None:
        """Do nothing: an item without a duration of its own is marked in any case."""

    def yielded(self, item: object) -> None:
        """Do nothing: items of a batch have results of their own."""

    def returned(self, result: Any) -> None:
        """End with the *result* of the batch."""
        elapsed = time.perf_counter_ns() - self._clock
        if not self._is_of_this_process():
            return
        try:
            if not self.recorded:
                for (task, item), captured in zip(match_results(self._tasks, result), self._captures, strict=True):
                    self._record(task, captured, item, elapsed)
        except Exception as fault:  # ours: the task goes on
            lose(self._pipeline, fault)
            if is_interruption(fault):
                raise
        finally:
            self._end(elapsed)

    def raised(self, exception: BaseException) -> None:
        """End with the *exception* of the batch, and so, by assumption, did each of its tasks."""
        elapsed = time.perf_counter_ns() - self._clock
        if not self._is_of_this_process():
            return
        if not self.recorded:
            for task, captured in zip(self._tasks, self._captures, strict=True):
                self._record(task, captured, exception, elapsed)
        verdict = judge_raised(exception)
        if verdict.outcome is not Outcome.CANCELLED:
            guarded(self._span.set_status, StatusCode.ERROR, verdict.error_message)
        self._end(elapsed)

    def _is_of_this_process(self) -> bool:
        """Tell whether it began in this process: in a child that its pool forked, it is the parent's."""
        check()
        return self._process_id == Process.id

    def _record(self, task: Any, captured: Capture | None, result: Any, elapsed: int) -> None:
        """Record one item; a fault of ours affects this item only."""
        try:
            execution = Execution(self._pipeline, self.plan, self.instance, task, self.context, self._started, captured)
            own = _duration_of(result)
            if own is None:
                execution.mark_defaulted("duration_seconds")
        except Exception as fault:  # ours: the task goes on
            lose(self._pipeline, fault)
            if is_interruption(fault):
                raise
            return
        if issubclass(type(result), BaseException):
            execution.raised(result, elapsed)
        else:
            execution.returned(result, elapsed if own is None else own)

    def _end(self, elapsed: int) -> None:
        attributes = {semconv.BATCH_ID: self.batch_id, semconv.BATCH_SIZE: len(self._tasks)}
        guarded(self._span.set_attributes, attributes)
        self.context = self.outer = Context()
        self.has_ended = True
        end_host_span(self._span, self._started + elapsed)


def start_batch(pipeline: Pipeline, plan: CallPlan, instance: Any, tasks: Any, *_: object) -> Batch | None:
    """Start a batch, or return None where the call is not recorded.

    Raises:
        BudgetExceeded: if any of its tasks must not start.
    """
    check()
    context = otel_context.get_current()
    if is_suppressed(context):
        return None
    try:
        # An iterator is the pool's to consume.
        items: tuple[Any, ...] | None = tuple(tasks) if issubclass(type(tasks), _LISTS) else None
        captures: list[Capture | None] = []
        if pipeline.check_budgets is not None:
            for task in (None,) if items is None else items:
                captured = Capture(plan.options, instance, task)
                pipeline.check_budgets(captured)
                captures.append(captured)
        if items is None:
            return Batch(pipeline, plan, instance, (), (), context)
        return Batch(pipeline, plan, instance, items, captures or [None] * len(items), context)
    except BudgetExceeded:
        raise
    except Exception as fault:  # ours: the task goes on
        if is_interruption(fault):  # its tasks do not run
            raise
        lose(pipeline, fault)
        return None


def start_item(task: Any) -> Execution | None:
    """Start *task* within the running batch; None where there is none, or where its pool starts it itself."""
    batch = batch_of(otel_context.get_current())
    return batch.start_item(task) if isinstance(batch, Batch) else None


def match_results(tasks: Iterable[Any], result: Any) -> list[tuple[Any, Any]]:
    """Return each task with its result: by task id, else by worker, else, where there are as many, by position.

    A result that is not a collection, such as None, applies to every task. A task without a result fails.
    """
    tasks = list(tasks)
    found = _results_of(result)
    if found is None:
        return [(task, result) for task in tasks]
    for name in ("task_id", "worker_id"):
        by_key = {_key(item, name, own): item for own, item in found}
        by_key.pop(None, None)
        if any(_key(task, name) in by_key for task in tasks):
            return [(task, by_key.get(_key(task, name), _NO_RESULT)) for task in tasks]
    if len(found) == len(tasks):
        return [(task, item) for task, (_, item) in zip(tasks, found, strict=True)]
    return [(task, _NO_RESULT) for task in tasks]


def _results_of(result: Any) -> list[tuple[Any, Any]] | None:
    """Return (its key, a result) for each result in a list, in a mapping by key, or under ``results``; else None."""
    if issubclass(type(result), _LISTS):
        return [(None, item) for item in result]
    if is_mapping(type(result)):
        inner = guarded(result.get, "results")
        if inner is not None:
            return _results_of(inner)
        members = guarded(list, result.items()) or []
        # {"status": "completed"} is the result of the whole; {"task-1": {...}} holds one for each.
        return members if members and all(reader_of(item) is not None for _, item in members) else None
    read = reader_of(result)
    return _results_of(guarded(read, "results")) if read is not None else None


def _key(item: Any, name: str, own: Any = None) -> str | None:
    """Return the *name* of *item*, else the key it was found under."""
    read = reader_of(item)
    value = guarded(read, name) if read is not None else None
    value = own if value is None else value
    return value if type(value) is str else None if value is None else guarded(str, value)


def _duration_of(result: Any) -> int | None:
    """Return ``result.duration`` in nanoseconds, where it is valid."""
    read = reader_of(result)
    seconds: Any = guarded(read, "duration") if read is not None else None
    return round(seconds * 1e9) if type(seconds) in (int, float) and 0 <= seconds < 1e9 else None
