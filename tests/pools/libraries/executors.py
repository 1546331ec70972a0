"""How a task gets into the executors of the standard library."""

from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.pool import ThreadPool
from typing import Any, Final

from ..pool import Kept, Pool, Run


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


_EXECUTOR: Final = Kept(lambda: ProcessPoolExecutor(1, get_context("spawn")), ProcessPoolExecutor.shutdown)


def _spawned(function: Any, tasks: Any) -> list[Any]:
    return [future.result() for future in [_EXECUTOR.get().submit(function, task) for task in tasks]]


def _closed(pool: Any) -> None:
    pool.close()
    pool.join()


_POOL: Final = Kept(lambda: get_context("spawn").Pool(1), _closed)


def _mapped_by_spawned(function: Any, tasks: Any) -> Any:
    return _POOL.get().map(function, tasks)


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
        lambda function, task: _spawned(function, [task])[0],
        run_all=_spawned,
    ),
    Pool(
        "multiprocessing.Pool, fork",
        "multiprocessing",
        _mapped(get_context("fork").Pool),
        run_all=_mapped_at_once(get_context("fork").Pool),
    ),
    Pool(
        "multiprocessing.Pool, spawn",
        "multiprocessing",
        lambda function, task: _mapped_by_spawned(function, [task])[0],
        run_all=_mapped_by_spawned,
    ),
    Pool("ThreadPool", "multiprocessing", _mapped(ThreadPool), run_all=_mapped_at_once(ThreadPool)),
)
