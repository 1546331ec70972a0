"""How a task gets into prefect: called, and submitted to its threads; and as a flow. Its server is one of its own."""

import asyncio
import logging
import os
import tempfile
from typing import Any, Final

os.environ |= {
    "PREFECT_HOME": tempfile.mkdtemp(prefix="prefect-"),
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300",
    "PREFECT_LOGGING_LEVEL": "ERROR",
}

import prefect
from prefect.cache_policies import INPUTS, NO_CACHE
from prefect.task_runners import ThreadPoolTaskRunner

from learning_instrument import LearningDatabase, PoolInstrumentor

from ..pool import Pool, Run, in_turn


def _task_of(function: Any, **options: Any) -> Any:
    return prefect.task(function, cache_policy=NO_CACHE, **options)


def _called(**options: Any) -> Run:
    return lambda function, task: _task_of(function, **options)(task)


def _submitted(**options: Any) -> Run:
    """As ``submit()`` does, which needs a flow around it."""

    def run(function: Any, task: Any) -> Any:
        with ThreadPoolTaskRunner(1) as runner:
            return runner.submit(_task_of(function, **options), {"task": task}).result()

    return run


def _awaited(**options: Any) -> Run:
    def run(function: Any, task: Any) -> Any:
        return asyncio.run(_task_of(function, **options)(task))

    return run


def _as_a_flow(**options: Any) -> Run:
    return lambda function, task: prefect.flow(function, **options)(task)


def _as_an_async_flow(**options: Any) -> Run:
    return lambda function, task: asyncio.run(prefect.flow(function, **options)(task))


def _name_of_flow(function: Any) -> str:
    return str(function.__name__).replace("_", "-")


_ONCE: Final[dict[str, Any]] = {"retries": 1, "retry_delay_seconds": 0}


def _pool(name: str, how: Any, *, is_async: bool = False, task_type: Any = None) -> Pool:
    return Pool(
        f"prefect, {name}",
        "prefect",
        how(),
        retried=how(**_ONCE),
        is_async=is_async,
        task_type=task_type,
        run_all=in_turn(how()),
        tasks=20,
    )


POOLS: Final = (
    _pool("task", _called),
    _pool("task submitted", _submitted),
    _pool("async task", _awaited, is_async=True),
    _pool("flow", _as_a_flow, task_type=_name_of_flow),
    _pool("async flow", _as_an_async_flow, is_async=True, task_type=_name_of_flow),
)


def tasks_of_a_flow_have_it_as_parent(database: LearningDatabase) -> None:
    """Called, awaited or submitted."""

    @prefect.task(cache_policy=NO_CACHE)
    def count(order: int) -> int:
        return order + 1

    @prefect.task(cache_policy=NO_CACHE)
    async def count_async(order: int) -> int:
        return order + 1

    @prefect.flow
    def sync_flow() -> int:
        return int(count(1)) + int(count.submit(2).result())

    @prefect.flow
    async def async_flow() -> int:
        return int(await count_async(1)) + int(count_async.submit(2).result())

    PoolInstrumentor().instrument(targets=["prefect"], database=database)
    try:
        assert sync_flow() == 5
        assert asyncio.run(async_flow()) == 5
    finally:
        PoolInstrumentor().uninstrument()
    database.flush()
    rows = database.query("SELECT task_type, execution_id, parent_execution_id FROM executions")
    flows = {row["execution_id"]: row["task_type"] for row in rows if row["parent_execution_id"] is None}
    parents = sorted((row["task_type"], flows.get(row["parent_execution_id"])) for row in rows)
    assert parents == [
        ("async-flow", None),
        ("count", "sync-flow"),
        ("count", "sync-flow"),
        ("count_async", "async-flow"),
        ("count_async", "async-flow"),
        ("sync-flow", None),
    ], parents


def cached_result_is_no_execution(database: LearningDatabase) -> None:
    """The function is not called."""

    @prefect.task(cache_policy=INPUTS, persist_result=True)
    def count(order: int) -> int:
        return order + 1

    PoolInstrumentor().instrument(targets=["prefect"], database=database)
    try:
        assert [count(7), count(7)] == [8, 8]
    finally:
        PoolInstrumentor().uninstrument()
    database.flush()
    assert database.query("SELECT count(*) AS rows FROM executions") == [{"rows": 1}]


EXTRAS: Final = (tasks_of_a_flow_have_it_as_parent, cached_result_is_no_execution)
logging.getLogger("prefect").setLevel(logging.ERROR)
