"""How a task gets into taskiq: its broker in memory, and one of a real redis-server."""

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, Final

from taskiq import InMemoryBroker, SimpleRetryMiddleware
from taskiq.receiver import Receiver
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

from ..pool import Pool, Run
from ..servers import redis_url


def _name(function: Any) -> str:
    return f"{function.__module__}:{function.__name__}"


@contextlib.contextmanager
def _as_it_was(function: Any) -> Iterator[None]:
    """Give *function* its name back: taskiq renames what it registers."""
    name, qualified_name = function.__name__, function.__qualname__
    try:
        yield
    finally:
        function.__name__, function.__qualname__ = name, qualified_name


def _in_memory(function: Any, task: Any) -> Any:
    async def main() -> Any:
        broker = InMemoryBroker().with_middlewares(
            SimpleRetryMiddleware(default_retry_count=2, no_result_on_retry=True)
        )
        sent = broker.register_task(function, _name(function), retry_on_error=function.__name__.startswith("fail_once"))
        await broker.startup()
        try:
            result = await (await sent.kiq(task)).wait_result(timeout=10, check_interval=0.01)
            assert "learning_instrument" not in result.labels
            result.raise_for_error()
            return result.return_value
        finally:
            await broker.shutdown()

    with _as_it_was(function):
        return asyncio.run(main())


def _by_redis(make_executor: Any) -> Run:
    def run(function: Any, task: Any) -> Any:
        with _as_it_was(function):
            return asyncio.run(_worked(function, task, make_executor(1)))

    return run


async def _worked(function: Any, task: Any, executor: Executor) -> Any:
    broker = ListQueueBroker(redis_url()).with_result_backend(RedisAsyncResultBackend(redis_url()))
    broker.add_middlewares(SimpleRetryMiddleware(default_retry_count=2))
    sent = broker.register_task(function, _name(function), retry_on_error=function.__name__.startswith("fail_once"))
    await broker.startup()
    finished = asyncio.Event()
    worker = asyncio.create_task(Receiver(broker, executor, run_startup=False, max_async_tasks=4).listen(finished))
    try:
        result = await (await sent.kiq(task)).wait_result(timeout=20, check_interval=0.01)
        result.raise_for_error()
        return result.return_value
    finally:
        finished.set()
        await worker
        await broker.shutdown()
        executor.shutdown()


POOLS: Final = (
    Pool("taskiq, in memory", "taskiq", _in_memory, _in_memory, task_type=_name, is_async=True),
    Pool("taskiq, in memory, threads", "taskiq", _in_memory, _in_memory, task_type=_name),
    Pool(
        "taskiq, redis",
        "taskiq",
        _by_redis(ThreadPoolExecutor),
        _by_redis(ThreadPoolExecutor),
        task_type=_name,
        is_async=True,
    ),
    Pool(
        "taskiq, redis, processes",
        "taskiq",
        _by_redis(ProcessPoolExecutor),
        _by_redis(ProcessPoolExecutor),
        task_type=_name,
    ),
)
