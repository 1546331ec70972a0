"""The execution of a process that died, recorded by another one that heard of it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN

from .. import semconv
from ..outcome import ErrorType, Outcome
from .execution import Execution
from .types import CallPlan, Pipeline


class LostExecution(Execution):
    """An execution that began in another process."""

    __slots__ = ()

    def lost(self, heard: BaseException, process_id: int) -> None:
        """End by the death of the process that ran it, as another one *heard*. How long it ran is not known."""
        self.mark_defaulted("duration_seconds")
        verdict = self._capture.raised(heard)._replace(outcome=Outcome.LOST, error_type=ErrorType.CRASH)
        attributes = self._capture.attributes
        attributes[semconv.TASK_OUTCOME] = Outcome.LOST.value
        attributes[semconv.ERROR_KIND] = ErrorType.CRASH.value
        attributes[semconv.PROCESS_ID] = process_id
        del attributes[semconv.TASK_OUTCOME_SOURCE]
        self._end(verdict, 0, None, None, heard)


def execution_elsewhere(
    pipeline: Pipeline,
    plan: CallPlan,
    task: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    context: Context,
    started: int,
) -> LostExecution | None:
    """Return an execution that began in another process, to end it by its ``lost``; None without a database.

    It is a row and no more: no span of the host's, and no call of the user's hooks.

    Args:
        pipeline: where it goes.
        plan: how its function is recorded.
        task: the task.
        args: the positional arguments of the call, which may describe it.
        kwargs: the named ones.
        context: the context around it.
        started: when it began, in nanoseconds of Unix time.
    """
    if pipeline.deliver_lost is None or pipeline.start_private_span is None:
        return None
    pipeline = dataclasses.replace(
        pipeline,
        start_span=lambda *_, **__: INVALID_SPAN,
        deliver=pipeline.deliver_lost,
        running=None,
        record_metrics=None,
    )
    plan = dataclasses.replace(plan, request_hook=None, response_hook=None)
    return LostExecution(pipeline, plan, None, task, context, started, None, args, kwargs)
