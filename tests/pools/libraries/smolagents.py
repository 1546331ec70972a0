"""How a task gets into agents of smolagents, by each way to run them."""

from typing import Any, Final

from smolagents import ToolCallingAgent
from smolagents.models import ChatMessage, ChatMessageToolCall, ChatMessageToolCallFunction, Model
from smolagents.monitoring import LogLevel

from learning_instrument import LearningDatabase

from ..agents import NAME, WITHOUT, check_parent, instrumented, name_of
from ..pool import Pool, in_turn


class Answering(Model):
    """A model that calls a function for the tool that it calls, and its arguments."""

    def __init__(self, answer: Any) -> None:
        super().__init__(model_id="fake")
        self.answer = answer

    def generate(self, *args: Any, **options: Any) -> ChatMessage:
        """Return the call of a tool."""
        name, arguments = self.answer()
        call = ChatMessageToolCallFunction(name=name, arguments=arguments)
        return ChatMessage(role="assistant", tool_calls=[ChatMessageToolCall(id="1", type="function", function=call)])


def _agent(answer: Any, **options: Any) -> ToolCallingAgent:
    return ToolCallingAgent([], Answering(answer), verbosity_level=LogLevel.OFF, **{"name": NAME, **options})


def _answering(function: Any, task: Any) -> ToolCallingAgent:
    """Return an agent whose model calls ``function(task)`` for its answer."""
    return _agent(lambda: ("final_answer", {"answer": function(task)}))


def _run(function: Any, task: Any) -> Any:
    return _answering(function, task).run(task["description"])


def _stream(function: Any, task: Any) -> Any:
    return list(_answering(function, task).run(task["description"], stream=True))[-1].output


_WRAPPED: Final = dict.fromkeys(("timeout", "cancelled"), "it raises an error of its own, which is neither")
POOLS: Final = tuple(
    Pool(
        f"smolagents, {run.__name__[1:]}",
        "smolagents",
        run,
        queued=False,
        task_type=name_of,
        without={**WITHOUT, **_WRAPPED},
        wrapped=True,
        run_all=in_turn(run),
        tasks=100,
    )
    for run in (_run, _stream)
)


def a_managed_agent_has_its_parent(database: LearningDatabase) -> None:
    """Each run is a row."""
    answers = [("inner", {"task": "Ask"}), ("final_answer", {"answer": "done"})]
    inner = _agent(lambda: ("final_answer", {"answer": "done"}), name="inner", description="Answers")
    with instrumented("smolagents", database) as rows:
        _agent(lambda: answers.pop(0), name="outer", managed_agents=[inner]).run("Go")
    check_parent(rows())
    assert {row.model for row in rows()} == {"fake"}, rows()


EXTRAS: Final = (a_managed_agent_has_its_parent,)
