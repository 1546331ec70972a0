"""``pydantic-ai``: runs of agents. All of them (``run``, ``run_sync``, streams) pass through ``Agent.iter``."""

from typing import Any, Final

from ...adapters import Adapter, Executes, Run
from .prompts import model_name_of, text_of


def _read(agent: Any, user_prompt: Any = None, **options: Any) -> Run:
    overridden = agent._override_model.get()  # by ``with agent.override(model=...)``
    model = overridden.value if overridden is not None else options.get("model") or agent.model
    # The library's own name of an agent without one.
    return Run(task_type=agent.name or "agent", description=text_of(user_prompt), model=model_name_of(model))


def _result(run: Any) -> Any:
    """Return the output of an agent's run; of one that was left before its end, what closes a generator."""
    return GeneratorExit("the run was left before its end") if run.result is None else run.result.output


ADAPTERS: Final = (
    Adapter(
        name="pydantic-ai",
        package="pydantic_ai",
        rows=(Executes(target="pydantic_ai.agent:Agent.iter", read=_read, result=_result),),
        records="runs of agents",
    ),
)
