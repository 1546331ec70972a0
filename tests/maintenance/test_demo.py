"""Writes a synthetic database, and overwrites no file."""

import pytest

from learning_instrument import LearningDatabase
from learning_instrument.errors import ConfigurationError
from learning_instrument.maintenance import write_demo
from learning_instrument.rollups import catch_up
from learning_instrument.sqlite.connection import open_for_maintenance


def test_file_in_the_home_folder_is_not_overwritten(tmp_path, monkeypatch):
    """Its path is the one that the database opens."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "x.db").write_text("mine")

    with pytest.raises(ConfigurationError, match=r"^~/x\.db exists already"):
        write_demo("~/x.db", 10)

    assert (tmp_path / "x.db").read_text() == "mine"


def test_file_comes_with_its_derived_tables(tmp_path):
    """Reports need not read the executions one by one; how far it is was told."""
    told = []
    path = write_demo(str(tmp_path / "x.db"), 3000, progress=lambda *each: told.append(each)).path

    with open_for_maintenance(path) as connection:
        assert catch_up.lag(connection) == 0
        assert not catch_up.advance(connection)
    assert ("Writing", 3000, 3000) in told
    assert [done for what, done, _ in told if what == "Writing"] == list(range(500, 3001, 500))


def test_one_of_some_executions_has_feedback(tmp_path):
    """About sixty, whatever their number."""
    counts = []
    for executions in (7, 640, 1333):
        with LearningDatabase(write_demo(str(tmp_path / f"{executions}.db"), executions).path) as database:
            ((count),) = (row["count"] for row in database.query("SELECT count(*) AS count FROM feedback"))
            counts.append(count)

    assert counts == [7, 64, 61]
