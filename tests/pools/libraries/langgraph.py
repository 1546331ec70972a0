"""How a task gets into graphs of langgraph, by each way to run them."""

import asyncio
import contextlib
from typing import Any, Final, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import NodeCancelledError
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

from learning_instrument import LearningDatabase

from ..agents import NAME, WITHOUT, check_parent, instrumented, name_of
from ..pool import Pool, in_turn


class State(TypedDict, total=False):
    """What the graphs have: the task's fields, and the answer's."""

    description: str
    number: int
    marker: str
    counted: int
    status: str
    error: str


def _graph(function: Any, is_async: bool = False, name: str = NAME) -> Any:
    """Return a graph with a node that calls ``function(task)``."""

    def node(state: State) -> Any:
        return function(state)

    async def async_node(state: State) -> Any:
        return await function(state)

    builder = StateGraph(State)
    builder.add_node("node", async_node if is_async else node)
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    return builder.compile(name=name)


def _invoke(function: Any, task: Any) -> Any:
    return _answer(_graph(function).invoke(task))


def _ainvoke(function: Any, task: Any) -> Any:
    return _answer(asyncio.run(_graph(function, is_async=True).ainvoke(task)))


def _stream(function: Any, task: Any) -> Any:
    return list(_graph(function).stream(task))[-1]["node"]


def _astream(function: Any, task: Any) -> Any:
    async def main() -> Any:
        return [each async for each in _graph(function, is_async=True).astream(task)]

    return asyncio.run(main())[-1]["node"]


def _batch(function: Any, task: Any) -> Any:
    return _answer(_graph(function).batch([task])[0])


def _abatch(function: Any, task: Any) -> Any:
    return _answer(asyncio.run(_graph(function, is_async=True).abatch([task]))[0])


def _answer(state: Any) -> Any:
    return {name: value for name, value in state.items() if name not in ("description", "number", "marker")}


_CANCELLED: Final = {"cancelled": "it raises an error of its own for a node that cancels itself"}
_NO_RESULT: Final = {"returned": "a stream has no result"}
POOLS: Final = tuple(
    Pool(
        f"langgraph, {run.__name__[1:]}",
        "langgraph",
        run,
        is_async=run.__name__.startswith("_a"),
        queued=False,
        task_type=name_of,
        without={**WITHOUT, **_CANCELLED, **(_NO_RESULT if "stream" in run.__name__ else {})},
        run_all=in_turn(run),
        tasks=200,
    )
    for run in (_invoke, _ainvoke, _stream, _astream, _batch, _abatch)
)


def _compiled(name: str, state: Any, node: Any, **options: Any) -> Any:
    builder = StateGraph(state)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    return builder.compile(name=name, **options)


def a_subgraph_is_a_run_below_its_parent(database: LearningDatabase) -> None:
    """As a node, or called by one; by each way to run a graph."""
    inner = _compiled("inner", State, lambda state: {"counted": 1})
    for node in (inner, inner.invoke):
        outer = _compiled("outer", State, node)
        with instrumented("langgraph", database) as rows:
            before = len(rows())
            outer.invoke({"description": "Go"})
            list(outer.stream({"description": "Go"}, subgraphs=True))
            asyncio.run(outer.ainvoke({"description": "Go"}))
            outer.batch([{"description": "Go"}])
        found = rows()[before:]
        assert len(found) == 8, found
        for at in range(0, 8, 2):
            check_parent(found[at : at + 2])


def an_agent_is_asked_by_its_last_message(database: LearningDatabase) -> None:
    """In each form in which langgraph takes messages."""
    graph = _compiled(NAME, MessagesState, lambda state: {"messages": [("ai", "Done")]})
    with instrumented("langgraph", database) as rows:
        graph.invoke({"messages": [("user", "Go")]})
        graph.invoke({"messages": [{"role": "system", "content": "Be"}, {"role": "user", "content": "Go"}]})
        graph.invoke({"messages": "Go"}, {"run_name": "renamed"})
    found = [(row.task_type, row.task_description) for row in rows()]
    assert found == [(NAME, "Go"), (NAME, "Go"), ("renamed", "Go")], found


def a_graph_that_waits_or_hands_over_has_not_failed(database: LearningDatabase) -> None:
    """Within a subgraph langgraph raises exceptions for both."""
    waiting = _compiled("inner", State, lambda state: {"status": interrupt("May I?")})
    handing = _compiled("inner", State, lambda state: Command(graph=Command.PARENT, update={"counted": 1}))
    with instrumented("langgraph", database) as rows:
        _compiled("outer", State, waiting, checkpointer=InMemorySaver()).invoke(
            {"description": "Go"}, {"configurable": {"thread_id": "1"}}
        )
        check_parent(rows())
        _compiled("outer", State, handing).invoke({"description": "Go"})
        check_parent(rows()[2:])
    assert {row.outcome.value for row in rows()} == {"succeeded"}, rows()


def a_cancelled_graph_is_cancelled(database: LearningDatabase) -> None:
    """By its caller, by its consumer that leaves a stream, or by its node."""

    async def wait(state: State) -> Any:
        await asyncio.sleep(60)

    async def cancel(state: State) -> Any:
        raise asyncio.CancelledError

    async def main() -> None:
        run = asyncio.create_task(_compiled(NAME, State, wait).ainvoke({"description": "Go"}))
        await asyncio.sleep(0.1)
        run.cancel()
        await asyncio.wait([run])
        with contextlib.suppress(NodeCancelledError):
            await _compiled(NAME, State, cancel).ainvoke({"description": "Go"})

    with instrumented("langgraph", database) as rows:
        asyncio.run(main())
        for _ in _compiled(NAME, State, lambda state: {"counted": 1}).stream({"description": "Go"}):
            break
    assert [row.outcome.value for row in rows()] == ["cancelled"] * 3, rows()


EXTRAS: Final = (
    a_subgraph_is_a_run_below_its_parent,
    an_agent_is_asked_by_its_last_message,
    a_graph_that_waits_or_hands_over_has_not_failed,
    a_cancelled_graph_is_cancelled,
)
