"""The ``apscheduler`` adapter: what its runs are, and are not."""

import gc
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MISSED
from apscheduler.executors.pool import ProcessPoolExecutor
from apscheduler.job import Job
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from learning_instrument import LearningDatabase, PoolInstrumentor, current_execution, record_execution
from learning_instrument.testing.adapter_check import fail, succeed

Scheduled = Callable[..., list[Any]]


class PicklingStore(MemoryJobStore):  # type: ignore[misc]
    """Keeps copies of jobs, as stores in databases do."""

    def add_job(self, job: Job) -> None:
        copy = Job.__new__(Job)
        copy.__setstate__(pickle.loads(pickle.dumps(job.__getstate__())))
        copy._scheduler, copy._jobstore_alias = self._scheduler, self._alias
        super().add_job(copy)


@pytest.fixture(autouse=True)
def instrumented(unconfigured_learning_database: LearningDatabase) -> Iterator[None]:
    PoolInstrumentor().instrument(targets="apscheduler", database=unconfigured_learning_database)
    yield
    PoolInstrumentor().uninstrument()


@pytest.fixture
def rows(unconfigured_learning_database: LearningDatabase) -> Callable[[], list[dict[str, Any]]]:
    def query() -> list[dict[str, Any]]:
        unconfigured_learning_database.flush()
        return list(unconfigured_learning_database.query("select * from executions where task_type != 'send'"))

    return query


@pytest.fixture
def run(unconfigured_learning_database: LearningDatabase) -> Scheduled:
    """Adds a job within an execution, and returns its events, once there are *count*."""

    def run(function: Any, *args: Any, count: int = 1, scheduler: Any = None, **options: Any) -> list[Any]:
        scheduler = scheduler or BackgroundScheduler()
        events: list[Any] = []
        enough = threading.Event()

        def listen(event: Any) -> None:
            events.append(event)
            if len(events) == count:
                enough.set()

        @record_execution(learning_db=unconfigured_learning_database)
        def send(task: str) -> None:
            current_execution().set(task_type="send")
            scheduler.add_job(function, *args, **options)

        scheduler.add_listener(listen, EVENT_JOB_ERROR | EVENT_JOB_EXECUTED | EVENT_JOB_MISSED)
        scheduler.start()
        send("a job")
        assert enough.wait(30)
        scheduler.shutdown()
        return events

    return run


def ago(seconds: float) -> datetime:
    return datetime.now(timezone.utc) - timedelta(seconds=seconds)


def test_a_missed_run_is_no_execution(run: Scheduled, rows: Any) -> None:
    """A run that apscheduler skips, for it is late, has no row."""
    (event,) = run(succeed, "date", run_date=ago(100), args=[{"number": 1}], misfire_grace_time=5)
    assert event.code == EVENT_JOB_MISSED
    assert rows() == []


def test_each_due_time_is_an_execution_that_waited_since_then(run: Scheduled, rows: Any) -> None:
    """Runs that are made up for at once have waited since each was due."""
    options = {"seconds": 10, "start_date": ago(25), "coalesce": False, "misfire_grace_time": 60}
    run(succeed, "interval", args=[{"number": 1}], count=3, next_run_time=ago(25), max_instances=5, **options)
    waits = sorted(row["queue_seconds"] for row in rows())
    assert [round(wait / 5) * 5 for wait in waits] == [5, 15, 25]


def test_a_run_that_was_skipped_among_others_leaves_their_waits_right(run: Scheduled, rows: Any) -> None:
    """The due time of a run is its own, also after a missed one."""
    options = {"seconds": 20, "start_date": ago(25), "coalesce": False, "misfire_grace_time": 10}
    events = run(succeed, "interval", args=[{"number": 1}], count=2, next_run_time=ago(25), max_instances=5, **options)
    assert [event.code for event in events] == [EVENT_JOB_MISSED, EVENT_JOB_EXECUTED]
    assert [round(row["queue_seconds"]) for row in rows()] == [5]


def test_a_job_for_once_is_below_the_execution_that_added_it(
    run: Scheduled, rows: Any, unconfigured_learning_database: LearningDatabase
) -> None:
    """Its parent comes through a store that pickles it."""
    run(fail, args=[{"number": 1}], scheduler=BackgroundScheduler(jobstores={"default": PicklingStore()}))
    (row,) = rows()
    (sender,) = unconfigured_learning_database.query("select * from executions where task_type = 'send'")
    assert (row["outcome"], row["parent_execution_id"]) == ("error", sender["execution_id"])


def test_a_repeated_job_has_no_parent(run: Scheduled, rows: Any) -> None:
    """The clock sends it."""
    run(succeed, "interval", seconds=0.1, args=[{"number": 1}], count=2)
    assert [row["parent_execution_id"] for row in rows()][:2] == [None, None]


def test_a_job_in_another_process_is_recorded_there(run: Scheduled, rows: Any) -> None:
    """A process that nobody instrumented records what comes to it."""
    scheduler = BackgroundScheduler(executors={"default": ProcessPoolExecutor(1)})
    events = run(fail, args=[{"number": 1}], scheduler=scheduler, misfire_grace_time=60)
    assert repr(events[0].exception) == "ValueError('there is no order 1')"
    (row,) = rows()
    assert (row["exception_type"], row["task_type"]) == ("ValueError", "fail")


def test_a_stored_job_can_be_read_without_this_package(rows: Any) -> None:
    """The state of a job is as before, but for one key that apscheduler does not read."""
    scheduler = BackgroundScheduler()
    job = scheduler.add_job(succeed, "date", run_date=ago(0), args=[{"number": 1}], id="one")
    scheduler.start(paused=True)
    state = job.__getstate__()
    scheduler.shutdown()
    PoolInstrumentor().uninstrument()
    assert set(state) - set(job.__getstate__()) == {"learning_instrument"}
    copy = pickle.loads(pickle.dumps(job))
    copy.__setstate__(state)
    assert (copy.id, copy.func, copy.args) == ("one", succeed, job.args)


def test_jobs_of_the_past_are_forgotten(run: Scheduled) -> None:
    """What is kept for a job goes with it."""
    from learning_instrument.instrumentation.adapters import apscheduler

    run(succeed, args=[{"number": 1}])
    deadline = time.monotonic() + 5
    while apscheduler._stamps and time.monotonic() < deadline:
        gc.collect()  # schedulers hold themselves
        time.sleep(0.05)
    assert apscheduler._stamps == {}
