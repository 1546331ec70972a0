"""What follows the executions in the background catches up by itself, and can be made anew."""

import os
import signal
import subprocess
import sys
import time

import pytest
from executions import Asked
from waiting import wait_until

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.analytics.error_groups import error_groups
from learning_instrument.analytics.group_totals import totals
from learning_instrument.rollups import catch_up
from learning_instrument.rollups.measures import MEASURES
from learning_instrument.sqlite.connection import WriteConnection
from learning_instrument.sqlite.selection import Selection
from learning_instrument.sqlite.yielding import SliceSizer
from learning_instrument.storage import background_writer

MARKS = "SELECT (SELECT mark FROM rollup_state), (SELECT mark FROM error_state), (SELECT mark FROM search_state)"


@pytest.fixture
def store(database):
    """A connection for writing to ``database``."""
    connection = WriteConnection(database.path, 5.0)
    yield connection
    connection.close()


def records(count):
    return [
        ExecutionRecord(task_type="fix", task_description=f"mend part {n}", success=False, error_message=f"boom {n}")
        for n in range(count)
    ]


def start(program, path):
    """Start a process that has followers, and a connection ``target``."""
    beginning = (
        "import sys\nfrom learning_instrument.rollups import catch_up\n"
        "from learning_instrument.sqlite.connection import WriteConnection\n"
        "target = WriteConnection(sys.argv[1], 30.0)\n"
        "def advance(rows): return any([each.advance(target, rows) for each in catch_up._ALL])\n"
    )
    return subprocess.Popen([sys.executable, "-c", beginning + program, str(path)], stdout=subprocess.PIPE)


def caught_up(store):
    pace = SliceSizer()
    while catch_up.catch_up(store, pace, is_urgent=True):
        pass


def test_all_of_them_reach_the_newest_execution(database, store):
    """And then have nothing more to do."""
    database.append(records(5))
    assert catch_up.lag(store) == 5

    caught_up(store)

    assert store.execute(MARKS) == [(5, 5, 5)]
    assert catch_up.lag(store) == 0
    assert not catch_up.advance(store)


def test_little_time_leaves_the_rest_for_later(database, store, monkeypatch):
    """The background thread has other work as well."""
    monkeypatch.setattr(catch_up, "_SECONDS", 0.0)
    database.append(records(2500))

    assert catch_up.catch_up(store, SliceSizer())
    assert catch_up.lag(store) > 0


@pytest.mark.parametrize("is_urgent", [False, True])
def test_few_executions_are_left_to_reports(database, store, is_urgent):
    """Until there are enough for a slice, or a caller waits; answers have them in any case."""
    database.append(records(5))

    assert not catch_up.catch_up(store, SliceSizer(), is_urgent=is_urgent)

    assert catch_up.lag(store) == (0 if is_urgent else 5)
    assert catch_up.search_index.lag(store) == 0  # words cost little in small slices
    assert error_groups(database).failures == 5


def test_recording_is_enough(tmp_path, monkeypatch):
    """The background catches up without a call."""
    monkeypatch.setattr(catch_up, "_LEAST_LAG_ROWS", 1)
    with LearningDatabase(tmp_path / "learning.db", durability="batch") as database:
        database.append(records(20))
        deadline = time.monotonic() + 60
        while set(database.query(MARKS)[0].values()) != {20} and time.monotonic() < deadline:
            time.sleep(0.05)

        assert set(database.query(MARKS)[0].values()) == {20}
        assert error_groups(database).failures == 20


