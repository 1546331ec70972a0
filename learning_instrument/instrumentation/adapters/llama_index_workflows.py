"""``llama-index-workflows``: runs of workflows, and so of the agents of llama-index, until their handlers are done."""

from typing import Any, Final

from ...adapters import Adapter, Run
from ..tools import Tools
from .prompts import text_of


def _instrument(tools: Tools) -> None:
    recorder = tools.run_recorder(lambda event: getattr(event, "result", event))

    def run(wrapped: Any, workflow: Any, args: Any, kwargs: Any) -> Any:
        handlers = []

        def start(*args: Any, **kwargs: Any) -> Any:
            handlers.append(wrapped(*args, **kwargs))
            return handlers[0]._result_task  # a handler can be awaited, and not be followed

        recorder.run(lambda: _read(workflow, *args, **kwargs), start, workflow, args, kwargs)
        return handlers[0]

    tools.wrap("workflows.workflow:Workflow.run", run)


def _read(workflow: Any, ctx: Any = None, start_event: Any = None, **inputs: Any) -> Run:
    given = inputs if start_event is None else dict(start_event.items())
    texts = (given.get("user_msg"), *given.values())
    return Run(
        task_type=workflow.workflow_name,
        task=inputs or None,
        description=next((text for each in texts if (text := text_of(each)) is not None), None),
    )


ADAPTERS: Final = (
    Adapter(
        name="llama-index-workflows",
        package="workflows",
        rows=(_instrument,),
        records="runs of workflows, and of the agents of llama-index",
    ),
)
