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


def _all_scheduled(make: Any) -> Any:
    def run_all(function: Any, tasks: Any) -> list[Any]:
        scheduler = BackgroundScheduler(executors={"default": make(1)})
        ended, events = threading.Event(), []

        def listen(event: Any) -> None:
            events.append(event)
            if len(events) == len(tasks):
                ended.set()

        scheduler.add_listener(listen, EVENT_JOB_ERROR | EVENT_JOB_EXECUTED | EVENT_JOB_MISSED)
        scheduler.start()
        try:
            for task in tasks:
                scheduler.add_job(function, args=[task], misfire_grace_time=60)
            assert ended.wait(30)
        finally:
            scheduler.shutdown()
        return [_result_of(event) for event in events]

    return run_all


def _scheduled(make: Any) -> Run:
    return lambda function, task: _all_scheduled(make)(function, [task])[0]


def _all_in_a_loop(function: Any, tasks: Any) -> list[Any]:
    async def main() -> list[Any]:
        scheduler = AsyncIOScheduler()
        ended: asyncio.Queue[Any] = asyncio.Queue()
        scheduler.add_listener(ended.put_nowait, EVENT_JOB_ERROR | EVENT_JOB_EXECUTED | EVENT_JOB_MISSED)
        scheduler.start()
        try:
            for task in tasks:
                scheduler.add_job(function, args=[task], misfire_grace_time=60)
            return [await asyncio.wait_for(ended.get(), 30) for _ in tasks]
        finally:
            scheduler.shutdown()

    return [_result_of(event) for event in asyncio.run(main())]


def _in_a_loop(function: Any, task: Any) -> Any:
    return _all_in_a_loop(function, [task])[0]


POOLS: Final = (
    *(
        Pool(f"apscheduler, {name}", "apscheduler", _scheduled(make), run_all=_all_scheduled(make), tasks=200)
        for name, make in (("threads", ThreadPoolExecutor), ("processes", ProcessPoolExecutor))
    ),
    *(
        Pool(f"apscheduler, {name}", "apscheduler", _in_a_loop, is_async=is_async, run_all=_all_in_a_loop, tasks=200)
        for name, is_async in (("event loop", True), ("threads of an event loop", False))
    ),
)
