"""Connections for writing: pragmas, transactions, and files deleted while in use."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from learning_instrument import ExecutionRecord
from learning_instrument.record import row_from_record
from learning_instrument.sqlite import opening
from learning_instrument.sqlite.connection import WriteConnection, open_for_maintenance
from learning_instrument.sqlite.opening import connect, prepare
from learning_instrument.sqlite.read_only import query


def row(n=0):
    return row_from_record(ExecutionRecord(task_type="x", task_id=f"t-{n}", execution_id=f"e-{n}"))


@pytest.fixture
def path(tmp_path):
    """The path of a file that does not exist yet."""
    return str(tmp_path / "learning.db")


@pytest.fixture
def connection(path):
    """A connection for writing."""
    connection = WriteConnection(path, 0.05)
    yield connection
    connection.close()


def pragma(connection, name):
    return connection.execute(f"PRAGMA {name}")[0][0]


def test_writing_is_durable_against_a_killed_process_and_cheap(path):
    """WAL, no sync at each commit, and no checkpoint on the task's thread."""
    connection = WriteConnection(path, 0.05, is_careful=False)
    assert pragma(connection, "journal_mode") == "wal"
    assert pragma(connection, "synchronous") == 1
    assert pragma(connection, "wal_autocheckpoint") == 0
    assert pragma(connection, "auto_vacuum") == 2
    assert pragma(connection, "busy_timeout") == 50
    connection.close()


def test_work_in_the_background_keeps_the_log_short(connection, path):
    """However much it writes, without a call for it."""
    longest = 0
    for start in range(0, 20_000, 200):
        connection.insert([row(n) for n in range(start, start + 200)])
        longest = max(longest, os.path.getsize(path + "-wal"))

    assert longest < 16_000_000


def test_emptied_tables_are_not_written_once_more(connection, path):
    """Some builds of SQLite overwrite what is deleted, unless they are told not to."""
    connection.insert([row(n) for n in range(5000)])
    assert connection.empty_log(5.0)

    connection.execute("CREATE TABLE copy AS SELECT * FROM executions")
    assert connection.empty_log(5.0)
    connection.execute("DELETE FROM copy")

    assert os.path.getsize(path + "-wal") < 500_000


def test_insert_returns_the_number_of_new_rows(connection):
    """A row stored before is not counted."""
    assert connection.insert([row(0)]) == 1
    assert connection.insert([row(0)]) == 0
    assert connection.insert([row(n) for n in range(300)]) == 299


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timer signals")
def test_signal_handler_that_raises_leaves_no_transaction_open(path):
    """It arrives while the connection waits for the lock, and raises once it has it; the lock is released."""

    def stop(*_):
        raise SystemExit

    before = signal.signal(signal.SIGALRM, stop)
    connection, other, third = (WriteConnection(path, seconds) for seconds in (10, 0.05, 0.05))
    other.insert([row(0)])
    connection.open()
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.5, lambda: other.execute("COMMIT")).start()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(SystemExit):
            connection.insert([row(1), row(2)])
        assert third.insert([row(3), row(4)]) == 2
    finally:
        signal.signal(signal.SIGALRM, before)
        for each in (connection, other, third):
            each.close()


def test_several_rows_are_stored_together_or_not_at_all(connection, path):
    """One that cannot be bound leaves none of its batch."""
    odd = (object(), *row(1)[1:])

    with pytest.raises((sqlite3.InterfaceError, sqlite3.ProgrammingError)):
        connection.insert([row(0), odd])

    assert query(path, "SELECT count(*) AS n FROM executions", ()) == [{"n": 0}]
    assert connection.insert([row(2)]) == 1


def test_losses_are_stored_with_rows(connection, path):
    """In one transaction, and once, though they are stored again."""
    at = "2026-11-22T10:00:00.000000+00:00"
    losses = [(at, 7, "queue full", 3), (at, 7, "fault", 1)]
    connection.insert([row()], losses)
    connection.insert([], losses)

    stored = query(path, "SELECT timestamp, process_id, reason, executions FROM losses ORDER BY rowid", ())
    assert [tuple(loss.values()) for loss in stored] == losses


def test_write_waits_for_a_lock_as_long_as_its_limit(connection, path):
    """Then it raises."""
    connection.insert([row(0)])
    other = connect(path, 0.0)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        connection.insert([row(1)])

    other.execute("ROLLBACK")
    assert connection.insert([row(1)]) == 1
    other.close()


def test_connection_opens_on_first_use(path):
    """And again after it was closed."""
    connection = WriteConnection(path, 0.05)
    assert not connection.is_open
    assert not os.path.exists(path)

    for n in range(2):
        connection.insert([row(n)])
        assert connection.is_open
        connection.close()
        assert not connection.is_open


