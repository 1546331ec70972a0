"""How a task gets into agents of claude-agent-sdk, by each way to ask them. A transport stands in for the program."""

import asyncio
import json
from typing import Any, Final

from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, ResultMessage, Transport, query

from learning_instrument import LearningDatabase

from ..agents import WITHOUT, instrumented
from ..pool import Pool, in_turn


class Answering(Transport):
    """A transport that calls a function for each answer."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: asyncio.Queue[Any] = asyncio.Queue()

    async def connect(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    async def end_input(self) -> None:
        """End, as the program does."""
        self.asked.put_nowait(None)

    def is_ready(self) -> bool:
        """Return that it is."""
        return True

    async def write(self, data: str) -> None:
        """Take a message."""
        self.asked.put_nowait(json.loads(data))

    async def read_messages(self) -> Any:
        """Yield an answer to each message."""
        while (asked := await self.asked.get()) is not None:
            if asked["type"] == "control_request":
                response = {"subtype": "success", "request_id": asked["request_id"], "response": {}}
                yield {"type": "control_response", "response": response}
            elif asked["type"] == "user":
                yield {
                    "type": "result",
                    "subtype": "success",
                    "duration_ms": 1,
                    "duration_api_ms": 1,
                    "is_error": False,
                    "num_turns": 1,
                    "session_id": "1",
                    "total_cost_usd": 0.25,
                    **await self.answer(),
                }


def _answering(function: Any, task: Any) -> Answering:
    async def answer() -> Any:
        answered = await function(task)
        failed = answered.get("status") == "failed"
        return {"is_error": failed, "result": answered["error"] if failed else json.dumps(answered)}

    return Answering(answer)


async def _last(messages: Any) -> str:
    found = [each async for each in messages]
    assert isinstance(found[-1], ResultMessage)
    return str(found[-1].result)


def _query(function: Any, task: Any) -> Any:
    return asyncio.run(_last(query(prompt=task["description"], transport=_answering(function, task))))


def _client(function: Any, task: Any) -> Any:
    async def main() -> str:
        async with ClaudeSDKClient(ClaudeAgentOptions(), _answering(function, task)) as client:
            await client.query(task["description"])
            return await _last(client.receive_response())

    return asyncio.run(main())


_NO_CANCEL: Final = {"cancelled": "a transport that cancels itself ends the stream"}
POOLS: Final = tuple(
    Pool(
        f"claude-agent-sdk, {name}",
        "claude-agent-sdk",
        run,
        is_async=True,
        queued=False,
        task_type=lambda function: "claude",
        without={**WITHOUT, **_NO_CANCEL},
        run_all=in_turn(run),
        tasks=100,
    )
    for name, run in (("query", _query), ("ClaudeSDKClient", _client))
)


def a_query_has_its_cost_and_is_over_at_its_result(database: LearningDatabase) -> None:
    """The loop is left there, or before."""

    async def done() -> Any:
        return {}

    async def main(most: int) -> None:
        messages = query(prompt="Go", options=ClaudeAgentOptions(model="small"), transport=Answering(done))
        if most:
            async for _ in messages:
                break
        else:
            asked = asyncio.ensure_future(messages.__anext__())
            await asyncio.sleep(0)
            asked.cancel()
            await asyncio.wait([asked])
        await messages.aclose()

    with instrumented("claude-agent-sdk", database) as rows:
        asyncio.run(main(1))
        asyncio.run(main(0))
    found = [(row.outcome.value, row.actual_cost, row.model) for row in rows()]
    assert found == [("succeeded", 0.25, "small"), ("cancelled", 0.0, "small")], found


def a_turn_that_is_interrupted_is_cancelled(database: LearningDatabase) -> None:
    """The result says so."""

    async def interrupted() -> Any:
        return {"is_error": True, "subtype": "error_during_execution", "terminal_reason": "aborted_streaming"}

    with instrumented("claude-agent-sdk", database) as rows:
        asyncio.run(_last(query(prompt="Go", transport=Answering(interrupted))))
    assert [row.outcome.value for row in rows()] == ["cancelled"], rows()


EXTRAS: Final = (a_query_has_its_cost_and_is_over_at_its_result, a_turn_that_is_interrupted_is_cancelled)
