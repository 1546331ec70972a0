"""Backups of databases in use."""

import contextlib
import os
import sqlite3
import stat
import threading

import pytest
from asking import answer, ask

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.errors import ConfigurationError


def found(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute("SELECT count(*) FROM executions").fetchone()[0]


def test_backup_has_the_queue_and_the_log(tmp_path, monkeypatch):
    """And only its owner can read it."""
    database = LearningDatabase(tmp_path / "learning.db", "batch")
    database.append([ExecutionRecord(task_type="x") for _ in range(50)])
    pages = []

    before = os.umask(0)
    try:
        database.backup(tmp_path / "copy.db", lambda done, of: pages.append((done, of)))
    finally:
        os.umask(before)

    assert found(tmp_path / "copy.db") == 50
    assert stat.S_IMODE(os.stat(tmp_path / "copy.db").st_mode) == 0o600
    assert pages[-1][0] == pages[-1][1] > 0
    database.close()
    assert sorted(os.listdir(tmp_path)) == ["copy.db", "learning.db"]


def test_backup_ends_while_others_write(tmp_path, monkeypatch):
    """It copies the database as it was when it began."""
    monkeypatch.setattr("learning_instrument.sqlite.backup._PAGES", 1)
    database = LearningDatabase(tmp_path / "learning.db")
    database.append([ExecutionRecord(task_type="x") for _ in range(100)])
    has_ended = threading.Event()

    def write():
        while not has_ended.is_set():
            database.append([ExecutionRecord(task_type="x")])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        database.backup(tmp_path / "copy.db")
    finally:
        has_ended.set()
        writer.join()

    assert found(tmp_path / "copy.db") >= 100
    assert database.statistics().lost == {}
    database.close()


def test_backup_overwrites_no_file(tmp_path):
    """Least of all the database itself."""
    database = LearningDatabase(tmp_path / "learning.db")
    database.append([ExecutionRecord(task_type="x")])
    (tmp_path / "other").write_text("mine")

    with pytest.raises(ConfigurationError, match="exists already"):
        database.backup(tmp_path / "other")
    with pytest.raises(ConfigurationError, match="the database itself"):
        database.backup(database.path)

    assert (tmp_path / "other").read_text() == "mine"


def test_backup_command_copies_a_database_in_use(tmp_path):
    """And replaces a file only if told to."""
    path, copy = tmp_path / "learning.db", str(tmp_path / "copy.db")
    database = LearningDatabase(path)
    database.append([ExecutionRecord(task_type="x") for _ in range(3)])

    assert answer(str(path), "backup", copy).startswith(f"Copied {path} to {copy}: ")
    assert found(copy) == 3
    database.append([ExecutionRecord(task_type="x")])
    refused = ask(str(path), "backup", copy)
    assert (refused.exit_code, found(copy)) == (2, 3)
    answer(str(path), "backup", copy, "--force")
    assert found(copy) == 4
    database.close()


def test_backup_of_a_file_that_cannot_be_written_is_made(tmp_path):
    """The folder of the copy is enough."""
    path = tmp_path / "kept" / "learning.db"
    with LearningDatabase(path) as database:
        database.append([ExecutionRecord(task_type="x")])
    os.chmod(path, 0o400)

    answer(str(path), "backup", str(tmp_path / "copy.db"))

    assert found(tmp_path / "copy.db") == 1
