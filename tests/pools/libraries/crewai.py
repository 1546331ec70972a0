"""How a task gets into agents of crewai, by each way to run them."""

import asyncio
import contextlib
import json
import os
import time
from typing import Any, Final

os.environ |= {"CREWAI_DISABLE_TELEMETRY": "true", "CREWAI_TRACING_ENABLED": "false"}

from crewai import Agent, BaseLLM, Crew, Task

from learning_instrument import LearningDatabase

from ..agents import NAME, WITHOUT, instrumented, name_of
from ..pool import Pool, Run, in_turn


class Answering(BaseLLM):
    """A model that calls a function for its answer."""

    answer: Any = None

    def call(self, *args: Any, **options: Any) -> str:
        """Return the answer."""
        return "Thought: I know\nFinal Answer: " + json.dumps(self.answer())

    async def acall(self, *args: Any, **options: Any) -> str:
        """Return the answer."""
        return self.call()


def _agent(function: Any, task: Any, retries: int = 0) -> Agent:
    """Return an agent whose model calls ``function(task)`` for its answer."""
    model = Answering(model="fake", answer=lambda: function(task))
    return Agent(role=NAME, goal="Count", backstory="Counts", llm=model, max_retry_limit=retries)


def _task(task: Any, agent: Agent) -> Task:
    return Task(description=task["description"], expected_output="A number", agent=agent)


def _execute_task(function: Any, task: Any) -> Any:
    agent = _agent(function, task)
    return json.loads(agent.execute_task(_task(task, agent)))


def _kicked_off(retries: int) -> Run:
    def kickoff(function: Any, task: Any) -> Any:
        agent = _agent(function, task, retries)
        return json.loads(Crew(agents=[agent], tasks=[_task(task, agent)]).kickoff().raw)

    return kickoff


def _akickoff(function: Any, task: Any) -> Any:
    agent = _agent(function, task)
    return json.loads(asyncio.run(Crew(agents=[agent], tasks=[_task(task, agent)]).akickoff()).raw)


def _agent_kickoff(function: Any, task: Any) -> Any:
    return json.loads(_agent(function, task).kickoff(task["description"]).raw)


_NO_RESULT: Final = {"returned": "an agent's answer is a text"}
POOLS: Final = tuple(
    Pool(
        f"crewai, {name}",
        "crewai",
        run,
        retried=retried,
        queued=False,
        task_type=name_of,
        without={**_NO_RESULT, "decorated": WITHOUT["decorated"]},
        run_all=in_turn(run),
        tasks=20,
    )
    for name, run, retried in (
        ("Agent.execute_task", _execute_task, None),
        ("Crew.kickoff", _kicked_off(0), _kicked_off(1)),
        ("Crew.akickoff", _akickoff, None),
        ("Agent.kickoff", _agent_kickoff, None),
    )
)


def a_task_with_a_time_limit_is_one_row(database: LearningDatabase) -> None:
    """It runs in a thread of the library's, which is waited for; what it raises arrives as the library's own error."""

    def sleep(task: Any) -> Any:
        time.sleep(1.5)
        return 1

    def fail(task: Any) -> Any:
        raise ValueError("no answer")

    with instrumented("crewai", database) as rows:
        for function in (len, sleep, fail):
            agent = _agent(function, {"description": "Go"})
            agent.max_execution_time = 1
            with contextlib.suppress(TimeoutError, RuntimeError):
                agent.execute_task(_task({"description": "Go"}, agent))
    assert [row.outcome.value for row in rows()] == ["succeeded", "timeout", "error"], rows()
    assert "no answer" in str(rows()[2].error_message), rows()


def rows_have_nothing_that_is_not_theirs(database: LearningDatabase) -> None:
    """A task's ``prompt`` is a method; the next task of an agent that has retried is at its first attempt again."""
    left = [ValueError("not yet")]

    def answer(task: Any) -> Any:
        if left:
            raise left.pop()
        return 1

    agent = _agent(answer, {}, retries=1)
    with instrumented("crewai", database) as rows:
        agent.execute_task(_task({"description": "First"}, agent))
        agent.execute_task(_task({"description": "Second"}, agent))
    found = [(row.task_description, row.attempt, row.model) for row in rows()]
    assert found == [("First", 1, "fake"), ("First", 2, "fake"), ("Second", 1, "fake")], found
    assert [row.metadata for row in rows()] == [{}] * 3, rows()
    assert len({row.task_id for row in rows()}) == 2, rows()


EXTRAS: Final = (a_task_with_a_time_limit_is_one_row, rows_have_nothing_that_is_not_theirs)
