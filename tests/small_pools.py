"""Pools of ten lines: what users decorate. Each runs its tasks with a function it is given."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from learning_instrument import LearningDatabase, record_execution

Run = Callable[[Any], Any]


def succeed(task: Any) -> dict[str, Any]:
    return {"success": True}


async def coroutine_function(task: Any) -> Any:
    return task


def generator_function(task: Any) -> Iterator[Any]:
    yield task


async def async_generator_function(task: Any) -> AsyncIterator[Any]:
    yield task


@dataclass
class PoolConfig:
    name: str = "local"
    pool_type: str = "mahavishnu"


class SyncPool:
    """Runs the task in the caller's thread."""

    def __init__(self, run: Run = succeed) -> None:
        self.run = run

    @record_execution
    def execute_task(self, task: Any) -> Any:
        return self.run(task)


class AsyncPool:
    """Runs the task in the event loop, after it had a chance to run others."""

    def __init__(self, run: Run = succeed) -> None:
        self.run = run

    @record_execution
    async def execute_task(self, task: Any) -> Any:
        await asyncio.sleep(0)
        return self.run(task)


class ThreadPool:
    """Runs the task in a thread, and answers with its future."""

    def __init__(self, run: Run = succeed, executor: Executor | None = None) -> None:
        self.run = run
        self.executor = executor or ThreadPoolExecutor(4)

    @record_execution
    def execute_task(self, task: Any) -> "Future[Any]":
        return self.executor.submit(self.run, task)


class ProcessPool:
    """Its bound ``execute_task`` is what an executor sends to its processes."""

    def __init__(self, learning_db: LearningDatabase | None = None) -> None:
        self.learning_db = learning_db

    @record_execution(learning_db=lambda pool: pool.learning_db)
    def execute_task(self, task: Any) -> Any:
        return succeed(task)


class ManagedPool:
    """A pool that records into the database its manager gave it, if any."""

    def __init__(self, config: PoolConfig, learning_db: LearningDatabase | None, run: Run) -> None:
        self.config = config
        self.learning_db = learning_db
        self.run = run

    @record_execution(learning_db=lambda pool: pool.learning_db)
    async def execute_task(self, task: Any) -> Any:
        return self.run(task)


class PoolManager:
    """Starts pools, and finds one for each task."""

    def __init__(self, learning_db: LearningDatabase | None = None, run: Run = succeed) -> None:
        self.learning_db = learning_db
        self.run = run
        self.pools: dict[str, ManagedPool] = {}

    async def spawn_pool(self, config: PoolConfig) -> str:
        pool_id = f"{config.name}-{len(self.pools)}"
        self.pools[pool_id] = ManagedPool(config, self.learning_db, self.run)
        return pool_id

    async def execute_on_pool(self, pool_id: str, task: Any) -> Any:
        return await self.pools[pool_id].execute_task(task)

    async def route_task(self, task: Any) -> Any:
        return await self.execute_on_pool(next(iter(self.pools)), task)
