"""An execution that finished is in the database: many processes, killed ones, forked ones, and at exit."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from small_pools import AsyncPool

from learning_instrument import record_execution

HERE = Path(__file__).parent
SEARCHED = os.pathsep.join(map(str, [HERE, HERE.parent, HERE.parent.parent]))


def command(name, *args):
    return [sys.executable, "-c", f"import programs; programs.{name}(*{args!r})"]


@pytest.fixture
def run(monkeypatch):
    """Run one of the programs; answer with what it printed."""
    monkeypatch.setenv("PYTHONPATH", SEARCHED)

    def run(name, *args):
        done = subprocess.run(command(name, *args), capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def task_ids(rows):
    """Return the task ids of all rows, sorted."""
    return lambda: sorted(row["task_id"] for row in rows())


def test_eight_processes_of_eight_threads_lose_nothing(run, database, rows):
    """12,800 executions at once into one file are 12,800 rows."""
    run("at_once", database.path, 8, 8, 200)

    expected = {f"{process}-{thread}-{n}" for process in range(8) for thread in range(8) for n in range(200)}
    stored = rows()
    assert len(stored) == 12_800
    assert {row["task_id"] for row in stored} == expected
    assert len({row["execution_id"] for row in stored}) == 12_800
    assert len({row["process_id"] for row in stored}) == 8


async def test_a_thousand_asyncio_tasks_have_the_right_parents(configured, rows):
    """Twenty executions run fifty others each, all at the same time."""

    class Outer:
        def __init__(self):
            self.inner = AsyncPool(lambda task: {"success": True})

        @record_execution
        async def execute_task(self, task):
            subtasks = [{"task_id": f"{task['task_id']}.{n}", "task_type": "inner"} for n in range(50)]
            return await asyncio.gather(*(self.inner.execute_task(subtask) for subtask in subtasks))

    outer = Outer()
    await asyncio.gather(*(outer.execute_task({"task_id": f"{n}", "task_type": "outer"}) for n in range(20)))

    stored = rows()
    parents = {row["execution_id"]: row["task_id"] for row in stored if row["task_type"] == "outer"}
    inner = [row for row in stored if row["task_type"] == "inner"]
    assert (len(parents), len(inner)) == (20, 1000)
    assert all(parents[row["parent_execution_id"]] == row["task_id"].split(".")[0] for row in inner)


@pytest.mark.parametrize(
    ("method", "durability"),
    [
        ("fork", "commit"),
        ("fork", "batch"),
        ("spawn", "commit"),
        pytest.param("spawn", "batch", marks=pytest.mark.slow),
        pytest.param("forkserver", "commit", marks=pytest.mark.slow),
        pytest.param("forkserver", "batch", marks=pytest.mark.slow),
    ],
)
def test_multiprocessing_children_record(run, database, task_ids, method, durability):
    """Bound methods and functions are pickled, and what they do is stored before the child is gone."""
    run("multiprocessing_children", database.path, method, durability)

    assert task_ids() == ["configured", "function", "method", "parent"]


@pytest.mark.parametrize(
    ("method", "durability"),
    [
        ("fork", "commit"),
        ("fork", "batch"),
        pytest.param("spawn", "commit", marks=pytest.mark.slow),
        pytest.param("forkserver", "commit", marks=pytest.mark.slow),
    ],
)
def test_process_pool_executor_children_record(run, database, task_ids, method, durability):
    """The same through concurrent.futures."""
    run("executor", database.path, method, durability)

    assert task_ids() == sorted(f"{kind}-{n}" for kind in ("method", "function") for n in range(20))


@pytest.mark.parametrize("children", [5, pytest.param(15, marks=pytest.mark.slow)])
def test_forking_while_others_record_loses_nothing(run, database, rows, children):
    """No child inherits a held lock."""
    parents = int(run("fork_under_load", database.path, 3, children, 10))

    assert Counter(row["task_type"] for row in rows()) == {"parent": parents, "child": 10 * children}


def test_batch_mode_is_flushed_at_exit(run, database, rows):
    """Without a call, in order, for a database that was not configured."""
    run("exit_without_flush", database.path, 1000)

    assert [row["task_id"] for row in rows()] == [f"{n}" for n in range(1000)]


def test_execution_of_an_exit_handler_is_recorded(run, database, task_ids):
    """As late as that."""
    run("exit_from_atexit", database.path)

    assert task_ids() == ["first", "last"]


#: Without ``multiprocessing``, which has an exit handler that flushes once more.
EARLY_EXIT_HANDLER = """
import atexit
atexit.register(lambda: execute_task({"task_id": "last"}))
from learning_instrument import configure, record_execution
configure(%r, durability="batch")

@record_execution
def execute_task(task):
    return {"success": True}

execute_task({"task_id": "first"})
"""


def test_execution_of_an_exit_handler_after_ours_is_recorded(database, task_ids):
    """It was registered before ours was, so it runs when the queue has been written already."""
    subprocess.run([sys.executable, "-c", EARLY_EXIT_HANDLER % database.path], check=True, timeout=100)

    assert task_ids() == ["first", "last"]


#: Imports are watched by an audit hook, which sees them in all threads.
FIRST_EXECUTION = """
import sys
from learning_instrument import configure, record_execution

database = configure(%r)
database.open()

@record_execution
def execute_task(task):
    return {"success": True}

imported = []
sys.addaudithook(lambda event, arguments: imported.append(arguments[0]) if event == "import" else None)
execute_task({"task_id": "first"})
print(imported)
"""


def test_first_execution_imports_nothing(database):
    """A child forked while another thread imports waits for that module for ever."""
    source = FIRST_EXECUTION % database.path
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=100)

    assert done.stdout == "[]\n"


def test_queue_is_the_parents_after_a_fork(run, database, task_ids):
    """Written once, and by it."""
    run("fork_with_a_queue", database.path)

    assert task_ids() == sorted([*(f"{n}" for n in range(50)), "child"])
