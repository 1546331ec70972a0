"""The crash ledger: the entries of the table ``running``, and how they end."""

import asyncio
import contextlib
import gc
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from waiting import wait_until

from learning_instrument import ExecutionRecord, LearningDatabase, record_execution
from learning_instrument.database import store_of
from learning_instrument.outcome import ErrorType, Outcome
from learning_instrument.record import row_from_record
from learning_instrument.sqlite.connection import WriteConnection
from learning_instrument.storage import crash_ledger, watchdog
from learning_instrument.storage.crash_ledger import CrashLedger
from learning_instrument.storage.liveness import SILENCE_SECONDS, this_process

LONG = 0.1


@pytest.fixture(params=["commit", "batch"])
def database(request, empty_file, monkeypatch):
    """A database with a quick ledger: executions enter after 0.1 seconds, and it looks every 10 ms."""
    monkeypatch.setattr(watchdog, "LONG_SECONDS", LONG)
    monkeypatch.setattr(watchdog, "_TURN_SECONDS", 0.01)
    database = LearningDatabase(empty_file, request.param)
    yield database
    database.close()


@pytest.fixture
def entries(database):
    """Return the entries of the table ``running``, read by sqlite3 alone; none while there is no file."""
    return lambda: read(database.path, "SELECT * FROM running ORDER BY rowid")


def read(path, sql, *parameters):
    if not os.path.exists(path):
        return []
    with contextlib.closing(sqlite3.connect(path, timeout=5)) as connection:
        connection.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in connection.execute(sql, parameters)]
        except sqlite3.OperationalError:  # the file is being made
            return []


def write(path, sql, *parameters):
    with contextlib.closing(sqlite3.connect(path, timeout=5, isolation_level=None)) as connection:
        connection.execute(sql, parameters)


class Held:
    """Executions in threads, which run until they are released."""

    def __init__(self, database):
        self._go_on = threading.Event()
        self._threads = []

        @record_execution(learning_db=database)
        def execute_task(task):
            self._go_on.wait(30)
            return {"success": True, "model_tier": "small"}

        self._execute_task = execute_task

    def start(self, *tasks):
        for task in tasks:
            thread = threading.Thread(target=self._execute_task, args=(task,))
            thread.start()
            self._threads.append(thread)

    def release(self):
        self._go_on.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def held(database):
    """Executions that run until they are released."""
    held = Held(database)
    yield held
    held.release()


@pytest.fixture
def left_behind(database, held, entries):
    """Leave entries behind, as if of another process: return a function that makes them with other values."""

    def leave(*task_ids, **columns):
        held.start(*({"task_id": task_id, "task_type": "left"} for task_id in task_ids))
        wait_until(lambda: len(entries()) == len(task_ids))
        with contextlib.closing(sqlite3.connect(database.path, timeout=5)) as connection:
            copied = connection.execute("SELECT * FROM running").fetchall()
        database.close()  # from now on they are neither renewed nor deleted
        held.release()
        wait_until(lambda: not entries())
        database.flush()
        for entry in copied:
            write(database.path, f"INSERT INTO running VALUES ({','.join('?' * len(entry))})", *entry)
        write(database.path, "DELETE FROM executions")
        for column, value in columns.items():
            write(database.path, f"UPDATE running SET {column} = ?", value)

    return leave


def stored(path):
    with LearningDatabase(path) as reader:
        return reader.query("SELECT * FROM executions ORDER BY task_id")


def identity(**parts):
    """Return the identity of this process, with some parts replaced."""
    names = ("boot", "namespace", "start", "token")
    own = dict(zip(names, this_process().identity.split(), strict=True))
    return " ".join({**own, **parts}.values())


