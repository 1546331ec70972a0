"""``autogen-agentchat``: runs of agents and of teams. An agent of a team answers within the team's run."""

from typing import Any, Final

from ...adapters import Adapter, Executes, Run
from .prompts import model_name_of, text_of

_AGENT: Final = "autogen_agentchat.agents._base_chat_agent:BaseChatAgent."
_TEAM: Final = "autogen_agentchat.teams._group_chat._base_group_chat:BaseGroupChat."


def _read(agent: Any, *, task: Any = None, **_: Any) -> Run:
    model = getattr(getattr(agent, "_model_client", None), "_create_args", None)
    name = model_name_of(model.get("model")) if isinstance(model, dict) else None
    return Run(task_type=agent.name, description=text_of(task), model=name)


def _result(item: Any) -> Any:
    """Return the result of a task, which is the last item of a stream."""
    return item if hasattr(item, "stop_reason") else None


ADAPTERS: Final = (
    Adapter(
        name="autogen-agentchat",
        package="autogen_agentchat",
        rows=tuple(
            Executes(target=owner + method, read=_read, result=_result, subclasses=True)
            for owner in (_AGENT, _TEAM)
            for method in ("run", "run_stream")
        ),
        records="runs of agents and of teams",
    ),
)
