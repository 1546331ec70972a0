"""Runs that stream, or last as long as a block: what their ends are read from."""

import contextlib
import sys
import types

import pytest

from learning_instrument import PoolInstrumentor
from learning_instrument.adapters import Adapter, Executes, Run


class Agent:
    """An agent that streams: words, and its answer as the last item."""

    def stream(self, prompt):
        """Yield what an agent does."""
        yield {"word": prompt}
        yield {"answer": {"status": "failed", "error": "no such order"} if prompt == "fail" else {}}
        yield {"answer": {"closing": "remarks"}}

    async def stream_async(self, prompt):
        """Do the same."""
        for item in self.stream(prompt):
            yield item

    @contextlib.contextmanager
    def session(self, prompt):
        """Yield the session."""
        yield {"answer": {"status": "failed", "error": "no such order"}}


def _answer(item):
    return item.get("answer")


def _read(agent, prompt):
    return Run(task_type="agent", description=prompt, model="small")


@pytest.fixture
def agent(database, monkeypatch):
    """An agent of an instrumented library."""
    module = types.ModuleType("streaming_library")
    module.Agent = type("Agent", (Agent,), dict(vars(Agent)))
    monkeypatch.setitem(sys.modules, "streaming_library", module)
    names = ("stream", "stream_async", "session")
    rows = tuple(Executes(target=f"streaming_library:Agent.{name}", read=_read, result=_answer) for name in names)
    PoolInstrumentor().instrument(targets=[Adapter(name="streaming_library", rows=rows)], database=database)
    yield module.Agent()
    PoolInstrumentor().uninstrument()


async def _collected(items):
    return [item async for item in items]


def test_functions_of_one_name_have_their_own_parameters(database, rows, monkeypatch):
    """A secret is known by the name of its parameter, whichever lambda was the first."""

    def read(function, *args):
        return Run(function=function, args=args)

    module = types.ModuleType("running_library")
    module.run = lambda function, *args: function(*args)
    monkeypatch.setitem(sys.modules, "running_library", module)
    adapter = Adapter(name="running_library", rows=(Executes(target="running_library:run", read=read),))
    PoolInstrumentor().instrument(targets=[adapter], database=database)
    try:
        module.run(lambda number, user: None, 7, "hunter2")
        module.run(lambda number, password: None, 7, "hunter2")
    finally:
        PoolInstrumentor().uninstrument()

    assert [row["task_description"] for row in rows()] == ['7, "hunter2"', '7, "[redacted]"']


async def test_the_result_of_a_stream_is_read_from_its_last_item(agent, rows):
    """Its consumer gets every item as it is."""
    assert list(agent.stream("go")) == await _collected(agent.stream_async("go")) == list(Agent().stream("go"))
    assert [(row["outcome"], row["task_description"], row["model"]) for row in rows()] == [
        ("succeeded", "go", "small")
    ] * 2


async def test_a_stream_that_is_left_after_its_answer_ended_as_the_answer_says(agent, rows):
    """Consumers leave the loop at the final answer; a stream that is left before it is cancelled."""
    for prompt, items in (("go", 1), ("go", 2), ("fail", 2)):
        stream = agent.stream(prompt)
        for _ in range(items):
            next(stream)
        stream.close()
        stream = agent.stream_async(prompt)
        for _ in range(items):
            await stream.__anext__()
        await stream.aclose()

    assert [row["outcome"] for row in rows()] == ["cancelled"] * 2 + ["succeeded"] * 2 + ["failed"] * 2


def test_the_result_of_a_block_is_read_from_what_it_yielded(agent, rows):
    """The value of ``with ... as value`` has the result at the end of the block."""
    with agent.session("go"):
        pass

    assert [(row["outcome"], row["error_message"]) for row in rows()] == [("failed", "no such order")]