def test_long_execution_has_an_entry_until_it_ends(database, held, entries):
    """With process, host, heartbeat, and its record."""
    held.start({"task_id": "long", "task_type": "review", "prompt": "look at it"})

    wait_until(entries)

    (entry,) = entries()
    assert (entry["task_id"], entry["task_type"]) == ("long", "review")
    assert entry["process_id"] == os.getpid()
    assert entry["started"] < entry["heartbeat"]
    assert "look at it" in entry["record"]
    held.release()
    wait_until(lambda: not entries())
    (row,) = stored(database.path)
    assert (row["task_id"], row["outcome"], row["execution_id"]) == ("long", "succeeded", entry["execution_id"])


def test_short_execution_has_no_entry(no_file, database, entries, monkeypatch):
    """The file is not even made for it."""
    monkeypatch.undo()
    monkeypatch.setattr(watchdog, "_TURN_SECONDS", 0.01)
    seen = []

    @record_execution(learning_db=database)
    def execute_task(task):
        deadline = time.monotonic() + 0.3
        while time.monotonic() < deadline:
            seen.extend(entries())
            seen.extend(["a file"] * os.path.exists(database.path))
            time.sleep(0.005)

    execute_task({})

    assert seen == []


def test_content_that_is_not_captured_is_not_in_the_ledger(database, entries):
    """The entry has the attributes of the span, and no more."""
    go_on = threading.Event()

    @record_execution(learning_db=database, capture_content=False)
    def execute_task(task):
        go_on.wait(30)

    thread = threading.Thread(target=execute_task, args=({"prompt": "a secret"},))
    thread.start()
    wait_until(entries)

    assert "a secret" not in str(entries())
    go_on.set()
    thread.join()


async def test_concurrent_coroutines_each_have_an_entry(database, entries):
    """A thousand at once, in one thread."""
    go_on = asyncio.Event()

    @record_execution(learning_db=database)
    async def execute_task(task):
        await go_on.wait()
        return task

    running = [asyncio.create_task(execute_task({"task_id": f"{n:04}"})) for n in range(1000)]
    await asyncio.to_thread(wait_until, lambda: len(entries()) == 1000)

    assert [entry["task_id"] for entry in entries()] == [f"{n:04}" for n in range(1000)]
    go_on.set()
    await asyncio.gather(*running)
    await asyncio.to_thread(wait_until, lambda: not entries())
    assert len(stored(database.path)) == 1000


async def test_many_executions_are_entered_in_rounds(database, entries, monkeypatch):
    """So that the tasks have the interpreter in between; none is left out, and all leave again."""
    rounds = []
    enter = CrashLedger.enter

    def counted(ledger, rows):
        rounds.append(len(rows))
        enter(ledger, rows)

    monkeypatch.setattr(watchdog, "_ROUND", 10)
    monkeypatch.setattr(CrashLedger, "enter", counted)
    go_on = asyncio.Event()

    @record_execution(learning_db=database)
    async def execute_task(task):
        await go_on.wait()

    running = [asyncio.create_task(execute_task("task")) for _ in range(95)]
    await asyncio.to_thread(wait_until, lambda: len(entries()) == 95)
    go_on.set()
    await asyncio.gather(*running)
    await asyncio.to_thread(wait_until, lambda: not entries())

    assert max(rounds) == 10


def test_generator_runs_until_it_is_finished(database, entries):
    """And an abandoned one leaves the ledger when it is freed."""

    @record_execution(learning_db=database)
    def execute_task(task):
        yield task

    generator = execute_task({"task_id": "left"})
    next(generator)
    wait_until(entries)

    del generator
    gc.collect()

    wait_until(lambda: not entries())
    assert [row["outcome"] for row in stored(database.path)] == ["cancelled"]


def test_pending_future_is_not_kept_alive(database, entries):
    """Its execution never ends; the ledger forgets it with the future."""

    @record_execution(learning_db=database)
    def execute_task(task):
        return Future()

    future = execute_task({"task_id": "left"})
    wait_until(entries)

    del future
    gc.collect()

    wait_until(lambda: not entries())


