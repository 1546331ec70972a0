"""anyio and trio, instrumented from outside, with their real threads and processes."""

import functools

import anyio
import anyio.to_process
import anyio.to_thread
import pytest
import trio

from learning_instrument import PoolInstrumentor, record_execution


def work(task):
    return {"status": "failed" if task["number"] == 2 else "completed"}


@pytest.fixture(autouse=True)
def instrumented(database):
    """Both: the threads of anyio may be those of trio."""
    PoolInstrumentor().instrument(targets="anyio,trio,concurrent.futures", database=database)
    yield
    PoolInstrumentor().uninstrument()


def sent(database, rows, run):
    """Return the outcomes and pool types of what *run* sends, whose parent must be the sender."""
    record_execution(pool_type="by hand", learning_db=database)(lambda task: run())({})
    found = rows()
    (sender,) = (row for row in found if row["pool_type"] == "by hand")
    found.remove(sender)
    assert {row["parent_execution_id"] for row in found} == {sender["execution_id"]}
    assert all(row["task_type"] == "work" and row["queue_seconds"] >= 0 for row in found)
    return sorted((row["pool_type"], row["outcome"]) for row in found)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_function_in_a_thread_or_process_is_one_execution(database, rows, backend):
    """Whether it is awaited or started as a task; what anyio itself does in threads is none."""

    async def main():
        await anyio.to_thread.run_sync(work, {"number": 1})
        await anyio.to_process.run_sync(work, {"number": 2})
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, work, {"number": 3})
        assert await anyio.Path(__file__).exists()

    found = sent(database, rows, lambda: anyio.run(main, backend=backend))

    assert found == [("anyio", "failed"), *[("anyio", "succeeded")] * 2]


def test_function_in_a_thread_of_trio_is_one_execution(database, rows):
    """Whether it is awaited or started as a task; what trio itself does in threads is none."""

    async def main():
        await trio.to_thread.run_sync(work, {"number": 2})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, functools.partial(work, {"number": 3}))
        assert await trio.Path(__file__).exists()

    assert sent(database, rows, lambda: trio.run(main)) == [("trio", "failed"), ("trio", "succeeded")]
