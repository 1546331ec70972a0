"""``index``: sums by a name of one's own choice."""

from datetime import timedelta

import pytest
from asking import NOON, answer, ask, document, record, rows, store

from learning_instrument import LearningDatabase
from learning_instrument.errors import ConfigurationError
from learning_instrument.maintenance import drop_index, index, indexed
from learning_instrument.rollups import cubes
from learning_instrument.rollups.keys import IndexedName
from learning_instrument.sqlite.connection import open_for_maintenance

KEY = "metadata.customer"


@pytest.fixture
def path(tmp_path):
    """A database of two customers."""
    path = str(tmp_path / "learning.db")
    store(
        path,
        *[
            record(timestamp=NOON + timedelta(minutes=number), metadata={"task": {"customer": f"c{number % 2}"}})
            for number in range(30)
        ],
    )
    return path


def test_name_is_indexed_listed_and_dropped(path):
    """One line each; the reports read the sums."""
    assert answer(path, "index") == "No name is indexed.\n"
    assert answer(path, "index", KEY) == "Reports by metadata.customer read 2 sums of 30 executions.\n"
    assert answer(path, "index", "model") == "Reports by model read 1 sum of 30 executions.\n"

    listed = document(path, "index")
    with open_for_maintenance(path) as other:
        other.execute("UPDATE rollup_days_key SET executions = 7")

    assert listed[0] == {"name": KEY, "executions": 30, "cells": 2, "state": "complete"}
    assert [group["executions"] for group in document(path, "costs", "--by", KEY)["groups"]] == [7, 7]
    assert "Reports count 14 executions for 30" in answer(path, "doctor")
    assert answer(path, "index", "--drop", KEY) == "Reports by metadata.customer read the executions again.\n"
    assert [group["executions"] for group in document(path, "costs", "--by", KEY)["groups"]] == [15, 15]
    assert [name["name"] for name in document(path, "index")] == ["model"]


def test_programs_are_told_what_is_indexed_then(path):
    """After each change."""
    expected = {"name": KEY, "executions": 30, "cells": 2, "state": "complete"}
    assert document(path, "index", KEY) == [expected]
    assert rows(path, "index", "model")[1]["name"] == "model"
    assert document(path, "index", "--drop", "model") == [expected]


@pytest.mark.parametrize("name", [None, 5, b"model"])
def test_name_is_text(path, name):
    """Also of the one that is dropped."""
    for question in (index, drop_index):
        with pytest.raises(ConfigurationError, match=r"Invalid name .*expected metadata\.KEY"):
            question(path, name)


def test_new_executions_are_taken_in(path):
    """By the background writer of any process."""
    index(path, KEY)
    with LearningDatabase(path) as database:
        database.append([record(metadata={"task": {"customer": "c0"}})])
        database.rebuild_rollups()

    assert indexed(path) == [IndexedName(KEY, 31, 2, is_complete=True, is_stopped=False)]


def test_name_with_a_value_for_each_execution_is_refused(path, monkeypatch):
    """It would take as much space as the executions, and save nothing."""
    monkeypatch.setattr(cubes, "MOST_CELLS", 20)
    with LearningDatabase(path) as database:
        database.append([record(metadata={"task": {"request": number}}) for number in range(60)])

    refused = ask(path, "index", "metadata.request")

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith(
        "Error: metadata.request has too many values to be indexed: nearly one for each of "
    )
    assert indexed(path) == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["outcome"], "Invalid name 'outcome': expected metadata.KEY, model or worker_id."),
        (["--drop"], "--drop needs a NAME; learning-instrument index lists the names that are indexed."),
        (["--drop", KEY], "metadata.customer is not indexed: no name is."),
    ],
)
def test_other_names_are_one_line(path, arguments, complaint):
    """With what is expected."""
    refused = ask(path, "index", *arguments)

    assert (refused.exit_code, refused.stderr) == (2, f"Error: {complaint}\n")


def test_database_object_is_taken_as_well(path):
    """Its queue is written to the file first."""
    with LearningDatabase(path) as database:
        database.append([record(metadata={"task": {"customer": "c9"}})])
        assert index(database, KEY).executions == 31
        drop_index(database, KEY)
        assert indexed(database) == []
