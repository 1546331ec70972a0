"""How a task gets into rq: a queue of a real redis-server, and workers that fork."""

import functools
import importlib
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from threading import Thread
from typing import Any, Final

from redis import Redis
from rq import Queue, Retry, SimpleWorker, Worker
from rq.command import send_stop_job_command
from rq.job import Job
from rq.scheduler import RQScheduler

from learning_instrument import LearningDatabase, PoolInstrumentor, record_execution
from learning_instrument.testing.adapter_check import fail_once, succeed

from ...fresh import ROOT
from ..pool import Pool, Run, in_turn
from ..servers import redis_url


class _Forking(Worker):
    def subscribe(self) -> None:
        """Listen to no commands: that takes a second to end."""


class _Simple(SimpleWorker):
    def subscribe(self) -> None:
        """Listen to no commands."""


def _queue(**options: Any) -> Queue:
    return Queue("orders", connection=Redis.from_url(redis_url()), **options)


def _result_of(job: Job) -> Any:
    result = job.latest_result()
    assert result is not None
    if result.exc_string:
        raise RuntimeError(result.exc_string.strip().splitlines()[-1])
    return result.return_value


def _work(worker: type[Worker] = _Forking) -> None:
    queue = _queue()
    worker([queue], connection=queue.connection).work(burst=True, logging_level="ERROR")


def _worked(worker: type[Worker], function: Any, task: Any, **options: Any) -> Any:
    job = _queue().enqueue(function, task, **options)
    _work(worker)
    return _result_of(job)


def _run(worker: type[Worker], **options: Any) -> Run:
    return functools.partial(_worked, worker, **options)


def _at_once(function: Any, task: Any) -> Any:
    return _result_of(_queue(is_async=False).enqueue(function, task))


def _name(function: Any) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _run_all(worker: type[Worker]) -> Any:
    def run_all(function: Any, tasks: Any) -> None:
        queue = _queue()
        queue.enqueue_many([queue.prepare_data(function, [task]) for task in tasks])
        _work(worker)

    return run_all


def _pool(name: str, worker: type[Worker], tasks: int, is_async: bool = False) -> Pool:
    return Pool(
        f"rq, {name}",
        "rq",
        _run(worker),
        _run(worker, retry=Retry(max=1)),
        task_type=_name,
        is_async=is_async,
        run_all=_run_all(worker),
        tasks=tasks,
    )


POOLS: Final = (
    _pool("forked", _Forking, 50),
    _pool("forked, async", _Forking, 50, is_async=True),
    _pool("SimpleWorker", _Simple, 200),
    Pool("rq, at once", "rq", _at_once, task_type=_name, queued=False, run_all=in_turn(_at_once), tasks=200),
)


def _move_due_jobs() -> None:
    """Do what ``rq worker --with-scheduler`` does every second."""
    scheduler = RQScheduler([_queue()], connection=_queue().connection)
    scheduler.acquire_locks()
    try:
        scheduler.enqueue_scheduled_jobs()
    finally:
        scheduler.release_locks()


def each_of_enqueue_many_has_its_parent_and_leaves_the_meta_alone(database: LearningDatabase) -> None:
    """Twenty jobs that share one dict of metadata are twenty rows, each below the execution that sent it."""
    meta = {"tenant": "north"}

    @record_execution(learning_db=database)
    def send(task: Any) -> None:
        queue = _queue()
        queue.enqueue_many([queue.prepare_data(succeed, [{"number": number}], meta=meta) for number in range(10)])

    PoolInstrumentor().instrument(targets="rq", database=database)
    try:
        send("first")
        send("second")
        jobs = _queue().jobs
        _work()
    finally:
        PoolInstrumentor().uninstrument()
    database.flush()
    senders = database.query("select execution_id from executions where pool_type != 'rq'")
    rows = database.query("select parent_execution_id from executions where pool_type = 'rq'")
    expected = sorted([row["execution_id"] for row in senders] * 10)
    assert sorted(row["parent_execution_id"] for row in rows) == expected
    assert meta == {"tenant": "north"}
    assert [job.meta for job in jobs] == [meta] * 20


