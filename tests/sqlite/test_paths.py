"""Odd paths of the database work, or are an error of one line."""

import contextlib
import os
import stat
import subprocess
import sys

import pytest

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.errors import ConfigurationError
from learning_instrument.maintenance.doctor import location
from learning_instrument.sqlite import busy, foreign_database, opening
from learning_instrument.sqlite.paths import absolute, index_of, log_of

#: Path, relative to a folder where it does not begin with that.
ODD = [
    "/{folder}/two.db",
    "sqlite:///url.db",
    "sqlite:///{folder}/url.db",
    "a?b#c%41&mode=ro.db",
    "bad\udcff.db",
    " ",
    "ä€.db",
]
INVALID = ["", ":memory:", "nul\0.db"]
URLS = ["postgresql://me:hunter2@host/name", "https://host/x.db?password=hunter2", "clickhouse://me:hunter2@host/db"]


@pytest.mark.parametrize("path", ODD)
def test_odd_path_is_recorded_into_and_asked(tmp_path, monkeypatch, path):
    """In the process and by the command; nothing else is made in the folder."""
    monkeypatch.chdir(tmp_path)
    path = path.format(folder=tmp_path)

    with LearningDatabase(path) as database:
        database.append([ExecutionRecord(task_type="review")])
        assert database.query("SELECT count(*) AS n FROM executions") == [{"n": 1}]
    listed = command("list", "--csv", "--database", path)
    assert (listed.returncode, listed.stderr, listed.stdout.count("review")) == (0, "", 1)
    assert os.listdir() == [os.path.basename(database.path)]


@pytest.mark.parametrize("path", INVALID)
def test_path_that_is_no_file_is_refused(path):
    """The error names it."""
    with pytest.raises(ConfigurationError, match="Invalid database_path") as raised:
        LearningDatabase(path)

    assert repr(path) in str(raised.value)


@pytest.mark.parametrize("path", URLS)
def test_url_is_refused_without_its_password(path):
    """A fleet's too, which applications cannot record into."""
    with pytest.raises(ConfigurationError, match="Invalid database_path: expected the path of a file") as raised:
        LearningDatabase(path)

    assert "hunter2" not in str(raised.value)


def test_deleted_working_directory_refuses_relative_paths_alone(tmp_path, monkeypatch):
    """With one line, and exit code 2 at the terminal."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    with pytest.raises(ConfigurationError, match="the working directory was deleted"):
        absolute("learning.db")
    assert absolute(f"{tmp_path}/learning.db") == f"{tmp_path}/learning.db"
    done = command("list")
    assert (done.returncode, done.stderr.count("\n"), done.stderr[:7]) == (2, 1, "Error: ")


def test_file_behind_a_dangling_link_is_private(tmp_path):
    """It holds prompts and errors, wherever it is made."""
    (tmp_path / "link.db").symlink_to(tmp_path / "elsewhere" / "real.db")

    with LearningDatabase(tmp_path / "link.db") as database:
        database.append([ExecutionRecord(task_type="review")])
        modes = {
            name: stat.S_IMODE((tmp_path / "elsewhere" / name).stat().st_mode)
            for name in os.listdir(tmp_path / "elsewhere")
        }
    assert set(modes.values()) == {0o600}
    assert "real.db" in modes


def test_log_is_found_behind_a_link(tmp_path, monkeypatch):
    """SQLite keeps it beside the file itself."""
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "folder" / "real.db")
    monkeypatch.setattr(location, "_LONG_LOG", 10)
    monkeypatch.setattr(foreign_database, "_LEAST_BYTES", 10)

    with LearningDatabase(link) as database:
        before = busy._signs_of_life(str(link))
        database.append([ExecutionRecord(task_type="review", task_description="x" * 500) for _ in range(2000)])

        assert os.path.exists(log_of(str(link)))
        assert os.path.exists(index_of(str(link)))
        assert busy._signs_of_life(str(link)) != before
        assert "write-ahead log" in [finding.check for finding in location.examine_location(str(link))]
        with foreign_database.ForeignDatabase(str(link)) as foreign:
            assert len(foreign.query("SELECT task_description FROM executions")) == 2000


def test_index_of_a_deleted_database_is_deleted_behind_a_link(tmp_path):
    """A new file would share it with the connections to the deleted one, and wait for them in vain."""
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "real.db")
    with contextlib.closing(opening.open_for_writing(str(link), 1.0)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        index = os.stat(tmp_path / "real.db-shm").st_ino
        os.unlink(tmp_path / "real.db")
        os.unlink(tmp_path / "real.db-wal")

        with contextlib.closing(opening.open_for_writing(str(link), 1.0)):
            assert os.stat(tmp_path / "real.db-shm").st_ino != index
        opening.abandon(connection)


def command(*arguments):
    """Return the finished command."""
    return subprocess.run(
        [sys.executable, "-m", "learning_instrument", *arguments],
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=60,
        check=False,
    )


def test_link_that_leads_elsewhere_is_followed(tmp_path):
    """Later rows go to the file that it leads to now."""
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "old.db")
    database = LearningDatabase(link)
    database.append([ExecutionRecord(task_type="old")])
    link.unlink()
    link.symlink_to(tmp_path / "new.db")
    database.append([ExecutionRecord(task_type="new")])
    database.close()

    found = []
    for name in ("old.db", "new.db"):
        with LearningDatabase(tmp_path / name) as reader:
            found.append([row["task_type"] for row in reader.query("SELECT task_type FROM executions")])
    assert found == [["old"], ["new"]]
