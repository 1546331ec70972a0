"""Thread and process pools of the standard library, instrumented from outside."""

import asyncio
import functools
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.pool import ThreadPool

import joblib
import pytest
from apscheduler.events import EVENT_JOB_ERROR
from apscheduler.executors.pool import ProcessPoolExecutor as ProcessesOfScheduler
from apscheduler.schedulers.background import BackgroundScheduler
from waiting import wait_until

from learning_instrument import LearningDatabase, PoolInstrumentor, current_execution, record_execution
from learning_instrument.instrumentation import noted_calls

FORKSERVER = pytest.param("forkserver", marks=pytest.mark.slow)
NOTES = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="there is no memory to note the starts of calls in")
METHODS = ["fork", pytest.param("spawn", marks=pytest.mark.slow), FORKSERVER]
ADAPTERS = "concurrent.futures,multiprocessing"


def square(number):
    return number * number


def fail(number):
    raise ValueError(number)


def work(task):
    return {"status": task["status"], "cost": 0.25}


@record_execution(pool_type="by hand")
def decorated(task):
    return {"status": "completed"}


def calls(task):
    return decorated({"task_type": "inner"})


def wait_in_vain(folder):
    (folder / "begun").touch()
    time.sleep(60)


def die(folder, seconds):
    wait_until((folder / "begun").exists)
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_two(number):
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


class Deadly:
    """A result that kills the process that sends it."""

    def __reduce__(self):
        os.kill(os.getpid(), signal.SIGKILL)


def end_deadly(task):
    return Deadly()


class Hostile:
    """A callable whose attributes raise."""

    def __call__(self, number):
        return -number

    def __getattr__(self, name):
        raise RuntimeError(name)


@pytest.fixture
def instrumented(database):
    """The executors, instrumented; another process may open the database first."""
    PoolInstrumentor().instrument(targets=ADAPTERS, database=database)
    yield
    PoolInstrumentor().uninstrument()


@pytest.mark.usefixtures("instrumented")
def test_submitted_function_is_one_execution(rows):
    """The function's name is the default task type."""
    with ThreadPoolExecutor(2, thread_name_prefix="crew") as pool:
        assert list(pool.map(square, range(3))) == [0, 1, 4]
        assert pool.submit(work, {"task_type": "job", "status": "failed"}).result()["status"] == "failed"
        assert isinstance(pool.submit(fail, 1).exception(), ValueError)

    found = sorted((row["task_type"], row["outcome"], row["pool_type"]) for row in rows())
    assert found == [
        ("fail", "error", "ThreadPoolExecutor"),
        ("job", "failed", "ThreadPoolExecutor"),
        *[("square", "succeeded", "ThreadPoolExecutor")] * 3,
    ]
    assert all(row["worker_id"].startswith("crew_") and row["queue_seconds"] >= 0 for row in rows())


def fetch(session, url, *, retries=1):
    return {"status": "completed"}


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize("method", ["thread", "fork"])
def test_plain_arguments_are_the_description(rows, method):
    """Of a call whose task has none; a text that is the task is its own."""
    context = None if method == "thread" else multiprocessing.get_context(method)
    with ThreadPoolExecutor(1) if context is None else ProcessPoolExecutor(1, context) as pool:
        pool.submit(fetch, {"pool": 1}, "https://example.org", retries=2).result()
        pool.submit(fetch, {"description": "Fetch it"}, "https://example.org").result()
        pool.submit(len, "Fix the flaky test").result()

    assert [(row["task_description"], row["estimated_tokens"]) for row in rows()] == [
        ('"https://example.org", retries=2', 16), ("Fetch it", 4), ("Fix the flaky test", 9)
    ]  # fmt: skip


def renamed(parameter):
    """Return a function like others of its name, but for the name of its parameter."""
    if parameter == "user":
        return lambda number, user: None
    if parameter == "password":
        return lambda number, password: None
    wrapper = lambda *args: None  # noqa: E731 - as the others
    wrapper.__wrapped__ = renamed("password" if parameter == "wrapped password" else "user")
    return wrapper


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize("wrapped", ["", "wrapped "])
def test_functions_of_one_name_have_their_own_parameters(rows, wrapped):
    """A secret is known by the name of its parameter, whichever lambda was the first."""
    with ThreadPoolExecutor(1) as pool:
        for parameter in ("user", "password", "user"):
            pool.submit(renamed(f"{wrapped}{parameter}"), 7, "hunter2").result()

    assert [row["task_description"] for row in rows()] == ['7, "hunter2"', '7, "[redacted]"', '7, "hunter2"']


