"""Resources of a task: processor time of its thread, memory of its process; only where they can be attributed."""

import asyncio
import multiprocessing
import sys
import threading
import time
import types
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor

import billiard
import pytest
from small_pools import AsyncPool, SyncPool, async_generator_function, coroutine_function, generator_function

from learning_instrument import LearningDatabase, configure, current_execution, record_execution
from learning_instrument.recording import resource_usage
from learning_instrument.recording.resource_usage import RESOLUTION, Worker

#: The error of readings of the clock.
EXACT = RESOLUTION / 1e9
MB = 1_000_000


def spin(seconds):
    """Use *seconds* of this thread's processor time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def timed_spin(task):
    """Spin, and return the processor time used, in milliseconds of the same clock."""
    started = time.thread_time()
    spin(task["seconds"])
    return {"success": True, "quality_score": (time.thread_time() - started) * 1000}


def time_around(pool, task):
    """Return the processor time of a call and its recording."""
    started = time.thread_time()
    pool.execute_task(task)
    return time.thread_time() - started


def allocate(task):
    """Hold memory for a short time."""
    block = bytearray(task["megabytes"] * MB)
    return {"success": True, "solution_summary": str(len(block))}


class WorkerPool:
    """Its bound methods are what an executor sends to its processes."""

    def __init__(self, database):
        self.database = database

    @record_execution(learning_db=lambda pool: pool.database)
    def execute_task(self, task):
        return allocate(task)

    @record_execution(learning_db=lambda pool: pool.database, pool_type="threads")
    def execute_in_thread(self, task):
        return allocate(task)

    @record_execution(learning_db=lambda pool: pool.database, pool_type="outer")
    def execute_within(self, task):
        self.execute_task(task)
        return {"success": True}

    def run_in_threads(self, task):
        with ThreadPoolExecutor(1) as threads:
            threads.submit(self.execute_in_thread, task).result()
        self.execute_task(task)


METHODS = multiprocessing.get_all_start_methods()


@pytest.fixture(params=[METHODS[0], *(pytest.param(method, marks=pytest.mark.slow) for method in METHODS[1:])])
def worker(request):
    """One process, which runs one task after another."""
    with ProcessPoolExecutor(1, multiprocessing.get_context(request.param)) as executor:
        yield executor


def test_processor_time_is_that_of_the_task(configured, rows):
    """It lies between readings of the same clock within the task and around it."""
    around = time_around(SyncPool(timed_spin), {"seconds": 0.03})

    (row,) = rows()
    assert row["quality_score"] / 1000 - EXACT <= row["cpu_time_seconds"] <= around + EXACT
    assert row["cpu_time_seconds"] <= row["duration_seconds"]


def test_waiting_is_no_processor_time(configured, rows):
    """A task that sleeps uses none to speak of."""
    SyncPool(lambda task: time.sleep(0.05)).execute_task({})

    (row,) = rows()
    assert row["duration_seconds"] >= 0.05
    assert row["cpu_time_seconds"] < 0.05


def test_threads_are_measured_apart(configured, rows):
    """One waits while the other works: each has its own processor time."""
    done = threading.Event()

    def run(task):
        if task["task_type"] == "waits":
            assert done.wait(60)
        else:
            spin(0.2)
            done.set()

    pool = SyncPool(run)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(pool.execute_task, [{"task_type": "waits"}, {"task_type": "works"}]))

    used = {row["task_type"]: row["cpu_time_seconds"] for row in rows()}
    assert used["works"] >= 0.2 - EXACT
    assert used["waits"] < 0.1


def test_short_tasks_in_a_row_are_within_the_resolution(configured, rows):
    """They share readings of the clock, and none is said to have used more than it took."""
    pool = SyncPool(timed_spin)
    for number in range(60):
        pool.execute_task({"seconds": number * 20e-6})

    for row in rows():
        assert 0 <= row["cpu_time_seconds"] <= row["duration_seconds"]
        assert row["cpu_time_seconds"] >= row["quality_score"] / 1000 - EXACT


def test_failed_task_is_measured_too(configured, rows):
    """Until it raised."""

    def fail(task):
        spin(0.02)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        SyncPool(fail).execute_task({})

    (row,) = rows()
    assert row["cpu_time_seconds"] >= 0.02 - EXACT


async def test_synchronous_task_on_an_event_loop_is_measured(configured, rows):
    """It holds up the loop, so that nothing else runs on its thread."""
    others = [asyncio.create_task(asyncio.sleep(0)) for _ in range(10)]

    around = time_around(SyncPool(timed_spin), {"seconds": 0.02})

    await asyncio.gather(*others)
    (row,) = rows()
    assert row["quality_score"] / 1000 - EXACT <= row["cpu_time_seconds"] <= around + EXACT


def test_reported_usage_takes_precedence(configured, rows):
    """A measurement does not replace a result's own value."""
    SyncPool(lambda task: {"success": True, "cpu_time_seconds": 12.5, "peak_memory_mb": 3.0}).execute_task({})

    (row,) = rows()
    assert (row["cpu_time_seconds"], row["peak_memory_mb"]) == (12.5, 3.0)


