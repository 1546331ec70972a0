"""What the interpreter runs in the middle of our own work, and foreign code that we call: neither hangs nor loses."""

import subprocess
import sys
import textwrap

import pytest

SECONDS = 120

PRELUDE = """
import faulthandler, logging, os, signal, sqlite3, sys, threading, time
faulthandler.dump_traceback_later(100, exit=True)
from learning_instrument import LearningDatabase, configure, record_execution, shutdown
from learning_instrument.errors import DatabaseError
from learning_instrument.safety import deferral
path, durability = sys.argv[1:]
"""


def run(code, tmp_path, durability="commit"):
    """Run *code* in a process of its own; return its output, without the time it took as a limit on a thread."""
    program = PRELUDE + textwrap.dedent(code)
    command = [sys.executable, "-c", program, str(tmp_path / "learning.db"), durability]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout.split()


ASKING_HANDLER = """
    database = configure(path, durability=durability)
    asked, recorded = [], threading.Semaphore(0)

    class Asks(logging.Handler):
        def emit(self, record):
            assert not deferral.is_busy()
            if len(asked) < 20:
                asked.append(record)
                recorded.acquire(blocking=False)
                database.statistics()
                database.flush(0.2)
                try:
                    database.query("SELECT count(*) FROM executions")
                except DatabaseError:
                    asked.append("refused")
                task("of the handler")
                recorded.release()
                database.close()
                if ending is not None:
                    raise ending("of the handler")

    ending = {None: None, "SystemExit": SystemExit, "Exception": Exception}[ENDING]
    logging.getLogger("learning_instrument").addHandler(Asks())

    @record_execution
    def task(task):
        return task
"""


@pytest.mark.parametrize("durability", ["commit", "batch"])
@pytest.mark.parametrize("ending", ["None", "'SystemExit'", "'Exception'"])
def test_log_handler_may_ask_record_and_raise(tmp_path, durability, ending):
    """A log handler that uses the database while we warn, on a full disk, is answered; its exceptions end nothing."""
    code = (
        ASKING_HANDLER.replace("ENDING", ending)
        + """
    from learning_instrument.sqlite import connection
    insert = connection.WriteConnection.insert
    def full(*arguments, **options):
        raise sqlite3.OperationalError("database or disk is full")
    connection.WriteConnection.insert = full
    for number in range(3):
        task(str(number))
    database.flush(1)
    connection.WriteConnection.insert = insert
    assert asked, "nothing was logged"
    recorded.acquire(timeout=30)  # the writer's thread may still be in the handler
    database.flush(30)
    count = database.query("SELECT count(*) AS n FROM executions")[0]["n"]
    statistics = database.statistics()
    assert not statistics.lost, statistics
    assert count == 3 + len([item for item in asked if item != "refused"]), (count, asked)
    print("kept")
    """
    )

    assert run(code, tmp_path, durability) == ["kept"]


TRACED = """
    # Calls act() at each line of ours, as a signal handler or a destructor could, while this thread is in our code.
    database = configure(path, durability=durability)

    @record_execution
    def task(task):
        return task

    depth, acted, faults, is_over = [], [0], [], []
    acts = {}  # line -> how often

    def act(line):
        kind = (acted[0] if MOST < 6 else acts.get(line, 0)) % 6
        acts[line] = acts.get(line, 0) + 1
        acted[0] += 1
        try:
            if kind == 0:
                database.query("SELECT count(*) FROM executions")
            elif kind == 1:
                task("within")
                counted.append(1)
            elif kind == 2:
                database.flush(0.05)
            elif kind == 3:
                database.statistics()
            elif kind == 4:
                database.close()
            else:
                database.transact_feedback()
        except DatabaseError as error:
            faults.append(error)

    def feedback():
        try:
            database.clear_feedback()
        except DatabaseError as error:
            faults.append(error)
    database.transact_feedback = feedback
    counted = []

    def trace(frame, event, argument):
        name = frame.f_globals.get("__name__", "")
        if depth or is_over or not name.startswith("learning_instrument.") or not (
            name.partition(".")[2].startswith(("storage", "sqlite.connection", "safety.forks", "safety.deferral"))
        ):
            return None if depth or is_over else trace
        if event == "line":
            line = frame.f_code, frame.f_lineno
            if acts.get(line, 0) < MOST and deferral.is_busy():
                depth.append(1)
                try:
                    act(line)
                finally:
                    depth.pop()
        return trace

    def traced(action):
        sys.settrace(trace)
        try:
            action()
        finally:
            sys.settrace(None)
"""


@pytest.mark.parametrize("most", [1, pytest.param(6, marks=pytest.mark.slow)])
@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_code_run_in_the_middle_of_ours_neither_hangs_nor_loses(tmp_path, durability, most):
    """At each line within a lock of ours: ask, record, flush, count, close, and write feedback."""
    code = (
        TRACED.replace("MOST", str(most))
        + """
    threading.settrace(trace)  # the background threads too
    own = 0
    def record():
        global own
        task("own")
        own += 1
    own = 0
    for _ in range(12):
        traced(record)
    traced(lambda: database.query("SELECT 1"))
    traced(lambda: database.flush(5))
    traced(database.close)
    threading.settrace(None)
    is_over.append(True)  # threads that run go on tracing
    while depth or deferral.waiting:  # the background threads may be closing the database
        time.sleep(0.01)
    assert acted[0] > 30, acted
    assert database.flush(30)
    stored = database.query("SELECT count(*) AS n FROM executions")[0]["n"]
    statistics = database.statistics()
    assert stored == own + len(counted) == statistics.stored, (stored, own, len(counted), statistics)
    assert not statistics.lost
    shutdown()
    print(stored > 12)
    """
    )

    assert run(code, tmp_path, durability) == ["True"]
