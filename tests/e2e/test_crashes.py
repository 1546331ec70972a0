"""Processes that die while a task runs: each of its executions is one record, made by the next to open the database."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from waiting import wait_until

from learning_instrument import LearningDatabase

HERE = Path(__file__).parent
HASTE = """
from learning_instrument.storage import watchdog
watchdog.LONG_SECONDS, watchdog._TURN_SECONDS = 0.1, 0.01
"""
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these processes are ended by POSIX signals")


def entries(path):
    """Return the task ids in the table ``running``, read past us; none while it is not there."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(path, timeout=5)) as connection:
        try:
            return sorted(task_id for (task_id,) in connection.execute("SELECT task_id FROM running"))
        except sqlite3.OperationalError:
            return []


def stored(path):
    """Return the records, as one who opens the database next."""
    with LearningDatabase(path) as database:
        return database.query("SELECT * FROM executions ORDER BY task_id")


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start a program that runs tasks; they wait for a line of its input.

    A long execution is one of 0.1 seconds there, unless *is_patient*.
    """
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, [HERE, HERE.parent, HERE.parent.parent])))
    started = []

    def start(name, *args, is_patient=False):
        path = tmp_path / f"{len(started)}.db"
        program = f"import programs; programs.{name}({str(path)!r}, *{args!r})"
        process = subprocess.Popen(
            [sys.executable, "-c", program if is_patient else HASTE + program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        started.append(process)
        return process, path

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_killed_process_is_one_record_for_each_of_its_tasks(start):
    """In both durabilities, with threads and with coroutines, however often the database is opened later."""
    cases = [
        (start("run_until_told", durability, kind, 5, is_patient=True), kind)
        for durability in ("commit", "batch")
        for kind in KINDS
    ]
    for (_, path), _ in cases:
        wait_until(lambda path=path: len(entries(path)) == 5)

    for (process, path), kind in cases:
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and to us, its parent, still a zombie

        for _ in range(2):
            rows = stored(path)
            assert [row["task_id"] for row in rows] == [f"{kind}-{n}" for n in range(5)]
        assert {(row["outcome"], row["error_type"], row["success"]) for row in rows} == {("lost", "crash", 0)}
        assert {row["process_id"] for row in rows} == {process.pid}
        assert {row["task_description"] for row in rows} == {"wait"}
        assert all(row["duration_seconds"] >= 1 for row in rows)
        assert entries(path) == []


KINDS = ["thread", "coroutine"]


def test_process_that_leaves_at_once_loses_its_task(start):
    """``os._exit`` in the middle of it."""
    process, path = start("leave_at_once_when_told")
    wait_until(lambda: entries(path))

    process.communicate(b"\n")

    assert process.returncode == 7
    assert [(row["task_id"], row["outcome"]) for row in stored(path)] == [("leaving", "lost")]


def test_suspended_process_is_not_dead(start):
    """Its result comes when it goes on, and is the only record."""
    process, path = start("run_until_told", "commit", "thread", 1)
    wait_until(lambda: entries(path))
    process.send_signal(signal.SIGSTOP)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE running SET heartbeat = '2020-01-01T00:00:00.000000+00:00'")

    assert stored(path) == []
    assert entries(path) == ["thread-0"]

    process.send_signal(signal.SIGCONT)
    process.communicate(b"\n")
    assert process.returncode == 0
    assert [(row["task_id"], row["outcome"]) for row in stored(path)] == [("thread-0", "succeeded")]


def test_process_that_was_taken_for_dead_replaces_its_record(start):
    """And its entry is gone with it."""
    process, path = start("run_until_told", "commit", "thread", 1)
    wait_until(lambda: entries(path))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE running SET process = replace(process, 'pid:', 'another:'), heartbeat = '2020-01-01T00:00+00:00'"
        )

    assert [row["outcome"] for row in stored(path)] == ["lost"]

    process.communicate(b"\n")
    assert [(row["outcome"], row["error_type"]) for row in stored(path)] == [("succeeded", None)]
    assert entries(path) == []


def test_process_that_ends_by_itself_leaves_no_entry(start):
    """Its long task ended a moment before."""
    process, path = start("run_until_told", "commit", "thread", 1, is_patient=True)
    wait_until(lambda: entries(path))

    process.communicate(b"\n")

    assert process.returncode == 0
    assert entries(path) == []


def test_children_of_a_process_pool_are_lost_alone(start):
    """One worker is killed: its task is lost, its neighbours' are not, and the parent's own goes on."""
    process, path = start("prefork", 3)
    wait_until(lambda: len(entries(path)) == 4)
    with closing(sqlite3.connect(path)) as connection:
        ((victim,),) = connection.execute("SELECT process_id FROM running WHERE task_id = 'child-1'")
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: stored(path))  # its threads end one after the other

    assert [(row["task_id"], row["outcome"]) for row in stored(path)] == [("child-1", "lost")]
    assert entries(path) == ["child-0", "child-2", "parent"]

    process.communicate(b"\n")
    outcomes = {row["task_id"]: row["outcome"] for row in stored(path)}
    assert outcomes == {"parent": "succeeded", "child-0": "succeeded", "child-1": "lost", "child-2": "succeeded"}
    assert entries(path) == []
