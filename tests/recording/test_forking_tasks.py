"""A task that forks: its record is the parent's, however the child leaves it."""

import asyncio
import ctypes
import os
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest

from learning_instrument import LearningDatabase, record_execution
from learning_instrument.safety import forks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

if __name__ == "__main__":
    from learning_instrument import configure, shutdown

    PATH, ENDING, FORK = sys.argv[1:4]
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

    async def exhaust(task):
        return [item async for item in async_generator(task)]

    calls = {
        "plain": plain,
        "generator": lambda task: list(generator(task)),
        "coroutine": lambda task: asyncio.run(coroutine(task)),
        "async_generator": lambda task: asyncio.run(exhaust(task)),
        "future": lambda task: future(task).result(),
        "batch": lambda task: batch([task]),
    }
    own = os.getpid()
    for kind in sys.argv[4:]:
        try:
            calls[kind]({"task_id": kind})
        except ValueError:
            pass
        after({"task_id": f"{kind}, after, {'parent' if os.getpid() == own else 'child'}"})
        if os.getpid() != own:
            break
    shutdown()
    sys.exit(0)

KINDS = ["plain", "generator", "coroutine", "async_generator", "future", "batch"]


@pytest.mark.parametrize("ending", ["sys.exit", "os._exit", "exception", "return"])
@pytest.mark.slow
def test_record_of_a_task_that_forks_is_the_parents(tmp_path, ending):
    """The child neither records nor loses it, and records what it begins itself."""
    assert_one_record_each(tmp_path, ending, "hooks", KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ending", ["sys.exit", "os._exit", "exception", "return"])
@pytest.mark.slow
def test_record_of_a_task_that_forks_from_c_is_the_parents(tmp_path, ending, kind):
    """One in each process, at its start: the child of a C fork hangs in the interpreter if a thread waits for it."""
    assert_one_record_each(tmp_path, ending, "C", [kind])


@pytest.mark.parametrize(("kind", "ending", "fork"), [("plain", "sys.exit", "hooks"), ("batch", "return", "C")])
def test_record_of_a_forking_task(tmp_path, kind, ending, fork):
    """Two of the above."""
    assert_one_record_each(tmp_path, ending, fork, [kind])


def assert_one_record_each(tmp_path, ending, fork, kinds):
    program = [sys.executable, Path(__file__), tmp_path / "l.db", ending, fork, *kinds]
    subprocess.run(program, check=True, timeout=60, stderr=subprocess.DEVNULL)

    with LearningDatabase(tmp_path / "l.db") as database:
        rows = database.query("SELECT task_id, outcome, process_id FROM executions")
        losses = database.query("SELECT * FROM losses")
    found = {row["task_id"]: (row["outcome"], row["process_id"]) for row in rows}
    survivors = ["parent", "child"] if ending in ("exception", "return") else ["parent"]
    expected = [name for kind in kinds for name in (kind, *(f"{kind}, after, {process}" for process in survivors))]
    assert sorted(row["task_id"] for row in rows) == sorted(expected)
    assert {found[kind] for kind in kinds} == {found[f"{kind}, after, parent"] for kind in kinds}
    assert {outcome for outcome, _ in found.values()} == {"succeeded"}
    assert not losses


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_execution_looks_for_a_fork_at_its_start_and_at_its_end(tmp_path, monkeypatch, durability):
    """Once each: a look takes some 100 ns."""
    looks = []

    class Mark:
        def __getitem__(self, index):
            looks.append(threading.get_ident())
            return 1

    @record_execution(learning_db=LearningDatabase(tmp_path / "l.db", durability))
    def work(task):
        at_start.extend(looks)
        return "done"

    at_start = []
    work("warms up")
    at_start.clear()
    monkeypatch.setattr(forks, "mark", Mark())
    work("a task")

    here = threading.get_ident()
    assert (at_start.count(here), looks.count(here)) == (1, 2)
