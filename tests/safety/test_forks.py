"""A fork: no thread is inside SQLite, no connection is inherited, and both sides go on."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
import weakref
from pathlib import Path

import pytest
from background_threads import alive
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from learning_instrument import ExecutionRecord, LearningDatabase, SQLiteSpanExporter, configuration, configure
from learning_instrument.safety import forks, progress
from learning_instrument.safety.forks import ForkLock, copy_of, register

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@pytest.fixture(autouse=True)
def forking_is_meant():
    """Pytest's own threads, and those of a test, are no reason to warn here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def in_child(action):
    """Call *action* in a forked child; return a function that waits for it and gives its exit code."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            action()
            status = 0
        finally:
            os._exit(status)
    return lambda: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def record(task_id):
    return ExecutionRecord(task_type="fork", task_id=task_id)


def task_ids(database):
    return sorted(row["task_id"] for row in database.query("SELECT task_id FROM executions"))


def test_lock_of_another_thread_is_free_in_the_child(monkeypatch):
    """The thread that holds it does not exist there; the fork waits for it, but not forever."""
    monkeypatch.setattr(forks, "_FORK_SECONDS", 0.05)
    lock, held, is_over = ForkLock(), threading.Event(), threading.Event()

    def hold():
        held.set()
        is_over.wait()

    thread = threading.Thread(target=lock.call, args=(hold,))
    thread.start()
    held.wait()
    try:
        exit_code = in_child(lambda: lock.call(lock.is_held, timeout=5) or os._exit(2))()
        assert lock.is_held_elsewhere()
    finally:
        is_over.set()
        thread.join()

    assert exit_code == 0
    assert lock.call(lock.is_held, timeout=0)


def test_lock_is_held_while_the_process_forks():
    """And closes what it guards; afterwards it is free on both sides."""
    seen = []
    lock = ForkLock(lambda: seen.append(lock.is_held()))

    assert in_child(lambda: lock.call(lock.is_held, timeout=0) or os._exit(2))() == 0
    assert (seen, lock.is_held()) == ([True], False)


def test_holder_of_a_reentrant_lock_forks_at_once_and_its_child_leaves_the_block():
    """A signal handler may fork in the thread that holds it."""
    lock = ForkLock()
    child = lock.call(os.fork)
    if child == 0:
        os._exit(2 * lock.is_held())

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert lock.call(lock.is_held, timeout=0)


class Participant:
    """Notes its calls in a list, and may fail."""

    def __init__(self, name, seen, fault=None):
        self.name, self.seen, self.fault = name, seen, fault
        register(self)

    def before_fork(self, undo):
        undo.callback(self.seen.append, f"undo {self.name}")
        self.seen.append(self.name)
        if self.fault is not None:
            raise self.fault

    def reset(self):
        self.seen.append(f"reset {self.name}")


def test_newest_participant_prepares_first():
    """It may depend on older ones, as a thread does on the lock it uses."""
    seen = []
    participants = [Participant(name, seen) for name in ("old", "new")]

    def check():
        assert seen == ["new", "old", "reset old", "reset new"]

    assert in_child(check)() == 0
    assert seen == ["new", "old", "undo old", "undo new"]
    del participants


def test_participant_that_is_interrupted_goes_on_after_the_fork(monkeypatch):
    """Ctrl-C while a fork waits for a writer leaves no writer paused."""
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: seen.append(unraisable.exc_type))
    participant = Participant("interrupted", seen, KeyboardInterrupt())

    assert in_child(lambda: None)() == 0
    assert seen == ["interrupted", KeyboardInterrupt, "undo interrupted"]
    del participant


def test_participants_are_held_weakly():
    """A database that is forgotten takes part in no more forks."""
    participants = set(forks._participants)
    participant = Participant("forgotten", [])
    (added,) = set(forks._participants) - participants

    del participant
    gc.collect()

    assert added not in forks._participants


def test_the_end_of_a_program_that_fails_is_its_traceback():
    """The interpreter's last moments take our modules apart without a message."""
    program = "import learning_instrument.recording.execution\nraise SystemError('the end')"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)

    assert ended.stderr.endswith("SystemError: the end\n")


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_childs_rows_outlive_the_parents_connections(tmp_path, durability):
    """A child that shared them would lose its log when the parent closes."""
    database = LearningDatabase(tmp_path / "fork.db", durability)
    database.append([record("parent")])
    (has_closed, closing), (go_on, told) = os.pipe(), os.pipe()

    def child():
        database.append([record("child-1")])
        os.write(closing, b"x")
        os.read(go_on, 1)
        database.append([record("child-2")])
        assert database.flush()

    exit_code = in_child(child)
    os.read(has_closed, 1)
    database.close()
    os.write(told, b"x")

    assert exit_code() == 0
    with LearningDatabase(tmp_path / "fork.db") as reader:
        assert task_ids(reader) == ["child-1", "child-2", "parent"]


