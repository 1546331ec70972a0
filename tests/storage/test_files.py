"""Files that another program deletes, empties, overwrites or damages while they are in use."""

import contextlib
import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
import time

import pytest
from waiting import wait_until

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.database import store_of
from learning_instrument.maintenance import delete
from learning_instrument.record import row_from_record
from learning_instrument.sqlite import renewal
from learning_instrument.sqlite.connection import WriteConnection
from learning_instrument.sqlite.executions import FIRST_INSERT
from learning_instrument.sqlite.renewal import set_aside_files

#: What happens -> the program of the shell that does it, in the folder of the database. In a process of its own: to
#: close a file of the database releases the locks of the process.
FAULTS = {
    "index deleted": "rm learning.db-shm",
    "log deleted": "rm learning.db-wal",
    "log and index deleted": "rm learning.db-wal learning.db-shm",
    "log emptied": ": > learning.db-wal",
    "database emptied": ": > learning.db",
    "all deleted": "rm learning.db learning.db-wal learning.db-shm",
    "backup copied over": "cp backup.db learning.db",
    "backup moved over": "cp backup.db other.db; mv other.db learning.db",
    "first page overwritten": "dd if=/dev/zero of=learning.db bs=4096 count=1 conv=notrunc 2>/dev/null",
}
#: Another process, which records one execution.
RECORDING_ONE = """
import sys
from learning_instrument import ExecutionRecord, LearningDatabase
with LearningDatabase(sys.argv[1]) as database:
    database.append([ExecutionRecord(task_type="other")])
"""
#: After these what was in the file is deleted, and not lost.
DELETED = {"all deleted"}
#: After these the process itself still knows all that is gone.
HARMLESS = {"index deleted", "log deleted", "log and index deleted"}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """A file that was just changed counts as written."""
    monkeypatch.setattr("learning_instrument.sqlite.renewal._SETTLED_SECONDS", -1.0)


def append(database, number):
    for _ in range(number):
        database.append([ExecutionRecord(task_type="x", task_description="word " * 60, process_id=os.getpid())])


