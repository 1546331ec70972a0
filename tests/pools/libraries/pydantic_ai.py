"""How a task gets into agents of pydantic-ai, by each way to run them."""

import asyncio
import json
from typing import Any, Final

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel
from pydantic_ai.models.test import TestModel

from learning_instrument import LearningDatabase

from ..agents import NAME, WITHOUT, check_parent, instrumented, name_of
from ..pool import Pool, in_turn


def _agent(function: Any, task: Any, is_async: bool = False) -> Agent[None, dict[str, Any]]:
    """Return an agent whose model calls ``function(task)`` for its answer."""

    async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        result = await function(task) if is_async else function(task)
        return ModelResponse(parts=[ToolCallPart(info.output_tools[0].name, {"response": result})])

    async def stream(messages: list[ModelMessage], info: AgentInfo) -> Any:
        result = await function(task) if is_async else function(task)
        yield {0: DeltaToolCall(info.output_tools[0].name, json.dumps({"response": result}))}

    return Agent(FunctionModel(answer, stream_function=stream), output_type=dict[str, Any], name=NAME)


def _run_sync(function: Any, task: Any) -> Any:
    return _agent(function, task).run_sync(task["description"]).output


def _run(function: Any, task: Any) -> Any:
    async def main() -> Any:
        return (await _agent(function, task, is_async=True).run(task["description"])).output

    return asyncio.run(main())


def _run_stream(function: Any, task: Any) -> Any:
    async def main() -> Any:
        async with _agent(function, task).run_stream(task["description"]) as stream:
            return await stream.get_output()

    return asyncio.run(main())


def _run_stream_events(function: Any, task: Any) -> Any:
    async def main() -> Any:
        async with _agent(function, task).run_stream_events(task["description"]) as events:
            return [event async for event in events][-1].result.output

    return asyncio.run(main())


def _iter(function: Any, task: Any) -> Any:
    async def main() -> Any:
        async with _agent(function, task).iter(task["description"]) as run:
            async for _ in run:
                pass
        return run.result and run.result.output

    return asyncio.run(main())


POOLS: Final = tuple(
    Pool(
        f"pydantic-ai, {run.__name__[1:]}",
        "pydantic-ai",
        run,
        is_async=run is _run,
        queued=False,
        task_type=name_of,
        without=WITHOUT,
        run_all=in_turn(run),
        tasks=100,
    )
    for run in (_run_sync, _run, _run_stream, _run_stream_events, _iter)
)


def an_agent_called_by_a_tool_has_its_parent(database: LearningDatabase) -> None:
    """Each run is a row."""
    outer = Agent(TestModel(), name="outer")

    @outer.tool_plain
    async def ask() -> str:
        return (await Agent(TestModel(), name="inner").run("Ask")).output

    with instrumented("pydantic-ai", database) as rows:
        outer.run_sync("Go")
    check_parent(rows())


def a_run_that_is_left_is_cancelled(database: LearningDatabase) -> None:
    """One that is left after its end is not."""

    async def main() -> None:
        agent = Agent(TestModel(custom_output_text="a b c"), name=NAME)
        async with agent.run_stream("Go") as stream:
            async for _ in stream.stream_text(debounce_by=None):
                break
        async with agent.iter("Go") as run:
            async for _ in run:
                break
        async with agent.run_stream("Go") as stream:
            assert [text async for text in stream.stream_text()]

    with instrumented("pydantic-ai", database) as rows:
        asyncio.run(main())
    assert [row.outcome.value for row in rows()] == ["cancelled", "cancelled", "succeeded"], rows()


def names_and_models_are_those_of_the_library(database: LearningDatabase) -> None:
    """The name that it infers from the caller's variable is not disturbed; an overriding model is the one that runs."""
    inferred = Agent(TestModel())
    with instrumented("pydantic-ai", database) as rows:
        inferred.run_sync("Go")
        with inferred.override(model=TestModel(model_name="other")):
            inferred.run_sync(["Go", "on"])
    assert inferred.name == "inferred"
    found = [(row.task_type, row.model, row.task_description) for row in rows()]
    assert found == [("inferred", "test", "Go"), ("inferred", "other", "on")], found


EXTRAS: Final = (
    an_agent_called_by_a_tool_has_its_parent,
    a_run_that_is_left_is_cancelled,
    names_and_models_are_those_of_the_library,
)
