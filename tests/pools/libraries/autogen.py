"""How a task gets into agents and teams of autogen-agentchat, by each way to run them."""

import asyncio
import json
from typing import Any, Final

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_agentchat.tools import AgentTool
from autogen_core import FunctionCall
from autogen_core.models import ChatCompletionClient, CreateResult, ModelFamily, RequestUsage

from learning_instrument import LearningDatabase

from ..agents import NAME, WITHOUT, check_parent, instrumented, name_of
from ..pool import Pool, in_turn

_USAGE: Final = RequestUsage(prompt_tokens=1, completion_tokens=1)


class Answering(ChatCompletionClient):
    """A model that calls a function for its answer."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def create(self, *args: Any, **options: Any) -> CreateResult:
        """Return the answer."""
        answer = await self.answer()
        return CreateResult(finish_reason="stop", content=answer, usage=_USAGE, cached=False)

    async def create_stream(self, *args: Any, **options: Any) -> Any:
        """Yield the answer."""
        yield await self.create()

    async def close(self) -> None:
        """Do nothing."""

    def actual_usage(self) -> RequestUsage:
        """Return what was used."""
        return _USAGE

    total_usage = actual_usage

    def count_tokens(self, *args: Any, **options: Any) -> int:
        """Return a number."""
        return 1

    remaining_tokens = count_tokens

    @property
    def capabilities(self) -> Any:
        """Return what it can do."""
        return self.model_info

    @property
    def model_info(self) -> Any:
        """Return what it can do."""
        return {
            "vision": False,
            "function_calling": True,
            "json_output": False,
            "family": ModelFamily.UNKNOWN,
            "structured_output": False,
        }


def _agent(function: Any, task: Any, name: str = NAME) -> AssistantAgent:
    """Return an agent whose model calls ``function(task)`` for its answer."""

    async def answer() -> str:
        return json.dumps(await function(task))

    return AssistantAgent(name, Answering(answer))


def _run(function: Any, task: Any) -> Any:
    result = asyncio.run(_agent(function, task).run(task=task["description"]))
    return json.loads(result.messages[-1].content)


def _run_stream(function: Any, task: Any) -> Any:
    async def main() -> Any:
        return [each async for each in _agent(function, task).run_stream(task=task["description"])]

    return json.loads(asyncio.run(main())[-1].messages[-1].content)


def _team(function: Any, task: Any) -> RoundRobinGroupChat:
    return RoundRobinGroupChat(
        [_agent(function, task, "counter")], name=NAME, termination_condition=MaxMessageTermination(2)
    )


def _team_run(function: Any, task: Any) -> Any:
    result = asyncio.run(_team(function, task).run(task=task["description"]))
    return json.loads(result.messages[-1].content)


_NO_RESULT: Final = {"returned": "an agent's answer is a text"}
_OF_TEAMS: Final = {
    "raised": "a team raises errors of its own",
    "timeout": "a team raises errors of its own",
    "cancelled": "a team waits for an agent that has cancelled itself",
}
POOLS: Final = tuple(
    Pool(
        f"autogen-agentchat, {run.__name__[1:]}",
        "autogen-agentchat",
        run,
        is_async=True,
        queued=False,
        task_type=name_of,
        without={**WITHOUT, **_NO_RESULT, **(_OF_TEAMS if run is _team_run else {})},
        run_all=in_turn(run),
        tasks=100,
    )
    for run in (_run, _run_stream, _team_run)
)


def an_agent_that_is_a_tool_has_its_parent(database: LearningDatabase) -> None:
    """Each run is a row."""
    called = []

    async def answer() -> Any:
        if called:
            return "done"
        called.append(True)
        return [FunctionCall(id="1", name="inner", arguments='{"task": "Ask"}')]

    async def done() -> str:
        return "done"

    tool = AgentTool(AssistantAgent("inner", Answering(done)))
    with instrumented("autogen-agentchat", database) as rows:
        asyncio.run(AssistantAgent("outer", Answering(answer), tools=[tool]).run(task="Go"))
    check_parent(rows())


def a_team_that_fails_is_an_error(database: LearningDatabase) -> None:
    """The library raises an error of its own."""

    async def fail(task: Any) -> Any:
        raise ValueError("no answer")

    with instrumented("autogen-agentchat", database) as rows:
        try:
            _team_run(fail, {"description": "Go"})
        except RuntimeError as error:
            raised = str(error)
    assert [row.outcome.value for row in rows()] == ["error"], rows()
    assert "no answer" in raised, raised
    assert "no answer" in str(rows()[0].error_message), rows()


EXTRAS: Final = (an_agent_that_is_a_tool_has_its_parent, a_team_that_fails_is_an_error)
