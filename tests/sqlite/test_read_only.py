"""Questions to files that must not change."""

import hashlib
import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from interrupting import Places, called_with_a_signal_at, files

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.analytics import Selection, queue_waits, summary
from learning_instrument.analytics.executions import latest
from learning_instrument.errors import ConfigurationError, DatabaseError, SchemaVersionError
from learning_instrument.maintenance.doctor import examine
from learning_instrument.sqlite import schema
from learning_instrument.sqlite.backup import backup
from learning_instrument.sqlite.read_only import ReadOnlyDatabase
from learning_instrument.transfer import export_executions, import_executions

COUNT = "SELECT count(*) AS executions FROM executions"


@pytest.fixture
def path(tmp_path):
    """The path of a closed database with one execution."""
    with LearningDatabase(tmp_path / "folder" / "learning.db") as database:
        database.append([ExecutionRecord(task_type="t")])
    return tmp_path / "folder" / "learning.db"


def content(folder):
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def test_question_is_answered_and_leaves_no_trace(path):
    """No file changes, and none comes into being."""
    before = content(path.parent)

    with ReadOnlyDatabase(path) as database:
        assert database.query(COUNT) == [{"executions": 1}]
        assert database.has_table("executions")
        assert not database.has_table("nonsense")

    assert content(path.parent) == before


def test_rows_in_the_log_are_seen(path):
    """A writer has not moved them into the database yet."""
    with LearningDatabase(path) as writer:
        writer.append([ExecutionRecord(task_type="t")])

        with ReadOnlyDatabase(path) as database:
            assert database.query(COUNT) == [{"executions": 2}]


def test_log_of_a_killed_process_is_read_and_kept(path):
    """Only a writer moves it into the database."""
    program = (
        "import os, sys; from learning_instrument import *; database = LearningDatabase(sys.argv[1]);"
        "database.append([ExecutionRecord(task_type='t')]); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    os.unlink(f"{path}-shm")  # as of a copy without it
    before = content(path.parent)

    with ReadOnlyDatabase(path) as database:
        assert database.query(COUNT) == [{"executions": 2}]

    after = content(path.parent)
    assert {name: after[name] for name in before} == before


def test_writer_that_closes_the_file_disturbs_no_reader(path):
    """Wherever the reader is: the last connection that is closed deletes the log."""
    writers = []
    before = signal.signal(signal.SIGUSR1, lambda *_: writers.pop().close())
    try:
        with Places(files("sqlite/read_only.py", "sqlite/paths.py"), signal.SIGUSR1) as places:
            for place in itertools.count(1):
                writers.append(LearningDatabase(path))
                writers[0].append([ExecutionRecord(task_type="t")])
                if not places.call(place, lambda: ask(path)):
                    writers.pop().close()
                    break
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert place > 50


def test_nothing_can_be_written(path):
    with ReadOnlyDatabase(path) as database, pytest.raises(DatabaseError, match="readonly"):
        database.query("DELETE FROM executions")


@pytest.mark.skipif(not hasattr(os, "fork") or os.getuid() != 0, reason="needs root, to change the user")
@pytest.mark.parametrize("has_log", [False, True])
def test_user_without_write_permission_gets_an_answer_or_the_reason(path, has_log):
    """Never an old answer."""
    program = (
        "import os, sys; from learning_instrument.sqlite.read_only import ReadOnlyDatabase;"
        f"os.setgid(65534); os.setuid(65534); print(ReadOnlyDatabase(sys.argv[1]).query({COUNT!r}))"
    )
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # the folders of pytest are root's alone
        os.chmod(folder, 0o755)
        there = Path(shutil.copy(path, folder))
        os.chmod(there, 0o644)
        if has_log:
            log = there.with_name("learning.db-wal")
            log.write_bytes(b"\0" * 64)
            os.chmod(log, 0o644)
        done = subprocess.run([sys.executable, "-c", program, there], capture_output=True, text=True, check=False)

    if has_log:
        assert "copy both files" in done.stderr.splitlines()[-1]
    else:
        assert done.stdout == "[{'executions': 1}]\n"


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda path: None, "There is no database "),
        (lambda path: path.mkdir(), "cannot be read as a database: Is a directory"),
        (os.mkfifo, "cannot be read as a database: Invalid argument"),
        (lambda path: path.write_text("a text, and a long one\n" * 500), "file is not a database"),
        (lambda path: path.write_bytes(b""), "it has no table executions"),
        (lambda path: sqlite3.connect(path).execute("CREATE TABLE mine (x)").connection.close(), "no table executions"),
    ],
    ids=["missing", "folder", "pipe", "text", "empty", "of another program"],
)
def test_file_that_is_not_our_database_is_an_error(tmp_path, make, complaint):
    """It is left unchanged."""
    path = tmp_path / "other.db"
    make(path)
    before = path.read_bytes() if path.is_file() else path.exists()

    with pytest.raises(DatabaseError, match=complaint):
        ReadOnlyDatabase(path).query(COUNT)

    assert (path.read_bytes() if path.is_file() else path.exists()) == before


