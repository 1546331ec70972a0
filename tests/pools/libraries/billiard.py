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


def _mapped(function: Any, task: Any) -> Any:
    pool = get_context("fork").Pool(1)
    try:
        return pool.map(function, [task])[0]
    finally:
        pool.close()
        pool.join()


POOLS: Final = (
    Pool("billiard, fork", "billiard", _applied("fork")),
    Pool("billiard, spawn", "billiard", _applied("spawn")),
    Pool("billiard, map", "billiard", _mapped),
)
