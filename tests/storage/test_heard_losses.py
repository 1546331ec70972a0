"""Executions whose process died, as its parent process heard."""

import contextlib
import sqlite3
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.database import store_of
from learning_instrument.outcome import Outcome
from learning_instrument.record import row_from_record
from learning_instrument.storage.crash_ledger import CrashLedger

BEGAN = datetime(2026, 11, 27, 10, tzinfo=timezone.utc)
CHILD = 999_999_999


@pytest.fixture(params=["commit", "batch"])
def database(request, empty_file):
    with LearningDatabase(empty_file, request.param) as database:
        yield database


def record(seconds, outcome=Outcome.SUCCEEDED, **more):
    """Return the record of an execution that a child began so many seconds after its parent says."""
    values = {"process_id": CHILD, "function_name": "shop.answer", **more}
    return ExecutionRecord(
        task_type="answer", timestamp=BEGAN + timedelta(seconds=seconds), outcome=outcome, success=None, **values
    )


def hear(database, **more):
    """Store the loss that the parent heard of; return the outcomes that are stored."""
    assert database.flush()  # what the child stored
    assert store_of(database).append_lost(record(0, Outcome.LOST, **more), row_from_record)
    assert database.flush()
    with contextlib.closing(sqlite3.connect(database.path)) as connection:
        return [outcome for (outcome,) in connection.execute("SELECT outcome FROM executions ORDER BY rowid")]


def test_loss_that_left_no_trace_is_stored_once(database):
    """However often it is heard of; the first one makes the file."""
    Path(database.path).unlink()

    assert hear(database) == ["lost"]
    assert hear(database) == ["lost"]


def test_what_the_process_stored_is_all(database):
    """Its result, though its parent heard of its death only."""
    database.append([record(0.001)])

    assert hear(database) == ["succeeded"]


@pytest.mark.parametrize(
    "other",
    [record(-0.001), record(0.001, process_id=CHILD - 1), record(0.001, function_name="shop.inner")],
    ids=["earlier", "of another process", "of another function"],
)
def test_other_executions_are_others(database, other):
    """One before it, one beside it, and one within it."""
    database.append([other])

    assert hear(database) == ["succeeded", "lost"]


SAME_TASK = {"task_id": "7", "pool_type": "queue"}


def test_task_that_the_process_stored_under_another_function_is_all(database):
    """The parent may know the function by the name under which it was sent."""
    database.append([record(0.001, function_name="shop.orders.answer", **SAME_TASK)])

    assert hear(database, **SAME_TASK) == ["succeeded"]


def test_inner_execution_of_the_same_task_is_another(database):
    """It is of another pool."""
    database.append([record(0.001, function_name="shop.inner", task_id="7", pool_type="Crawler")])

    assert hear(database, **SAME_TASK) == ["succeeded", "lost"]


@pytest.mark.parametrize("name", ["shop.answer", "shop.orders.answer"])
@pytest.mark.parametrize("is_settled", [False, True])
def test_entry_of_the_process_is_the_row(database, is_settled, name):
    """Whether or not it has been settled when the parent hears of the death, and by any name of the function."""
    record_entered = record(0.001, Outcome.LOST, **{**SAME_TASK, "function_name": name})
    entry = row_from_record(record_entered)
    database.query("SELECT 1")
    ledger = CrashLedger(database.path)
    ledger.enter([entry])
    ledger.close()
    with contextlib.closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute("UPDATE running SET process_id = ?, process = 'a b c d'", (CHILD,))
        connection.execute("UPDATE running SET heartbeat = '2026-11-27T10:00:02.000000+00:00'")
    if is_settled:
        with contextlib.closing(sqlite3.connect(database.path)) as connection, connection:
            connection.execute("DELETE FROM running")
        database.append([record_entered])

    assert hear(database, **SAME_TASK) == (["lost"] if is_settled else [])


def test_unreadable_entries_hide_no_loss(database):
    """Garbage that another program left in the table."""
    database.query("SELECT 1")
    with contextlib.closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute(
            "INSERT INTO running (execution_id, process_id, host, process, started, heartbeat, record)"
            " VALUES ('x', ?, 'h', 'p', '2026-11-27T10:00:01.000000+00:00', 'then', '[1]')",
            (CHILD,),
        )

    assert hear(database) == ["lost"]
