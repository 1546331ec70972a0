"""``LearningDatabase``: opening, storing, asking, closing, and files that are locked, deleted or invalid."""

import asyncio
import contextlib
import copy
import logging
import os
import pickle
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from locks import locked_by_another_process
from small_pools import AsyncPool, SyncPool
from waiting import wait_until

from learning_instrument import ExecutionRecord, LearningDatabase, configure
from learning_instrument.database import store_of
from learning_instrument.errors import ConfigurationError, DatabaseError

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.usefixtures("no_file")


def record(n=0):
    return ExecutionRecord(task_type="x", task_id=f"t-{n}")


def task_ids(database):
    return [row["task_id"] for row in database.query("SELECT task_id FROM executions ORDER BY rowid")]


# Opening.


def test_constructor_opens_nothing(tmp_path):
    """A database may be made at import, long before it is needed."""
    LearningDatabase(tmp_path / "folder" / "learning.db")

    assert list(tmp_path.iterdir()) == []


def test_folders_are_made(tmp_path):
    """``data/learning.db`` works in an empty directory."""
    path = tmp_path / "data" / "of" / "ours" / "learning.db"

    with LearningDatabase(path):
        assert path.exists()


def test_new_files_are_the_owners_alone(tmp_path):
    """Prompts and errors are private."""
    database = LearningDatabase(tmp_path / "learning.db")
    database.append([record()])

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}

    assert modes == {"learning.db": 0o600, "learning.db-wal": 0o600, "learning.db-shm": 0o600}
    database.close()


def test_existing_file_keeps_its_mode(tmp_path):
    """The user chose it."""
    path = tmp_path / "learning.db"
    path.touch(0o644)
    path.chmod(0o644)

    with LearningDatabase(path) as database:
        database.append([record()])

    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_path_stays_though_the_directory_changes(tmp_path, monkeypatch):
    """A relative path is resolved by the constructor."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    database = LearningDatabase("learning.db")
    monkeypatch.chdir(tmp_path / "elsewhere")

    with database:
        assert (tmp_path / "learning.db").exists()


def test_home_is_found(monkeypatch, tmp_path):
    """A path may begin with ``~``."""
    monkeypatch.setenv("HOME", str(tmp_path))

    assert LearningDatabase("~/learning.db").path == str(tmp_path / "learning.db")


def test_invalid_path_is_refused(subtests):
    """By the constructor."""
    for path in ["", ":memory:", ":memory:?x", None, 5, object()]:
        with subtests.test(path=path), pytest.raises(ConfigurationError, match="database_path"):
            LearningDatabase(path)


@pytest.mark.parametrize("ask", ["open", "query", "enter"])
def test_unusable_path_is_an_error_for_a_direct_call(tmp_path, ask):
    """The message has the path."""
    (tmp_path / "file").touch()
    database = LearningDatabase(tmp_path / "file" / "learning.db")
    calls = {"open": database.open, "query": lambda: database.query("SELECT 1"), "enter": database.__enter__}

    with pytest.raises(DatabaseError, match=r"file/learning\.db"):
        calls[ask]()


async def test_unusable_path_is_an_error_for_initialize(tmp_path):
    """The promised usage fails at once."""
    (tmp_path / "learning.db").write_bytes(b"no database " * 1000)

    with pytest.raises(DatabaseError, match="not a database"):
        await LearningDatabase(tmp_path / "learning.db").initialize()


def test_new_file_that_another_process_is_making_is_waited_for(tmp_path):
    """A direct call does not fail because another process holds the lock briefly."""
    path = str(tmp_path / "learning.db")
    with locked_by_another_process(path):
        database = LearningDatabase(path)
        opening = threading.Thread(target=database.open)
        opening.start()
        opening.join(0.3)  # far longer than a task would wait
        assert opening.is_alive()
    opening.join()

    assert task_ids(database) == []
    database.close()


def test_processes_that_make_the_file_at_once_all_open_it(tmp_path):
    """One of them makes it; none gets an error."""
    program = (
        "import sys; from learning_instrument import LearningDatabase, ExecutionRecord\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "with LearningDatabase(sys.argv[1]) as database:\n"
        "    database.append([ExecutionRecord(task_type='x')])\n"
        "assert database.statistics().stored == 1\n"
    )
    path = tmp_path / "learning.db"
    command = [sys.executable, "-c", program, str(path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()

    errors = [process.communicate()[1] for process in processes]

    assert errors == [""] * 6
    assert len(task_ids(LearningDatabase(path))) == 6


# Storing and asking.


def test_record_is_committed_when_append_returns(database):
    """Another connection sees it."""
    assert database.append([record()]) is True

    with contextlib.closing(sqlite3.connect(database.path)) as connection:
        assert connection.execute("SELECT task_id FROM executions").fetchall() == [("t-0",)]


def test_first_row_of_a_new_file_does_not_wait_for_the_file_to_be_made(tmp_path):
    """Making it takes longer than ``batch`` may keep a row back, so the file is there when the call returns."""
    database = LearningDatabase(tmp_path / "new.db", "batch")
    database.append([record()])

    with contextlib.closing(sqlite3.connect(database.path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'executions'").fetchall()

    assert tables == [("executions",)]
    database.close()


def test_appending_twice_is_appending_once(database):
    """By the execution's id."""
    records = [record(n) for n in range(3)]

    database.append(records)
    database.append(records)

    assert task_ids(database) == ["t-0", "t-1", "t-2"]
    assert database.statistics().stored == 3


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 297, 600])
def test_any_number_of_records_is_stored_in_order(database, count):
    """In any number of inserts."""
    database.append([record(n) for n in range(count)])

    assert task_ids(database) == [f"t-{n}" for n in range(count)]


