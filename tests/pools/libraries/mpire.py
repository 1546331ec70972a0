"""How a task gets into mpire: applied, or as an item of ``map``."""

from typing import Any, Final

from mpire import WorkerPool

from ..pool import Pool, Run


def _applied(method: str) -> Run:
    def run(function: Any, task: Any) -> Any:
        with WorkerPool(1, start_method=method) as pool:
            return pool.apply(function, (task,))

    return run


def _all_applied(method: str) -> Any:
    def run_all(function: Any, tasks: Any) -> None:
        with WorkerPool(1, start_method=method) as pool:
            for result in [pool.apply_async(function, (task,)) for task in tasks]:
                result.get()

    return run_all


def _all_mapped(method: str) -> Any:
    def run_all(function: Any, tasks: Any) -> Any:
        with WorkerPool(1, start_method=method) as pool:
            return pool.map(function, [(task,) for task in tasks])

    return run_all


def _mapped(method: str) -> Run:
    return lambda function, task: _all_mapped(method)(function, [task])[0]


POOLS: Final = tuple(
    Pool(f"mpire, {method}{name}", "mpire", how(method), run_all=None if method == "spawn" else how_all(method))
    for method in ("fork", "spawn", "threading")
    for name, how, how_all in (("", _applied, _all_applied), (", map", _mapped, _all_mapped))
)
