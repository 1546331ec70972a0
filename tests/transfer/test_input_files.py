"""Paths and patterns become files, each once."""

import os

import pytest

from learning_instrument.errors import ConfigurationError
from learning_instrument.transfer.input_files import input_files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with files in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.db", "a.db", "a.db-wal", "a.db-shm", "lone-wal", ".hidden", "x[1].db", "in/c.db", "in/deep/d.db"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_files_are_sorted_and_each_is_read_once(folder):
    """By whatever name."""
    os.symlink("a.db", "link.db")

    found = input_files(["link.db", "b.db", "a.db", folder / "a.db", "-", "-"], "all.db")

    assert found == (["-", str(folder / "a.db"), "b.db"], [])


def test_pattern_means_files_that_belong_to_no_other(folder):
    """No folder, no hidden file, and no log of a database."""
    assert input_files(["*"], "all.db") == (["a.db", "b.db", "lone-wal", "x[1].db"], [])
    assert input_files(["**/*.db", "no*"], "all.db")[0] == ["a.db", "b.db", "in/c.db", "in/deep/d.db", "x[1].db"]
    assert input_files(["no*", "*.none"], "all.db") == ([], ["*.none", "no*"])


def test_file_with_the_name_of_a_pattern_is_that_file(folder):
    assert input_files(["x[1].db"], "all.db") == (["x[1].db"], [])


def test_target_is_no_input(folder):
    """A pattern leaves it out; by its name it is an error."""
    assert input_files(["*.db"], "a.db") == (["b.db", "x[1].db"], [])
    assert input_files(["a*"], "a.db") == ([], [])
    with pytest.raises(ConfigurationError, match=r"Cannot import a\.db into itself"):
        input_files(["b.db", folder / "a.db"], "a.db")
