"""Odd paths of the database work, or are an error of one line."""

import os
import stat
import subprocess
import sys

import pytest

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.errors import ConfigurationError
from learning_instrument.sqlite.paths import absolute

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
INVALID = ["", ":memory:", "postgresql://host/name", "https://host/x.db", "nul\0.db"]


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
    with pytest.raises(ConfigurationError, match="Invalid database_path"):
        LearningDatabase(path)


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