def a_scheduled_job_waits_since_it_was_due(database: LearningDatabase) -> None:
    """The wait of a job with a time begins then, whenever the scheduler came round to it."""
    due = datetime.now(timezone.utc) + timedelta(seconds=2)
    PoolInstrumentor().instrument(targets="rq", database=database)
    try:
        _queue().enqueue_at(due, succeed, {"number": 1})
        time.sleep(3.5)
        _move_due_jobs()
        _work()
    finally:
        PoolInstrumentor().uninstrument()
    since_due = (datetime.now(timezone.utc) - due).total_seconds()
    database.flush()
    (row,) = database.query("select queue_seconds from executions")
    assert 1.4 < row["queue_seconds"] <= since_due + 1, f"{row} of {since_due}; rq keeps whole seconds"


def a_retry_after_a_while_waits_since_it_was_due(database: LearningDatabase) -> None:
    """The wait of a retry leaves its interval out, and its attempt is counted."""
    marker = f"{database.path}-marker"
    started = time.time()
    PoolInstrumentor().instrument(targets="rq", database=database)
    try:
        _queue().enqueue(fail_once, {"number": 1, "marker": marker}, retry=Retry(max=2, interval=2))
        _work()
        time.sleep(2.3)
        _move_due_jobs()
        _work()
    finally:
        PoolInstrumentor().uninstrument()
    lasted = time.time() - started
    database.flush()
    first, second = database.query("select attempt, outcome, queue_seconds from executions order by attempt")
    assert (first["attempt"], first["outcome"], second["attempt"], second["outcome"]) == (1, "error", 2, "succeeded")
    assert second["queue_seconds"] <= lasted - 2 + 1, f"{second} of {lasted}; rq keeps whole seconds"


def a_dependent_job_has_its_parent(database: LearningDatabase) -> None:
    """A job that waits for another one is below the execution that sent it."""

    @record_execution(learning_db=database)
    def send(task: Any) -> None:
        first = _queue().enqueue(succeed, {"number": 1})
        _queue().enqueue(succeed, {"number": 2}, depends_on=first)

    PoolInstrumentor().instrument(targets="rq", database=database)
    try:
        send("both")
        _work()
    finally:
        PoolInstrumentor().uninstrument()
    database.flush()
    (sender,) = database.query("select execution_id from executions where pool_type != 'rq'")
    rows = database.query("select parent_execution_id from executions where pool_type = 'rq'")
    assert [row["parent_execution_id"] for row in rows] == [sender["execution_id"]] * 2


def a_job_that_returns_a_retry_has_an_attempt_for_each_run(database: LearningDatabase) -> None:
    """A job that asks for another run gave that one up."""
    PoolInstrumentor().instrument(targets="rq", database=database)
    try:
        _queue().enqueue(_ask_once, f"{database.path}-asked")
        _work()
    finally:
        PoolInstrumentor().uninstrument()
    database.flush()
    rows = database.query("select attempt, outcome from executions order by attempt")
    assert [tuple(row.values()) for row in rows] == [(1, "cancelled"), (2, "succeeded")]


def _ask_once(marker: str) -> Any:
    if os.path.exists(marker):
        return "done"
    with open(marker, "x"):
        return Retry(max=1)


