"""Spill files: what the end of a process cannot commit is kept beside the database, and the next writer takes it in."""

import json
import os
import stat
import subprocess
import sys
import time

import pytest
from locks import locked_by_another_process
from waiting import wait_until

from learning_instrument import ExecutionRecord
from learning_instrument.costs.attribution import SpanLink
from learning_instrument.costs.call_store import ModelCallBatch
from learning_instrument.costs.model_calls import ModelCall
from learning_instrument.database import store_of
from learning_instrument.maintenance import pruning
from learning_instrument.record import row_from_record
from learning_instrument.sqlite.connection import WriteConnection
from learning_instrument.storage import spill_format, spill_names
from learning_instrument.storage.retention import Limits
from learning_instrument.storage.spill import SpillFiles, delete_unreadable, take_in
from learning_instrument.storage.statistics import Counters


def row(n=0, **values):
    return row_from_record(ExecutionRecord(task_type="x", task_id=f"t-{n}", **values))


def spill_files(path, counts=None):
    return SpillFiles(str(path), None, counts or Counters(str(path)))


def task_ids(database):
    return [found["task_id"] for found in database.query("SELECT task_id FROM executions ORDER BY task_id")]


def names(folder):
    return sorted(path.name for path in folder.iterdir() if ".spill-" in path.name)


CALL = ModelCall(
    "e", "1" * 32, "2" * 16, None, "", None, "2026-11-22T10:00:00.000000+00:00", "m", None, None, 10, None, None, 5,
    0.25, "priced", "t", 1.0, None,
)  # fmt: skip

#: A process that records while another holds the lock, and ends.
PROGRAM = """
import sys
from learning_instrument import configure, record_execution
from learning_instrument.safety import exit as ending

ending.EXIT_SECONDS = 1.7  # of which 0.2 are for the writers
database = configure(sys.argv[1], durability=sys.argv[2])

@record_execution
def execute_task(task):
    return {"success": True}

for n in range(5):
    execute_task({"task_id": f"t-{n}", "prompt": "the password is password=hunter2hunter2"})
"""


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_rows_behind_anothers_lock_are_kept_when_the_process_ends(tmp_path, database, durability):
    """In one file of the owner alone, redacted as the rows are; the next question finds them in the database."""
    with locked_by_another_process(database.path):
        subprocess.run([sys.executable, "-c", PROGRAM, database.path, durability], check=True, timeout=60)

        (name,) = names(tmp_path)
        text = (tmp_path / name).read_text()
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        assert "hunter2" not in text
        assert json.loads(text.splitlines()[0])["executions"] == 5
        assert spill_names.waiting(database.path) == (1, 5, 0)

    assert task_ids(database) == [f"t-{n}" for n in range(5)]
    assert names(tmp_path) == []


def test_everything_that_is_written_is_read(database):
    """Rows, model calls, links, due totals and losses, with their values."""
    counts = Counters(database.path)
    counts.count_lost("fault", 3)
    batch = ModelCallBatch([CALL], [SpanLink("1" * 32, "3" * 16, None, "e")], ["e"])
    rows = [row(0, actual_cost=0.5, metadata={"é": [1, None]}), row(1, success=False, user_rating=5)]

    assert spill_files(database.path, counts).write([*rows, batch]) == 2

    (file,) = spill_names.files(database.path)
    with spill_names.open_own(file) as handle:
        spilled = spill_format.read(handle)
    assert spilled.executions == rows
    assert spilled.model_calls == batch
    assert [loss[1:] for loss in spilled.losses] == [(os.getpid(), "fault", 3)]
    assert counts.statistics().spilled == 2
    assert not counts.has_unreported


def test_taking_in_twice_is_taking_in_once(tmp_path, database):
    """A process that dies between the commit and the deletion of the file does no harm."""
    counts = Counters(database.path)
    counts.count_lost("fault", 3)
    spill_files(database.path, counts).write([row(0, execution_id="e"), ModelCallBatch([CALL])])
    (name,) = names(tmp_path)
    contents = (tmp_path / name).read_bytes()

    for _ in range(2):
        (tmp_path / name).write_bytes(contents)
        connection = WriteConnection(database.path, 5.0)
        take_in(database.path, connection)
        connection.close()

    assert names(tmp_path) == []
    assert database.query("SELECT actual_cost, input_tokens FROM executions") == [
        {"actual_cost": 0.25, "input_tokens": 10}
    ]
    assert database.query("SELECT count(*) AS n FROM model_calls") == [{"n": 1}]
    assert database.query("SELECT reason, executions FROM losses") == [{"reason": "fault", "executions": 3}]


