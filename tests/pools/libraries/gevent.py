"""How a task gets into gevent's pools: spawned, or as an item of ``map``."""

from typing import Any, Final

from gevent.pool import Group
from gevent.pool import Pool as Greenlets
from gevent.threadpool import ThreadPool

from ..pool import Pool, Run


def _spawned(make: Any) -> Run:
    def run(function: Any, task: Any) -> Any:
        return make().spawn(function, task).get()

    return run


def _mapped(make: Any) -> Run:
    def run(function: Any, task: Any) -> Any:
        return make().map(function, [task])[0]

    return run


def _all_spawned(make: Any) -> Any:
    def run_all(function: Any, tasks: Any) -> None:
        pool = make()
        for each in [pool.spawn(function, task) for task in tasks]:
            each.get()

    return run_all


def _all_mapped(make: Any) -> Any:
    return lambda function, tasks: make().map(function, tasks)


def _threads() -> Any:
    return ThreadPool(1)


POOLS: Final = (
    Pool("gevent, Pool", "gevent", _spawned(Greenlets), run_all=_all_spawned(Greenlets)),
    Pool("gevent, Pool, map", "gevent", _mapped(Greenlets), run_all=_all_mapped(Greenlets)),
    Pool("gevent, Group", "gevent", _spawned(Group), run_all=_all_spawned(Group)),
    Pool("gevent, ThreadPool", "gevent", _spawned(_threads), run_all=_all_spawned(_threads)),
    Pool("gevent, ThreadPool, map", "gevent", _mapped(_threads), run_all=_all_mapped(_threads)),
)