def test_records_that_cannot_be_stored_do_not_take_others_with_them(database, caplog):
    """What was changed after it was made, and what is no record at all."""
    changed = ExecutionRecord(task_type="x", metadata={})
    changed.metadata["itself"] = changed.metadata
    odd = [changed, "no record", None]

    assert database.append([record(1), *odd, record(2)]) is False

    assert task_ids(database) == ["t-1", "t-2"]
    assert database.statistics().lost == {"unreadable": 3}
    assert len(caplog.records) == 1


def test_question_takes_parameters(database):
    """By position and by name."""
    database.append([record(n) for n in range(3)])

    by_position = database.query("SELECT count(*) AS n FROM executions WHERE task_id = ?", ("t-1",))
    by_name = database.query("SELECT count(*) AS n FROM executions WHERE task_id <> :id", {"id": "t-1"})

    assert (by_position, by_name) == ([{"n": 1}], [{"n": 2}])


def test_question_cannot_write(database):
    """For any text."""
    database.append([record()])

    with pytest.raises(DatabaseError, match="readonly"):
        database.query("DELETE FROM executions")

    assert task_ids(database) == ["t-0"]


def test_wrong_question_is_named_in_the_error(database):
    """With the message of SQLite."""
    with pytest.raises(DatabaseError, match=r"no such column: colour.*SELECT colour"):
        database.query("SELECT colour FROM executions")


def test_question_writes_the_queue_first(tmp_path):
    """In batch mode, too, the answer has all executions so far."""
    with LearningDatabase(tmp_path / "learning.db", durability="batch") as database:
        database.append([record(n) for n in range(100)])

        assert len(task_ids(database)) == 100


