"""How a task gets into programs of dspy, by each way to run them."""

import asyncio
import json
from typing import Any, Final

import dspy
from dspy.utils.dummies import DummyLM

from learning_instrument import LearningDatabase

from ..agents import WITHOUT, instrumented
from ..pool import Pool, in_turn


class Answering(dspy.Module):
    """A program that calls a function for its answer, and a model in two parts before."""

    def __init__(self, function: Any, task: Any) -> None:
        super().__init__()
        self.function, self.asked = function, task
        self.think = dspy.ChainOfThought("description -> answer")

    def forward(self, **task: Any) -> Any:
        """Return the answer."""
        self.think(description=task["description"])
        return dspy.Prediction(**self.function(self.asked))

    async def aforward(self, **task: Any) -> Any:
        """Return the answer."""
        await self.think.acall(description=task["description"])
        return dspy.Prediction(**await self.function(self.asked))


def _model() -> DummyLM:
    return DummyLM([{"reasoning": "none", "answer": "some"}] * 10)


def _call(function: Any, task: Any) -> Any:
    with dspy.context(lm=_model()):
        return json.dumps(dict(Answering(function, task)(description=task["description"])))


def _acall(function: Any, task: Any) -> Any:
    async def main() -> Any:
        with dspy.context(lm=_model()):
            return json.dumps(dict(await Answering(function, task).acall(description=task["description"])))

    return asyncio.run(main())


POOLS: Final = tuple(
    Pool(
        f"dspy, {run.__name__[1:]}",
        "dspy",
        run,
        is_async=run is _acall,
        queued=False,
        task_type=lambda function: "Answering",
        without=WITHOUT,
        run_all=in_turn(run),
        tasks=100,
    )
    for run in (_call, _acall)
)


def a_module_called_by_itself_is_a_program(database: LearningDatabase) -> None:
    """Its signature's fields may say how it went; its model is known."""
    with instrumented("dspy", database) as rows, dspy.context(lm=DummyLM([{"status": "failed", "error": "closed"}])):
        dspy.Predict("question -> status, error")(question="Is it open?")
    found = [(row.task_type, row.task_description, row.outcome.value, row.error_message, row.model) for row in rows()]
    assert found == [("Predict", "Is it open?", "failed", "closed", "dummy")], found


EXTRAS: Final = (a_module_called_by_itself_is_a_program,)