def test_spilled_row_replaces_a_lost_one(database):
    """The crash ledger may have taken its process for dead first."""
    database.append([ExecutionRecord(task_type="x", execution_id="e", outcome="lost", success=False)])
    spill_files(database.path).write([row(0, execution_id="e")])

    assert database.query("SELECT outcome FROM executions") == [{"outcome": "succeeded"}]


def test_process_that_goes_on_recording_takes_files_in(tmp_path, database):
    """In the background, without a question."""
    spill_files(database.path).write([row(0)])

    database.append([ExecutionRecord(task_type="x", task_id="new")])

    wait_until(lambda: names(tmp_path) == [])
    assert task_ids(database) == ["new", "t-0"]
    assert database.statistics().stored == 1  # its own


def test_short_process_takes_files_in_at_its_end(tmp_path, database):
    """Else a fleet of short processes would leave them for ever."""
    spill_files(database.path).write([row(7)])
    program = PROGRAM.replace("ending.EXIT_SECONDS = 1.7", "ending.EXIT_SECONDS = 60")

    subprocess.run([sys.executable, "-c", program, database.path, "commit"], check=True, timeout=60)

    assert names(tmp_path) == []
    assert "t-7" in task_ids(database)


def test_process_that_spills_and_goes_on_counts_its_rows_as_stored(tmp_path, database):
    """After celery's shutdown signal, for example, a process may live on."""
    with locked_by_another_process(database.path):
        database.append([ExecutionRecord(task_type="x", task_id="t-0")])
        store_of(database)._writer.spill()
        statistics = database.statistics()
        assert (statistics.stored, statistics.spilled) == (0, 1)

    assert task_ids(database) == ["t-0"]
    database.flush()
    statistics = database.statistics()
    assert (statistics.stored, statistics.spilled, statistics.lost) == (1, 0, {})
    database.append([ExecutionRecord(task_type="x", task_id="t-1")])
    assert database.statistics().deferred == 1


def test_files_of_other_databases_stay(tmp_path, database):
    """Several databases share a folder."""
    for name in ("learning.db2", "learning", "other.learning.db", "learning.db.old"):
        spill_files(tmp_path / name).write([row()])
    before = names(tmp_path)

    assert task_ids(database) == []
    assert names(tmp_path) == before
    assert len(before) == 4


