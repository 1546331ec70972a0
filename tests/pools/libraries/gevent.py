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


def _threads() -> Any:
    return ThreadPool(1)


POOLS: Final = (
    Pool("gevent, Pool", "gevent", _spawned(Greenlets)),
    Pool("gevent, Pool, map", "gevent", _mapped(Greenlets)),
    Pool("gevent, Group", "gevent", _spawned(Group)),
    Pool("gevent, ThreadPool", "gevent", _spawned(_threads)),
    Pool("gevent, ThreadPool, map", "gevent", _mapped(_threads)),
)
