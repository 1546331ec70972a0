"""How a task gets into apscheduler: a job that is due at once, in each of its executors."""

import asyncio
import threading
from typing import Any, Final

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MISSED
from apscheduler.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.schedulers.background import BackgroundScheduler

from ..pool import Pool, Run


def _result_of(event: Any) -> Any:
    if event.exception is not None:
        raise event.exception
    return event.retval


def _scheduled(make: Any) -> Run:
    def run(function: Any, task: Any) -> Any:
        scheduler = BackgroundScheduler(executors={"default": make(1)})
        ended, events = threading.Event(), []

        def listen(event: Any) -> None:
            events.append(event)
            ended.set()

        scheduler.add_listener(listen, EVENT_JOB_ERROR | EVENT_JOB_EXECUTED | EVENT_JOB_MISSED)
        scheduler.start()
        try:
            scheduler.add_job(function, args=[task], misfire_grace_time=60)
            assert ended.wait(30)
        finally:
            scheduler.shutdown()
        return _result_of(events[0])

    return run


def _in_a_loop(function: Any, task: Any) -> Any:
    async def main() -> Any:
        scheduler = AsyncIOScheduler()
        ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        scheduler.add_listener(ended.set_result, EVENT_JOB_ERROR | EVENT_JOB_EXECUTED | EVENT_JOB_MISSED)
        scheduler.start()
        try:
            scheduler.add_job(function, args=[task], misfire_grace_time=60)
            return await asyncio.wait_for(ended, 30)
        finally:
            scheduler.shutdown()

    return _result_of(asyncio.run(main()))


POOLS: Final = (
    Pool("apscheduler, threads", "apscheduler", _scheduled(ThreadPoolExecutor)),
    Pool("apscheduler, processes", "apscheduler", _scheduled(ProcessPoolExecutor)),
    Pool("apscheduler, event loop", "apscheduler", _in_a_loop, is_async=True),
    Pool("apscheduler, threads of an event loop", "apscheduler", _in_a_loop),
)
