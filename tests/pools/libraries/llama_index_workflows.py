"""How a task gets into workflows of llama-index."""

import asyncio
import contextlib
from typing import Any, Final

from workflows import Workflow, step
from workflows.errors import WorkflowCancelledByUser, WorkflowTimeoutError
from workflows.events import StartEvent, StopEvent

from learning_instrument import LearningDatabase

from ..agents import NAME, WITHOUT, check_parent, instrumented, name_of
from ..pool import Pool, in_turn


class Answering(Workflow):
    """A workflow that calls a function for its result."""

    def __init__(self, answer: Any, **options: Any) -> None:
        super().__init__(**options)
        self.answer = answer

    @step
    async def answer_it(self, event: StartEvent) -> StopEvent:
        """Return the result."""
        return StopEvent(result=await self.answer(dict(event.items())))


def _run(function: Any, task: Any) -> Any:
    async def main() -> Any:
        return await Answering(function, workflow_name=NAME).run(**task)

    return asyncio.run(main())


def _streamed(function: Any, task: Any) -> Any:
    async def main() -> Any:
        handler = Answering(function, workflow_name=NAME).run(start_event=StartEvent(**task))
        async for _ in handler.stream_events():
            pass
        return await handler

    return asyncio.run(main())


POOLS: Final = tuple(
    Pool(
        f"llama-index-workflows, {run.__name__[1:]}",
        "llama-index-workflows",
        run,
        is_async=True,
        queued=False,
        task_type=name_of,
        without={**WITHOUT, "cancelled": "a step that cancels itself is waited for until the time limit"},
        run_all=in_turn(run),
        tasks=100,
    )
    for run in (_run, _streamed)
)


def a_workflow_called_by_a_step_has_its_parent(database: LearningDatabase) -> None:
    """Each run is a row."""

    async def done(task: Any) -> str:
        return "done"

    async def ask(task: Any) -> Any:
        return await Answering(done, workflow_name="inner").run(question="Ask")

    async def main() -> None:
        await Answering(ask, workflow_name="outer").run(user_msg="Go")

    with instrumented("llama-index-workflows", database) as rows:
        asyncio.run(main())
    check_parent(rows())
    assert [row.task_description for row in rows()] == ["Ask", "Go"], rows()


def limits_and_cancellations_of_the_library_are_told_apart(database: LearningDatabase) -> None:
    """Its errors are known by name."""

    async def wait(task: Any) -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        with contextlib.suppress(WorkflowTimeoutError):
            await Answering(wait, timeout=0.1, workflow_name=NAME).run()
        handler = Answering(wait, workflow_name=NAME).run()
        await asyncio.sleep(0.1)
        await handler.cancel_run()
        with contextlib.suppress(WorkflowCancelledByUser):
            await handler

    with instrumented("llama-index-workflows", database) as rows:
        asyncio.run(main())
    assert [row.outcome.value for row in rows()] == ["timeout", "cancelled"], rows()


EXTRAS: Final = (
    a_workflow_called_by_a_step_has_its_parent,
    limits_and_cancellations_of_the_library_are_told_apart,
)