def test_usage_set_by_the_task_takes_precedence(configured, rows):
    """Nor a value of ``current_execution().set()``."""

    def run(task):
        current_execution().set(cpu_time_seconds=7.0)
        return {"success": True}

    SyncPool(run).execute_task({})

    (row,) = rows()
    assert row["cpu_time_seconds"] == 7.0


def test_measuring_can_be_turned_off(database, provider, rows):
    """What the pool reports is kept all the same."""
    configure(database, tracer_provider=provider, measure_resources=False)

    SyncPool(timed_spin).execute_task({"seconds": 0.001})
    SyncPool(lambda task: {"success": True, "cpu_time_seconds": 12.5}).execute_task({})

    assert [row["cpu_time_seconds"] for row in rows()] == [None, 12.5]


async def test_concurrent_tasks_of_a_loop_are_not_measured(configured, rows):
    """They share their thread's clock: the columns are NULL, and not marked as defaults."""
    pool = AsyncPool(lambda task: spin(0.01))

    await asyncio.gather(*[pool.execute_task({}) for _ in range(3)])

    for row in rows():
        assert row["cpu_time_seconds"] is None
        assert row["peak_memory_mb"] is None
        assert "cpu_time_seconds" not in row["defaulted"]
        assert "peak_memory_mb" not in row["defaulted"]


async def test_deferred_work_is_not_measured(configured, rows):
    """Generators, futures, coroutines and awaitables run in pieces, or elsewhere."""
    loop = asyncio.get_running_loop()

    class Awaitable:
        def __await__(self):
            return asyncio.sleep(0).__await__()

    def future_of(task):
        future = Future()
        future.set_result(task)
        return future

    def loop_future_of(task):
        future = loop.create_future()
        future.set_result(task)
        return future

    list(record_execution(generator_function)({}))
    [item async for item in record_execution(async_generator_function)({})]
    record_execution(future_of)({}).result()
    await record_execution(loop_future_of)({})
    await record_execution(lambda task: coroutine_function(task))({})
    await record_execution(lambda task: Awaitable())({})

    assert [row["cpu_time_seconds"] for row in rows()] == [None] * 6


