"""billiard, instrumented from outside, with its real pool."""

from billiard import get_context

from learning_instrument import PoolInstrumentor, record_execution


def work(task):
    return {"status": "failed" if task["number"] == 2 else "completed"}


def test_each_function_and_item_is_one_execution(database, rows):
    """Within the execution that called the pool."""
    PoolInstrumentor().instrument(targets="billiard,multiprocessing", database=database)

    @record_execution(pool_type="by hand", learning_db=database)
    def sends(task):
        items = [{"number": number} for number in range(5)]
        pool = get_context("fork").Pool(1)
        pool.apply(work, ({"number": 0},))
        pool.map(work, items)
        found = list(pool.imap(work, items, chunksize=2))
        pool.close()
        pool.join()
        return found

    try:
        assert len(sends({})) == 5
    finally:
        PoolInstrumentor().uninstrument()

    found = [row for row in rows() if row["pool_type"] == "billiard"]
    (sender,) = (row for row in rows() if row["pool_type"] == "by hand")
    assert [row["outcome"] for row in found].count("failed") == 2
    assert len(found) == 11
    assert {(row["task_type"], row["parent_execution_id"]) for row in found} == {("work", sender["execution_id"])}
