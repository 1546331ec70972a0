"""How a task gets into billiard: applied, or as an item of ``map``."""

from typing import Any, Final

from billiard import get_context

from ..pool import Pool, Run


def _applied(method: str) -> Run:
    def run(function: Any, task: Any) -> Any:
        pool = get_context(method).Pool(1)
        try:
            return pool.apply(function, (task,))
        finally:
            pool.close()
            pool.join()

    return run


def _all_applied(function: Any, tasks: Any) -> None:
    pool = get_context("fork").Pool(1)
    try:
        for result in [pool.apply_async(function, (task,)) for task in tasks]:
            result.get()
    finally:
        pool.close()
        pool.join()


def _all_mapped(function: Any, tasks: Any) -> Any:
    pool = get_context("fork").Pool(1)
    try:
        return pool.map(function, tasks)
    finally:
        pool.close()
        pool.join()


def _mapped(function: Any, task: Any) -> Any:
    return _all_mapped(function, [task])[0]


POOLS: Final = (
    Pool("billiard, fork", "billiard", _applied("fork"), run_all=_all_applied),
    Pool("billiard, spawn", "billiard", _applied("spawn")),
    Pool("billiard, map", "billiard", _mapped, run_all=_all_mapped),
)
