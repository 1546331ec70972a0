"""A task that forks: its record is the parent's, however the child leaves it."""

import asyncio
import ctypes
import os
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path

import pytest

from learning_instrument import LearningDatabase

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

if __name__ == "__main__":
    from learning_instrument import configure, record_execution, shutdown

    PATH, KIND, ENDING, FORK = sys.argv[1:]
    configure(PATH)
    fork = os.fork if FORK == "hooks" else ctypes.PyDLL(None).fork

    def leave():
        """Fork; the child leaves by the ending, the parent waits for it."""
        process_id = fork()
        if process_id:
            os.waitpid(process_id, 0)
            return "parent"
        if ENDING == "sys.exit":
            sys.exit(0)
        elif ENDING == "os._exit":
            os._exit(0)
        elif ENDING == "exception":
            raise ValueError("child")
        return "child"

    @record_execution
    def plain(task):
        return leave()

    @record_execution
    def generator(task):
        yield 1
        yield leave()

    @record_execution
    async def coroutine(task):
        return leave()

    @record_execution
    async def async_generator(task):
        yield leave()

    @record_execution
    def future(task):
        pending = Future()
        pending.set_result(leave())
        return pending

    @record_execution(batch=True)
    def batch(tasks):
        leave()
        return [{"status": "completed"} for _ in tasks]

    @record_execution
    def after(task):
        """Is recorded in the child, too."""

    async def exhaust():
        return [item async for item in async_generator({"task_id": "forks"})]

    calls = {
        "plain": lambda: plain({"task_id": "forks"}),
        "generator": lambda: list(generator({"task_id": "forks"})),
        "coroutine": lambda: asyncio.run(coroutine({"task_id": "forks"})),
        "async_generator": lambda: asyncio.run(exhaust()),
        "future": lambda: future({"task_id": "forks"}).result(),
        "batch": lambda: batch([{"task_id": "forks"}]),
    }
    own = os.getpid()
    try:
        calls[KIND]()
    except ValueError:
        pass
    after({"task_id": "after parent" if os.getpid() == own else "after child"})
    shutdown()
    sys.exit(0)


@pytest.mark.parametrize("fork", ["hooks", "C"])
@pytest.mark.parametrize("kind", ["plain", "generator", "coroutine", "async_generator", "future", "batch"])
@pytest.mark.parametrize("ending", ["sys.exit", "os._exit", "exception", "return"])
@pytest.mark.slow
def test_record_of_a_task_that_forks_is_the_parents(tmp_path, kind, ending, fork):
    """The child neither records nor loses it, and records what it begins itself."""
    assert_one_record(tmp_path, kind, ending, fork)


@pytest.mark.parametrize(("kind", "ending", "fork"), [("plain", "sys.exit", "hooks"), ("batch", "return", "C")])
def test_record_of_a_forking_task(tmp_path, kind, ending, fork):
    """Two of the above."""
    assert_one_record(tmp_path, kind, ending, fork)


def assert_one_record(tmp_path, kind, ending, fork):
    program = [sys.executable, Path(__file__), tmp_path / "l.db", kind, ending, fork]
    subprocess.run(program, check=True, timeout=60, stderr=subprocess.DEVNULL)

    with LearningDatabase(tmp_path / "l.db") as database:
        rows = database.query("SELECT task_id, outcome, process_id FROM executions")
        losses = database.query("SELECT * FROM losses")
    found = {row["task_id"]: row for row in rows}
    survives = ending in ("exception", "return")
    assert sorted(row["task_id"] for row in rows) == [*["after child"] * survives, "after parent", "forks"]
    assert (found["forks"]["outcome"], found["forks"]["process_id"]) == (
        "succeeded",
        found["after parent"]["process_id"],
    )
    assert not losses
