"""How a task gets into pebble: scheduled, or as an item of ``map``."""

from multiprocessing import get_context
from typing import Any, Final

from pebble import ProcessPool, ThreadPool

from ..pool import Pool, Run


def _scheduled(make: Any, **options: Any) -> Run:
    def run(function: Any, task: Any) -> Any:
        with make(1, **options) as pool:
            return pool.schedule(function, args=[task]).result()

    return run


def _mapped(make: Any) -> Run:
    def run(function: Any, task: Any) -> Any:
        with make(1) as pool:
            return next(pool.map(function, [task]).result())

    return run


def _all_scheduled(make: Any) -> Any:
    def run_all(function: Any, tasks: Any) -> None:
        with make(1) as pool:
            for future in [pool.schedule(function, args=[task]) for task in tasks]:
                future.result()

    return run_all


def _all_mapped(make: Any) -> Any:
    def run_all(function: Any, tasks: Any) -> None:
        with make(1) as pool:
            list(pool.map(function, tasks).result())

    return run_all


POOLS: Final = (
    Pool("pebble, processes", "pebble", _scheduled(ProcessPool), run_all=_all_scheduled(ProcessPool)),
    Pool("pebble, spawned processes", "pebble", _scheduled(ProcessPool, context=get_context("spawn"))),
    Pool("pebble, threads", "pebble", _scheduled(ThreadPool), run_all=_all_scheduled(ThreadPool)),
    Pool("pebble, processes, map", "pebble", _mapped(ProcessPool), run_all=_all_mapped(ProcessPool)),
    Pool("pebble, threads, map", "pebble", _mapped(ThreadPool), run_all=_all_mapped(ThreadPool)),
)
