"""gevent, instrumented from outside, with its real pools."""

import pytest
from gevent.pool import Group, Pool
from gevent.threadpool import ThreadPool, ThreadPoolExecutor

from learning_instrument import PoolInstrumentor, record_execution


def work(task):
    return {"status": "failed" if task["number"] == 2 else "completed"}


@pytest.fixture(autouse=True)
def instrumented(database):
    """With the executors' adapters."""
    PoolInstrumentor().instrument(targets="gevent,concurrent.futures", database=database)
    yield
    PoolInstrumentor().uninstrument()


@pytest.mark.parametrize("pool", [lambda: Pool(2), Group, lambda: ThreadPool(1)])
def test_each_function_and_item_is_one_execution(database, rows, pool):
    """Within the execution that called the pool, although a map has a greenlet of its own."""

    @record_execution(pool_type="by hand", learning_db=database)
    def sends(task):
        items, crew = [{"number": number} for number in range(5)], pool()
        crew.spawn(work, {"number": 0}).get()
        crew.apply(work, ({"number": 0},))
        crew.apply_async(work, ({"number": 0},)).get()
        crew.map(work, items)
        return list(crew.imap_unordered(work, items))

    assert len(sends({})) == 5

    found = [row for row in rows() if row["pool_type"] == "gevent"]
    (sender,) = (row for row in rows() if row["pool_type"] == "by hand")
    assert [row["outcome"] for row in found].count("failed") == 2
    assert len(found) == 13
    assert {(row["task_type"], row["parent_execution_id"]) for row in found} == {("work", sender["execution_id"])}


def test_executor_of_gevent_is_recorded_once(rows):
    """It is an executor, and has a thread pool."""
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work, {"number": 2}).result() == {"status": "failed"}

    assert [(row["pool_type"], row["outcome"]) for row in rows()] == [("gevent", "failed")]
