"""Activities of temporalio: there is no adapter, and the decorator records them, in the SDK's own environment."""

import asyncio
import contextlib
import dataclasses
import inspect
from typing import Final

from temporalio import activity
from temporalio.testing import ActivityEnvironment

from learning_instrument import ExecutionRecord, LearningDatabase, current_execution, record_execution
from learning_instrument.analytics.executions import stored_after
from learning_instrument.sqlite.selection import Selection

POOLS: Final = ()


def _rows(database: LearningDatabase) -> list[ExecutionRecord]:
    database.flush()
    return stored_after(database, Selection(), (), limit=-1)[0]


def a_decorated_activity_is_recorded_and_stays_one(database: LearningDatabase) -> None:
    """Plain or async, it keeps its name and the types that the SDK reads; what it tells of itself is in the row."""

    @activity.defn(name="count_order")
    @record_execution(learning_db=database)
    def count(task: dict[str, int]) -> int:
        info = activity.info()
        current_execution().set(task_type=info.activity_type, task_id=info.activity_id, attempt=info.attempt)
        if "number" not in task:
            raise ValueError("there is no order")
        return task["number"]

    @activity.defn
    @record_execution(learning_db=database)
    async def wait(task: str) -> None:
        await asyncio.sleep(60)

    definition = activity._Definition.must_from_callable(count)
    assert (definition.name, definition.arg_types, definition.ret_type) == ("count_order", [dict[str, int]], int)
    assert inspect.iscoroutinefunction(wait)

    environment = ActivityEnvironment()
    told = {"activity_type": "count_order", "activity_id": "7", "attempt": 2}
    environment.info = dataclasses.replace(ActivityEnvironment.default_info(), **told)
    assert environment.run(count, {"number": 7}) == 7
    with contextlib.suppress(ValueError):
        environment.run(count, {})

    async def cancelled() -> None:
        waiting = ActivityEnvironment()
        running = asyncio.create_task(waiting.run(wait, "Wait for it"))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    asyncio.run(cancelled())
    rows = _rows(database)
    assert [row.outcome.value for row in rows] == ["succeeded", "error", "cancelled"], rows
    assert (rows[0].task_type, rows[0].task_id, rows[0].attempt) == ("count_order", "7", 2), rows[0]
    assert rows[1].error_message == "there is no order", rows[1]


EXTRAS: Final = (a_decorated_activity_is_recorded_and_stays_one,)
