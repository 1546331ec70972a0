"""``prefect``: runs of tasks and of flows, each attempt one execution.

The engines catch what a function raises, to store it as a state. Both call it by ``call_with_parameters``, which raises
it, and passes over results that come from the cache. Task runners copy the context of the flow to their threads.
"""

import sys
from typing import Any, Final

from ...adapters import Adapter, Executes, Run
from ..called_functions import task_of

#: Milliseconds are the upper 48 bits of the 128 of a UUID of version 7.
_TIMED_VERSION: Final = 7
_BELOW_TIME: Final = 80


def _task(fn: Any, parameters: Any) -> Run | None:
    context = sys.modules["prefect.context"].TaskRunContext.get()
    if context is None or context.task.fn is not fn:
        return None
    run = context.task_run
    # Its identifier is made when it is submitted, and the run itself by the thread that runs it.
    submitted = (run.id.int >> _BELOW_TIME) / 1e3 if run.id.version == _TIMED_VERSION else None
    return Run(
        task_type=context.task.name,
        task=task_of(fn, tuple(parameters.values()), parameters),
        description=context.task.description,
        kwargs=parameters,
        task_id=str(run.id),
        pool_id=None if run.flow_run_id is None else str(run.flow_run_id),
        attempt=run.run_count,
        function=fn,
        queued_at=submitted if run.run_count == 1 else run.state.timestamp.timestamp(),
        metadata={"task_run": run.name},
    )


def _flow(fn: Any, parameters: Any) -> Run | None:
    context = sys.modules["prefect.context"].FlowRunContext.get()
    if context is None or context.flow.fn is not fn:
        return None
    run = context.flow_run
    due = run.expected_start_time if run.run_count == 1 else run.state.timestamp
    return Run(
        task_type=context.flow.name,
        task=task_of(fn, tuple(parameters.values()), parameters),
        description=context.flow.description,
        kwargs=parameters,
        task_id=str(run.id),
        pool_id=run.work_queue_name,
        attempt=run.run_count,
        function=fn,
        queued_at=None if due is None else due.timestamp(),
        metadata={"flow_run": run.name},
    )


ADAPTERS: Final = (
    Adapter(
        name="prefect",
        rows=(
            Executes(target="prefect.task_engine:call_with_parameters", read=_task),
            Executes(target="prefect.flow_engine:call_with_parameters", read=_flow),
        ),
        records="runs of tasks and flows",
    ),
)
