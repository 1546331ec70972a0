"""How a task gets into gevent's pools: spawned, or as an item of ``map``."""

from typing import Any, Final

from gevent.pool import Group
from gevent.pool import Pool as Greenlets
from gevent.threadpool import ThreadPool, ThreadPoolExecutor

from learning_instrument import LearningDatabase, PoolInstrumentor, record_execution

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


def _work(task: Any) -> Any:
    return {"status": "failed" if task["number"] == 2 else "completed"}


def each_function_and_item_is_one_execution(database: LearningDatabase) -> None:
    """Within the execution that called the pool, although a map has a greenlet of its own."""
    items = [{"number": number} for number in range(5)]

    @record_execution(pool_type="by hand", learning_db=database)
    def sends(crew: Any) -> Any:
        crew.spawn(_work, {"number": 0}).get()
        crew.apply(_work, ({"number": 0},))
        crew.apply_async(_work, ({"number": 0},)).get()
        crew.map(_work, items)
        return list(crew.imap_unordered(_work, items))

    PoolInstrumentor().instrument(targets="gevent,concurrent.futures", database=database)
    try:
        assert [len(sends(make())) for make in (Greenlets, Group, _threads)] == [5, 5, 5]
    finally:
        PoolInstrumentor().uninstrument()
    rows = database.query("SELECT * FROM executions")
    found = [row for row in rows if row["pool_type"] == "gevent"]
    senders = {row["execution_id"] for row in rows if row["pool_type"] == "by hand"}
    assert [row["outcome"] for row in found].count("failed") == 6
    assert len(found) == 39
    assert {row["task_type"] for row in found} == {"_work"}
    assert {row["parent_execution_id"] for row in found} == senders


def executor_of_gevent_is_recorded_once(database: LearningDatabase) -> None:
    """It is an executor, and has a thread pool."""
    PoolInstrumentor().instrument(targets="gevent,concurrent.futures", database=database)
    try:
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(_work, {"number": 2}).result() == {"status": "failed"}
    finally:
        PoolInstrumentor().uninstrument()
    rows = database.query("SELECT pool_type, outcome FROM executions")
    assert [tuple(row.values()) for row in rows] == [("gevent", "failed")]


EXTRAS: Final = (each_function_and_item_is_one_execution, executor_of_gevent_is_recorded_once)
