"""Deletion among other processes, and of processes that are killed."""

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys

import databases
import pytest
from interrupting import called_with_a_signal_at, files
from waiting import wait_until

from learning_instrument import ExecutionRecord
from learning_instrument.analytics import Selection
from learning_instrument.costs.attribution import SpanLink
from learning_instrument.costs.call_store import ModelCallBatch, ModelCallStore
from learning_instrument.costs.model_calls import ModelCall
from learning_instrument.maintenance import delete
from learning_instrument.maintenance.doctor import examine
from learning_instrument.record import row_from_record
from learning_instrument.rollups.catch_up import advance
from learning_instrument.rollups.keys import add_name
from learning_instrument.sqlite.connection import WriteConnection
from learning_instrument.storage import spill_format

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no forks")]

_RECORDER = """
import sys, time
from learning_instrument import configure, record_execution, shutdown

database = configure(sys.argv[1], durability=sys.argv[2])

@record_execution
def execute_task(task):
    return {"success": True}

for number in range(4000):
    who = "kept" if number % 2 else "gone"
    execute_task({"task_id": f"{who}{number}", "prompt": f"{who} " * 40, "metadata": {"customer": who}})
    if number % 50 == 0:
        time.sleep(0.01)
shutdown()
print(sum(database.statistics().lost.values()))
"""


def rows(path, sql):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_processes_that_record_meanwhile_lose_nothing(tmp_path, durability):
    """The file is rewritten under them, its log cut; what they had not stored yet goes with a later deletion."""
    path = databases.make(tmp_path / "learning.db")
    command = [sys.executable, "-c", _RECORDER, str(path), durability]
    recorders = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    wait_until(lambda: rows(path, "SELECT count(*) FROM executions")[0][0] > 100)
    named, deleted = set(), 0
    while any(recorder.poll() is None for recorder in recorders):
        done = delete(path, Selection(where="metadata.customer=gone"))
        named.update(done.recording)
        deleted += done.executions
    assert [recorder.communicate()[0] for recorder in recorders] == ["0\n", "0\n"]

    deleted += delete(path, Selection(where="metadata.customer=gone")).executions

    assert deleted == 4000
    assert rows(path, "SELECT count(*), count(DISTINCT task_id) FROM executions WHERE task_id LIKE 'kept%'") == [
        (4000, 2000)
    ]
    assert rows(path, "SELECT count(*) FROM executions") == [(4000,)]
    assert rows(path, "SELECT * FROM losses") == []
    assert named & {str(recorder.pid) for recorder in recorders}
    assert b"gone" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


def word(number):
    return f"zq{number:06x}qz"


def record(number, **fields):
    parent = f"e{number - 1}" if number % 10 == 1 else None
    return ExecutionRecord(
        task_type="t", task_id=word(number), execution_id=f"e{number}", task_description=f"Ask {word(number)} again",
        error_message=f"No {word(number)} there", outcome="failed" if number % 3 else "succeeded",
        parent_execution_id=parent,
        metadata={"customer": word(number), "side": "gone" if number % 2 == 0 else "kept"}, **fields,
    )  # fmt: skip


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """A database with 300 executions; of those with an even number every fifth has the next one within it."""
    path = databases.make(tmp_path_factory.mktemp("killed") / "learning.db")
    target = WriteConnection(str(path), 5.0)
    add_name(target, "metadata.customer")
    for start in range(0, 300, 50):
        numbers = range(start, start + 50)
        target.insert([row_from_record(record(number)) for number in numbers])
        values = {
            **dict.fromkeys(ModelCall._fields),
            "path": "",
            "timestamp": "2026-11-01T00:00:00.000000+00:00",
            "cost_source": "unpriced",
        }
        calls = [
            ModelCall(**{**values, "execution_id": f"e{number}", "trace_id": f"{number:032x}", "duration_seconds": 1.0,
                         "span_id": f"{number:016x}", "response_id": word(number)})
            for number in numbers
        ]  # fmt: skip
        with target.transaction() as connection:
            ModelCallStore().store(connection, ModelCallBatch(calls, [SpanLink(f"{start:032x}", "9" * 16, None)]))
        while advance(target):
            pass
    target.close()
    return path.read_bytes()


_GONE = {number for number in range(302) if number % 2 == 0 or number % 10 == 1}
_WITHIN = files(
    "maintenance", "rollups/catch_up.py", "rollups/search_index.py", "sqlite/connection.py", "storage/spill.py"
)


@pytest.mark.parametrize("part", range(3))
def test_killed_deletion_is_whole_after_the_same_call(content, tmp_path, monkeypatch, part):
    """At any of our lines: each execution is there with all that hangs on it, or gone; a second run does the rest."""
    monkeypatch.setattr("learning_instrument.maintenance.chosen_rows.SLICE_ROWS", 40)
    which = Selection(where="metadata.side=gone")
    step, line, kills = 307, 1 + 101 * part, 0
    while True:
        folder = tmp_path / str(line)
        folder.mkdir()
        path = folder / "learning.db"
        path.write_bytes(content)
        spill_format.write(
            str(path), spill_format.Spilled([row_from_record(record(300)), row_from_record(record(301))])
        )
        child = os.fork()
        if child == 0:
            called_with_a_signal_at(line, lambda path=path: delete(path, which), _WITHIN, signal.SIGKILL)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        there = {name for (name,) in rows(path, "SELECT execution_id FROM executions")}
        called = {name for (name,) in rows(path, "SELECT execution_id FROM model_calls")}
        assert there - called <= {"e300", "e301"}
        assert called <= there

        delete(path, which)

        remains = {
            int(each, 16) for file in folder.iterdir() for each in re.findall(rb"zq(\w{6})qz", file.read_bytes())
        }
        assert remains == set(range(302)) - _GONE
        assert rows(path, "SELECT count(*) FROM executions") == [(len(remains),)]
        assert rows(path, "SELECT * FROM deletions WHERE NOT is_finished") == []
        assert {finding.check for finding in examine(str(path), {})} <= {
            "pools",
            "provider",
            "unpriced models",
            "readable by others",
        }
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        kills += 1
        line += step
    assert kills > 5