def test_execution_lost_by_a_fault_of_ours_leaves_the_ledger(database, held, entries, monkeypatch, caplog):
    """It is counted as lost already."""
    held.start({"task_id": "faulty"})
    wait_until(entries)
    monkeypatch.setattr(
        "learning_instrument.pipeline.exporter.SQLiteSpanExporter.store", lambda self, executions: 1 / 0
    )

    held.release()

    wait_until(lambda: not entries())
    assert database.statistics().lost == {"fault": 1}


def test_heartbeat_is_renewed_while_it_runs(database, held, entries, monkeypatch):
    """So that other hosts see that the process lives."""
    monkeypatch.setattr(watchdog, "_HEARTBEAT_SECONDS", 0.05)
    held.start({"task_id": "long"})
    wait_until(entries)
    first = entries()[0]["heartbeat"]

    wait_until(lambda: entries()[0]["heartbeat"] > first)


def test_deleted_entry_of_a_running_execution_comes_back(database, held, entries, monkeypatch):
    """It still runs."""
    monkeypatch.setattr(watchdog, "_HEARTBEAT_SECONDS", 0.05)
    held.start({"task_id": "long"})
    wait_until(entries)

    write(database.path, "DELETE FROM running")

    wait_until(entries)


def test_execution_outlives_the_closing_of_its_database(database, held, entries):
    """Its entry stays until it ends; then its row is stored, and the entry deleted."""
    held.start({"task_id": "long"})
    wait_until(entries)

    database.close()
    time.sleep(0.1)
    assert [entry["task_id"] for entry in entries()] == ["long"]
    held.release()

    wait_until(lambda: not entries())
    assert [row["outcome"] for row in stored(database.path)] == ["succeeded"]


def test_deleted_file_of_a_closed_database_is_not_made_again(database, held, entries, tmp_path, monkeypatch):
    """Its folder may be gone by then."""
    monkeypatch.setattr(watchdog, "_HEARTBEAT_SECONDS", 0.02)
    held.start({"task_id": "long"})
    wait_until(entries)
    database.close()
    shutil.rmtree(tmp_path)

    time.sleep(0.3)

    assert not tmp_path.exists()


def test_locked_database_does_not_disturb_the_task(database, held, entries):
    """The entry is written after the lock is released."""
    database.open()
    with contextlib.closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        held.start({"task_id": "long"})
        time.sleep(2 * LONG)
        assert entries() == []
        other.execute("COMMIT")

    wait_until(entries)
    held.release()
    wait_until(lambda: not entries())
    assert [row["outcome"] for row in stored(database.path)] == ["succeeded"]


def test_database_that_cannot_be_opened_does_not_disturb_the_task(tmp_path, monkeypatch, caplog):
    """One warning, and the task goes on."""
    monkeypatch.setattr(watchdog, "LONG_SECONDS", 0.05)
    monkeypatch.setattr(watchdog, "_TURN_SECONDS", 0.01)
    (tmp_path / "file").write_text("no folder")
    database = LearningDatabase(tmp_path / "file" / "learning.db")

    result = record_execution(learning_db=database)(lambda task: time.sleep(0.3) or "done")({})

    assert result == "done"
    assert [record.getMessage()[:10] for record in caplog.records].count("The ledger") == 1
    (tmp_path / "file").unlink()
    assert database.flush()
    database.close()


# What becomes of entries that others left behind.


