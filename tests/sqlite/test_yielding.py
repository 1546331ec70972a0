"""Background transactions yield to tasks: short, started when the database is idle, rolled back for a task."""

import contextlib
import itertools
import sqlite3

import databases
import pytest

from learning_instrument.record import ExecutionRecord, row_from_record
from learning_instrument.rollups import cubes
from learning_instrument.sqlite import yielding
from learning_instrument.sqlite.busy import is_busy
from learning_instrument.sqlite.connection import WriteConnection
from learning_instrument.sqlite.yielding import SliceSizer, YieldedError, YieldingTransactions, is_idle

LOSS = "INSERT INTO losses (timestamp, process_id, reason, executions) VALUES ('', 1, 'x', 1)"


@contextlib.contextmanager
def written_by_the_background(path):
    connection = WriteConnection(str(databases.make(path)), 0.0)
    connection.open()
    yield connection
    connection.close()


@pytest.fixture
def background(tmp_path):
    """A connection of the background."""
    with written_by_the_background(tmp_path / "learning.db") as connection:
        yield connection


@pytest.fixture
def task(background, tmp_path):
    """A connection on which a task commits without waiting."""
    connection = WriteConnection(str(tmp_path / "learning.db"), 0.0)
    connection.open()
    yield connection
    connection.close()


def record(number):
    return row_from_record(ExecutionRecord(task_type="fix", task_id=str(number)))


def transact(giving_way, *steps):
    """Execute statements, and call the functions between them, in one transaction."""
    with giving_way.transaction() as connection:
        for step in steps:
            if callable(step):
                step()
            else:
                connection.execute(step).fetchall()


def count(connection, table):
    return connection.execute(f"SELECT count(*) FROM {table}")[0][0]


def test_transaction_is_rolled_back_when_a_thread_waits(background):
    """Before its next statement; nothing of it is kept."""
    waits = []
    giving_way = YieldingTransactions(background, lambda: waits)

    with pytest.raises(YieldedError):
        transact(giving_way, LOSS, lambda: waits.append("a task"), LOSS)

    assert count(background, "losses") == 0


def test_temporary_tables_take_no_lock(background, task):
    """They are the connection's own: others write while it fills them."""
    giving_way = YieldingTransactions(background, bool)
    own = ["CREATE TEMP TABLE IF NOT EXISTS own (number)", "INSERT INTO temp.own VALUES (1)", "DELETE FROM temp.own"]

    transact(giving_way, *own, lambda: task.insert([record(1)]))

    assert count(task, "executions") == 1
    assert giving_way.held_seconds == 0


def test_transaction_without_waiting_threads_is_committed(background):
    """It knows how long it held the lock."""
    giving_way = YieldingTransactions(background, bool)

    transact(giving_way, "SELECT 1", LOSS)

    assert count(background, "losses") == 1
    assert giving_way.held_seconds > 0


def test_reading_does_not_hold_the_lock(background, task):
    """A task commits meanwhile, and the stale transaction is rolled back."""
    giving_way = YieldingTransactions(background, bool)

    with pytest.raises(YieldedError):
        transact(giving_way, "SELECT count(*) FROM executions", lambda: task.insert([record(1)]), LOSS)

    assert (count(background, "losses"), count(background, "executions")) == (0, 1)


def test_transaction_does_not_wait_for_another_writer(background, task):
    """It yields at once, though its connection would wait."""
    with task.transaction() as busy:
        busy.execute(LOSS)
        with pytest.raises(YieldedError):
            transact(YieldingTransactions(background, bool), "SELECT 1", LOSS)

    assert count(background, "losses") == 1


def test_urgent_transaction_takes_the_lock_first_and_does_not_yield(background, task):
    """Otherwise writers that never pause would make it fail every time."""

    def interrupt():
        with pytest.raises(sqlite3.OperationalError) as caught:
            task.insert([record(1)])
        assert is_busy(caught.value)

    transact(YieldingTransactions(background, lambda: True, is_urgent=True), "SELECT 1", interrupt, LOSS)

    assert count(background, "losses") == 1


def test_other_errors_are_raised_unchanged(background):
    """Only a lock means to yield."""
    with pytest.raises(ZeroDivisionError):
        transact(YieldingTransactions(background, bool), lambda: 1 / 0)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        transact(YieldingTransactions(background, bool), "DELETE FROM nowhere")


def test_database_without_other_commits_is_idle(background):
    """Its own commits do not count."""
    background.execute(LOSS)

    assert is_idle(background, bool)


def test_database_with_other_commits_is_not_idle(background, task):
    """It commits between two checks."""
    assert not is_idle(background, lambda: task.insert([record(1)]) and None)


def test_database_with_a_waiting_thread_is_not_idle(background):
    """The waiting caller is not delayed by the check."""
    looks = []

    assert not is_idle(background, lambda: looks.append(1) or len(looks) > 1)
    assert len(looks) == 2


def test_slices_adapt_to_the_speed_of_the_machine():
    """Fewer rows after a slow slice, more after a quick full one."""
    pace = SliceSizer()
    first = pace.rows("x")

    pace.measured("x", 1.0, is_whole=True)
    slow = pace.rows("x")
    pace.measured("x", 0.0, is_whole=False)
    assert pace.rows("x") == slow
    for _ in range(100):
        pace.measured("x", 0.0, is_whole=True)
    most = pace.rows("x")
    for _ in range(100):
        pace.measured("x", 10.0, is_whole=False)

    assert slow < first < most == yielding._MOST_ROWS
    assert pace.rows("x") == yielding._FEWEST_ROWS
    assert pace.rows("y") == first


def test_slice_of_rollups_that_yielded_left_nothing(tmp_path, subtests):
    """At any of its statements; the next slice does the work."""
    for statement in range(40):
        with subtests.test(statement=statement), written_by_the_background(tmp_path / f"{statement}.db") as background:
            background.insert([record(number) for number in range(5)])
            is_wanted = itertools.chain([False] * statement, itertools.repeat(True)).__next__

            try:
                cubes.advance(YieldingTransactions(background, is_wanted), 5)
            except YieldedError:
                assert background.execute("SELECT mark, executions FROM rollup_state") == [(0, 0)]
                assert count(background, "rollup_days_wide") == 0
            while cubes.advance(background, 5):
                pass

            assert background.execute("SELECT mark, executions FROM rollup_state") == [(5, 5)]
            assert background.execute("SELECT sum(executions) FROM rollup_days_wide") == [(5,)]
