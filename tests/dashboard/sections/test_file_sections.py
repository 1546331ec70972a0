"""What a page says of the file itself: what runs, and what was lost."""

import contextlib
import sqlite3
from datetime import datetime, timedelta, timezone

import pytest
from asking import store
from watched import NOBODY, run

from learning_instrument.analytics import summary
from learning_instrument.dashboard.sections.file_sections import running
from learning_instrument.sqlite.read_only import ReadOnlyDatabase
from learning_instrument.sqlite.selection import Selection


def ago(**span):
    return datetime.now(timezone.utc) - timedelta(**span)


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / "learning.db")
    store(path)
    return path


def section(path, **selected):
    selection = Selection(**selected)
    with ReadOnlyDatabase(path) as database:
        return running(database, selection, summary(database, selection))


def test_what_runs_is_listed_the_oldest_first_with_what_became_of_its_process(path):
    """One whose process has died is to be stored as lost."""
    run(path, "young", timestamp=ago(minutes=1))
    run(path, "old", timestamp=ago(hours=1))
    run(path, "dead", timestamp=ago(hours=2), process_id=NOBODY)

    found = section(path)

    assert found.heading.text.startswith("2 executions are running, the oldest began 1 h 00 m ago; 1 has lost")
    assert [row[0] for row in found.table.rows] == ["dead", "old", "young"]
    assert [str(row[-1]).startswith("ended") for row in found.table.rows] == [True, False, False]


def test_what_runs_passes_the_filters_of_the_page(path):
    """A page of one tier lists no execution of another."""
    run(path, "small", model_tier="small", timestamp=ago(minutes=1))
    run(path, "large", model_tier="large", timestamp=ago(minutes=1))

    assert [row[0] for row in section(path, model_tier="small").table.rows] == ["small"]


@pytest.mark.parametrize("damage", ["DELETE FROM running", "DROP TABLE running"])
def test_where_nothing_runs_and_nothing_was_lost_there_is_no_section(path, damage):
    """Also in the file of an older release, without the crash ledger."""
    run(path, "one")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(damage)

    assert section(path) is None
