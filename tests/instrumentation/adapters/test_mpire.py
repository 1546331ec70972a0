"""mpire, instrumented from outside, with its real pools."""

import pytest
from mpire import WorkerPool

from learning_instrument import PoolInstrumentor, record_execution


def work(task):
    return {"status": "failed" if task["number"] == 2 else "completed"}


def with_worker(worker_id, number):
    return worker_id + number


@pytest.fixture(autouse=True)
def instrumented(database):
    """With the executors' adapters."""
    PoolInstrumentor().instrument(targets="mpire,multiprocessing,concurrent.futures", database=database)
    yield
    PoolInstrumentor().uninstrument()


@pytest.mark.parametrize("method", ["fork", "threading"])
def test_each_function_and_item_is_one_execution(database, rows, method):
    """Within the execution that called the pool."""

    @record_execution(pool_type="by hand", learning_db=database)
    def sends(task):
        items = [({"number": number},) for number in range(5)]
        with WorkerPool(1, start_method=method, keep_alive=True) as pool:
            pool.apply(work, ({"number": 0},))
            pool.map(work, items)
            return list(pool.imap_unordered(work, items))

    assert len(sends({})) == 5

    found = [row for row in rows() if row["pool_type"] == "mpire"]
    (sender,) = (row for row in rows() if row["pool_type"] == "by hand")
    assert [row["outcome"] for row in found].count("failed") == 2
    assert len(found) == 11
    assert {(row["task_type"], row["parent_execution_id"]) for row in found} == {("work", sender["execution_id"])}
    assert all(row["queue_seconds"] >= 0 for row in found)


def test_worker_id_is_passed_on_as_before(rows):
    """The function gets it before its own arguments."""
    with WorkerPool(1, start_method="threading", pass_worker_id=True) as pool:
        assert pool.map(with_worker, [1, 2]) == [1, 2]

    assert [row["task_type"] for row in rows()] == ["with_worker"] * 2
