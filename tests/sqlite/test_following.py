"""A database that is read for a long time, whatever becomes of its file."""

import os

import pytest
from asking import record, store

from learning_instrument.sqlite.following import FollowedDatabase


@pytest.fixture
def path(tmp_path):
    """The path of a database with one execution."""
    path = str(tmp_path / "learning.db")
    store(path, record(task_id="one"))
    return path


def task_ids(database):
    return [row["task_id"] for row in database.query("SELECT task_id FROM executions")]


def test_new_file_is_read_once_it_is_a_database(path, tmp_path):
    """Until then the one that was open is."""
    with FollowedDatabase(path) as database:
        os.rename(path, tmp_path / "aside.db")
        database.follow()
        assert task_ids(database) == ["one"]
        open(path, "w").close()
        database.follow()
        assert task_ids(database) == ["one"]
        store(path, record(task_id="two"))
        database.follow()
        assert task_ids(database) == ["two"]