def ask(path):
    with ReadOnlyDatabase(path) as database:
        database.query(COUNT)


def refused(function, *arguments):
    with pytest.raises(ConfigurationError):
        function(*arguments)


@pytest.mark.parametrize(
    "read",
    [
        ask,
        lambda path: import_executions(path.with_name("other.db"), [path]),
        lambda path: refused(import_executions, path, [path]),
        lambda path: refused(export_executions, path, path),
        lambda path: backup(str(path), path.with_name("other.db")),
        lambda path: examine(str(path), {}),
    ],
    ids=["question", "import", "import into itself", "export over it", "backup", "doctor"],
)
def test_process_that_reads_its_own_database_keeps_its_locks(path, read):
    """Closing any descriptor of the file would release them, and then the next process deletes the log in use."""
    with LearningDatabase(path) as writer:
        writer.append([ExecutionRecord(task_type="t")])
        log = os.stat(f"{path}-wal").st_ino
        read(path)
        program = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT * FROM executions').fetchall()"
        subprocess.run([sys.executable, "-c", program, path], check=True)

        assert os.stat(f"{path}-wal").st_ino == log


def change(path, statement):
    connection = sqlite3.connect(path)
    connection.executescript(statement)
    connection.close()


def test_newer_schema_is_refused(path):
    change(path, "PRAGMA user_version = 999; UPDATE oldest_writer SET version = 999")

    with pytest.raises(SchemaVersionError, match="999"):
        ReadOnlyDatabase(path).query(COUNT)


def test_older_schema_answers_what_it_can(path):
    """For the rest the error has the remedy."""
    change(path, "DROP TABLE feedback")
    change(path, f"PRAGMA user_version = {schema.VERSION - 1}")
    with ReadOnlyDatabase(path) as database:
        assert database.query(COUNT) == [{"executions": 1}]

        with pytest.raises(DatabaseError, match=r"older schema.*rebuild"):
            database.query("SELECT * FROM feedback")


def test_file_names_with_special_characters_of_a_uri_open(tmp_path):
    path = tmp_path / "odd ?#%20 name.db"
    with LearningDatabase(path):
        pass

    with ReadOnlyDatabase(path) as database:
        assert database.query(COUNT) == [{"executions": 0}]


def test_older_file_is_read_without_the_columns_added_since(path):
    """They have their default; the file stays as it is."""
    change(
        path,
        "DROP VIEW tier_performance; DROP VIEW pool_performance; DROP VIEW solution_patterns;"
        " DROP TRIGGER rollup_updated; DROP TRIGGER rollup_deleted; ALTER TABLE executions DROP COLUMN outcome_source;"
        " ALTER TABLE executions DROP COLUMN wait_seconds; ALTER TABLE executions DROP COLUMN function_name;"
        " ALTER TABLE executions DROP COLUMN attempt;"
        " ALTER TABLE rollup_days_wide DROP COLUMN assumed; PRAGMA user_version = 11",
    )
    before = content(path.parent)

    with ReadOnlyDatabase(path) as database:
        assert database.query("SELECT rowid, task_type, outcome_source FROM executions NOT INDEXED") == [
            {"rowid": 1, "task_type": "t", "outcome_source": None}
        ]
        assert database.query("SELECT total(assumed) AS assumed FROM rollup_days_wide") == [{"assumed": 0.0}]
        assert [record.task_type for record in latest(database, Selection(), 5)] == ["t"]
        assert [tier.executions for tier in summary(database).tiers] == [1]
        assert [(waits.executions, waits.measured) for waits in queue_waits(database)] == [(1, 0)]

    assert content(path.parent) == before


def test_signal_handler_may_ask_in_the_middle_of_a_question(path):
    """At any line of ours."""
    before = signal.getsignal(signal.SIGINT)
    answers = []
    with ReadOnlyDatabase(path) as database:

        def ask():
            answers.extend(database.query(COUNT))

        signal.signal(signal.SIGINT, lambda *_: ask())
        try:
            for line in itertools.count(1):
                if not called_with_a_signal_at(line, ask, files("sqlite/read_only.py")):
                    break
        finally:
            signal.signal(signal.SIGINT, before)

    assert answers == [{"executions": 1}] * (2 * line - 1)
    assert line > 5
