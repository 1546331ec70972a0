"""How a task gets into agents of openai-agents, by each way to run them."""

import asyncio
import json
from typing import Any, Final

from agents import Agent, AgentOutputSchema, Model, ModelResponse, RunConfig, Runner, Usage, set_tracing_disabled
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

from learning_instrument import LearningDatabase

from ..agents import NAME, WITHOUT, check_parent, instrumented, name_of
from ..pool import Pool, in_turn

set_tracing_disabled(True)


class Answering(Model):
    """A model that calls a function for its answer."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def _output(self, prompt: Any) -> list[Any]:
        answer = await self.answer(prompt)
        if isinstance(answer, ResponseFunctionToolCall):
            return [answer]
        text = ResponseOutputText(text=json.dumps(answer), type="output_text", annotations=[])
        return [ResponseOutputMessage(id="1", content=[text], role="assistant", status="completed", type="message")]

    async def get_response(self, system_instructions: Any, *args: Any, **options: Any) -> ModelResponse:
        """Return the answer."""
        return ModelResponse(output=await self._output(args or options), usage=Usage(), response_id=None)

    async def stream_response(self, system_instructions: Any, *args: Any, **options: Any) -> Any:
        """Stream the answer."""
        response = Response(
            id="1",
            created_at=0,
            model="fake",
            object="response",
            output=await self._output(args or options),
            parallel_tool_calls=False,
            tool_choice="auto",
            tools=[],
        )
        yield ResponseCompletedEvent(response=response, sequence_number=0, type="response.completed")


def _agent(function: Any, task: Any, is_async: bool = False, **options: Any) -> Agent[Any]:
    """Return an agent whose model calls ``function(task)`` for its answer."""

    async def answer(prompt: Any) -> Any:
        return await function(task) if is_async else function(task)

    schema = AgentOutputSchema(dict[str, Any], strict_json_schema=False)
    return Agent(name=NAME, model=Answering(answer), output_type=schema, **options)


def _run_sync(function: Any, task: Any) -> Any:
    return Runner.run_sync(_agent(function, task), task["description"]).final_output


def _run(function: Any, task: Any) -> Any:
    return asyncio.run(Runner.run(_agent(function, task, is_async=True), task["description"])).final_output


def _run_streamed(function: Any, task: Any) -> Any:
    async def main() -> Any:
        streamed = Runner.run_streamed(_agent(function, task), [{"role": "user", "content": task["description"]}])
        async for _ in streamed.stream_events():
            pass
        return streamed.final_output

    return asyncio.run(main())


POOLS: Final = tuple(
    Pool(
        f"openai-agents, {run.__name__[1:]}",
        "openai-agents",
        run,
        is_async=run is _run,
        queued=False,
        task_type=name_of,
        without=WITHOUT,
        run_all=in_turn(run),
        tasks=100,
    )
    for run in (_run_sync, _run, _run_streamed)
)


class Scripted(Answering):
    """A model that calls a tool first, and answers then."""

    def __init__(self, tool: str, arguments: str) -> None:
        called = []

        async def answer(prompt: Any) -> Any:
            if called:
                return "done"
            called.append(prompt)
            return ResponseFunctionToolCall(call_id="1", name=tool, arguments=arguments, type="function_call")

        super().__init__(answer)


async def _done(prompt: Any) -> Any:
    return "done"


def an_agent_that_is_a_tool_has_its_parent(database: LearningDatabase) -> None:
    """Each run is a row, streamed or not."""
    inner = Agent(name="inner", model=Answering(_done))

    def outer() -> Agent[Any]:
        return Agent(name="outer", model=Scripted("ask", '{"input": "Ask"}'), tools=[inner.as_tool("ask", "Ask")])

    async def streamed() -> None:
        async for _ in Runner.run_streamed(outer(), "Go").stream_events():
            pass

    with instrumented("openai-agents", database) as rows:
        Runner.run_sync(outer(), "Go")
        asyncio.run(streamed())
    assert [row.task_description for row in rows()] == ["Ask", "Go"] * 2, rows()
    check_parent(rows()[:2])
    check_parent(rows()[2:])


def a_handoff_goes_on_with_the_run(database: LearningDatabase) -> None:
    """It is one row, of the agent that was started."""
    other = Agent(name="other", model=Answering(_done))
    agent = Agent(name=NAME, model=Scripted("transfer_to_other", "{}"), handoffs=[other])
    with instrumented("openai-agents", database) as rows:
        assert Runner.run_sync(agent, "Go").last_agent is other
    assert [(row.task_type, row.outcome.value) for row in rows()] == [(NAME, "succeeded")], rows()


def a_stream_that_is_cancelled_is_a_row(database: LearningDatabase) -> None:
    """The run ends with its task; one that nobody listens to goes on to its end."""

    async def slow(prompt: Any) -> Any:
        await asyncio.sleep(0.05)
        return "done"

    async def main() -> None:
        agent = Agent(name=NAME, model=Answering(slow))
        streamed = Runner.run_streamed(agent, "Go")
        await asyncio.sleep(0.01)
        streamed.cancel()
        await asyncio.sleep(0.01)
        Runner.run_streamed(agent, "Go", run_config=RunConfig(model=Answering(_done)))
        await asyncio.sleep(0.1)

    with instrumented("openai-agents", database) as rows:
        asyncio.run(main())
    assert [row.outcome.value for row in rows()] == ["cancelled", "succeeded"], rows()


EXTRAS: Final = (
    an_agent_that_is_a_tool_has_its_parent,
    a_handoff_goes_on_with_the_run,
    a_stream_that_is_cancelled_is_a_row,
)