def gone():
    """Return the id of a process that has ended."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return child


@pytest.mark.parametrize("database", ["commit"], indirect=True)
class TestLeftBehind:
    """Entries of processes that may have died."""

    @pytest.fixture(autouse=True)
    def forking_is_meant(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield

    def test_execution_of_a_dead_process_is_stored_as_lost(self, database, left_behind, entries):
        """With the values known by then; the others are marked as defaults."""
        process_id = gone()
        left_behind("a", process_id=process_id, process=identity(token="another"))
        (entry,) = entries()

        (row,) = stored(database.path)

        assert entries() == []
        assert (row["task_id"], row["task_type"], row["execution_id"]) == ("a", "left", entry["execution_id"])
        assert (row["outcome"], row["error_type"], row["success"]) == ("lost", "crash", 0)
        assert row["outcome_source"] is None  # it neither raised nor returned
        assert f"Process {process_id} on {this_process().host}" in row["error_message"]
        assert entry["heartbeat"] in row["error_message"]
        assert row["duration_seconds"] >= LONG
        record = ExecutionRecord.from_dict(row)
        assert (record.outcome, record.error_type) == (Outcome.LOST, ErrorType.CRASH)
        assert {"duration_seconds", "model_tier", "actual_cost", "cost_estimate"} <= set(record.defaulted)
        assert not {"task_id", "task_type"} & set(record.defaulted)

    def test_living_process_keeps_its_entry(self, database, left_behind, entries):
        """For any silence: it may be stopped."""
        parent = os.getppid()
        with open(f"/proc/{parent}/stat") as file:
            start = file.read().rpartition(")")[2].split()[19]
        left_behind(
            "a",
            process_id=parent,
            process=identity(token="another", start=start),
            heartbeat="2020-01-01T00:00:00+00:00",
        )

        assert stored(database.path) == []
        assert len(entries()) == 1

    def test_reused_process_id_is_another_process(self, database, left_behind):
        """Its start differs."""
        left_behind("a", process_id=os.getppid(), process=identity(token="another", start="1"))

        assert [row["outcome"] for row in stored(database.path)] == ["lost"]

    def test_reuse_of_our_own_process_id_is_another_process(self, database, left_behind):
        """Or another program in the same process, by ``exec``."""
        left_behind("a", process=identity(token="another"))

        assert [row["outcome"] for row in stored(database.path)] == ["lost"]

    def test_zombie_is_dead(self, database, left_behind):
        """Its parent has not waited for it, so its id is left."""
        child = os.fork()
        if child == 0:
            time.sleep(30)
            os._exit(0)
        with open(f"/proc/{child}/stat") as file:
            start = file.read().rpartition(")")[2].split()[19]
        os.kill(child, 9)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        left_behind("a", process_id=child, process=identity(token="another", start=start))

        rows = stored(database.path)

        os.waitpid(child, 0)
        assert [row["outcome"] for row in rows] == ["lost"]

    def test_process_whose_main_thread_ended_is_alive(self, database, left_behind, entries):
        """Its other threads run."""
        program = (
            "import ctypes, threading, time; threading.Thread(target=time.sleep, args=(30,)).start();"
            " ctypes.CDLL(None).pthread_exit(None)"
        )
        with subprocess.Popen([sys.executable, "-c", program]) as process:
            stat = Path(f"/proc/{process.pid}/stat")
            wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z")
            start = stat.read_text().rpartition(")")[2].split()[19]
            left_behind("a", process_id=process.pid, process=identity(token="another", start=start))

            rows = stored(database.path)
            process.kill()

        assert rows == []
        assert len(entries()) == 1

    @pytest.mark.parametrize(
        "elsewhere", [{"boot": "another", "namespace": "pid:[1]"}, {"namespace": "pid:[1]"}, {"start": "-"}]
    )
    @pytest.mark.parametrize("silent_seconds", [SILENCE_SECONDS - 60, SILENCE_SECONDS + 60])
    def test_unreachable_process_is_dead_after_an_hour(self, database, left_behind, elsewhere, silent_seconds):
        """Of another host, of another container, or of unknown start."""
        heartbeat = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - silent_seconds))
        host = "another" if "boot" in elsewhere else this_process().host
        left_behind(
            "a",
            host=host,
            process_id=os.getppid(),
            process=identity(token="another", **elsewhere),
            heartbeat=heartbeat,
        )

        assert len(stored(database.path)) == (silent_seconds > SILENCE_SECONDS)

    @pytest.mark.parametrize("is_renewed", [False, True])
    def test_clock_far_from_the_executions_of_others_needs_a_second_look(
        self, database, left_behind, monkeypatch, is_renewed
    ):
        """It may be wrong: a living process renews its heartbeat meanwhile."""
        monkeypatch.setattr(crash_ledger, "_WATCHED_SECONDS", 0.2)
        year_ago = datetime.now(timezone.utc) - timedelta(days=365)
        left_behind(
            "a",
            host="another",
            process_id=os.getppid(),
            process=identity(token="another", boot="another", namespace="pid:[1]"),
            heartbeat=year_ago.isoformat(),
        )
        with contextlib.closing(WriteConnection(database.path, 5.0)) as connection:
            connection.insert([row_from_record(ExecutionRecord(task_type="t", timestamp=year_ago, process_id=1))])
        with contextlib.closing(CrashLedger(database.path)) as ledger:
            assert ledger.settle_dead() is True
            assert ledger.settle_dead() is True
            if is_renewed:
                write(database.path, "UPDATE running SET heartbeat = ?", (year_ago + timedelta(seconds=5)).isoformat())
            time.sleep(0.3)

            assert ledger.settle_dead() is is_renewed

    def test_reboot_ends_all_processes(self, database, left_behind):
        """A heartbeat from before it, on this host."""
        since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
        before = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - since_boot - 60))
        left_behind("a", process=identity(boot="the-last"), heartbeat=before)

        assert [row["outcome"] for row in stored(database.path)] == ["lost"]

    def test_concurrent_openers_store_each_lost_execution_once(self, database, left_behind):
        """At the same time."""
        left_behind(*(f"{n:02}" for n in range(50)), process_id=gone(), process=identity(token="another"))
        together = threading.Barrier(8)

        def open_():
            together.wait()
            with LearningDatabase(database.path):
                pass

        with ThreadPoolExecutor(8) as threads:
            for future in [threads.submit(open_) for _ in range(8)]:
                future.result()

        assert [row["task_id"] for row in stored(database.path)] == [f"{n:02}" for n in range(50)]

    def test_execution_whose_row_was_stored_is_not_lost(self, database, left_behind, entries):
        """Its process died between the row and the entry."""
        left_behind("a", process_id=gone(), process=identity(token="another"))
        (entry,) = entries()
        write(
            database.path,
            "INSERT INTO executions (execution_id, task_id, timestamp, task_type, success, duration_seconds, outcome,"
            " metadata, defaulted) VALUES (?, 'a', ?, 'left', 1, 2.0, 'succeeded', '{}', '[]')",
            entry["execution_id"],
            entry["started"],
        )

        rows = stored(database.path)

        assert [(row["outcome"], row["duration_seconds"]) for row in rows] == [("succeeded", 2.0)]
        assert entries() == []

    def test_recording_process_settles_dead_ones_in_the_background(self, database, left_behind, entries):
        """A task that opens the database does not wait for it."""
        left_behind("a", process_id=gone(), process=identity(token="another"))

        other = LearningDatabase(database.path)
        other.append([ExecutionRecord(task_type="new", task_id="new")])

        wait_until(lambda: not entries())
        other.close()
        assert [row["task_id"] for row in stored(database.path)] == ["a", "new"]

    def test_long_lived_process_settles_later_deaths(self, database, held, left_behind, entries, monkeypatch):
        """After it opened the database."""
        monkeypatch.setattr(watchdog, "_SETTLE_SECONDS", 0.05)
        child = os.fork()
        if child == 0:
            time.sleep(30)
            os._exit(0)
        with open(f"/proc/{child}/stat") as file:
            start = file.read().rpartition(")")[2].split()[19]
        left_behind("a", process_id=child, process=identity(token="another", start=start))
        other = LearningDatabase(database.path)
        other.append([ExecutionRecord(task_type="new", task_id="new")])
        time.sleep(0.5)  # long enough for its thread to find nothing to do but that
        assert len(entries()) == 1

        os.kill(child, 9)
        os.waitpid(child, 0)

        wait_until(lambda: not entries())
        other.close()
        assert [row["task_id"] for row in stored(database.path)] == ["a", "new"]

    @pytest.mark.parametrize(
        "record", ["{", "[1]", "7", '{"task_id": "a"}', "[" * 10**5, b"\x00\xff", '{"metadata": {"a": {}}}']
    )
    def test_unreadable_record_does_not_keep_others_from_being_settled(
        self, database, left_behind, entries, caplog, record
    ):
        """It is skipped, with a warning."""
        left_behind("a", "b", process_id=gone(), process=identity(token="another"))
        write(database.path, "UPDATE running SET record = ? WHERE task_id = 'a'", record)

        assert [row["task_id"] for row in stored(database.path)] == ["b"]
        assert entries() == []
        assert "skipped" in caplog.text

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("process_id", "many"), ("process_id", b"\xff"), ("process_id", 2**62), ("host", 1.5), ("process", b"\xff"),
            ("heartbeat", "today"), ("heartbeat", 10**15),
        ],
    )  # fmt: skip
    def test_garbage_does_not_keep_others_from_being_settled(self, database, left_behind, column, value):
        """In any column, as a damaged page may have it."""
        left_behind("a", "b", process_id=gone(), process=identity(token="another"))
        write(database.path, f"UPDATE running SET {column} = ? WHERE task_id = 'a'", value)

        assert "b" in [row["task_id"] for row in stored(database.path)]

    def test_forked_child_runs_none_of_its_parents_executions(self, database, held, entries, tmp_path):
        """Its ledger has only its own, and the parent's entries stay."""
        seen = tmp_path / "seen"
        held.start({"task_id": "parents"})
        wait_until(entries)

        child = os.fork()
        if child == 0:
            status = 1
            with contextlib.suppress(BaseException):
                assert not store_of(database).running.by_id
                record_execution(learning_db=database)(lambda task: wait_until(seen.exists))({"task_id": "childs"})
                wait_until(lambda: [entry["task_id"] for entry in entries()] == ["parents"])
                status = 0
            os._exit(status)
        wait_until(lambda: len(entries()) == 2)

        assert [(entry["task_id"], entry["process_id"]) for entry in entries()] == [
            ("parents", os.getpid()),
            ("childs", child),
        ]
        seen.touch()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        held.release()
        assert [row["outcome"] for row in stored(database.path)] == ["succeeded"] * 2


