"""How a task gets into mpire: applied, or as an item of ``map``."""

from typing import Any, Final

from mpire import WorkerPool

from ..pool import Pool, Run


def _applied(method: str) -> Run:
    def run(function: Any, task: Any) -> Any:
        with WorkerPool(1, start_method=method) as pool:
            return pool.apply(function, (task,))

    return run


def _mapped(method: str) -> Run:
    def run(function: Any, task: Any) -> Any:
        with WorkerPool(1, start_method=method) as pool:
            return pool.map(function, [(task,)])[0]

    return run


POOLS: Final = tuple(
    Pool(f"mpire, {method}{name}", "mpire", how(method))
    for method in ("fork", "spawn", "threading")
    for name, how in (("", _applied), (", map", _mapped))
)