def test_threads_share_a_database(database):
    """It belongs to none of them."""

    def work(number):
        for n in range(50):
            database.append([record(number * 50 + n)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(task_ids(database)) == sorted(f"t-{n}" for n in range(400))
    assert database.statistics().stored == 400


# Closing, and asyncio.


async def test_asyncio_users_have_coroutines(tmp_path):
    """The promised ones."""
    database = LearningDatabase(database_path=tmp_path / "learning.db")
    await database.initialize()
    await database.store_execution(record())

    assert task_ids(database) == ["t-0"]
    await database.close()
    assert [path.name for path in tmp_path.iterdir()] == ["learning.db"]


async def test_async_with_opens_and_closes(tmp_path):
    """As ``with`` does."""
    async with LearningDatabase(tmp_path / "learning.db", durability="batch") as database:
        assert (tmp_path / "learning.db").exists()
        await database.store_execution(record())

    assert [path.name for path in tmp_path.iterdir()] == ["learning.db"]
    assert database.statistics().stored == 1


def test_several_event_loops_share_a_database(database):
    """It belongs to none of them."""
    configure(database)
    for n in range(3):
        asyncio.run(AsyncPool().execute_task({"task_id": f"t-{n}"}))

    assert task_ids(database) == ["t-0", "t-1", "t-2"]


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_closed_database_opens_again(tmp_path, durability):
    """Executions that end later are stored."""
    database = LearningDatabase(tmp_path / "learning.db", durability=durability)
    for n in range(3):
        database.append([record(n)])
        database.close()

    assert task_ids(database) == ["t-0", "t-1", "t-2"]
    database.close()
    database.close()


def test_with_writes_the_queue(tmp_path):
    """A script's last lines are in the database."""
    with LearningDatabase(tmp_path / "learning.db", durability="batch") as database:
        database.append([record(n) for n in range(1000)])

    assert database.statistics().stored == 1000


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy, lambda database: pickle.loads(pickle.dumps(database))])
def test_database_pickles_and_copies(database, copier):
    """As path and durability: the copy opens the file anew."""
    database.append([record(1)])

    copied = copier(database)

    assert (copied.path, copied.durability) == (database.path, database.durability)
    copied.append([record(2)])
    assert task_ids(database) == ["t-1", "t-2"]
    copied.close()


def test_repr_has_path_and_durability(database):
    """For error messages and debuggers."""
    assert repr(database) == f"LearningDatabase({database.path!r}, durability='commit')"


def test_public_names_are_those_for_users():
    """``dir(database)`` shows what users may call; the write path is behind it."""
    expected = """
        add_feedback append backup clear_feedback close delete_feedback durability find_similar_executions flush
        get_pool_performance get_solution_patterns get_tier_performance initialize open path query rebuild_rollups
        statistics store_execution
    """

    assert [name for name in dir(LearningDatabase("learning.db")) if name[0] != "_"] == expected.split()


# Durability.


@pytest.mark.parametrize(
    ("given", "variable", "expected"),
    [
        (None, None, "commit"),
        (None, "batch", "batch"),
        (None, "", "commit"),
        ("commit", "batch", "commit"),
        ("batch", None, "batch"),
    ],
)
def test_durability_is_the_arguments_or_the_environments(monkeypatch, given, variable, expected):
    """By default a row is committed before its task returns."""
    if variable is not None:
        monkeypatch.setenv("LEARNING_INSTRUMENT_DURABILITY", variable)

    assert LearningDatabase("learning.db", given).durability == expected


@pytest.mark.parametrize("durability", ["Commit", "always", "sync"])
def test_invalid_durability_is_refused(durability):
    """The message has the valid ones."""
    with pytest.raises(ConfigurationError, match="expected 'commit' or 'batch'"):
        LearningDatabase("learning.db", durability)


def test_batch_mode_commits_without_a_flush(tmp_path):
    """The background writer does it."""
    database = LearningDatabase(tmp_path / "learning.db", durability="batch")
    database.append([record()])

    deadline = threading.Event()
    for _ in range(500):
        if database.statistics().stored:
            break
        deadline.wait(0.01)

    assert database.statistics().stored == 1
    assert database.statistics().deferred == 0
    database.close()


def test_order_is_kept_in_batch_mode(tmp_path):
    """First in, first out, over many batches."""
    with LearningDatabase(tmp_path / "learning.db", durability="batch") as database:
        for n in range(2000):
            database.append([record(n)])

        assert task_ids(database) == [f"t-{n}" for n in range(2000)]


# Another writer's lock.


def test_row_behind_anothers_lock_is_deferred_and_counted(database):
    """The task goes on; the row comes as soon as the lock goes, and those after it keep their order."""
    configure(database)
    SyncPool().execute_task({"task_id": "before"})

    with locked_by_another_process(database.path):
        for n in range(3):
            assert SyncPool().execute_task({"task_id": f"t-{n}"}) == {"success": True}
        statistics = database.statistics()
        assert (statistics.stored, statistics.deferred, statistics.lost) == (1, 3, {})

    assert database.flush()
    assert task_ids(database) == ["before", "t-0", "t-1", "t-2"]
    assert database.statistics().stored == 4


