"""On a full disk questions are answered, and prune makes room. Each test mounts a small disk, which needs root."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.analytics import summary
from learning_instrument.errors import DatabaseError
from learning_instrument.maintenance import prune
from learning_instrument.maintenance.doctor import examine
from learning_instrument.maintenance.pruning import limits
from learning_instrument.sqlite.read_only import ReadOnlyDatabase

RECORD = """
import os, sys
from learning_instrument import ExecutionRecord, LearningDatabase
database = LearningDatabase(sys.argv[1])
while not database.statistics().deferred:
    database.append([ExecutionRecord(task_type="t", task_description="words of a task " * 20)])
os._exit(0)
"""


@pytest.fixture
def disk(tmp_path):
    """A disk of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk):
    """Leave no byte free on the disk."""
    with contextlib.suppress(OSError), open(disk / "filler", "ab", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


@pytest.fixture(params=["a log that fills the disk", "no log"])
def full(request, disk, python):
    """A database on a full disk: recorded into until there was no room, or closed before."""
    path = str(disk / "learning.db")
    if request.param == "no log":
        with LearningDatabase(path) as database:
            database.append([ExecutionRecord(task_type="t", task_description="words " * 50) for _ in range(300)])
    else:
        python(RECORD, path)
    fill(disk)
    assert os.statvfs(disk).f_bfree == 0
    return path


@pytest.fixture
def python():
    """Run a program."""
    return lambda source, *arguments: subprocess.run([sys.executable, "-c", source, *arguments], check=True, timeout=60)


def executions(path):
    """Return the number of executions in the file, and check that SQLite finds no fault."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute("SELECT count(*) FROM executions").fetchone()[0]


def test_questions_are_answered(full):
    """Reading needs no room."""
    with ReadOnlyDatabase(full) as database:
        assert summary(database).executions > 100
    assert "disk full" in {finding.check for finding in examine(full, {})}


def test_prune_makes_room(full, disk):
    """The newest stay; the file is whole, of the same mode, and can be recorded into again."""
    before = sum(file.stat().st_size for file in disk.iterdir() if file.name.startswith("learning.db"))
    done = prune(full, limits(None, 20, None))

    assert done.executions == done.of - 20
    assert sum(file.stat().st_size for file in disk.iterdir() if file.name.startswith("learning.db")) < before
    assert os.stat(full).st_mode & 0o777 == 0o600
    with LearningDatabase(full) as database:
        assert database.append([ExecutionRecord(task_type="t")])
        assert database.statistics().stored == 1
    assert executions(full) == 21
    assert not list(Path(tempfile.gettempdir()).glob("learning-instrument-*"))


@pytest.mark.parametrize("full", ["a log that fills the disk"], indirect=True)
def test_database_in_use_is_left_alone(full):
    """Where its log fills the disk, other processes have to end first; the error says so."""
    with contextlib.closing(sqlite3.connect(full)) as other:
        before = other.execute("SELECT count(*) FROM executions").fetchone()
        with pytest.raises(DatabaseError, match="end the processes that have the database open"):
            prune(full, limits(None, 20, None))
        assert other.execute("SELECT count(*) FROM executions").fetchone() == before


def test_interrupted_replacement_keeps_the_copy(full, monkeypatch):
    """The error says where the executions are."""
    monkeypatch.setattr("learning_instrument.sqlite.relocation.os.fsync", _fail)

    with pytest.raises(DatabaseError) as caught:
        prune(full, limits(None, 20, None))
    copy = str(caught.value).rpartition("Its executions are in ")[2].removesuffix(".")
    assert executions(copy) == 20


def _fail(descriptor):
    raise OSError(5, "Input/output error")