def found(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        (losses,) = connection.execute("SELECT coalesce(sum(executions), 0) FROM losses").fetchone()
        return connection.execute("SELECT count(*) FROM executions").fetchone()[0], losses


def checkpoint(database):
    store = store_of(database)
    store._writer.between_batches(lambda: store._committed.checkpoint(store._back))


@pytest.mark.parametrize("durability", ["commit", "batch"])
@pytest.mark.parametrize("is_moved", [False, True], ids=["in the log", "in the file"])
@pytest.mark.parametrize("fault", FAULTS)
def test_what_another_program_does_to_the_files_loses_nothing_uncounted(tmp_path, fault, is_moved, durability):
    """Rows found and losses counted are the rows that count as stored."""
    path = tmp_path / "learning.db"
    database = LearningDatabase(path, durability)
    append(database, 20)
    database.flush()
    with (
        contextlib.closing(sqlite3.connect(path)) as source,
        contextlib.closing(sqlite3.connect(tmp_path / "backup.db")) as backup,
    ):
        source.backup(backup)
    append(database, 60)
    database.flush()
    if is_moved:
        checkpoint(database)
    subprocess.run(["sh", "-c", FAULTS[fault]], cwd=tmp_path, check=True)

    append(database, 5)
    wait_until(database.flush)
    append(database, 5)
    wait_until(database.flush)

    statistics = database.statistics()
    database.close()
    rows, losses = found(path)
    assert statistics.stored == 90
    assert rows + sum(statistics.lost.values()) == (10 if fault in DELETED else 90)
    assert losses == sum(statistics.lost.values())
    if fault in HARMLESS | DELETED or not is_moved:
        assert losses == 0
    else:
        assert set(statistics.lost) <= {"file changed"}


@pytest.mark.parametrize("durability", ["commit", "batch"])
@pytest.mark.parametrize("fault", FAULTS)
def test_process_that_closes_at_once_loses_nothing_uncounted(tmp_path, fault, durability):
    """Before its background thread has looked at the files."""
    path = tmp_path / "learning.db"
    shutil.copy(empty_database(tmp_path), tmp_path / "backup.db")
    database = LearningDatabase(path, durability)
    append(database, 20)
    if durability == "batch":
        database.flush()
    subprocess.run(["sh", "-c", FAULTS[fault]], cwd=tmp_path, check=True)

    append(database, 5)
    database.close()

    rows, losses = found(path)
    assert rows + losses == (5 if fault in DELETED else 25)
    assert losses == sum(database.statistics().lost.values())


@pytest.mark.parametrize("fault", ["database emptied", "first page overwritten"])
def test_rows_of_a_file_that_any_connection_mends_are_not_taken_for_deleted(tmp_path, fault):
    """That of the crash ledger, for example, or one that does not say so before others have looked at the new file."""
    database = LearningDatabase(tmp_path / "learning.db", "batch")
    append(database, 20)
    database.flush()
    checkpoint(database)
    store, ledger = store_of(database), WriteConnection(database.path, 5.0)
    ledger.open()
    store._back.look()
    subprocess.run(["sh", "-c", FAULTS[fault]], cwd=tmp_path, check=True)

    ledger.look()
    ledger.close()
    append(database, 5)
    wait_until(database.flush)
    database.close()

    rows, losses = found(database.path)
    assert rows + losses == 25
    assert losses == sum(database.statistics().lost.values())


def test_each_object_restores_its_own_rows_in_a_mended_file(tmp_path):
    """Two on one file, of which one looks first."""
    path = tmp_path / "learning.db"
    databases = [LearningDatabase(path), LearningDatabase(path)]
    for database in databases:
        append(database, 5)
    for database in databases:
        store_of(database)._back.open()
    subprocess.run(["sh", "-c", FAULTS["database emptied"]], cwd=tmp_path, check=True)

    for database in databases:
        wait_until(database.flush)
    for database in databases:
        database.close()

    rows, losses = found(path)
    assert rows + losses == 10


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_rows_of_a_file_that_another_process_sets_aside_are_not_taken_for_deleted(tmp_path, durability):
    """It is the first to find the damage."""
    database = LearningDatabase(tmp_path / "learning.db", durability)
    append(database, 20)
    database.flush()
    store = store_of(database)
    store._writer.between_batches(store._back.checkpoint)  # the rows are in the file, and still known

    def damage():
        subprocess.run(["sh", "-c", FAULTS["first page overwritten"]], cwd=tmp_path, check=True)
        subprocess.run([sys.executable, "-c", RECORDING_ONE, database.path], check=True)

    store._writer.between_batches(damage)
    append(database, 5)
    wait_until(database.flush)
    database.close()

    assert set_aside_files(database.path)
    rows, losses = found(database.path)
    assert rows + losses == 26
    assert losses == sum(database.statistics().lost.values())


def empty_database(folder):
    path = folder / "empty.db"
    with LearningDatabase(path) as database:
        database.query("SELECT 1")
    return path


def test_rows_of_files_that_cannot_be_mended_in_time_are_spilled(tmp_path, monkeypatch):
    """The next process stores them, once."""
    monkeypatch.setattr("learning_instrument.storage.store.CLOSE_SECONDS", 0.1)
    path = tmp_path / "learning.db"
    database = LearningDatabase(path)
    append(database, 20)
    database.flush()
    os.truncate(path, 0)
    with open_folder(tmp_path) as folder:
        fcntl.flock(folder, fcntl.LOCK_EX)  # as a process does that mends the files, and hangs
        append(database, 5)
        database.close()
    assert database.statistics().spilled == 25
    path.unlink()

    with LearningDatabase(path) as another:
        assert len(another.query("SELECT 1 FROM executions")) == 25
    assert not list(tmp_path.glob("*.spill-*"))


def test_database_deleted_while_its_log_is_mended_does_not_come_back(tmp_path, monkeypatch):
    """Its log goes first, as where a folder is deleted: the database is mended, and deleted in the middle of that."""
    database = LearningDatabase(tmp_path / "learning.db")
    append(database, 5)
    copy_view = renewal._copy_view

    def copy_and_delete(*args, **options):
        is_whole = copy_view(*args, **options)
        os.unlink(database.path)
        return is_whole

    monkeypatch.setattr(renewal, "_copy_view", copy_and_delete)
    os.unlink(f"{database.path}-wal")
    assert database.flush()
    append(database, 3)
    database.close()

    assert found(database.path) == (3, 0)
    assert sorted(os.listdir(tmp_path)) == ["learning.db"]


@contextlib.contextmanager
def open_folder(folder):
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sqlite3 cannot close without a checkpoint")
@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="lists the open files of the process")
def test_replaced_files_are_closed(tmp_path):
    """However often; the log of the new file stays in place."""
    path = tmp_path / "learning.db"
    database = LearningDatabase(path)
    for _ in range(5):
        append(database, 5)
        database.flush()
        for file in tmp_path.glob("learning.db*"):
            file.unlink()
        append(database, 5)
        database.flush()
        assert (tmp_path / "learning.db-wal").stat().st_size > 0

    links = [os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
    opened = [os.readlink(link) for link in links if os.path.lexists(link)]
    assert [name for name in opened if name.startswith(str(path)) and name.endswith("(deleted)")] == []
    database.close()
    assert found(path)[0] == 5


def damage(path):
    """Overwrite every other page behind the schema."""
    with open(path, "r+b") as file:
        for offset in range(4096 * 40, os.path.getsize(path), 8192):
            file.seek(offset)
            file.write(b"\x55" * 4096)


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_damaged_database_is_set_aside_by_the_next_process_that_writes(tmp_path, durability):
    """With its rows; the new one takes the next."""
    path = tmp_path / "learning.db"
    with LearningDatabase(path) as database:
        append(database, 300)
    damage(path)

    database = LearningDatabase(path, durability)
    append(database, 5)
    wait_until(database.flush)
    database.close()

    assert found(path) == (5, 0)
    assert len(set_aside_files(str(path))) == 1


def test_file_that_never_was_ours_is_not_renamed(tmp_path):
    """Its name is a mistake in the configuration."""
    path = tmp_path / "learning.db"
    path.write_bytes(b"no database " * 1000)
    database = LearningDatabase(path)

    append(database, 3)
    database.flush()

    assert path.read_bytes() == b"no database " * 1000
    assert set_aside_files(str(path)) == []


def test_file_that_cannot_be_written_for_a_while_is_not_renamed(tmp_path, monkeypatch):
    """An error of the disk is no damage; the rows wait."""
    database = LearningDatabase(tmp_path / "learning.db")
    append(database, 3)
    store = store_of(database)
    real = store._insertion.insert

    def failing(*arguments):
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(store._insertion, "insert", failing)
    append(database, 2)
    database.flush(1.0)
    monkeypatch.setattr(store._insertion, "insert", real)
    wait_until(database.flush)

    assert set_aside_files(database.path) == []
    assert (database.statistics().stored, database.statistics().lost) == (5, {})
    database.close()
    assert found(database.path) == (5, 0)


@pytest.fixture
def soon_idle(monkeypatch):
    """A database is idle after a moment."""
    monkeypatch.setattr("learning_instrument.storage.background_writer._IDLE_SECONDS", 0.1)
    monkeypatch.setattr("learning_instrument.storage.background_writer._LOOK_SECONDS", 0.1)


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_copy_of_the_file_of_an_idle_process_has_the_rows(tmp_path, durability, soon_idle):
    """The write-ahead log is in the file by then, and the process goes on later."""
    database = LearningDatabase(tmp_path / "learning.db", durability)
    append(database, 10)
    wait_until(lambda: os.path.exists(database.path) and not os.path.exists(f"{database.path}-wal"))

    shutil.copy(database.path, tmp_path / "copy.db")

    assert found(tmp_path / "copy.db") == (10, 0)
    append(database, 1)
    database.close()
    assert found(database.path) == (11, 0)


def test_log_that_a_reader_held_is_moved_once_it_is_gone(tmp_path, soon_idle):
    """Though the process that wrote it is idle, and the reader was killed."""
    database = LearningDatabase(tmp_path / "learning.db")
    append(database, 10)
    reader = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN');"
            "c.execute('SELECT count(*) FROM executions').fetchone(); print('reads', flush=True); time.sleep(600)",
            database.path,
        ],
        stdout=subprocess.PIPE,
    )
    reader.stdout.readline()
    append(database, 50)
    time.sleep(0.5)
    assert os.path.getsize(f"{database.path}-wal") > 0

    reader.kill()
    reader.communicate()

    wait_until(lambda: not os.path.exists(f"{database.path}-wal"))
    assert found(database.path) == (60, 0)


