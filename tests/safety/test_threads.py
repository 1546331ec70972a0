"""Where no thread can be started, rows are written in place, and the next start is tried again."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

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

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    database = LearningDatabase(tmp_path / "l.db", durability=durability)
    release, entered = threading.Event(), threading.Event()

    @record_execution(learning_db=database)
    def work(task):
        if task == "long":
            entered.set()
            release.wait()

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
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
    makers = [path.name for path in package.rglob("*.py") if "threading.Thread(" in path.read_text("utf-8")]

    assert makers == ["threads.py"]