def a_worker_of_the_command_line_records(database: LearningDatabase) -> None:
    """``learning-instrument run --pools rq rq worker`` records jobs that an application sent that does not record."""
    for number in range(5):
        _queue().enqueue(succeed, {"number": number})
    command = [sys.executable, "-m", "learning_instrument", "run", "--pools", "rq", "--database", database.path]
    rq = os.path.join(os.path.dirname(sys.executable), "rq")
    worker = [rq, "worker", "--burst", "--quiet", "--url", redis_url(), "orders"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([*command, *worker], check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    rows = database.query("select outcome, attempt, queue_seconds from executions")
    assert [(row["outcome"], row["attempt"]) for row in rows] == [("succeeded", 1)] * 5


def a_work_horse_that_is_killed_loses_one_execution(database: LearningDatabase) -> None:
    """In its first second and later, decorated, after its end, and retried; the worker imports no module of jobs."""
    (Path(database.path).parent / "killed_jobs.py").write_text(_KILLED_JOBS)
    sys.path.insert(0, str(Path(database.path).parent))

    @record_execution(learning_db=database)
    def send(task: Any) -> list[str]:
        jobs = importlib.import_module("killed_jobs")
        queue, order = _queue(), jobs.Order(7)
        sent = [
            queue.enqueue(jobs.die, "Count the orders", 0, order),
            queue.enqueue(jobs.die, "Count the orders", 2, order),
            queue.enqueue(jobs.die_decorated, "Count the orders", 0),
            queue.enqueue(jobs.die_after_the_end, "Count the orders"),
            queue.enqueue(jobs.die_once, "Count the orders", f"{database.path}-died", retry=Retry(max=1)),
        ]
        return [job.id for job in sent]

    PoolInstrumentor().instrument(targets="rq", database=database)
    try:
        ids = send("all")
        del sys.modules["killed_jobs"]
        _work()
    finally:
        PoolInstrumentor().uninstrument()
    assert "killed_jobs" not in sys.modules
    database.flush()
    (sender,) = database.query("select * from executions where pool_type = 'unknown'")
    rows = database.query("select * from executions where pool_type != 'unknown' order by timestamp")
    found = [[(row["attempt"], row["outcome"]) for row in rows if row["task_id"] == job_id] for job_id in ids]
    lost = [(1, "lost")]
    assert found == [lost, lost, lost, [(1, "succeeded")], [*lost, (2, "succeeded")]], rows
    for row in [row for row in rows if row["outcome"] == "lost"]:
        assert (row["error_type"], row["pool_id"], row["parent_execution_id"]) == (
            "crash", "orders", sender["execution_id"]
        )  # fmt: skip
        assert row["task_type"] == row["function_name"], row
        assert row["task_type"].startswith("killed_jobs.die"), row
        assert row["task_description"].startswith("Count the orders"), row
        assert 0 <= row["queue_seconds"] < 30, row
        assert row["process_id"] not in (None, os.getpid()), row
        assert "signal 9" in row["error_message"] or row["duration_seconds"] > 1, row


def a_job_that_is_stopped_is_lost(database: LearningDatabase) -> None:
    """By a command, which kills its work horse; a job that waits then is none."""
    marker = f"{database.path}-runs"
    PoolInstrumentor().instrument(targets="rq", database=database)
    try:
        queue = _queue()
        job = queue.enqueue(_sleep, marker)
        queue.enqueue(succeed, {"number": 1})
        stopper = Thread(target=_stop, args=(job, marker))
        stopper.start()
        Worker([queue], connection=queue.connection).work(burst=True, logging_level="ERROR")
        stopper.join()
    finally:
        PoolInstrumentor().uninstrument()
    database.flush()
    rows = database.query("select task_id, outcome, error_message from executions order by timestamp")
    assert [row["outcome"] for row in rows] == ["lost", "succeeded"], rows
    assert (rows[0]["task_id"], "stopped by user" in rows[0]["error_message"]) == (job.id, True), rows


def _sleep(marker: str) -> None:
    with open(marker, "x"):
        time.sleep(60)


def _stop(job: Job, marker: str) -> None:
    while not os.path.exists(marker):
        time.sleep(0.01)
    send_stop_job_command(job.connection, job.id)


def a_work_horse_that_dies_before_its_job_loses_none(database: LearningDatabase) -> None:
    """What has not begun is no execution."""

    class _Dying(_Forking):
        def main_work_horse(self, job: Job, queue: Queue) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

    PoolInstrumentor().instrument(targets="rq", database=database)
    try:
        _queue().enqueue(succeed, {"number": 1})
        _work(_Dying)
    finally:
        PoolInstrumentor().uninstrument()
    database.flush()
    assert database.query("select * from executions") == []


_KILLED_JOBS: Final = """
import os, signal, time
from learning_instrument import record_execution

class Order:
    def __init__(self, number):
        self.number = number

def die(task, after, order):
    time.sleep(after)
    os.kill(os.getpid(), signal.SIGKILL)

@record_execution
def die_decorated(task, after):
    die(task, after, None)

def die_once(task, marker):
    if not os.path.exists(marker):
        open(marker, "x").close()
        die(task, 0, None)

def die_after_the_end(task):
    # As where the worker is killed before it tells the queue.
    from rq.worker import Worker
    Worker.handle_job_success = lambda *args, **kwargs: die(None, 0, None)
"""

EXTRAS: Final = (
    each_of_enqueue_many_has_its_parent_and_leaves_the_meta_alone,
    a_scheduled_job_waits_since_it_was_due,
    a_retry_after_a_while_waits_since_it_was_due,
    a_dependent_job_has_its_parent,
    a_job_that_returns_a_retry_has_an_attempt_for_each_run,
    a_worker_of_the_command_line_records,
    a_work_horse_that_is_killed_loses_one_execution,
    a_job_that_is_stopped_is_lost,
    a_work_horse_that_dies_before_its_job_loses_none,
)
