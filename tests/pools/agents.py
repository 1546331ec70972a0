"""What the pools of agent frameworks have in common.

``function(task)`` is what an agent's model calls for its answer. The function of an agent is no task of its own.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from learning_instrument import ExecutionRecord, LearningDatabase, PoolInstrumentor
from learning_instrument.analytics.executions import stored_after
from learning_instrument.sqlite.selection import Selection

#: The name of every agent, and so the type of its tasks.
NAME: Final = "orders"
#: Cases that agents have not.
WITHOUT: Final[Mapping[str, str]] = {
    "decorated": "a decorated function that an agent calls is an execution of its own, below the agent's",
    "retried": "agents are not run again",
}


def name_of(function: Callable[[Any], Any]) -> str:
    """Return the task type that is due: the agent's name, whatever it calls."""
    return NAME


@contextlib.contextmanager
def instrumented(adapter: str, database: LearningDatabase) -> Iterator[Callable[[], list[ExecutionRecord]]]:
    """Instrument *adapter* in the block; yields what returns the rows so far, in the order of their ends."""

    def rows() -> list[ExecutionRecord]:
        database.flush()
        return stored_after(database, Selection(), (), limit=-1)[0]

    PoolInstrumentor().instrument(targets=[adapter], database=database)
    try:
        yield rows
    finally:
        PoolInstrumentor().uninstrument()


def check_parent(rows: list[ExecutionRecord], inner: str = "inner", outer: str = "outer") -> None:
    """Check that there are two rows, and that the outer run is the parent of the inner one."""
    assert [row.task_type for row in rows] == [inner, outer], rows
    assert rows[0].parent_execution_id == rows[1].execution_id, rows
    assert rows[1].parent_execution_id is None, rows
