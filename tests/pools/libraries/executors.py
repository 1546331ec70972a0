"""How a task gets into the executors of the standard library."""

from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.pool import ThreadPool
from typing import Any, Final

from ..pool import Pool, Run


def _submitted(executor: type[Executor], **options: Any) -> Run:
    def run(function: Any, task: Any) -> Any:
        with executor(1, **options) as pool:  # type: ignore[call-arg]
            return pool.submit(function, task).result()

    return run


def _submitted_at_once(executor: type[Executor], **options: Any) -> Any:
    def run_all(function: Any, tasks: Any) -> None:
        with executor(1, **options) as pool:  # type: ignore[call-arg]
            for future in [pool.submit(function, task) for task in tasks]:
                future.result()

    return run_all


def _mapped_at_once(make: Any) -> Any:
    def run_all(function: Any, tasks: Any) -> None:
        with make(1) as pool:
            pool.map(function, tasks)

    return run_all


def _mapped(make: Any) -> Run:
    def run(function: Any, task: Any) -> Any:
        with make(1) as pool:
            return pool.map(function, [task])[0]

    return run


POOLS: Final = (
    Pool(
        "ThreadPoolExecutor",
        "concurrent.futures",
        _submitted(ThreadPoolExecutor),
        run_all=_submitted_at_once(ThreadPoolExecutor),
    ),
    Pool(
        "ProcessPoolExecutor, fork",
        "concurrent.futures",
        _submitted(ProcessPoolExecutor, mp_context=get_context("fork")),
        run_all=_submitted_at_once(ProcessPoolExecutor, mp_context=get_context("fork")),
    ),
    Pool(
        "ProcessPoolExecutor, spawn",
        "concurrent.futures",
        _submitted(ProcessPoolExecutor, mp_context=get_context("spawn")),
    ),
    Pool(
        "multiprocessing.Pool, fork",
        "multiprocessing",
        _mapped(get_context("fork").Pool),
        run_all=_mapped_at_once(get_context("fork").Pool),
    ),
    Pool("multiprocessing.Pool, spawn", "multiprocessing", _mapped(get_context("spawn").Pool)),
    Pool("ThreadPool", "multiprocessing", _mapped(ThreadPool), run_all=_mapped_at_once(ThreadPool)),
)