def test_child_forked_while_others_ask_questions_can_ask_too(tmp_path):
    """It inherits no mutex that a thread held."""
    database = LearningDatabase(tmp_path / "fork.db")
    database.append([record(f"t-{n}") for n in range(200)])
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            database.query("SELECT count(*) FROM executions")

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()

    exit_codes = [in_child(lambda: database.query("SELECT count(*) FROM executions"))() for _ in range(10)]

    stop.set()
    for thread in threads:
        thread.join()
    assert exit_codes == [0] * 10
    database.close()


def test_child_forked_while_others_export_can_export_too(tmp_path):
    """As a collector's exporter does, on the task's thread under the SDK's simple processor."""
    exporter = SQLiteSpanExporter(LearningDatabase(tmp_path / "fork.db"))
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("application")
    stop = threading.Event()

    def export():
        while not stop.is_set():
            tracer.start_span("work").end()

    def export_in_child():
        signal.alarm(30)
        tracer.start_span("work").end()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=export) for _ in range(3)]
    try:
        for thread in threads:
            thread.start()
        exit_codes = [in_child(export_in_child)() for _ in range(20)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)

    assert exit_codes == [0] * 20


def test_child_forked_while_another_thread_configures_can_configure(tmp_path):
    """It has the locks of ``configure()`` to itself, on the first execution of a function too."""

    def configure_in_child():
        signal.alarm(30)
        configure(tmp_path / "child.db", tracer_provider=TracerProvider())

    held, is_over = threading.Event(), threading.Event()

    def hold():
        with configuration._State.lock:
            held.set()
            is_over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        exit_code = in_child(configure_in_child)()
    finally:
        is_over.set()
        thread.join()

    assert exit_code == 0


def test_databases_made_while_another_thread_forks_can_be_written(tmp_path):
    """Locks held for the fork are released, also with new databases made meanwhile."""
    database = LearningDatabase(tmp_path / "fork.db")
    stop = threading.Event()
    made = []

    def make():
        while not stop.is_set():
            made.append(LearningDatabase(tmp_path / "other.db"))
            del made[:-3]

    thread = threading.Thread(target=make)
    thread.start()
    for _ in range(20):
        in_child(lambda: None)()
    stop.set()
    thread.join()

    assert database.append([record("after")])
    assert database.statistics().deferred == 0
    assert made[-1].append([record("other")])
    database.close()
    made[-1].close()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python warns of it since 3.12")
def test_writer_is_no_reason_to_warn_of_threads(tmp_path):
    """A host of one thread forks without a warning, in batch mode too."""
    database = LearningDatabase(tmp_path / "fork.db", "batch")
    database.append([record("parent")])
    assert database.flush()
    tasks = Path("/proc/self/task")  # a library such as pyarrow has threads that Python does not know

    def others():
        return (len(list(tasks.iterdir())) if tasks.exists() else threading.active_count()) - 1 - len(alive())

    before = others()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        in_child(lambda: None)()

    assert bool(caught) in (bool(before), bool(others()))  # the thread of an earlier test may just be ending
    database.append([record("later")])
    assert task_ids(database) == ["later", "parent"]
    database.close()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python warns of it since 3.12")
@pytest.mark.parametrize("durability", ["commit", "batch"])
@pytest.mark.parametrize("where", ["within", "between"])
def test_program_that_forks_is_not_warned_of_our_threads(tmp_path, durability, where):
    """They end before the fork, and start again where a task goes on."""
    if where == "within" and sys.version_info >= (3, 13):
        pytest.skip("Python 3.13 counts the threads that start again after the fork")
    program = Path(__file__).parents[1] / "e2e" / "forking.py"
    command = [sys.executable, "-W", "error", program, tmp_path / "l.db", durability, where]
    subprocess.run(command, check=True, timeout=60)

    with LearningDatabase(tmp_path / "l.db") as database:
        assert len(database.query("SELECT * FROM executions")) == 10


