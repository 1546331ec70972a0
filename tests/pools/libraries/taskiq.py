"""How a task gets into taskiq: its broker in memory, and one of a real redis-server."""

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, Final

from taskiq import InMemoryBroker, SimpleRetryMiddleware
from taskiq.receiver import Receiver
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

from learning_instrument import LearningDatabase, PoolInstrumentor, record_execution

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


def _all_in_memory(function: Any, tasks: Any) -> list[Any]:
    async def main() -> list[Any]:
        broker = InMemoryBroker(max_stored_results=10_000).with_middlewares(
            SimpleRetryMiddleware(default_retry_count=2, no_result_on_retry=True)
        )
        sent = broker.register_task(function, _name(function), retry_on_error=function.__name__.startswith("fail_once"))
        await broker.startup()
        try:
            results = await _results(sent, tasks)
            assert not any("learning_instrument" in result.labels for result in results)
            return [result.return_value for result in results]
        finally:
            await broker.shutdown()

    with _as_it_was(function):
        return asyncio.run(main())


def _in_memory(function: Any, task: Any) -> Any:
    return _all_in_memory(function, [task])[0]


async def _results(sent: Any, tasks: Any) -> list[Any]:
    results = []
    for each in [await sent.kiq(task) for task in tasks]:
        result = await each.wait_result(timeout=20, check_interval=0.01)
        result.raise_for_error()
        results.append(result)
    return results


def _all_by_redis(make_executor: Any) -> Any:
    def run_all(function: Any, tasks: Any) -> list[Any]:
        with _as_it_was(function):
            return asyncio.run(_worked(function, tasks, make_executor(1)))

    return run_all


def _by_redis(make_executor: Any) -> Run:
    return lambda function, task: _all_by_redis(make_executor)(function, [task])[0]


async def _worked(function: Any, tasks: Any, executor: Executor) -> list[Any]:
    broker = ListQueueBroker(redis_url()).with_result_backend(RedisAsyncResultBackend(redis_url()))
    broker.add_middlewares(SimpleRetryMiddleware(default_retry_count=2))
    sent = broker.register_task(function, _name(function), retry_on_error=function.__name__.startswith("fail_once"))
    await broker.startup()
    finished = asyncio.Event()
    worker = asyncio.create_task(Receiver(broker, executor, run_startup=False, max_async_tasks=4).listen(finished))
    try:
        return [result.return_value for result in await _results(sent, tasks)]
    finally:
        finished.set()
        await worker
        await broker.shutdown()
        executor.shutdown()


def _pool(name: str, run: Run, run_all: Any, is_async: bool = False) -> Pool:
    return Pool(f"taskiq, {name}", "taskiq", run, run, task_type=_name, is_async=is_async, run_all=run_all)


POOLS: Final = (
    _pool("in memory", _in_memory, _all_in_memory, is_async=True),
    _pool("in memory, threads", _in_memory, _all_in_memory),
    _pool("redis", _by_redis(ThreadPoolExecutor), _all_by_redis(ThreadPoolExecutor), is_async=True),
    _pool("redis, processes", _by_redis(ProcessPoolExecutor), _all_by_redis(ProcessPoolExecutor)),
)


async def _never_ends() -> None:
    await asyncio.sleep(60)


async def _fails() -> None:
    raise ValueError("no such order")


def _sent(database: LearningDatabase, function: Any, **labels: Any) -> tuple[Any, list[dict[str, Any]]]:
    """Send a task within an execution; return its result, and the rows, that of the sender first."""

    @record_execution(learning_db=database)
    async def send(task: str) -> Any:
        broker = InMemoryBroker().with_middlewares(SimpleRetryMiddleware(default_retry_count=3))
        sent = await broker.register_task(function, f"orders:{function.__name__}", **labels).kiq()
        return await sent.wait_result(timeout=10, check_interval=0.01)

    PoolInstrumentor().instrument(targets="taskiq", database=database)
    try:
        with _as_it_was(function):
            result = asyncio.run(send("a task"))
    finally:
        PoolInstrumentor().uninstrument()
    database.flush()
    return result, list(database.query("select * from executions order by timestamp"))


def a_task_that_taskiq_cancels_for_its_limit_is_timed_out(database: LearningDatabase) -> None:
    """It only hears of a cancellation."""
    _, (_, row) = _sent(database, _never_ends, timeout=0.2)
    assert (row["outcome"], row["error_type"]) == ("timeout", "timeout"), row


def retries_are_below_the_same_parent(database: LearningDatabase) -> None:
    """They are sent by the receiver, when no execution runs. The labels of the result are the user's."""
    result, (sender, *rows) = _sent(database, _fails, retry_on_error=True, tenant="north")
    assert [row["attempt"] for row in rows] == [1, 2, 3], rows
    assert {row["parent_execution_id"] for row in rows} == {sender["execution_id"]}
    assert result.labels["tenant"] == "north"
    assert "learning_instrument" not in result.labels


EXTRAS: Final = (a_task_that_taskiq_cancels_for_its_limit_is_timed_out, retries_are_below_the_same_parent)