def test_opening_another_connection_releases_no_lock(path, monkeypatch):
    """The system releases the locks of a process when it closes any descriptor of the file."""
    locked, go_on = threading.Event(), threading.Event()

    def prepare_slowly(connection):
        if not locked.is_set():
            connection.execute("BEGIN EXCLUSIVE")
            locked.set()
            go_on.wait(10)
            connection.execute("COMMIT")
        prepare(connection)

    monkeypatch.setattr(opening, "prepare", prepare_slowly)
    connections = [WriteConnection(path, 0.05), WriteConnection(path, 0.05)]
    threads = [threading.Thread(target=connection.open) for connection in connections]
    threads[0].start()
    assert locked.wait(10)
    threads[1].start()
    time.sleep(0.1)
    program = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
    other = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, timeout=60)
    go_on.set()
    for thread in threads:
        thread.join()

    assert "database is locked" in other.stderr
    for connection in connections:
        assert connection.insert([row()]) in (0, 1)
        connection.close()


def test_failed_opening_leaves_nothing_open(path):
    """The next one may succeed."""
    with open(path, "wb") as file:
        file.write(b"no database " * 1000)
    connection = WriteConnection(path, 0.05)
    with pytest.raises(sqlite3.DatabaseError):
        connection.open()
    assert not connection.is_open

    os.unlink(path)

    assert connection.insert([row()]) == 1
    connection.close()


def test_closing_moves_the_log_into_the_file(connection, path):
    """One file is left, to be copied or mailed."""
    connection.insert([row()])
    assert os.path.exists(path + "-wal")

    connection.close()

    assert not os.path.exists(path + "-wal")


def test_closing_after_the_file_was_replaced_leaves_the_new_ones_log(connection, path):
    """SQLite deletes the log by its name, which is that of the new file's log now."""
    connection.insert([row(0)])
    for suffix in ("", "-wal", "-shm"):
        os.unlink(path + suffix)
    other = WriteConnection(path, 0.05)
    other.insert([row(1)])

    connection.close()

    assert os.path.exists(path + "-wal")
    other.close()
    assert query(path, "SELECT task_id FROM executions", ()) == [{"task_id": "t-1"}]


def test_checkpoint_empties_the_log(connection, path):
    """Its rows are in the file then."""
    connection.insert([row(n) for n in range(500)])
    before = os.path.getsize(path)

    connection.checkpoint()

    assert os.path.getsize(path) > before


def test_log_is_cut_to_nothing_unless_a_reader_needs_it(connection, path):
    """Which is waited for, without keeping writers waiting; rows keep their numbers when the file is rewritten."""
    connection.insert([row(n) for n in range(500)])
    connection.execute("DELETE FROM executions WHERE rowid % 2")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM executions").fetchone()
        connection.insert([row(500)])
        assert not connection.empty_log(0.1)
        reader.execute("COMMIT")
        assert connection.empty_log(5.0)
        assert os.path.getsize(path + "-wal") == 0

    assert connection.rewrite()
    assert connection.execute("SELECT sum(rowid) FROM executions WHERE rowid < 500") == [(sum(range(2, 500, 2)),)]
    assert connection.execute("PRAGMA auto_vacuum") == [(2,)]


def test_row_is_stored_while_another_process_rewrites_the_file(connection, path):
    """SQLite 3.40 takes the schema for an empty one when the file is rewritten while it prepares a statement."""
    connection.insert([row(0)])
    rewrites = [1, 2]

    def rewrite(action, table, *rest):
        if action == sqlite3.SQLITE_INSERT and table == "executions" and rewrites:
            rewrites.pop()
            other.execute("VACUUM")
        return sqlite3.SQLITE_OK

    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        with connection.transaction() as opened:
            opened.set_authorizer(rewrite)
        assert connection.insert([row(1)]) == 1

    assert not rewrites


def test_maintenance_overwrites_what_it_deletes(path):
    """Also on a connection that was opened anew; and the log of a file that had none is made at once."""
    with open_for_maintenance(path, may_make=True) as made:
        made.open()
    with contextlib.closing(sqlite3.connect(path)) as before:
        before.execute("PRAGMA journal_mode = DELETE")

    with open_for_maintenance(path, is_overwriting=True) as connection:
        assert connection.execute("PRAGMA secure_delete") == [(1,)]
        assert os.path.exists(path + "-wal")
        connection.close()
        assert connection.execute("PRAGMA secure_delete") == [(1,)]


def test_query_connection_cannot_write(connection, path):
    """For any question."""
    connection.open()

    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        query(path, "DROP TABLE executions", ())


def test_statement_without_rows_returns_none(connection, path):
    """Not every question has columns."""
    connection.open()

    assert query(path, "BEGIN", ()) == []


def test_preparing_a_prepared_file_changes_nothing(connection, path):
    """Each process does it."""
    connection.insert([row()])
    other = connect(path, 0.05)

    prepare(other)

    assert other.execute("SELECT count(*) FROM executions").fetchone() == (1,)
    other.close()