def test_green_threads_are_not_measured(configured, rows, monkeypatch):
    """Another greenlet may run while a call waits, on the same thread's clock."""
    for name in ("greenlet", "gevent"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    with ThreadPoolExecutor(1) as thread:  # whose clock was not read yet
        thread.submit(SyncPool().execute_task, {}).result()

    (row,) = rows()
    assert row["cpu_time_seconds"] is None


def test_greenlets_of_a_library_alone_change_nothing(configured, rows, monkeypatch):
    """SQLAlchemy imports the package; a call outside of greenlets has its thread to itself."""
    greenlet = types.ModuleType("greenlet")
    greenlet.getcurrent = lambda: types.SimpleNamespace(parent=None)
    monkeypatch.setitem(sys.modules, "greenlet", greenlet)
    for name in ("gevent", "eventlet"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with ThreadPoolExecutor(1) as thread:
        thread.submit(SyncPool().execute_task, {}).result()

    (row,) = rows()
    assert row["cpu_time_seconds"] is not None


def test_batch_is_not_measured(configured, rows):
    """The usage of one call cannot be attributed to its three tasks."""

    @record_execution(batch=True)
    def execute_batch(tasks):
        spin(0.01)
        return [{"success": True} for _ in tasks]

    execute_batch([{}, {}, {}])

    assert [row["cpu_time_seconds"] for row in rows()] == [None] * 3


def test_memory_of_an_ordinary_process_is_not_measured(configured, rows):
    """Other tasks in it share its memory."""
    SyncPool(allocate).execute_task({"megabytes": 20})

    (row,) = rows()
    assert row["peak_memory_mb"] is None


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured on Linux only")
def test_memory_is_that_of_the_task_that_allocated_it(database, rows, worker):
    """The next small task in the same process must not claim it."""
    pool = WorkerPool(LearningDatabase(database.path))
    for megabytes in (200, 1, 300):
        worker.submit(pool.execute_task, {"megabytes": megabytes}).result()

    large, small, larger = [row["peak_memory_mb"] for row in rows()]
    # Memory that was freed before the task began is used again, and not counted.
    assert 180 < large < 260
    assert small is None
    assert 280 < larger < 360


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured on Linux only")
@pytest.mark.parametrize("worker", ["fork", "spawn", pytest.param("forkserver", marks=pytest.mark.slow)], indirect=True)
def test_memory_of_the_parent_process_is_not_counted(database, rows, worker):
    """A spawned process begins with the high-water mark of its parent, which its tasks do not reach."""
    held = bytearray(400_000_000)
    pool = WorkerPool(LearningDatabase(database.path))
    for megabytes in (200, 1):
        worker.submit(pool.execute_task, {"megabytes": megabytes}).result()
    del held

    large, small = [row["peak_memory_mb"] for row in rows()]
    assert 180 < large < 260
    assert small is None


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured on Linux only")
def test_memory_of_tasks_in_celerys_children(database, rows):
    """Its prefork children are made by billiard, which is multiprocessing by another name."""
    pool = WorkerPool(LearningDatabase(database.path))
    with billiard.Pool(1) as children:
        for megabytes in (200, 1):
            children.apply(pool.execute_task, ({"megabytes": megabytes},))

    large, small = [row["peak_memory_mb"] for row in rows()]
    assert 180 < large < 260
    assert small is None


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured on Linux only")
def test_memory_of_a_task_within_a_task_is_that_of_both(database, rows, worker):
    """The outer one held it too."""
    pool = WorkerPool(LearningDatabase(database.path))
    worker.submit(pool.execute_within, {"megabytes": 200}).result()

    inner, outer = [row["peak_memory_mb"] for row in rows()]
    assert 180 < inner < 260
    assert 180 < outer < 260


def test_memory_is_not_measured_where_tasks_run_in_threads(database, rows, worker):
    """A process that begins tasks on other threads runs more than one at a time."""
    pool = WorkerPool(LearningDatabase(database.path))
    worker.submit(pool.run_in_threads, {"megabytes": 200}).result()

    assert [row["peak_memory_mb"] for row in rows()] == [None, None]
    assert all(row["cpu_time_seconds"] is not None for row in rows())


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured on Linux only")
@pytest.mark.parametrize("contents", [None, b"", b"Name:\tpython\n", b"VmHWM:\t", b"VmHWM:\tmuch kB"])
def test_unreadable_memory_is_unknown(monkeypatch, tmp_path, contents):
    """Too many open files at the end of a task, or a /proc without the line, do not lose its record."""
    status = tmp_path / "status"
    if contents is not None:
        status.write_bytes(contents)
    monkeypatch.setattr(resource_usage, "_STATUS", str(status))
    monkeypatch.setattr(resource_usage, "_is_started_by_multiprocessing", lambda: True)
    monkeypatch.setattr(Worker, "may_be_one", True)
    monkeypatch.setattr(Worker, "peak_before", 2**62)  # as in a spawned process

    assert resource_usage.memory_peak((0, 0)) is None
    assert resource_usage.memory_mark() is None
