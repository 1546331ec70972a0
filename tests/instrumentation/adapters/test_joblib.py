"""joblib, instrumented from outside, with its real backends."""

import os

import pytest
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor

from learning_instrument import PoolInstrumentor, record_execution

BACKENDS = ["threading", "multiprocessing", "loky"]


def work(task):
    if task["number"] == 13:
        raise ValueError("unlucky")
    return {"status": "failed" if task["number"] == 5 else "completed", "number": task["number"]}


def items(count):
    return (delayed(work)({"task_type": "count", "number": number}) for number in range(count))


@pytest.fixture(autouse=True)
def instrumented(database):
    """With the executors' adapters, which must not record the same items."""
    PoolInstrumentor().instrument(targets="joblib,multiprocessing,concurrent.futures", database=database)
    yield
    PoolInstrumentor().uninstrument()
    get_reusable_executor().shutdown()


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_item_is_one_execution(database, rows, backend):
    """Within the execution that called ``Parallel``, whichever thread of the backend made its batch."""

    @record_execution(pool_type="by hand", learning_db=database)
    def sends(task):
        return Parallel(2, backend=backend, pre_dispatch=2, batch_size=2)(items(12))

    assert [result["number"] for result in sends({})] == list(range(12))

    found = [row for row in rows() if row["pool_type"] == "joblib"]
    (sender,) = (row for row in rows() if row["pool_type"] == "by hand")
    assert [row["outcome"] for row in found].count("failed") == 1
    assert len(found) == 12
    assert {row["parent_execution_id"] for row in found} == {sender["execution_id"]}
    assert {row["task_type"] for row in found} == {"count"}
    assert all(row["queue_seconds"] >= 0 for row in found)
    assert (os.getpid() in {row["process_id"] for row in found}) is (backend == "threading")


def test_items_run_one_after_the_other_are_recorded(rows):
    """One job needs no backend, and a generator of results runs each when it is asked for."""
    results = Parallel(1, return_as="generator")(items(3))
    assert next(results)["number"] == 0
    assert len(rows()) == 1
    assert len(list(results)) == 2

    assert [row["pool_type"] for row in rows()] == ["joblib"] * 3


@pytest.mark.parametrize("jobs", [1, 2])
def test_failure_of_an_item_is_its_own(rows, jobs):
    """The caller gets it as before."""
    with pytest.raises(ValueError, match="unlucky"):
        Parallel(jobs, backend="threading")([delayed(work)({"number": 13})])

    (row,) = rows()
    assert (row["outcome"], row["exception_type"], row["error_message"]) == ("error", "ValueError", "unlucky")


def test_number_of_items_is_known_as_before():
    """joblib prints it."""
    sized, unsized = Parallel(1), Parallel(1)
    sized(list(items(2)))
    unsized(items(2))

    assert (sized.n_tasks, unsized.n_tasks) == (2, None)


@pytest.mark.parametrize("wrong", [5, [3], [(work, ())]])
def test_wrong_items_fail_as_before(wrong):
    """With the same words."""
    with pytest.raises(Exception) as recorded:  # noqa: PT011 - compared below
        Parallel(1)(wrong)
    PoolInstrumentor().uninstrument()
    with pytest.raises(Exception) as bare:  # noqa: PT011 - compared below
        Parallel(1)(wrong)

    assert (recorded.type, str(recorded.value)) == (bare.type, str(bare.value))
