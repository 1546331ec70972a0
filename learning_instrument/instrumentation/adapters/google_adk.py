"""``google-adk``: runs of agents. ``Runner.run`` passes through ``run_async``, in a thread that has its context."""

from typing import Any, Final

from ...adapters import Adapter, Executes, Run
from .prompts import model_name_of, text_of


def _read(runner: Any, *, new_message: Any = None, invocation_id: Any = None, **_: Any) -> Run:
    agent = runner.agent
    return Run(
        task_type=getattr(agent, "name", None) or runner.app_name,
        description=text_of(new_message),
        task_id=invocation_id,
        model=model_name_of(getattr(agent, "model", None)),
    )


def _result(event: Any) -> Any:
    """Return what the last event says; None where it is not the answer. A model's error is an event, and not raised."""
    if not event.is_final_response():
        return None
    if event.error_code:
        return {"status": "failed", "error": event.error_message or event.error_code}
    return text_of(event.content) or "" if event.output is None else event.output


ADAPTERS: Final = (
    Adapter(
        name="google-adk",
        package="google.adk",
        rows=(Executes(target="google.adk.runners:Runner.run_async", read=_read, result=_result),),
        records="runs of agents",
    ),
)