# What was taken for lost, and was not.


def lost(**fields):
    return ExecutionRecord(
        task_type="t", execution_id="one", outcome=Outcome.LOST, error_type=ErrorType.CRASH, **fields
    )


def real(**fields):
    return ExecutionRecord(task_type="t", execution_id="one", outcome=Outcome.SUCCEEDED, **fields)


@pytest.mark.parametrize("together", [True, False])
def test_real_result_replaces_a_lost_one(database, together):
    """One row, without the error, and both were stored."""
    records = [lost(duration_seconds=1.0), real(duration_seconds=9.0, task_id="real")]

    for group in [records] if together else [[record] for record in records]:
        database.append(group)
        database.flush()

    (row,) = stored(database.path)
    assert (row["outcome"], row["error_type"], row["success"]) == ("succeeded", None, 1)
    assert (row["duration_seconds"], row["task_id"]) == (9.0, "real")
    assert (database.statistics().stored, database.statistics().lost) == (2, {})


@pytest.mark.parametrize(
    "records",
    [[real(), lost()], [real(), real()], [lost(), lost()]],
    ids=["lost after real", "real twice", "lost twice"],
)
def test_nothing_else_is_replaced(database, records):
    """Storing one execution twice keeps the first row, and counts once."""
    for record in records:
        database.append([record])
        database.flush()

    (row,) = stored(database.path)
    assert row["outcome"] == records[0].outcome.value
    assert database.statistics().stored == 1


def test_feedback_on_a_lost_execution_is_kept(database):
    """It is a person's."""
    database.append([lost()])
    database.flush()
    write(database.path, "UPDATE executions SET user_rating = 4, user_accepted = 1")

    database.append([real()])
    database.flush()

    (row,) = stored(database.path)
    assert (row["outcome"], row["user_rating"], row["user_accepted"]) == ("succeeded", 4, 1)
