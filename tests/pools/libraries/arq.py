"""How a task gets into arq: a real redis-server, and a worker of the same event loop."""

import asyncio
import functools
from typing import Any, Final

from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import Retry, Worker, func

from ..pool import Pool
from ..servers import redis_url


async def _worked(coroutine: Any, name: str, task: Any, tries: int) -> Any:
    redis = await create_pool(RedisSettings.from_dsn(redis_url()))
    jobs = [func(coroutine, name=name, max_tries=tries)]
    worker = Worker(jobs, redis_pool=redis, burst=True, poll_delay=0.02, handle_signals=False)
    try:
        job = await redis.enqueue_job(name, task)
        await worker.main()
        assert job is not None
        return await job.result(timeout=10)
    finally:
        await worker.close()


def _run(function: Any, task: Any) -> Any:
    @functools.wraps(function)
    async def job(_: Any, task: Any) -> Any:
        return await function(task)

    return asyncio.run(_worked(job, function.__name__, task, 1))


def _retried(function: Any, task: Any) -> Any:
    async def job(_: Any, task: Any) -> Any:
        try:
            return await function(task)
        except ValueError as error:
            raise Retry(defer=0.1) from error

    return asyncio.run(_worked(job, function.__name__, task, 2))


POOLS: Final = (Pool("arq", "arq", _run, _retried, is_async=True),)
