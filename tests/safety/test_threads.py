"""Where no thread can be started, rows are written in place, and the next start is tried again."""

import _thread
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from background_threads import alive

from learning_instrument import LearningDatabase, record_execution
from learning_instrument.safety import threads

PROGRAM = """
import learning_instrument as li

li.configure({path!r}, durability={durability!r})

@li.record_execution
def work(task):
    return "done"

@li.record_execution
def steps(task):
    yield 1
    yield 2

work("early")
"""
AT_THE_END = {
    "generator in a cycle": """
class Cycle:
    pass

cycle = Cycle()
cycle.itself = cycle
cycle.steps = steps("late")
next(cycle.steps)
cycle = None
""",
    "__del__": """
class Late:
    def __del__(self):
        work("late")

late = Late()
late.itself = late
late = None
""",
}
ISOLATED = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
code = sys.stdin.read() + '''
work("late")
li.shutdown()
'''
created = interpreters.create()
failed = interpreters.run_string(created, code)
assert failed is None, failed
"""


_MAKES_A_THREAD = r"\b(Thread|Timer)\(|start_new_thread\("


def rows_of(path):
    with LearningDatabase(path) as database:
        return database.query("SELECT * FROM executions")


@pytest.mark.parametrize("durability", ["commit", "batch"])
@pytest.mark.parametrize("last", AT_THE_END.values(), ids=AT_THE_END)
def test_task_that_ends_while_the_interpreter_shuts_down_is_recorded(tmp_path, durability, last):
    """Python 3.11 would wait for the start of a thread forever."""
    path = str(tmp_path / "l.db")
    subprocess.run([sys.executable, "-c", PROGRAM.format(path=path, durability=durability) + last], timeout=60)

    assert len(rows_of(path)) == 2


@pytest.mark.parametrize("durability", ["commit", "batch"])
@pytest.mark.skipif(sys.version_info < (3, 13), reason="that of Python 3.12 has no sqlite3")
def test_isolated_interpreter_records(tmp_path, durability):
    """It has no daemon threads."""
    path = str(tmp_path / "l.db")
    code = PROGRAM.format(path=path, durability=durability)
    subprocess.run([sys.executable, "-c", ISOLATED], input=code, text=True, timeout=60, check=True)

    assert len(rows_of(path)) == 2


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_passing_failure_to_start_threads_ends(tmp_path, monkeypatch, durability):
    """Everything is recorded, and the ledger works again afterwards."""

    def refuse(*args):
        raise RuntimeError("can't start new thread")

    database = LearningDatabase(tmp_path / "l.db", durability=durability)
    release, entered = threading.Event(), threading.Event()

    @record_execution(learning_db=database)
    def work(task):
        if task == "long":
            entered.set()
            release.wait()

    with monkeypatch.context() as patch:
        patch.setattr(_thread, "start_new_thread", refuse)
        work("refused")
        assert not database._store.running.is_watched
    runner = threading.Thread(target=work, args=("long",))
    runner.start()
    entered.wait()
    assert database._store.running.is_watched
    deadline = time.monotonic() + 20
    while not database.query("SELECT * FROM running") and time.monotonic() < deadline:
        time.sleep(0.05)
    is_known = bool(database.query("SELECT * FROM running"))
    release.set()
    runner.join()
    database.close()

    assert is_known
    assert len(rows_of(tmp_path / "l.db")) == 2


def test_thread_that_cannot_run_is_not_kept(monkeypatch):
    """Its owner would wait for it."""
    known = []
    monkeypatch.setattr(threads, "can_run", lambda: False)

    assert not threads.start("none", lambda: None, known=known.append)
    assert known == [None]


def test_all_threads_are_started_by_one_helper():
    """So that each of them knows when none can be started."""
    package = Path(threads.__file__).parents[1]
    makers = [path.name for path in package.rglob("*.py") if re.search(_MAKES_A_THREAD, path.read_text("utf-8"))]

    assert makers == ["threads.py"]


def test_threads_of_ours_are_none_of_the_applications(tmp_path, monkeypatch):
    """A test that counts or lists threads finds its own, and what it puts in the place of them makes none of ours."""
    database = LearningDatabase(tmp_path / "l.db")
    work = record_execution(learning_db=database)(lambda task: task)
    work("first")  # OpenTelemetry starts threads of its own for a provider
    database.close()
    earlier = alive()
    before, dangling = threading.enumerate(), len(threading._dangling)
    monkeypatch.setattr(threading, "Thread", None)
    monkeypatch.setattr(threading, "_start_joinable_thread", None, raising=False)  # of Python 3.13
    monkeypatch.setattr(threading, "_start_new_thread", None, raising=False)  # of those before

    work("second")

    ours = {thread.name for thread in alive() if thread not in earlier}
    assert {"learning-instrument-watchdog"} <= ours <= {"learning-instrument-watchdog", "learning-instrument-writer"}
    assert threading.enumerate() == before
    assert threading.active_count() == len(before)
    assert len(threading._dangling) == dangling
    database.close()


def test_thread_runs_when_its_start_returns():
    """In a C fork before that, the child would wait for the lock of the interpreter forever."""
    for _ in range(200):
        thread = threads.BackgroundThread("ends", int, ())
        thread.start()

        assert thread.native_id is not None


def test_thread_leaves_no_dummy_behind():
    """``threading`` makes one for a thread that asks for its name; before Python 3.12 it would keep it."""
    before = threading.enumerate()
    thread = threads.BackgroundThread("asks", threading.current_thread, ())

    thread.start()
    thread.join(20)

    assert not thread.is_alive()
    assert threading.enumerate() == before


def test_thread_is_traced_and_profiled_as_others_are():
    """By debuggers and coverage."""
    traced, profiled = [], []
    tracers = threading.gettrace(), threading.getprofile()

    def target():
        pass

    threading.settrace(lambda frame, event, argument: traced.append(frame.f_code))
    threading.setprofile(lambda frame, event, argument: profiled.append(frame.f_code))
    try:
        thread = threads.BackgroundThread("traced", target, ())
        thread.start()
        thread.join(20)
    finally:
        threading.settrace(tracers[0])
        threading.setprofile(tracers[1])

    assert target.__code__ in traced
    assert target.__code__ in profiled


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_thread_of_the_parent_is_not_alive_in_a_child():
    """Nothing waits for it there."""
    over = threading.Event()
    thread = threads.BackgroundThread("parent's", over.wait, ())
    thread.start()
    assert thread.is_alive()

    process_id = os.fork()
    if not process_id:
        os._exit(int(thread.is_alive()))
    _, status = os.waitpid(process_id, 0)
    over.set()
    thread.join(20)

    assert status == 0
    assert not thread.is_alive()


def test_several_threads_wait_for_one():
    """Each is woken."""
    over = threading.Event()
    thread = threads.BackgroundThread("waited for", over.wait, ())
    thread.start()
    waiting = [threading.Thread(target=thread.join, args=(60,)) for _ in range(5)]
    for other in waiting:
        other.start()
    over.set()
    for other in waiting:
        other.join(30)

    assert not any(other.is_alive() for other in waiting)


SIGNALLED = """
import os, signal, sys, time
import learning_instrument as li

li.configure(sys.argv[1], durability=sys.argv[2])
li.record_execution(lambda task: None)("early")
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(0.2)
print("held back", flush=True)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="the system has no signals")
@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_signal_that_the_application_blocks_is_held_back(tmp_path, durability):
    """No thread of ours takes it: the application may hold a lock, as billiard's children do when they end."""
    command = [sys.executable, "-c", SIGNALLED, tmp_path / "learning.db", durability]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "held back\n"), done.stderr