def test_file_deleted_by_hand_does_not_come_back_for_housekeeping(tmp_path, soon_idle):
    """Only an execution makes it; what was in it was deleted, and is not lost."""
    database = LearningDatabase(tmp_path / "learning.db")
    append(database, 10)
    wait_until(lambda: not os.path.exists(f"{database.path}-wal"))
    os.unlink(database.path)
    time.sleep(0.5)
    assert not os.path.exists(database.path)

    append(database, 1)
    database.flush()

    assert database.statistics().lost == {}
    database.close()
    assert found(database.path) == (1, 0)


#: Records 50 executions in its own process, in the durability of its argument; prints what became of them.
OTHER = """
import sys
from learning_instrument import ExecutionRecord, LearningDatabase
database = LearningDatabase("learning.db", sys.argv[1])
for n in range(50):
    database.append([ExecutionRecord(task_type="other")])
database.close()
statistics = database.statistics()
print(statistics.stored, sum(statistics.lost.values()), statistics.spilled)
"""


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["commit", "batch"])
@pytest.mark.parametrize("fault", sorted({*HARMLESS, "database emptied", "backup moved over"}))
def test_process_that_starts_after_the_fault_loses_nothing_and_does_no_harm(tmp_path, fault, durability):
    """It waits until those that use the database have noticed."""
    path = tmp_path / "learning.db"
    database = LearningDatabase(path, durability)
    append(database, 20)
    database.flush()
    with (
        contextlib.closing(sqlite3.connect(path)) as source,
        contextlib.closing(sqlite3.connect(tmp_path / "backup.db")) as backup,
    ):
        source.backup(backup)
    append(database, 60)
    database.flush()
    subprocess.run(["sh", "-c", FAULTS[fault]], cwd=tmp_path, check=True)
    append(database, 5)

    command = [sys.executable, "-c", OTHER, durability]
    other = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    append(database, 5)
    wait_until(database.flush)

    assert other.stdout.split() == ["50", "0", "0"]
    assert (database.statistics().stored, database.statistics().lost) == (90, {})
    database.close()
    assert found(path) == (140, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no forks")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("fault", sorted(HARMLESS))
def test_child_that_is_forked_after_the_fault_loses_nothing(tmp_path, fault):
    """The fork closes the database, and both open it anew."""
    database = LearningDatabase(tmp_path / "learning.db")
    append(database, 20)
    subprocess.run(["sh", "-c", FAULTS[fault]], cwd=tmp_path, check=True)

    child = os.fork()
    if not child:
        append(database, 20)
        database.close()
        os._exit(0)
    append(database, 20)
    os.waitpid(child, 0)

    wait_until(database.flush)
    database.close()
    assert found(database.path) == (60, 0)


def test_short_process_starts_no_thread_to_watch_its_files(tmp_path, monkeypatch):
    """The watchdog starts the writer with its first turn: a forked child that ends before starts one thread less."""
    monkeypatch.setattr("learning_instrument.storage.watchdog._TURN_SECONDS", 3600.0)
    with LearningDatabase(tmp_path / "learning.db") as database:
        append(database, 2)
        store = store_of(database)

        assert store._writer._thread is None
        store._watchdog._wake.set()  # the turn
        wait_until(lambda: store._writer._thread is not None)


def test_log_that_sqlite_cut_and_others_wrote_since_is_sound(tmp_path, monkeypatch):
    """Written in the moment between two looks at it: the row in it is not lost."""
    path = str(tmp_path / "learning.db")
    one = WriteConnection(path, 5.0)
    one.insert([row_from_record(ExecutionRecord(task_type="x", task_id=f"{n}")) for n in range(300)])
    one.look()
    other = sqlite3.connect(path, isolation_level=None)
    assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)

    def write_meanwhile(*arguments):
        late = [row_from_record(ExecutionRecord(task_type="x", task_id="late"))]
        FIRST_INSERT.fitting(late).execute(other, late)
        return False

    monkeypatch.setattr("learning_instrument.sqlite.renewal._is_log_moved", write_meanwhile)
    one.look()

    assert not one.watch.mends.count
    assert one.execute("SELECT count(*) FROM executions") == [(301,)]
    one.close()
    other.close()
    assert found(path) == (301, 0)


def test_rows_that_were_deleted_are_not_restored(tmp_path):
    """Nor counted as lost, when this process looks for its rows in a file that it could not write for a moment."""
    with LearningDatabase(tmp_path / "learning.db") as database:
        append(database, 4)
        (first, *_) = database.query("SELECT execution_id FROM executions ORDER BY rowid")
        delete(str(tmp_path / "learning.db"), first["execution_id"])
        append(database, 2)
        store = store_of(database)
        store._committed.doubt()
        store._writer.between_batches(lambda: store._committed.check(store._back))

        assert not store._committed.is_in_doubt
        assert database.statistics().lost == {}
    assert found(tmp_path / "learning.db") == (5, 0)