def test_rows_are_deferred_without_the_lock(database, monkeypatch):
    """For room in the queue a task waits for the writer, which needs the lock to look at the files."""
    database.append([record(0)])
    store = store_of(database)
    put, held = store._writer.put, []

    def watched(item):
        held.append(store._lock.is_held())
        return put(item)

    monkeypatch.setattr(store._writer, "put", watched)
    with locked_by_another_process(database.path):
        database.append([record(number) for number in (1, 2, 3)])

    assert held == [False] * 3
    assert database.flush()
    assert database.statistics().stored == 4


def test_after_the_backlog_rows_are_committed_at_once_again(database):
    """Deferral ends with its cause."""
    database.append([record(0)])
    with locked_by_another_process(database.path):
        database.append([record(1)])
    database.flush()

    database.append([record(2)])

    assert database.statistics().deferred == 1
    assert task_ids(database) == ["t-0", "t-1", "t-2"]


def test_lock_of_another_writer_is_no_fault(database, caplog):
    """It passes without a log line."""
    database.append([record(0)])
    with locked_by_another_process(database.path):
        database.append([record(1)])
    database.flush()

    assert caplog.records == []


def test_flush_gives_up_in_time(database):
    """It returns False."""
    database.append([record(0)])
    with locked_by_another_process(database.path):
        database.append([record(1)])
        assert database.flush(0.05) is False
    assert database.flush() is True


# A file that goes.


def test_deleted_file_is_made_again(database, tmp_path):
    """Later rows are stored; earlier ones are gone with the file."""
    database.append([record(0)])
    for path in tmp_path.iterdir():
        path.unlink()

    database.append([record(1)])

    assert task_ids(database) == ["t-1"]


def test_deleted_file_is_made_again_in_the_background(tmp_path):
    """In batch mode as well."""
    database = LearningDatabase(tmp_path / "learning.db", durability="batch")
    database.append([record(0)])
    database.flush()
    for path in tmp_path.iterdir():
        path.unlink()

    database.append([record(1)])

    assert task_ids(database) == ["t-1"]
    database.close()


def test_replaced_file_is_left_whole(database, tmp_path):
    """A backup put in its place is not mixed with the file that was open before."""
    database.append([record(0)])
    other = LearningDatabase(tmp_path / "backup.db")
    other.append([record(7)])
    other.close()
    os.replace(tmp_path / "backup.db", database.path)
    for name in ("learning.db-wal", "learning.db-shm"):
        (tmp_path / name).unlink()

    database.append([record(8)])

    assert task_ids(database) == ["t-7", "t-8"]
    assert database.query("PRAGMA integrity_check") == [{"integrity_check": "ok"}]


def test_database_that_cannot_be_written_is_retried(tmp_path, caplog):
    """Rows are kept meanwhile; one warning is logged."""
    (tmp_path / "folder").touch()
    database = LearningDatabase(tmp_path / "folder" / "learning.db")

    assert database.append([record(0)]) is True
    assert database.append([record(1)]) is True
    (tmp_path / "folder").unlink()

    assert database.flush()
    assert task_ids(database) == ["t-0", "t-1"]
    assert [entry.levelname for entry in caplog.records] == ["WARNING"]
    database.close()


def test_records_beyond_the_queue_are_lost_and_counted(tmp_path, caplog):
    """The next write that succeeds stores the count."""
    (tmp_path / "folder").touch()
    database = LearningDatabase(tmp_path / "folder" / "learning.db")
    store_of(database)._writer._capacity = 5
    for n in range(3):
        database.append([record(n)])  # the first failure ends the waiting for room

    results = [database.append([record(n)]) for n in range(3, 20)]

    lost = database.statistics().lost["queue full"]
    assert results.count(False) == lost > 0
    (tmp_path / "folder").unlink()
    assert database.flush()
    database.append([record(20)])
    stored = len(task_ids(database))
    assert stored == 21 - lost
    losses = database.query("SELECT process_id, reason, sum(executions) AS n FROM losses")
    assert losses == [{"process_id": os.getpid(), "reason": "queue full", "n": lost}]
    assert len(caplog.records) == 2
    database.close()


