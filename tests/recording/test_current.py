"""``current_execution()``: what a task says of its own execution."""

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from time import thread_time

import pytest
from small_pools import SyncPool

from learning_instrument import configure, current_execution, record_execution
from learning_instrument.columns import COLUMNS
from learning_instrument.record import row_of_unfinished
from learning_instrument.safety.clocks import time


@pytest.fixture
def hosted(database, provider):
    """``configure()``, with the host's provider."""
    return configure(database, tracer_provider=provider)


def times(database):
    rows = database.query("SELECT wait_seconds, duration_seconds FROM executions ORDER BY rowid")
    return [tuple(row.values()) for row in rows]


class Clock:
    """A monotonic clock that goes on when it is told to."""

    def __init__(self):
        self.now = 10**15

    def sleep(self, seconds):
        self.now += round(seconds * 1e9)


@pytest.fixture
def clock(monkeypatch):
    """The clock that executions are timed by."""
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter_ns", lambda: clock.now)
    return clock


def waiting(clock):
    """Return a task that waits for 2 s, and works for 1."""

    def run(task):
        clock.sleep(2)
        current_execution().started()
        clock.sleep(1)

    return run


def test_wait_is_told_from_work(hosted, exporter, clock):
    """The duration begins where the work does; the span has both."""
    SyncPool(waiting(clock)).execute_task({})

    (span,) = exporter.get_finished_spans()
    assert times(hosted) == [(2.0, 1.0)]
    assert span.attributes["learning_instrument.wait.duration"] == 2.0
    assert span.attributes["learning_instrument.task.duration"] == 1.0
    assert span.end_time - span.start_time == 3 * 10**9


def test_execution_that_does_not_say_so_has_no_wait(hosted, exporter):
    """NULL, not 0; and no attribute."""
    SyncPool().execute_task({})

    ((wait, _),) = times(hosted)
    assert wait is None
    assert "learning_instrument.wait.duration" not in exporter.get_finished_spans()[0].attributes


def test_first_call_counts(hosted, clock):
    """A later one would count work as waiting."""

    def run(task):
        current_execution().started()
        waiting(clock)(task)

    SyncPool(run).execute_task({})

    assert times(hosted) == [(0.0, 3.0)]


def test_failed_task_has_its_wait(hosted, clock):
    """Whatever its outcome."""

    def run(task):
        waiting(clock)(task)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        SyncPool(run).execute_task({})

    assert times(hosted) == [(2.0, 1.0)]


def test_outside_of_an_execution_nothing_starts(hosted):
    """And nothing fails."""
    current_execution().started()

    assert times(hosted) == []


def coroutine(run):
    @record_execution
    async def execute_task(task):
        await asyncio.sleep(0)
        run(task)

    asyncio.run(execute_task({}))


def generator(run):
    @record_execution
    def stream(task):
        yield 1
        run(task)
        yield 2

    assert list(stream({})) == [1, 2]


def async_generator(run):
    @record_execution
    async def stream(task):
        yield 1
        run(task)
        yield 2

    async def consume():
        return [item async for item in stream({})]

    assert asyncio.run(consume()) == [1, 2]


def future(run):
    with ThreadPoolExecutor(1) as executor:

        @record_execution
        def execute_task(task):
            return executor.submit(contextvars.copy_context().run, run, task)

        execute_task({}).result()


def another_thread(run):
    def start(task):
        thread = threading.Thread(target=contextvars.copy_context().run, args=(run, task))
        thread.start()
        thread.join()

    SyncPool(start).execute_task({})


def batch(run):
    pool = SyncPool(run)

    @record_execution(batch=True)
    def execute_batch(tasks):
        return [pool.execute_task(task) for task in tasks]

    execute_batch([{}])


@pytest.mark.parametrize("call", [coroutine, generator, async_generator, future, another_thread, batch])
def test_every_kind_of_call_may_say_so(hosted, clock, call):
    """Wherever the task's context is."""
    call(waiting(clock))

    assert times(hosted) == [(2.0, 1.0)]


def test_innermost_execution_is_meant(hosted, clock):
    """The one around it works meanwhile."""
    SyncPool(SyncPool(waiting(clock)).execute_task).execute_task({"task_type": "outer"})

    assert times(hosted) == [(2.0, 1.0), (None, 3.0)]


def test_items_of_a_batch_that_the_pool_runs_at_once_have_no_wait(hosted):
    """It is not known of each."""

    @record_execution(batch=True)
    def execute_batch(tasks):
        current_execution().started()
        return [{"success": True} for _ in tasks]

    execute_batch([{}, {}])

    assert [wait for wait, _ in times(hosted)] == [None, None]


def test_call_after_the_end_changes_nothing(hosted):
    """A thread that lives on may make it."""
    kept = []
    SyncPool(lambda task: kept.append(current_execution())).execute_task({})

    kept[0].started()

    assert times(hosted)[0][0] is None


def test_clock_that_runs_backwards_gives_no_negative_times(hosted, monkeypatch):
    """Neither a wait nor a duration."""
    moments = iter(range(10**15, 0, -(10**9)))
    monkeypatch.setattr(time, "perf_counter_ns", lambda: next(moments))

    SyncPool(lambda task: current_execution().started()).execute_task({})

    monkeypatch.undo()
    ((wait, duration),) = times(hosted)
    assert wait == 0
    assert duration <= 0  # as without the call


def test_end_that_was_measured_before_the_call_ends_the_wait(hosted, monkeypatch):
    """Another thread may be that late: the wait is no longer than the execution."""
    moments = iter([0, 0, 5 * 10**9, 10**9, *[10**9] * 20])
    monkeypatch.setattr(time, "perf_counter_ns", lambda: next(moments))

    SyncPool(lambda task: current_execution().started()).execute_task({})

    monkeypatch.undo()
    assert times(hosted) == [(1.0, 0.0)]


def test_processor_time_is_that_of_the_whole(hosted):
    """A pool that waits busily uses its processor."""

    def run(task):
        end = thread_time() + 0.05
        while thread_time() < end:
            pass
        current_execution().started()
        end = thread_time() + 0.01
        while thread_time() < end:
            pass

    SyncPool(run).execute_task({})

    ((used,),) = [row.values() for row in hosted.query("SELECT cpu_time_seconds FROM executions")]
    assert used >= 0.059


def test_execution_whose_process_dies_has_no_wait(hosted):
    """Its duration, too, is only that until it was last seen."""
    rows = []

    def run(task):
        current_execution().started()
        rows.append(row_of_unfinished(*current_execution().attributes_so_far()))

    SyncPool(run).execute_task({})

    assert dict(zip(COLUMNS, rows[0], strict=True))["wait_seconds"] is None