class Thing:
    """An object that takes weak references."""


def test_copy_is_complete_while_other_threads_add():
    """Python refuses to iterate over a set that changes its size: here once in a hundred times."""
    things = weakref.WeakSet(first := [Thing() for _ in range(100)])
    is_over = threading.Event()

    def add():
        while not is_over.is_set():
            things.update([Thing() for _ in range(10)])

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        looks = [set(copy_of(things)) for _ in range(2000)]
    finally:
        is_over.set()
        for thread in threads:
            thread.join()

    assert all(look.issuperset(first) for look in looks)


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_fork_without_hooks_is_noticed(tmp_path, durability):
    """As uWSGI forks from C: each process has its own ids, its own connections, and all its rows."""
    program = Path(__file__).parents[1] / "e2e" / "hookless.py"
    subprocess.run([sys.executable, program, tmp_path / "l.db", durability, "3"], check=True, timeout=60)

    with LearningDatabase(tmp_path / "l.db") as database:
        rows = database.query("SELECT task_id, execution_id, process_id, trace_id FROM executions")
    names = {row["task_id"].rpartition("-")[0]: row["process_id"] for row in rows}
    assert len(rows) == 5 * (3 * 3 + 3 + 3)
    assert len({row["execution_id"] for row in rows}) == len({row["trace_id"] for row in rows}) == len(rows)
    assert len({names[f"{kind}-{turn}"] for kind in ("child", "grandchild") for turn in range(3)}) == 6
    assert len(set(names.values())) == 7


def test_start_over_happens_once(monkeypatch):
    """Threads that notice the fork together wait for one of them, and a reset may notice it as well."""
    seen = []

    def reset():
        forks.check()
        seen.append(threading.get_ident())
        time.sleep(0.05)

    monkeypatch.setattr(forks, "_resets", [reset])
    monkeypatch.setattr(forks, "_participants", {})
    monkeypatch.setattr(forks, "mark", [0])
    threads = [threading.Thread(target=forks.check) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen) == 1


def test_process_id_is_the_mark_where_the_system_wipes_no_page(monkeypatch):
    """Such as macOS."""
    mark = forks._ById()
    assert mark[0]
    assert in_child(lambda: mark[0] or os._exit(2))() == 0  # the hooks have set the id of the child
    monkeypatch.setattr(forks.Process, "id", 1)
    assert not mark[0]


def test_fork_that_cannot_wait_is_warned_of_and_loses_nothing(tmp_path, monkeypatch, caplog):
    """A thread holds the lock of the database, and makes no progress."""
    monkeypatch.setattr(forks, "_FORK_SECONDS", 0.02)
    with LearningDatabase(tmp_path / "l.db") as database:
        database.append([record("before")])
        held, is_over = threading.Event(), threading.Event()

        def hold(connection):
            connection.execute("SELECT 1")
            held.set()
            is_over.wait()

        thread = threading.Thread(target=database._store.between_batches, args=(hold,))
        thread.start()
        held.wait()
        before = forks._Unprotected.count
        exit_code = in_child(lambda: (database.append([record("child")]) and database.flush(10)) or os._exit(2))()
        is_over.set()
        thread.join()

        assert exit_code == 0
        assert forks._Unprotected.count == before + 1
        assert "forked while a thread was writing" in caplog.text
        assert task_ids(database) == ["before", "child"]


def test_fork_waits_while_the_holder_makes_progress(monkeypatch):
    """However long it takes by the clock."""
    monkeypatch.setattr(progress, "STALLED_SECONDS", 0.4)
    monkeypatch.setattr(progress, "_LEAST_TURNS", 1)
    lock, held = ForkLock(), threading.Event()

    def hold():
        held.set()
        end = time.monotonic() + 1.2
        while time.monotonic() < end:
            sum(range(1000))

    thread = threading.Thread(target=lock.call, args=(hold,))
    thread.start()
    held.wait()
    before = forks._Unprotected.count
    assert in_child(lambda: None)() == 0
    thread.join()

    assert forks._Unprotected.count == before
