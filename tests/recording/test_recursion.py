"""Recursion to the limit: the task sees its own error, executions are kept or counted, and no lock stays held."""

import inspect
import sys

import pytest

from learning_instrument import LearningDatabase, configure, record_execution


@pytest.mark.parametrize("durability", ["commit", "batch"])
@pytest.mark.parametrize("spare", range(0, 60, 7))
def test_recursion_to_the_limit_ends(tmp_path, durability, spare):
    """Wherever the stack is full: with each *spare* the limit is met at another line."""
    database = LearningDatabase(tmp_path / "learning.db", durability)
    ran = 0

    @record_execution(learning_db=database)
    def execute_task(task):
        nonlocal ran
        ran += 1
        return execute_task(task)

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(400 + spare)
    try:
        with pytest.raises(RecursionError):
            execute_task({"task_id": "t"})
    finally:
        sys.setrecursionlimit(limit)
    database.flush()
    (row,) = database.query("SELECT count(*) AS executions FROM executions")
    statistics = database.statistics()
    assert row["executions"] == statistics.stored
    # Of the innermost, not even a counter could be called; one may be counted though its task never began.
    assert ran - 1 <= statistics.stored + sum(statistics.lost.values()) <= ran + 2

    execute = record_execution(learning_db=database)(lambda task: task)
    assert execute(1) == 1
    assert database.flush()
    assert database.query("SELECT count(*) AS executions FROM executions") == [{"executions": row["executions"] + 1}]
    database.close()


def explicit(path):
    database = LearningDatabase(path)
    return database, record_execution(learning_db=database)


def configured(path):
    return configure(path), record_execution


@pytest.mark.parametrize("set_up", [explicit, configured])
@pytest.mark.parametrize("spare", range(12, 120, 6))
def test_a_first_execution_without_stack_is_counted_and_the_next_are_recorded(tmp_path, caplog, set_up, spare):
    """A lack of stack is of the moment: the function is not left alone for ever."""
    database, decorate = set_up(tmp_path / "learning.db")
    ran = []
    execute_task = decorate(lambda task: ran.append(task))
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + spare)
    try:
        execute_task("first")
    except RecursionError:
        pass  # the task's own: it needs stack as well
    finally:
        sys.setrecursionlimit(limit)

    execute_task("second")

    assert ran[-1:] == ["second"]
    assert database.flush()
    statistics = database.statistics()
    assert len(ran) <= statistics.stored + sum(statistics.lost.values()) <= 2
    assert statistics.stored >= 1
    assert [record for record in caplog.records if "No tracer" in record.message] == []
    database.close()