def test_pauses_between_executions_are_enough(tmp_path, monkeypatch):
    """The background does not wait until the pool rests."""
    monkeypatch.setattr(background_writer, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(background_writer, "_IDLE_SECONDS", 1e9)
    monkeypatch.setattr(catch_up, "_LEAST_LAG_ROWS", 1)
    with LearningDatabase(tmp_path / "learning.db", durability="batch") as database:
        for _ in range(3):
            database.append(records(20))
            database.flush()
            wait_until(lambda: len({*database.query(f"{MARKS}, (SELECT max(rowid) FROM executions)")[0].values()}) == 1)


@pytest.mark.parametrize("column", ["execution_id", "timestamp", "task_type", "error_message", "task_description"])
def test_text_that_is_no_utf8_keeps_none_of_them_back(database, store, column):
    """Another program stored it; the other executions are counted, now and when they are made anew."""
    database.append(records(30))
    store.execute(f"UPDATE executions SET {column} = CAST(x'ff41' AS TEXT) WHERE rowid = 7")

    caught_up(store)
    database.rebuild_rollups()

    assert store.execute(MARKS) == [(30, 30, 30)]
    assert store.execute("SELECT executions FROM rollup_state") == [(30,)]


def test_rebuilding_makes_them_anew(database, store):
    """From nothing but the executions, with answers as before."""
    database.append(records(30))
    caught_up(store)
    before = error_groups(database)
    store.execute("DELETE FROM error_counts")
    store.execute("DELETE FROM error_days")
    left = []

    database.rebuild_rollups(left.append)

    assert error_groups(database) == before
    assert store.execute(MARKS) == [(30, 30, 30)]
    assert database.find_similar_executions("mend part 7", threshold=0.9)[0]["task_description"] == "mend part 7"


def test_interrupted_rebuild_goes_on(database, store, monkeypatch):
    """One that ended, though, begins anew."""
    monkeypatch.setattr(catch_up, "catch_up", lambda *arguments, **options: False)  # else the background may be faster
    monkeypatch.setattr(catch_up, "_SLICE_ROWS", 250)
    database.append(records(1000))
    left = []

    def interrupt(count):
        left.append(count)
        if count <= 500:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        database.rebuild_rollups(interrupt)
    assert left == [750, 500]

    database.rebuild_rollups(left.append)
    assert left[2:] == [250]
    database.rebuild_rollups(left.append)
    assert left[3:] == [750, 500, 250]


def test_pruned_executions_leave_the_counts_and_the_index(database, store):
    """Retention deletes rows that all of them have."""
    database.append(records(30))
    caught_up(store)

    store.execute("DELETE FROM executions WHERE rowid <= 10")
    store.execute("DELETE FROM executions WHERE rowid > 25")
    database.append(records(2))

    assert error_groups(database).failures == 17
    assert len(database.find_similar_executions("mend part", threshold=0.0, limit=100)) == 17
    caught_up(store)
    assert error_groups(database).failures == 17
    assert store.execute("SELECT sum(executions) FROM error_counts") == [(17,)]
    store.execute("INSERT INTO execution_search (execution_search) VALUES ('integrity-check')")


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_in_the_middle_loses_nothing(database, store):
    """``kill -9`` at any moment: what is in the tables is what lies below the mark, and the answers stay the same."""
    database.append(records(300))
    asked = Asked(database.path)

    def answers():
        sums = totals(asked, ("model_tier",), Selection(), tuple(MEASURES), with_durations=True)
        return sums, error_groups(asked), len(database.find_similar_executions("mend part", threshold=0.0, limit=1000))

    truth = answers()
    program = "print('ready', flush=True)\nwhile True:\n    catch_up.reset(target)\n    while advance(7): pass"
    for round_ in range(3):
        with start(program, database.path) as process:
            process.stdout.readline()
            time.sleep(0.05 + 0.05 * round_)  # at any point of its work
            os.kill(process.pid, signal.SIGKILL)

        assert answers() == truth
        assert store.execute("SELECT mark - executions FROM rollup_state") == [(0,)]
        counted = "SELECT coalesce(sum(executions), 0) - (SELECT mark FROM error_state) FROM error_counts"
        assert store.execute(counted) == [(0,)]
        store.execute("INSERT INTO execution_search (execution_search) VALUES ('integrity-check')")


def test_two_processes_advance_one_file(database, store):
    """Each execution is counted once."""
    database.append(records(1000))
    processes = [start("while advance(50): pass", database.path) for _ in range(2)]
    for process in processes:
        with process:
            assert process.wait(60) == 0

    assert store.execute(MARKS) == [(1000, 1000, 1000)]
    assert store.execute("SELECT executions FROM rollup_state") == [(1000,)]
    assert store.execute("SELECT sum(executions) FROM error_counts") == [(1000,)]
    store.execute("INSERT INTO execution_search (execution_search) VALUES ('integrity-check')")
