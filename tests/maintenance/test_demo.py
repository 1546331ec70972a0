"""Writes a synthetic database, and overwrites no file."""

import pytest

from learning_instrument.errors import ConfigurationError
from learning_instrument.maintenance import write_demo


def test_file_in_the_home_folder_is_not_overwritten(tmp_path, monkeypatch):
    """Its path is the one that the database opens."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "x.db").write_text("mine")

    with pytest.raises(ConfigurationError, match=r"^~/x\.db exists already"):
        write_demo("~/x.db", 10)

    assert (tmp_path / "x.db").read_text() == "mine"
