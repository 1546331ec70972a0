"""How the schedulers of others end a task: the table has the real names, and their own endings are judged by it."""

import asyncio
import subprocess
import sys

import pytest

from learning_instrument import PoolInstrumentor, record_execution
from learning_instrument.outcome import ENDINGS

pytestmark = pytest.mark.slow

#: Of each package in the table, the modules of its exceptions.
MODULES = {
    "agents": ["agents.exceptions"],
    "anyio": ["anyio._core._exceptions"],
    "arq": ["arq.worker"],
    "asyncio": ["asyncio"],
    "billiard": ["billiard.exceptions"],
    "builtins": ["builtins"],
    "celery": ["celery.exceptions"],
    "concurrent": ["concurrent.futures"],
    "distributed": ["distributed.scheduler"],
    "dramatiq": ["dramatiq.errors", "dramatiq.middleware"],
    "eventlet": ["eventlet"],
    "gevent": ["gevent"],
    "google": ["google.adk.workflow._errors"],
    "greenlet": ["greenlet"],
    "huey": ["huey.exceptions"],
    "langgraph": ["langgraph.errors"],
    "multiprocessing": ["multiprocessing"],
    "prefect": ["prefect.exceptions"],
    "pydantic_ai": ["pydantic_ai.exceptions"],
    "ray": ["ray.exceptions"],
    "rq": ["rq.timeouts", "rq.exceptions"],
    "taskiq": ["taskiq.exceptions"],
    "temporalio": ["temporalio.exceptions"],
    "tornado": ["tornado.util"],
    "trio": ["trio"],
    "workflows": ["workflows.errors"],
}


@pytest.mark.parametrize("name", sorted(name for name in ENDINGS if "." in name))
def test_table_has_the_real_names(name):
    """Those that the installed release of the library has."""
    package, _, own = name.partition(".")
    modules = [pytest.importorskip(module) for module in MODULES[package]]

    found = [vars(module)[own] for module in modules if own in vars(module)]

    assert found
    assert all(issubclass(cls, BaseException) for cls in found)
    # An alias of the built-in class is judged as that.
    assert all(cls.__module__.partition(".")[0] in (package, "builtins") for cls in found)


@pytest.fixture
def ended(database, rows):
    """Tell how the last recorded execution ended."""
    return lambda: tuple(rows()[-1][column] for column in ("outcome", "error_type", "outcome_source"))


CANCELLED = ("cancelled", "cancelled", "raised")
TIMEOUT = ("timeout", "timeout", "raised")


def test_trio(database, ended):
    """A cancelled scope, and a deadline in a nursery, which raises a group."""
    trio = pytest.importorskip("trio")

    @record_execution(learning_db=database)
    async def sleep(task):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 60)
            await trio.sleep(60)

    async def too_slow():
        with trio.fail_after(0.01):
            await trio.sleep(60)

    @record_execution(learning_db=database)
    async def in_a_nursery(task):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(too_slow)

    async def main():
        with trio.move_on_after(0.01):
            await sleep({})
        assert ended() == CANCELLED
        with pytest.raises(Exception, match="nursery"):
            await in_a_nursery({})
        assert ended() == TIMEOUT

    trio.run(main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_anyio(database, ended, backend):
    """A cancelled group, on either backend."""
    anyio = pytest.importorskip("anyio")
    pytest.importorskip(backend)

    @record_execution(learning_db=database)
    async def sleep(task):
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 60)
            await anyio.sleep(60)

    async def main():
        with anyio.move_on_after(0.01):
            await sleep({})
        assert ended() == CANCELLED

    anyio.run(main, backend=backend)


def test_gevent(database, ended):
    """A time-out, and a greenlet that is killed."""
    gevent = pytest.importorskip("gevent")

    @record_execution(learning_db=database)
    def sleep(task):
        with gevent.Timeout(task["seconds"]):
            gevent.sleep(60)

    gevent.spawn(sleep, {"seconds": 0.01}).join()
    assert ended() == TIMEOUT

    killed = gevent.spawn(sleep, {"seconds": 60})
    gevent.sleep(0.01)
    killed.kill()
    assert ended() == CANCELLED


def test_eventlet(database, ended):
    """The same of eventlet."""
    eventlet = pytest.importorskip("eventlet")

    @record_execution(learning_db=database)
    def sleep(task):
        with eventlet.Timeout(task["seconds"]):
            eventlet.sleep(60)

    with pytest.raises(eventlet.Timeout):
        eventlet.spawn(sleep, {"seconds": 0.01}).wait()
    assert ended() == TIMEOUT

    killed = eventlet.spawn(sleep, {"seconds": 60})
    eventlet.sleep(0.01)
    killed.kill()
    assert ended() == CANCELLED


GREENLETS = """
import gevent.monkey
gevent.monkey.patch_all()
import sys
import gevent
import learning_instrument

learning_instrument.configure(sys.argv[1], durability=sys.argv[2])

@learning_instrument.record_execution
def work(task):
    gevent.sleep(0.001)

def many(number):
    for step in range(20):
        work({"task_id": f"{number}-{step}"})

gevent.joinall([gevent.spawn(many, number) for number in range(50)], raise_error=True)
learning_instrument.shutdown()
"""


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_greenlets_of_a_patched_process_share_the_store(database, rows, durability):
    """Locks, threads and sleep are gevent's: no greenlet waits for another forever, and no row is missing."""
    pytest.importorskip("gevent")
    subprocess.run([sys.executable, "-c", GREENLETS, database.path, durability], check=True, timeout=60)

    assert len({row["task_id"] for row in rows()}) == 1000


@pytest.mark.skipif(sys.version_info < (3, 11), reason="task groups are new in Python 3.11")
def test_asyncio_task_group(database, ended):
    """A group of time-outs alone is a time-out."""

    async def too_slow():
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)

    @record_execution(learning_db=database)
    async def in_a_group(task):
        async with asyncio.TaskGroup() as group:
            group.create_task(too_slow())

    with pytest.raises(Exception, match="TaskGroup"):
        asyncio.run(in_a_group({}))
    assert ended() == TIMEOUT


def half(task):
    if task["number"] % 2:
        raise ValueError("odd")
    return task["number"] // 2


def test_items_that_joblib_sends_to_dask_are_recorded_once(database, rows):
    """As items; what joblib submits returns the exception where one raised, and is no task of dask's."""
    distributed = pytest.importorskip("distributed")
    joblib = pytest.importorskip("joblib")
    PoolInstrumentor().instrument(targets="joblib,dask", database=database)
    try:
        with distributed.Client(processes=False, dashboard_address=None), joblib.parallel_config(backend="dask"):
            items = (joblib.delayed(half)({"number": number}) for number in (4, 1))
            with pytest.raises(ValueError, match="odd"):
                joblib.Parallel(batch_size=1)(items)
    finally:
        PoolInstrumentor().uninstrument()

    assert {row["pool_type"] for row in rows()} == {"joblib"}
    assert "error" in {row["outcome"] for row in rows()}
