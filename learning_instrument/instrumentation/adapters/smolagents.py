"""``smolagents``: runs of agents. Streamed or not, every run is a stream of steps whose last one has the answer."""

from typing import Any, Final

from ...adapters import Adapter, Executes, Run
from .prompts import model_name_of


def _read(agent: Any, task: Any = None, *_: Any, **__: Any) -> Run:
    return Run(task_type=agent.name or type(agent).__name__, description=task, model=model_name_of(agent.model))


def _result(step: Any) -> Any:
    return step.output if type(step).__name__ == "FinalAnswerStep" else None


ADAPTERS: Final = (
    Adapter(
        name="smolagents",
        rows=(Executes(target="smolagents.agents:MultiStepAgent._run_stream", read=_read, result=_result),),
        records="runs of agents",
    ),
)
