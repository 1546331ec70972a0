"""How a task gets into agents of strands-agents, by each way to run them."""

import asyncio
import json
from typing import Any, Final

from strands import Agent, tool
from strands.models import Model
from strands.multiagent import GraphBuilder, Swarm

from learning_instrument import LearningDatabase

from ..agents import NAME, WITHOUT, check_parent, instrumented, name_of
from ..pool import Pool, in_turn


class Answering(Model):
    """A model that calls a function for its answer: a text, or the name of a tool in a list."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def update_config(self, **options: Any) -> None:
        """Do nothing."""

    def get_config(self) -> Any:
        """Return the name."""
        return {"model_id": "fake"}

    def structured_output(self, *args: Any, **options: Any) -> Any:
        """Do nothing."""

    async def stream(self, *args: Any, **options: Any) -> Any:
        """Yield the answer."""
        answer = await self.answer()
        yield {"messageStart": {"role": "assistant"}}
        if isinstance(answer, list):
            yield {"contentBlockStart": {"start": {"toolUse": {"name": answer[0], "toolUseId": "1"}}}}
            yield {"contentBlockDelta": {"delta": {"toolUse": {"input": "{}"}}}}
        else:
            yield {"contentBlockStart": {"start": {}}}
            yield {"contentBlockDelta": {"delta": {"text": answer}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "tool_use" if isinstance(answer, list) else "end_turn"}}


def _agent(function: Any, task: Any, is_async: bool = False) -> Agent:
    """Return an agent whose model calls ``function(task)`` for its answer."""

    async def answer() -> str:
        return json.dumps(await function(task) if is_async else function(task))

    return Agent(Answering(answer), name=NAME, callback_handler=None)


def _call(function: Any, task: Any) -> Any:
    return json.loads(str(_agent(function, task)(task["description"])))


def _invoke_async(function: Any, task: Any) -> Any:
    return json.loads(str(asyncio.run(_agent(function, task, is_async=True).invoke_async(task["description"]))))


def _stream_async(function: Any, task: Any) -> Any:
    async def main() -> Any:
        events = [each async for each in _agent(function, task).stream_async([{"text": task["description"]}])]
        return json.loads(str(events[-1]["result"]))

    return asyncio.run(main())


_NO_RESULT: Final = {"returned": "an agent's answer is a text"}
POOLS: Final = tuple(
    Pool(
        f"strands-agents, {run.__name__[1:]}",
        "strands-agents",
        run,
        is_async=run is _invoke_async,
        queued=False,
        task_type=name_of,
        without={**WITHOUT, **_NO_RESULT},
        run_all=in_turn(run),
        tasks=100,
    )
    for run in (_call, _invoke_async, _stream_async)
)


def _answering(name: str, *answers: Any, **options: Any) -> Agent:
    left = list(answers)

    async def answer() -> Any:
        return left.pop(0) if left else "done"

    return Agent(Answering(answer), name=name, callback_handler=None, **options)


def an_agent_called_by_a_tool_has_its_parent(database: LearningDatabase) -> None:
    """Each run is a row."""

    @tool
    def ask() -> str:
        """Ask another agent."""
        return str(_answering("inner")("Ask"))

    with instrumented("strands-agents", database) as rows:
        _answering("outer", ["ask"], tools=[ask])("Go")
    check_parent(rows())
    assert [(row.task_description, row.model) for row in rows()] == [("Ask", "fake"), ("Go", "fake")], rows()


def agents_of_a_graph_or_a_swarm_have_their_parent(database: LearningDatabase) -> None:
    """The graph, or the swarm, is a run of its own; it has failed where an agent of it has."""

    async def fail() -> Any:
        raise ValueError("no answer")

    builder = GraphBuilder()
    builder.add_node(_answering("inner"), "inner")
    builder.set_graph_id("outer")
    with instrumented("strands-agents", database) as rows:
        builder.build()("Go")
        check_parent(rows())
        Swarm([_answering("inner")], id="outer")("Go")
        check_parent(rows()[2:])
        Swarm([Agent(Answering(fail), name="inner", callback_handler=None)], id="outer")("Go")
        check_parent(rows()[4:])
    found = [row.outcome.value for row in rows()]
    assert found == ["succeeded"] * 4 + ["error", "failed"], rows()


def a_cancelled_run_is_cancelled(database: LearningDatabase) -> None:
    """The library returns a result that says so; or its consumer leaves the stream."""

    async def leave() -> None:
        stream = _answering(NAME).stream_async("Go")
        async for _ in stream:
            break
        await stream.aclose()

    agent = _answering(NAME)

    async def cancel() -> str:
        agent.cancel()
        return "done"

    agent.model = Answering(cancel)
    with instrumented("strands-agents", database) as rows:
        assert agent("Go").stop_reason == "cancelled"
        asyncio.run(leave())
    assert [row.outcome.value for row in rows()] == ["cancelled"] * 2, rows()


EXTRAS: Final = (
    an_agent_called_by_a_tool_has_its_parent,
    agents_of_a_graph_or_a_swarm_have_their_parent,
    a_cancelled_run_is_cancelled,
)
