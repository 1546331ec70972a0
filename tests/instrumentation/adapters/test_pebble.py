"""pebble, instrumented from outside, with its real pools."""

import pytest
from pebble import ProcessPool, ThreadPool

from learning_instrument import PoolInstrumentor, record_execution


def work(task):
    return {"status": "failed" if task["number"] == 2 else "completed"}


@pytest.mark.parametrize("pool_class", [ProcessPool, ThreadPool])
def test_each_function_and_item_is_one_execution(database, rows, pool_class):
    """A map is recorded by its items and not by their chunks, within the execution that called it."""
    PoolInstrumentor().instrument(targets="pebble,multiprocessing,concurrent.futures", database=database)

    @record_execution(pool_type="by hand", learning_db=database)
    def sends(task):
        with pool_class(1) as pool:
            pool.schedule(work, args=[{"number": 0}]).result()
            return list(pool.map(work, [{"number": number} for number in range(1, 6)], chunksize=2).result())

    try:
        assert len(sends({})) == 5
    finally:
        PoolInstrumentor().uninstrument()

    found = [row for row in rows() if row["pool_type"] == "pebble"]
    (sender,) = (row for row in rows() if row["pool_type"] == "by hand")
    assert [row["outcome"] for row in found].count("failed") == 1
    assert len(found) == 6
    assert {(row["task_type"], row["parent_execution_id"]) for row in found} == {("work", sender["execution_id"])}
    assert all(row["queue_seconds"] >= 0 for row in found)