def test_without_content_no_argument_is_stored(database, rows):
    """Of the text of a task stays the estimate."""
    PoolInstrumentor().instrument(targets=ADAPTERS, database=database, capture_content=False)
    try:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(fetch, None, "https://example.org").result()
            pool.submit(len, "Fix the flaky test").result()
    finally:
        PoolInstrumentor().uninstrument()

    assert [(row["task_description"], row["estimated_tokens"]) for row in rows()] == [("", 0), ("", 9)]


@NOTES
@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize("seconds", [0, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("method", METHODS)
def test_broken_process_pool_loses_what_ran(rows, tmp_path, method, seconds):
    """The call whose process was killed, and the one that the executor then ended; those that waited never ran."""
    with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
        ended = pool.submit(square, 2)
        assert ended.result() == 4
        running = [pool.submit(wait_in_vain, tmp_path), pool.submit(die, tmp_path, seconds)]
        waiting = [pool.submit(square, number) for number in range(10)]
        errors = [future.exception() for future in (*running, *waiting)]

    assert {type(error) for error in errors} == {BrokenProcessPool}
    found = {row["task_type"]: row for row in rows()}
    assert {name: row["outcome"] for name, row in found.items()} == {
        "square": "succeeded", "wait_in_vain": "lost", "die": "lost"
    }  # fmt: skip
    assert len(rows()) == 3
    for lost in (found["wait_in_vain"], found["die"]):
        assert (lost["error_type"], lost["pool_type"]) == ("crash", "ProcessPoolExecutor")
        assert lost["worker_id"].rpartition("-")[0].endswith("Process")
        assert lost["queue_seconds"] >= 0
    assert len({os.getpid(), found["wait_in_vain"]["process_id"], found["die"]["process_id"]}) == 3


@NOTES
@pytest.mark.usefixtures("instrumented")
def test_broken_map_loses_one_item(rows):
    """Of a chunk, the items before it are stored, and those behind it never ran."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool, pytest.raises(BrokenProcessPool):
        list(pool.map(die_at_two, range(6), chunksize=4))

    assert [(row["outcome"], row["task_description"]) for row in rows()] == [
        ("succeeded", "0"), ("succeeded", "1"), ("lost", "2")
    ]  # fmt: skip


@NOTES
@pytest.mark.usefixtures("instrumented")
def test_process_that_dies_after_a_call_loses_none(rows):
    """Its result never arrives, and is stored."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        assert isinstance(pool.submit(end_deadly, {}).exception(), BrokenProcessPool)

    assert [(row["task_type"], row["outcome"]) for row in rows()] == [("end_deadly", "succeeded")]


@pytest.mark.usefixtures("instrumented")
def test_without_notes_no_call_is_said_to_be_lost(rows, monkeypatch):
    """Where there is no such memory, as on other systems than Linux, nobody knows which call ran."""
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(noted_calls, "_memories", {})
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        assert pool.submit(square, 3).result() == 9
        assert isinstance(pool.submit(die_at_two, 2).exception(), BrokenProcessPool)

    assert [(row["task_type"], row["outcome"]) for row in rows()] == [("square", "succeeded")]


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize("method", ["fork", "spawn", FORKSERVER])
def test_process_pools_record_in_their_processes(rows, method):
    """Each item, by whichever method it was submitted, into the database of the parent."""
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        assert list(pool.map(square, range(5), chunksize=2)) == [0, 1, 4, 9, 16]
        error = pool.submit(fail, 7).exception()
    with context.Pool(2) as pool:
        assert pool.map(square, range(3)) == [0, 1, 4]
        assert pool.apply(square, (3,)) == 9
        assert pool.starmap(pow, [(2, 3), (3, 4)]) == [8, 81]
        assert list(pool.imap(square, range(3), chunksize=2)) == [0, 1, 4]
        assert sorted(pool.imap_unordered(square, range(3))) == [0, 1, 4]
        pool.close()
        pool.join()

    assert (type(error), error.args) == (ValueError, (7,))
    counts = {}
    for row in rows():
        counts[row["pool_type"], row["task_type"]] = counts.get((row["pool_type"], row["task_type"]), 0) + 1
        assert row["process_id"] != os.getpid()
        assert row["queue_seconds"] >= 0
    assert counts == {
        ("ProcessPoolExecutor", "square"): 5,
        ("ProcessPoolExecutor", "fail"): 1,
        ("Pool", "square"): 10,
        ("Pool", "pow"): 2,
    }


@pytest.mark.usefixtures("instrumented")
def test_queue_time_is_from_submit_to_start(rows):
    """A busy worker makes the next one wait."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(time.sleep, 0.3)
        pool.submit(square, 1)

    first, second = rows()
    assert second["queue_seconds"] >= 0.25 > first["queue_seconds"]


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize("method", METHODS)
def test_submitting_execution_is_the_parent(rows, method):
    """Also in a process of a thread's pool, all in one trace."""

    def sends():
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as processes:
            return processes.submit(calls, None).result()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(sends).result()

    inner, middle, outer = rows()
    assert [row["parent_execution_id"] for row in (inner, middle)] == [middle["execution_id"], outer["execution_id"]]
    assert outer["parent_execution_id"] is None
    assert inner["trace_id"] == middle["trace_id"] == outer["trace_id"]


@pytest.mark.usefixtures("instrumented")
def test_hosts_trace_is_propagated(rows, provider):
    """Into threads and processes."""
    tracer = provider.get_tracer("host")
    with tracer.start_as_current_span("request") as span, ThreadPoolExecutor(1) as pool, ProcessPoolExecutor(1) as more:
        pool.submit(square, 2).result()
        more.submit(square, 2).result()

    assert {row["trace_id"] for row in rows()} == {f"{span.get_span_context().trace_id:032x}"}


@pytest.mark.usefixtures("instrumented")
def test_decorated_function_is_recorded_once(rows):
    """By its decorator, with the queue time that the pool measured."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(decorated, {"task_type": "mine"}).result()

    (row,) = rows()
    assert (row["pool_type"], row["task_type"]) == ("by hand", "mine")
    assert row["queue_seconds"] is not None


@pytest.mark.usefixtures("instrumented")
def test_callables_of_all_kinds_do_not_change(rows):
    """Partials, bound methods, built-in functions, and a hostile one."""
    with ThreadPoolExecutor(1) as pool:
        calls = [functools.partial(square, 4), [3, 1, 2].index, len, Hostile()]
        arguments = [(), (1,), ("abc",), (5,)]
        found = [pool.submit(call, *given).result() for call, given in zip(calls, arguments, strict=True)]

    assert found == [16, 1, 3, -5]
    assert len(rows()) == 4


@pytest.mark.usefixtures("instrumented")
async def test_asyncio_submits_to_threads(rows):
    """``to_thread`` and ``run_in_executor``."""
    assert await asyncio.to_thread(square, 5) == 25
    assert await asyncio.get_running_loop().run_in_executor(None, square, 6) == 36

    assert [row["task_type"] for row in rows()] == ["square", "square"]


@pytest.mark.parametrize("method", METHODS)
def test_function_that_does_not_pickle_fails_as_before(database, method):
    """With the same exception."""

    def outcome():
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
            return type(pool.submit(lambda: 1).exception())

    plain = outcome()
    PoolInstrumentor().instrument(targets=ADAPTERS, database=database)
    try:
        assert outcome() is plain
    finally:
        PoolInstrumentor().uninstrument()


@pytest.mark.usefixtures("instrumented")
def test_cancelled_future_is_not_an_execution(rows):
    """It never ran."""
    started, go_on = threading.Event(), threading.Event()

    def block():
        started.set()
        go_on.wait(10)

    pool = ThreadPoolExecutor(1)
    pool.submit(block)
    started.wait(10)
    waiting = pool.submit(square, 1)
    assert waiting.cancel()
    go_on.set()
    pool.shutdown()

    assert [row["task_type"] for row in rows()] == ["block"]


@pytest.mark.usefixtures("instrumented")
def test_thread_pool_of_multiprocessing_is_recorded(rows):
    """Its functions need not pickle."""
    with ThreadPool(2) as pool:
        assert pool.map(lambda number: -number, [1, 2]) == [-1, -2]

    assert [row["pool_type"] for row in rows()] == ["ThreadPool"] * 2


@pytest.mark.parametrize("option", ["database", "learning_db"])
def test_process_that_stays_records_where_each_sender_does(tmp_path, option):
    """Not all where the first did: the processes of a pool, or of a cluster, may outlive who sent to them."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        for number in range(2):
            with LearningDatabase(tmp_path / f"{number}.db") as own:
                PoolInstrumentor().instrument(targets="concurrent.futures", **{option: own})
                try:
                    pool.submit(square, number).result()
                finally:
                    PoolInstrumentor().uninstrument()

                wait_until(lambda own=own: len(own.query("SELECT * FROM executions")) == 1)


def test_explicit_database_is_that_of_spawned_processes_too(tmp_path):
    """They are not instrumented themselves."""
    with LearningDatabase(tmp_path / "own.db") as own:
        PoolInstrumentor().instrument(targets="concurrent.futures", learning_db=own)
        try:
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                pool.submit(square, 2).result()
        finally:
            PoolInstrumentor().uninstrument()

        assert len(own.query("SELECT * FROM executions")) == 1


def test_uninstrument_restores_the_originals(database):
    """The same functions."""
    before = vars(ThreadPoolExecutor)["submit"], vars(ProcessPoolExecutor)["map"]
    PoolInstrumentor().instrument(targets=ADAPTERS, database=database)
    assert vars(ThreadPoolExecutor)["submit"] is not before[0]
    PoolInstrumentor().uninstrument()

    assert (vars(ThreadPoolExecutor)["submit"], vars(ProcessPoolExecutor)["map"]) == before
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: current_execution().execution_id).result() is None


@pytest.mark.parametrize(
    ("kind", "submits"),
    [
        (ThreadPoolExecutor, 2_000),
        (ProcessPoolExecutor, 500),
        pytest.param(ThreadPoolExecutor, 10_000, marks=pytest.mark.slow),
        pytest.param(ProcessPoolExecutor, 2_000, marks=pytest.mark.slow),
    ],
)
def test_full_pool_loses_nothing(tmp_path, kind, submits):
    """In ``batch`` mode, which large pools use."""
    database = LearningDatabase(tmp_path / "full.db", durability="batch")
    PoolInstrumentor().instrument(targets=ADAPTERS, database=database)
    try:
        with kind(2) as pool:
            futures = [pool.submit(square, number) for number in range(submits)]
            assert sum(future.result() for future in futures) == sum(map(square, range(submits)))
    finally:
        PoolInstrumentor().uninstrument()

    with database:
        assert database.query("SELECT count(*) AS n FROM executions") == [{"n": submits}]


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize("backend", ["threading", "multiprocessing"])
def test_runner_of_joblib_is_no_task(rows, backend):
    """It returns where an item failed."""
    with pytest.raises(ValueError, match="1"):
        joblib.Parallel(2, backend=backend)([joblib.delayed(fail)(1)])

    assert rows() == []


@pytest.mark.usefixtures("instrumented")
def test_runner_of_apscheduler_is_no_task(rows):
    """It returns where a job failed."""
    scheduler = BackgroundScheduler(executors={"default": {"type": "threadpool"}, "other": ProcessesOfScheduler(1)})
    scheduler.start()
    ended = threading.Semaphore(0)
    scheduler.add_listener(lambda event: ended.release(), EVENT_JOB_ERROR)
    for executor in ("default", "other"):
        scheduler.add_job(fail, args=(1,), executor=executor, misfire_grace_time=None)
    assert ended.acquire(timeout=30)
    assert ended.acquire(timeout=30)
    scheduler.shutdown()

    assert rows() == []


@pytest.mark.usefixtures("instrumented")
async def test_event_loop_resolves_names_unrecorded(rows):
    """For each connection."""
    assert await asyncio.get_running_loop().getaddrinfo("localhost", 80)

    assert rows() == []


@pytest.mark.usefixtures("instrumented")
def test_library_function_that_the_application_submits_is_recorded(rows):
    """Whichever library has it."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, asyncio.sleep(0)).result()
        pool.submit(joblib.hash, 1).result()

    assert [row["task_type"] for row in rows()] == ["run", "hash"]
