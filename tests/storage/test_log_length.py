"""The write-ahead log stays short under commits and maintenance."""

import os
import sqlite3
import subprocess
import sys

import pytest
from log_watch import LogWatch
from waiting import wait_until

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.maintenance.pruning import prune
from learning_instrument.storage.retention import Limits
from learning_instrument.transfer import import_executions

MOST_BYTES = 64_000_000
ROWS = 60_000
RECORD = """
import sys, time
from learning_instrument import ExecutionRecord, LearningDatabase
database = LearningDatabase(sys.argv[1])
count, characters = int(sys.argv[2]), int(sys.argv[3])
started = time.monotonic()
for number in range(count):
    database.append([ExecutionRecord(task_type="x", task_description="w" * characters)])
    time.sleep(max(0.0, started + (number + 1) / 400 - time.monotonic()))
database.close()
assert not database.statistics().lost, database.statistics()
"""


@pytest.fixture
def longest(database):
    """The longest log of ``database``."""
    with LogWatch(database.path) as longest:
        yield longest


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "count", "characters"), [(1, 4000, 400), (4, 2000, 400), (1, 1500, 9000)])
def test_log_stays_short_while_processes_commit(database, longest, processes, count, characters):
    """400 commits a second in each, of short and long rows; and no row is lost for it."""
    database.open()
    running = [
        subprocess.Popen([sys.executable, "-c", RECORD, database.path, str(count), str(characters)])
        for _ in range(processes)
    ]
    assert [process.wait() for process in running] == [0] * processes

    assert database.query("SELECT count(*) AS rows FROM executions") == [{"rows": processes * count}]
    assert longest.bytes < MOST_BYTES


def rebuilt(database):
    database.rebuild_rollups()
    return database.path


def pruned(database):
    database.close()
    assert prune(database.path, Limits(keep=1000)).executions == ROWS - 1000
    return database.path


def imported(database):
    """Into another file."""
    database.close()
    target = f"{database.path}.imported.db"
    assert import_executions(target, [database.path]).stored == ROWS
    return target


@pytest.mark.slow
@pytest.mark.parametrize("work", [rebuilt, pruned, imported])
def test_log_stays_short_under_long_work(database, longest, work):
    """Of a file with many sums, whose log has been emptied before."""
    for start in range(0, ROWS, 1000):
        database.append(
            [
                ExecutionRecord(
                    task_type=f"type {n % 500}", repo=f"repo {n % 997}", task_description=f"words {n} of {n * 7}"
                )
                for n in range(start, start + 1000)
            ]
        )
    assert longest.bytes < MOST_BYTES
    with LogWatch(f"{database.path}.imported.db") as other:
        path = work(database)

    assert max(longest.bytes, other.bytes) < MOST_BYTES
    with LearningDatabase(path) as asked:
        assert asked.query("SELECT mark = (SELECT max(rowid) FROM executions) AS is_whole FROM rollup_state") == [
            {"is_whole": 1}
        ]


@pytest.mark.slow
def test_log_is_short_again_after_a_reader_kept_it(database, longest):
    """A snapshot keeps all that was written since; it is cut once that is gone."""
    database.append([ExecutionRecord(task_type="x")])
    reader = sqlite3.connect(database.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM executions").fetchone()
    for _ in range(60):
        database.append([ExecutionRecord(task_type="x", task_description="w" * 5000) for _ in range(200)])
    assert longest.bytes > MOST_BYTES
    reader.close()

    def is_short():
        database.append([ExecutionRecord(task_type="x") for _ in range(200)])
        return os.stat(f"{database.path}-wal").st_size <= 36_000_000

    wait_until(is_short, 20)
