"""How a task gets into agents of google-adk, by each way to run them."""

import asyncio
import json
from typing import Any, Final

from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm, LlmResponse
from google.adk.runners import InMemoryRunner
from google.adk.tools.agent_tool import AgentTool
from google.genai import types

from learning_instrument import LearningDatabase

from ..agents import NAME, WITHOUT, check_parent, instrumented, name_of
from ..pool import Pool, in_turn


class Answering(BaseLlm):
    """A model that calls a function for its answer."""

    model: str = "fake"
    answer: Any

    async def generate_content_async(self, llm_request: Any, stream: bool = False) -> Any:
        """Yield the answer."""
        answer = await self.answer(llm_request)
        yield answer if isinstance(answer, LlmResponse) else _said(answer)


def _said(text: str) -> LlmResponse:
    return LlmResponse(content=types.Content(role="model", parts=[types.Part(text=text)]))


def _agent(function: Any, task: Any, is_async: bool = False) -> LlmAgent:
    """Return an agent whose model calls ``function(task)`` for its answer."""

    async def answer(request: Any) -> str:
        return json.dumps(await function(task) if is_async else function(task))

    return LlmAgent(name=NAME, model=Answering(answer=answer))


def _message(text: str) -> types.Content:
    return types.Content(role="user", parts=[types.Part(text=text)])


async def _events(agent: LlmAgent, text: str, most: int = 100) -> list[Any]:
    """Return the events of a run, or the first of them; the rest is not listened to."""
    runner = InMemoryRunner(agent)
    session = await runner.session_service.create_session(app_name=runner.app_name, user_id="1")
    events = []
    stream = runner.run_async(user_id="1", session_id=session.id, new_message=_message(text))
    async for event in stream:
        events.append(event)
        if len(events) == most:
            await stream.aclose()
            break
    return events


def _run(function: Any, task: Any) -> Any:
    runner = InMemoryRunner(_agent(function, task))
    session = asyncio.run(runner.session_service.create_session(app_name=runner.app_name, user_id="1"))
    events = list(runner.run(user_id="1", session_id=session.id, new_message=_message(task["description"])))
    return json.loads(events[-1].content.parts[0].text)


def _run_async(function: Any, task: Any) -> Any:
    events = asyncio.run(_events(_agent(function, task, is_async=True), task["description"]))
    return json.loads(events[-1].content.parts[0].text)


_NOT_THERE: Final = {
    "returned": "an agent's answer is a text",
    "cancelled": "a cancellation that a model raises itself ends the run as if it had answered",
}
POOLS: Final = tuple(
    Pool(
        f"google-adk, {run.__name__[1:]}",
        "google-adk",
        run,
        is_async=run is _run_async,
        queued=False,
        task_type=name_of,
        without={**WITHOUT, **_NOT_THERE},
        run_all=in_turn(run),
        tasks=50,
    )
    for run in (_run, _run_async)
)


def _answering(answer: Any, name: str = NAME, **options: Any) -> LlmAgent:
    async def answered(request: Any) -> Any:
        return answer

    return LlmAgent(name=name, model=Answering(answer=answered), **options)


def an_agent_that_is_a_tool_has_its_parent(database: LearningDatabase) -> None:
    """Each run is a row."""
    called = []

    async def answer(request: Any) -> Any:
        if called:
            return "done"
        called.append(request)
        part = types.Part.from_function_call(name="inner", args={"request": "Ask"})
        return LlmResponse(content=types.Content(role="model", parts=[part]))

    tools = [AgentTool(_answering("done", "inner"))]
    with instrumented("google-adk", database) as rows:
        asyncio.run(_events(LlmAgent(name="outer", model=Answering(answer=answer), tools=tools), "Go"))
    check_parent(rows())
    assert [(row.task_description, row.model) for row in rows()] == [("Ask", "fake"), ("Go", "fake")], rows()


def a_run_that_is_left_at_its_answer_has_succeeded(database: LearningDatabase) -> None:
    """The loop is left there, as the library's documentation does; one that is left before is cancelled."""
    part = types.Part.from_function_call(name="look", args={})
    calling = LlmResponse(content=types.Content(role="model", parts=[part]))

    def look() -> str:
        """Look."""
        return "seen"

    with instrumented("google-adk", database) as rows:
        asyncio.run(_events(_answering("done"), "Go", most=1))
        asyncio.run(_events(_answering(calling, tools=[look]), "Go", most=1))
    assert [row.outcome.value for row in rows()] == ["succeeded", "cancelled"], rows()


def a_run_that_is_cancelled_is_cancelled(database: LearningDatabase) -> None:
    """By the task that runs it."""

    async def wait(request: Any) -> Any:
        await asyncio.sleep(60)

    async def main() -> None:
        run = asyncio.create_task(_events(LlmAgent(name=NAME, model=Answering(answer=wait)), "Go"))
        await asyncio.sleep(0.1)
        run.cancel()
        await asyncio.wait([run])

    with instrumented("google-adk", database) as rows:
        asyncio.run(main())
    assert [row.outcome.value for row in rows()] == ["cancelled"], rows()


def an_error_of_the_model_is_a_failure(database: LearningDatabase) -> None:
    """The library makes an event of it, and raises nothing."""
    with instrumented("google-adk", database) as rows:
        asyncio.run(_events(_answering(LlmResponse(error_code="SAFETY", error_message="blocked")), "Go"))
    assert [(row.outcome.value, row.error_message) for row in rows()] == [("failed", "blocked")], rows()


EXTRAS: Final = (
    an_agent_that_is_a_tool_has_its_parent,
    a_run_that_is_left_at_its_answer_has_succeeded,
    a_run_that_is_cancelled_is_cancelled,
    an_error_of_the_model_is_a_failure,
)