def test_link_to_a_database_shares_its_files(tmp_path, database):
    """They are beside the file itself."""
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "l.db").symlink_to(database.path)

    spill_files(tmp_path / "links" / "l.db").write([row()])

    assert task_ids(database) == ["t-0"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "\0" * 100,
        lambda text: "{}\n",
        lambda text: "[" * 100_000,
        lambda text: text.replace('{"execution":', '["execution",').replace("}}", "}]"),
        lambda text: text.replace('"executions":2', '"executions":3'),
    ],
)
def test_unreadable_file_is_set_aside_and_said(tmp_path, database, caplog, damage):
    """It is kept, and not tried again; what else waits is taken in."""
    spill_files(database.path).write([row(0), row(1)])
    (name,) = names(tmp_path)
    (tmp_path / name).write_text(damage((tmp_path / name).read_text()))
    spill_files(database.path).write([row(2)])

    for _ in range(2):
        assert task_ids(database) == ["t-2"]

    assert names(tmp_path) == [f"{name}.unreadable"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert f"{name}.unreadable" in caplog.text
    assert spill_names.waiting(database.path) == (0, 0, 1)


def test_file_of_a_newer_release_waits_for_one(tmp_path, database, caplog):
    """A column that this release does not know would be lost."""
    spill_files(database.path).write([row(0)])
    (name,) = names(tmp_path)
    text = (tmp_path / name).read_text()

    for newer in (text.replace('"version":1', '"version":2'), text.replace('"task_id"', '"new_column":1,"task_id"')):
        (tmp_path / name).write_text(newer)
        assert task_ids(database) == []
        assert (tmp_path / name).read_text() == newer
    assert caplog.records == []


def test_links_and_pipes_are_not_followed(tmp_path, database):
    """Another user may put them into a shared folder."""
    spill_files(tmp_path / "other.db").write([row(0)])
    (other,) = names(tmp_path)
    name = f"learning.db.spill-1-{'0' * 16}"
    (tmp_path / name).symlink_to(tmp_path / other)
    os.mkfifo(tmp_path / f"learning.db.spill-2-{'0' * 16}")

    assert task_ids(database) == []
    assert (tmp_path / other).exists()
    assert (tmp_path / name).is_symlink()


def test_file_of_another_user_is_left_alone(tmp_path, database, monkeypatch):
    """Its rows are not ours to store."""
    spill_files(database.path).write([row(0)])
    before = names(tmp_path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "geteuid", lambda: 12345)
        assert task_ids(database) == []
        assert names(tmp_path) == before
    assert task_ids(database) == ["t-0"]


def test_file_that_another_process_takes_in_is_left_to_it(tmp_path, database):
    """The work is done once."""
    spill_files(database.path).write([row(0)])
    (name,) = names(tmp_path)
    hold = "import fcntl, sys; file = open(sys.argv[1]); fcntl.flock(file, fcntl.LOCK_EX); print(); sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(tmp_path / name)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline()

        assert task_ids(database) == []

        holder.stdin.close()
    assert task_ids(database) == ["t-0"]


def test_folder_that_cannot_be_written_is_a_counted_loss(tmp_path, caplog):
    """Of executions and of model calls; one warning each."""
    path = tmp_path / "missing" / "learning.db"
    counts = Counters(str(path))
    counts.count_lost("fault", 1)

    spill_files(path, counts).write([row(0), row(1), ModelCallBatch([CALL])])

    assert counts.statistics().lost == {"fault": 1, "process ended": 2, "model calls, process ended": 1}
    assert counts.statistics().spilled == 0
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert counts.has_unreported


def test_value_that_no_file_holds_does_not_take_the_others_with_it(database, caplog):
    """It is counted, as in the database."""
    counts = Counters(database.path)
    odd = (object(), *row(0)[1:])

    spill_files(database.path, counts).write([odd, row(1)])

    assert counts.statistics().lost == {"unreadable": 1}
    assert task_ids(database) == ["t-1"]


def test_file_is_whole_or_not_there(tmp_path, database, monkeypatch):
    """A full disk leaves nothing of it."""

    def rename(*paths):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "rename", rename)

    spill_files(database.path).write([row(0)])

    assert names(tmp_path) == []


def test_unfinished_file_of_a_killed_process_is_deleted_later(tmp_path, database):
    """Not while it may be being written."""
    old, new = (tmp_path / f"learning.db.spill-{n}-{'0' * 16}.unfinished" for n in (1, 2))
    for path in (old, new):
        path.touch()
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    spill_files(database.path).write([row(0)])

    task_ids(database)

    assert names(tmp_path) == [new.name]


def test_retention_reaches_spill_files(tmp_path, database):
    """What waits is taken in, then deleted by its age; what was set aside is deleted by its own."""
    old = ExecutionRecord.from_dict({"task_type": "x", "task_id": "old", "timestamp": "2020-01-01T00:00:00+00:00"})
    database.open()
    spill_files(database.path).write([row_from_record(old), row(1)])

    pruned = pruning.prune(database.path, Limits(keep=1))

    assert (pruned.executions, pruned.of) == (1, 2)
    assert task_ids(database) == ["t-1"]
    aside = tmp_path / f"learning.db.spill-1-{'0' * 16}.unreadable"
    aside.touch()
    delete_unreadable(database.path, 60)
    assert aside.exists()
    os.utime(aside, (0, 0))
    delete_unreadable(database.path, 60)
    assert not aside.exists()


def test_rehearsal_of_prune_takes_nothing_in(tmp_path, database):
    """It changes nothing."""
    database.open()
    spill_files(database.path).write([row(0)])

    pruning.prune(database.path, Limits(keep=0), is_rehearsal=True)

    assert len(names(tmp_path)) == 1
