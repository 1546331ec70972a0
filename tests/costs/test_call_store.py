"""Model calls are stored in the background: in order with their executions, without delaying a task."""

import sqlite3
import threading

import pytest
from calls import calls, chat, costs, execution

from learning_instrument import LearningDatabase, SQLiteSpanExporter
from learning_instrument.costs.call_store import ModelCallBatch, ModelCallStore
from learning_instrument.costs.model_calls import model_call
from learning_instrument.database import store_of
from learning_instrument.ids import execution_id

TRACE = execution(1)
EXECUTION = execution_id(TRACE.start_time, 1, 1)


def batch(*span_ids):
    return ModelCallBatch([model_call(chat(n, 1, cost=0.25), EXECUTION) for n in span_ids])


@pytest.mark.parametrize("durability", ["commit", "batch"])
@pytest.mark.parametrize("is_call_first", [True, False])
def test_execution_and_its_calls_come_in_either_order(tmp_path, durability, is_call_first):
    """The sums are there as soon as both are."""
    with LearningDatabase(tmp_path / "learning.db", durability) as database:
        steps = [
            lambda: store_of(database).append_model_calls(batch(2, 3)),
            lambda: SQLiteSpanExporter(database).store([TRACE]),
        ]
        for step in steps if is_call_first else reversed(steps):
            step()
            database.flush()

        assert database.flush()
        with sqlite3.connect(database.path) as connection:  # as a dashboard reads, without us
            assert connection.execute("SELECT actual_cost FROM executions").fetchall() == [(0.5,)]
        connection.close()


def test_calls_that_wait_do_not_defer_executions(database):
    """A row is committed before its task returns, though the background has calls to store."""
    database.open()

    def record(_):
        store_of(database).append_model_calls(batch(2, 3))
        SQLiteSpanExporter(database).store([TRACE])
        with sqlite3.connect(database.path) as connection:
            assert connection.execute("SELECT count(*) FROM executions").fetchone() == (1,)
        connection.close()

    store_of(database).between_batches(record)
    assert costs(database)[0]["actual_cost"] == 0.5
    assert database.statistics().deferred == 0


def test_calls_of_another_process_are_added_up_by_the_next_question(tmp_path):
    """A forked child ends a call of its parent's task; the parent's row comes later."""
    with LearningDatabase(tmp_path / "learning.db") as child:
        store_of(child).append_model_calls(batch(2))
    with LearningDatabase(tmp_path / "learning.db") as parent:
        SQLiteSpanExporter(parent).store([TRACE])

        assert costs(parent)[0]["actual_cost"] == 0.25
        assert parent.query("SELECT * FROM totals_due") == []


def test_sums_that_are_due_are_made_in_parts():
    """A transaction for all of them would keep tasks from the database for longer than they wait."""
    storage = ModelCallStore()
    due = [f"{number:032x}" for number in range(1000)]

    parts = storage.parts([ModelCallBatch(due=due[:700]), ModelCallBatch(due=due[300:])], [])

    assert sorted(execution for part in parts for execution in part.due) == due
    assert max(len(part.due) for part in parts) <= 256


def test_execution_of_many_calls_is_added_up_with_the_last(database):
    """Not with each transaction; a process that ends before it leaves a note for the next one."""
    SQLiteSpanExporter(database).store([TRACE])
    added_up = []
    storage = ModelCallStore()
    storage.add_listener(added_up.append)
    parts = storage.parts([batch(*range(2, 1002))], [])

    for part in parts[:-1]:
        store_of(database).within_transaction(lambda connection, part=part: storage.store(connection, part))
    assert added_up == [{}] * 3
    assert store_of(database).within_transaction(
        lambda connection: connection.execute("SELECT * FROM totals_due").fetchall()
    ) == [(EXECUTION,)]

    store_of(database).within_transaction(lambda connection: storage.store(connection, parts[-1]))
    assert list(added_up[-1]) == [EXECUTION]
    assert costs(database)[0]["actual_cost"] == 250.0


def test_sums_that_another_process_left_are_all_made(tmp_path):
    """More than one part of them: housekeeping adds them up without a request."""
    executions = [execution(number) for number in range(1, 601)]
    with LearningDatabase(tmp_path / "learning.db") as child:
        store_of(child).append_model_calls(
            ModelCallBatch(
                [
                    model_call(chat(10_000 + number, number, cost=0.25), execution_id(span.start_time, 1, number))
                    for number, span in enumerate(executions, 1)
                ]
            )
        )
    parent = LearningDatabase(tmp_path / "learning.db")
    SQLiteSpanExporter(parent).store(executions)

    rounds = 1
    while store_of(parent).model_calls.run_housekeeping(store_of(parent)._back):
        rounds += 1
    parent.close()

    assert rounds > 1
    with LearningDatabase(tmp_path / "learning.db") as reader:
        assert {row["actual_cost"] for row in costs(reader)} == {0.25}
        assert len(costs(reader)) == 600


def test_calls_of_another_process_are_added_up_when_the_database_is_closed(tmp_path):
    """When the database is closed."""
    with LearningDatabase(tmp_path / "learning.db") as child:
        store_of(child).append_model_calls(batch(2))
    with LearningDatabase(tmp_path / "learning.db") as parent:
        SQLiteSpanExporter(parent).store([TRACE])

    with sqlite3.connect(tmp_path / "learning.db") as connection:
        assert connection.execute("SELECT actual_cost FROM executions").fetchall() == [(0.25,)]
    connection.close()


def test_call_that_cannot_be_stored_is_counted_and_in_nobodys_way(database, caplog):
    """What is queued behind it is written."""
    odd = batch(2).calls[0]._replace(model=object())

    store_of(database).append_model_calls(ModelCallBatch([odd]))
    store_of(database).append_model_calls(batch(3))
    SQLiteSpanExporter(database).store([TRACE])

    assert [row["span_id"] for row in calls(database)] == [f"{3:016x}"]
    assert database.statistics().lost == {"model calls, unreadable": 1}


def test_many_threads_and_their_calls(database):
    """Executions are committed by their threads, calls by the writer."""

    def work(trace_id):
        exporter = SQLiteSpanExporter(database)
        root = execution(1, trace_id=trace_id)
        identity = execution_id(root.start_time, trace_id, 1)
        for n in range(2, 22):
            exporter.store_model_call(chat(n, 1, trace_id=trace_id, cost=0.5), identity, ())
            if n == 10:
                exporter.store([root])

    threads = [threading.Thread(target=work, args=(trace_id,)) for trace_id in range(1, 21)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {(row["input_tokens"], row["actual_cost"]) for row in costs(database)} == {(200, 10.0)}
    assert len(costs(database)) == 20
