"""``crewai``: tasks that agents execute, each attempt, in crews or without one.

A crew's kickoff is no task: its tasks are. An agent's retry is a call within the call that failed, so the attempts are
counted around both; each attempt is an execution around what the agent does for it.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Final, NamedTuple
from uuid import uuid4

from ...adapters import Adapter, Executes, Run
from ..tools import Tools
from .prompts import model_name_of, text_of


class _Attempt(NamedTuple):
    agent: Any
    task: Any
    task_id: str
    number: int


_attempt: Final[ContextVar[_Attempt | None]] = ContextVar("learning_instrument_crewai_attempt", default=None)


def _next_attempt(agent: Any, task: Any) -> _Attempt:
    before = _attempt.get()
    if before is not None and before.agent is agent and before.task is task:
        return before._replace(number=before.number + 1)
    return _Attempt(agent, task, str(uuid4()), 1)


def _count_attempts(tools: Tools) -> None:
    def count(wrapped: Any, agent: Any, args: Any, kwargs: Any) -> Any:
        with _attempting(agent, args, kwargs):
            return wrapped(*args, **kwargs)

    async def count_async(wrapped: Any, agent: Any, args: Any, kwargs: Any) -> Any:
        with _attempting(agent, args, kwargs):
            return await wrapped(*args, **kwargs)

    tools.wrap("crewai.agent.core:Agent.execute_task", count)
    tools.wrap("crewai.agent.core:Agent.aexecute_task", count_async)


@contextlib.contextmanager
def _attempting(agent: Any, args: Any, kwargs: Any) -> Iterator[None]:
    token = _attempt.set(_next_attempt(agent, args[0] if args else kwargs.get("task")))
    try:
        yield
    finally:
        _attempt.reset(token)


def _read_task(agent: Any, task_prompt: Any = None, task: Any = None, *_: Any, **__: Any) -> Run:
    attempt = _attempt.get() or _next_attempt(agent, task)
    return Run(
        task_type=agent.role,
        description=task.description,  # and not the task itself: its ``prompt`` is a method
        task_id=attempt.task_id,
        attempt=attempt.number,
        model=model_name_of(agent.llm),
    )


def _read_kickoff(agent: Any, executor: Any, inputs: Any, *_: Any, **__: Any) -> Run:
    return Run(task_type=agent.role, description=text_of(inputs.get("input")), model=model_name_of(agent.llm))


def _output_of(result: Any) -> Any:
    return getattr(result, "pydantic", None) or result


_AGENT: Final = "crewai.agent.core:Agent."
_TASKS: Final = (
    "_execute_with_timeout",
    "_execute_without_timeout",
    "_aexecute_with_timeout",
    "_aexecute_without_timeout",
)
_KICKOFFS: Final = ("_execute_and_build_output", "_execute_and_build_output_async")

ADAPTERS: Final = (
    Adapter(
        name="crewai",
        rows=(
            _count_attempts,
            *(Executes(target=_AGENT + name, read=_read_task) for name in _TASKS),
            *(Executes(target=_AGENT + name, read=_read_kickoff, result=_output_of) for name in _KICKOFFS),
        ),
        records="tasks that agents execute",
    ),
)
