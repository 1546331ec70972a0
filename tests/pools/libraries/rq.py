"""How a task gets into rq: a queue of a real redis-server, and workers that fork."""

import functools
import os
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from redis import Redis
from rq import Queue, Retry, SimpleWorker, Worker
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
    PoolInstrumentor().instrument(targets="rq", database=database)
    try:
        _queue().enqueue_at(datetime.now(timezone.utc) + timedelta(seconds=0.5), succeed, {"number": 1})
        time.sleep(2)
        _move_due_jobs()
        _work()
    finally:
        PoolInstrumentor().uninstrument()
    database.flush()
    (row,) = database.query("select queue_seconds from executions")
    assert 1.4 < row["queue_seconds"] < 2.5, row


def a_retry_after_a_while_waits_since_it_was_due(database: LearningDatabase) -> None:
    """The wait of a retry leaves its interval out, and its attempt is counted."""
    marker = f"{database.path}-marker"
    PoolInstrumentor().instrument(targets="rq", database=database)
    try:
        _queue().enqueue(fail_once, {"number": 1, "marker": marker}, retry=Retry(max=2, interval=1))
        _work()
        time.sleep(1.3)
        _move_due_jobs()
        _work()
    finally:
        PoolInstrumentor().uninstrument()
    database.flush()
    first, second = database.query("select attempt, outcome, queue_seconds from executions order by attempt")
    assert (first["attempt"], first["outcome"], second["attempt"], second["outcome"]) == (1, "error", 2, "succeeded")
    assert second["queue_seconds"] < 1, second


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


EXTRAS: Final = (
    each_of_enqueue_many_has_its_parent_and_leaves_the_meta_alone,
    a_scheduled_job_waits_since_it_was_due,
    a_retry_after_a_while_waits_since_it_was_due,
    a_dependent_job_has_its_parent,
    a_job_that_returns_a_retry_has_an_attempt_for_each_run,
    a_worker_of_the_command_line_records,
)
