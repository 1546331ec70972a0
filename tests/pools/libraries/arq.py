"""How a task gets into arq: a real redis-server, and a worker of the same event loop."""

import asyncio
import functools
import json
from datetime import datetime
from typing import Any, Final

from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import Retry, Worker, func

from learning_instrument import LearningDatabase, PoolInstrumentor

from ..pool import Pool
from ..servers import redis_url


async def _worked(coroutine: Any, name: str, tasks: Any, tries: int) -> list[Any]:
    redis = await create_pool(RedisSettings.from_dsn(redis_url()))
    jobs = [func(coroutine, name=name, max_tries=tries)]
    worker = Worker(jobs, redis_pool=redis, burst=True, poll_delay=0.02, handle_signals=False)
    try:
        sent = [await redis.enqueue_job(name, task) for task in tasks]
        await worker.main()
        return [await job.result(timeout=10) for job in sent if job is not None]
    finally:
        await worker.close()


def _run_all(function: Any, tasks: Any) -> list[Any]:
    @functools.wraps(function)
    async def job(_: Any, task: Any) -> Any:
        return await function(task)

    return asyncio.run(_worked(job, function.__name__, tasks, 1))


def _run(function: Any, task: Any) -> Any:
    return _run_all(function, [task])[0]


def _retried(function: Any, task: Any) -> Any:
    async def job(_: Any, task: Any) -> Any:
        try:
            return await function(task)
        except ValueError as error:
            raise Retry(defer=0.1) from error

    return asyncio.run(_worked(job, function.__name__, [task], 2))[0]


POOLS: Final = (Pool("arq", "arq", _run, _retried, is_async=True, run_all=_run_all),)


async def _never_ends(_: Any) -> None:
    await asyncio.sleep(60)


#: Seconds after which a job that asks again is due.
DEFERRED: Final = 0.3


async def _asks_again(context: Any) -> str:
    if context["job_try"] == 1:
        raise Retry(defer=DEFERRED)
    return "done"


def _work_through(database: LearningDatabase, *jobs: Any, **options: Any) -> list[dict[str, Any]]:
    async def work() -> None:
        redis = await create_pool(RedisSettings.from_dsn(redis_url()), **options)
        worker = Worker(jobs, redis_pool=redis, burst=True, poll_delay=0.02, handle_signals=False, **options)
        for job in jobs:
            await redis.enqueue_job(job.name)
        await worker.main()
        await worker.close()

    PoolInstrumentor().instrument(targets="arq", database=database)
    try:
        asyncio.run(work())
    finally:
        PoolInstrumentor().uninstrument()
    database.flush()
    return list(database.query("select * from executions order by timestamp"))


def a_job_that_arq_cancels_for_its_limit_is_timed_out(database: LearningDatabase) -> None:
    """It only hears of a cancellation."""
    (row,) = _work_through(database, func(_never_ends, name="never_ends", timeout=0.3, max_tries=1))
    assert (row["outcome"], row["error_type"]) == ("timeout", "timeout"), row


def a_job_that_asks_for_another_run_has_two_attempts(database: LearningDatabase) -> None:
    """The first gave itself up; the wait of the second begins when it was due."""
    first, second = _work_through(database, func(_asks_again, name="asks_again"))
    assert (first["outcome"], first["attempt"]) == ("cancelled", 1), first
    assert (second["outcome"], second["attempt"]) == ("succeeded", 2), second
    between = datetime.fromisoformat(second["timestamp"]) - datetime.fromisoformat(first["timestamp"])
    assert second["queue_seconds"] <= between.total_seconds() - DEFERRED + 0.01, (first, second)


def a_serializer_of_the_users_is_used(database: LearningDatabase) -> None:
    """With one that takes arq's own keys alone the job runs, and is recorded without its parent."""

    def strict(job: dict[str, Any]) -> bytes:
        assert set(job) <= set("tfaket") | {"et", "s", "r", "st", "ft", "q", "id"}
        return json.dumps(job).encode()

    (row,) = _work_through(
        database, func(_asks_nothing, name="asks_nothing"), job_serializer=strict, job_deserializer=json.loads
    )
    assert row["outcome"] == "succeeded"


async def _asks_nothing(_: Any) -> str:
    return "done"


EXTRAS: Final = (
    a_job_that_arq_cancels_for_its_limit_is_timed_out,
    a_job_that_asks_for_another_run_has_two_attempts,
    a_serializer_of_the_users_is_used,
)
