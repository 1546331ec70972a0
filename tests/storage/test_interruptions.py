"""A time limit, or any other exception of a signal's handler, wherever one can come while we store or are asked."""

import gc
import logging
import signal
import threading

import pytest
from interrupting import Places, files
from waiting import wait_until

from learning_instrument import ExecutionRecord, LearningDatabase, record_execution
from learning_instrument.database import store_of
from learning_instrument.safety import deferral

# The longer a busy machine lets something wait, the more places there are in it to interrupt.
pytestmark = pytest.mark.timeout(600)

#: What stores an execution that has ended.
WITHIN = files("costs", "database.py", "ids.py", "pipeline", "record.py", "safety", "sqlite", "storage")


class Limit(Exception):
    """The time limit of a task."""


@pytest.fixture(params=["commit", "batch"])
def database(request, tmp_path):
    with LearningDatabase(tmp_path / "learning.db", request.param) as database:
        yield database


@pytest.fixture
def task(database):
    ran = []

    @record_execution(learning_db=database)
    def execute_task(task):
        ran.append(task)
        return {"success": True}

    execute_task("first")
    assert database.flush(30)
    execute_task.ran = ran
    return execute_task


@pytest.fixture
def interrupted(request):
    """Call a function with a signal at each place in turn; yield each, and whether the signal's exception is raised."""
    limit = request.param

    def ring(number, frame):
        raise limit

    def interrupt(function):
        place = 0
        while True:
            place += 1
            gc.disable()  # what it finalizes is no part of the call
            try:
                if not places.call(place, function):
                    break
                is_raised = False
            except limit:
                is_raised = True
            finally:
                gc.enable()
            yield place, is_raised
        assert place > 50

    before = signal.signal(signal.SIGINT, ring)
    logging.disable()  # a record of the log that has a traceback keeps what it holds alive
    with Places(WITHIN) as places:
        yield interrupt
    logging.disable(logging.NOTSET)
    signal.signal(signal.SIGINT, before)


def records_on(task):
    """Tell whether another thread can still record an execution."""
    another = threading.Thread(target=task, args=("another",), daemon=True)
    another.start()
    another.join(60)
    return not another.is_alive()


@pytest.mark.parametrize("interrupted", [Limit, TimeoutError, RuntimeError], indirect=True)
def test_execution_is_stored_or_counted_once_and_others_go_on(database, task, interrupted):
    """It is raised, no lock is held, nothing waits for ever, and no execution is both stored and lost."""
    stored, ran, broken = 1, 1, []
    for place, is_raised in interrupted(lambda: task("interrupted")):
        assert not deferral.is_busy(), place
        assert records_on(task), place
        assert database.flush(30), place
        ((count,),) = store_of(database).transact(lambda execute: execute("SELECT count(*) FROM executions"))
        known = count + sum(database.statistics().lost.values())
        # One that is interrupted before it runs has begun, or not.
        new, of = known - stored, len(task.ran) - ran
        if not is_raised or new not in ((1, 2) if of == 1 else (2,)):
            broken.append((place, is_raised, new, of))
        stored, ran = known, len(task.ran)

    assert broken == []
    assert database.flush(30)
    assert store_of(database).statistics().lost.keys() <= {"fault"}
    assert not store_of(database)._has_backlog()


@pytest.mark.parametrize("database", ["commit"], indirect=True)
def test_rows_that_were_counted_but_not_queued_hold_up_no_others(database, task):
    """Where a time limit comes between the two, later executions are committed before their tasks return again."""
    store_of(database)._counts.defer(3)
    task("queued")

    wait_until(lambda: not store_of(database)._counts.rows_deferred)
    task("committed")

    assert not store_of(database)._writer.backlog
    assert database.statistics().deferred == 4


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("interrupted", [Limit], indirect=True)
@pytest.mark.parametrize("what", ["flush", "query", "close", "open", "feedback"])
def test_database_that_is_asked_goes_on(database, task, interrupted, what):
    """No lock is held, no transaction is open, and the writer writes."""

    def ask():
        database.append([ExecutionRecord(task_type="queued")])
        if what == "query":
            database.query("SELECT 1")
        elif what == "feedback":
            database.clear_feedback()
        else:
            getattr(database, what)()

    for place, _ in interrupted(ask):
        assert not deferral.is_busy(), place
        assert records_on(task), place
        assert database.flush(30), place
        assert not store_of(database)._writer.is_contended or store_of(database)._writer.backlog, place
