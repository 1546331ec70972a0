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


POOLS: Final = (
    Pool("pebble, processes", "pebble", _scheduled(ProcessPool)),
    Pool("pebble, spawned processes", "pebble", _scheduled(ProcessPool, context=get_context("spawn"))),
    Pool("pebble, threads", "pebble", _scheduled(ThreadPool)),
    Pool("pebble, processes, map", "pebble", _mapped(ProcessPool)),
    Pool("pebble, threads, map", "pebble", _mapped(ThreadPool)),
)
