"""``strands-agents``: runs of agents, graphs and swarms. Every way to run one passes through its ``stream_async``."""

from typing import Any, Final

from ...adapters import Adapter, Executes, Run
from .prompts import model_name_of, text_of


def _read_agent(agent: Any, prompt: Any = None, **_: Any) -> Run:
    config = agent.model.get_config() or {}
    model = model_name_of(config.get("model_id") if isinstance(config, dict) else getattr(config, "model_id", None))
    return Run(task_type=agent.name, description=text_of(prompt), model=model)


def _read_agents(agents: Any, task: Any = None, *_: Any, **__: Any) -> Run:
    return Run(task_type=agents.id, description=text_of(task))


def _result(event: Any) -> Any:
    """Return the result, which the last event has: its structured output, or its message, or the status of several."""
    result = event.get("result")
    if getattr(result, "stop_reason", None) == "cancelled":
        return {"status": "cancelled"}
    output = getattr(result, "structured_output", None)
    return output if output is not None else getattr(result, "message", result)


ADAPTERS: Final = (
    Adapter(
        name="strands-agents",
        package="strands",
        rows=(
            Executes(target="strands.agent.agent:Agent.stream_async", read=_read_agent, result=_result),
            Executes(target="strands.multiagent.graph:Graph.stream_async", read=_read_agents, result=_result),
            Executes(target="strands.multiagent.swarm:Swarm.stream_async", read=_read_agents, result=_result),
        ),
        records="runs of agents, graphs and swarms",
    ),
)