def test_losses_are_reported_once(database):
    """Stored counts are not stored again."""
    store_of(database).count_lost("fault", 2)
    for n in range(3):
        database.append([record(n)])
    store_of(database).count_lost("fault")
    database.append([record(3)])

    assert database.query("SELECT executions FROM losses ORDER BY rowid") == [{"executions": 2}, {"executions": 1}]
    assert database.statistics().lost == {"fault": 3}


def test_counts_that_cannot_be_stored_wait_for_the_next_write(tmp_path):
    """As rows do."""
    (tmp_path / "folder").touch()
    database = LearningDatabase(tmp_path / "folder" / "learning.db")
    store_of(database).count_lost("fault")
    database.append([record()])
    (tmp_path / "folder").unlink()
    database.flush()

    assert database.query("SELECT reason, executions FROM losses") == [{"reason": "fault", "executions": 1}]
    database.close()


def test_log_is_moved_into_the_database_in_the_background(database, tmp_path):
    """A log without end would make each reader slower."""
    waiting = threading.Event()
    database.append([record(n) for n in range(3000)])
    for _ in range(500):
        if (tmp_path / "learning.db").stat().st_size > 50_000:
            break
        waiting.wait(0.01)

    assert (tmp_path / "learning.db").stat().st_size > 50_000


def test_database_that_is_garbage_collected_closes_itself(tmp_path, monkeypatch):
    """No connection stays open once it has been idle."""
    monkeypatch.setattr("learning_instrument.storage.background_writer._IDLE_SECONDS", 0.1)
    monkeypatch.setattr("learning_instrument.storage.background_writer._LOOK_SECONDS", 0.1)
    database = LearningDatabase(tmp_path / "learning.db")
    database.append([record()])

    del database

    wait_until(lambda: [path.name for path in tmp_path.iterdir()] == ["learning.db"])


def test_flush_waits_for_the_queue_as_it_was_when_it_began(tmp_path):
    """Not for items that other threads add."""
    database = LearningDatabase(tmp_path / "busy.db", "batch")
    stop = threading.Event()

    def produce():
        while not stop.is_set():
            database.append([record(0)])

    producer = threading.Thread(target=produce)
    producer.start()
    database.append([ExecutionRecord(task_type="mine", task_id="mine")])

    is_written = database.flush(20)

    found = database.query("SELECT task_type FROM executions WHERE task_id = 'mine'")
    stop.set()
    producer.join()
    database.close()
    assert is_written
    assert found == [{"task_type": "mine"}]


@pytest.mark.parametrize(("sql", "parameters"), [("SELECT ?", (2**70,)), ("SELECT 1; SELECT 2", ()), ("SELEC", ())])
def test_invalid_question_is_our_error(database, sql, parameters):
    """Whichever exception SQLite's module raises."""
    with pytest.raises(DatabaseError):
        database.query(sql, parameters)


def test_log_handler_that_fails_does_not_end_the_writer(tmp_path, caplog):
    """The queue is written once it can be."""

    class Broken(logging.Handler):
        def emit(self, record):
            raise ValueError

    (tmp_path / "folder").touch()
    database = LearningDatabase(tmp_path / "folder" / "learning.db")
    handler = Broken()
    logging.getLogger("learning_instrument").addHandler(handler)
    try:
        assert database.append([record(0)])
        database.flush(1)
    finally:
        logging.getLogger("learning_instrument").removeHandler(handler)
    (tmp_path / "folder").unlink()

    assert database.flush(10)
    assert task_ids(database) == ["t-0"]
    database.close()


_TWO_THOUSAND = """
import sys
from learning_instrument import configure, record_execution
configure(sys.argv[1], durability=sys.argv[2])
@record_execution
def execute_task(task):
    return {}
for _ in range(2000):
    execute_task({})
"""


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_file_alone_has_everything_when_the_process_has_ended(tmp_path, durability):
    """It can be copied without a write-ahead log."""
    path = tmp_path / "learning.db"
    subprocess.run([sys.executable, "-c", _TWO_THOUSAND, path, durability], check=True, timeout=60)

    alone = tmp_path / "alone.db"
    alone.write_bytes(path.read_bytes())

    with contextlib.closing(sqlite3.connect(alone)) as copied:
        assert copied.execute("SELECT count(*) FROM executions").fetchone() == (2000,)
