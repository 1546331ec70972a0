"""What a look at a database finds."""

import contextlib
import os
import sqlite3
from datetime import timedelta

import pytest
from asking import NOON, record, store
from hypothesis import given
from hypothesis import strategies as st
from watched import before, fill, run

from learning_instrument.dashboard.top import state
from learning_instrument.dashboard.top.state import WINDOWS, Asked, Observer
from learning_instrument.errors import ConfigurationError, DatabaseError
from learning_instrument.sqlite.selection import Selection

ALL = Asked(Selection())


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / "learning.db")
    store(path)
    return path


@pytest.fixture
def observer(path):
    observer = Observer(path, lambda: NOON)
    yield observer
    observer.close()


def recent(observer, asked=ALL):
    return [each.execution_id for each in observer.look(asked).recent]


@pytest.mark.parametrize("window", WINDOWS)
def test_groups_and_errors_are_those_of_the_window(observer, path, window):
    """What runs, and what ended last, is shown whenever it began."""
    fill(path)

    look = observer.look(Asked(Selection(), window))

    started = [before(minutes=number, seconds=10) for number in range(40)]
    inside = sum(moment >= NOON - window for moment in started)
    failed = sum(moment >= NOON - window and number % 7 == 3 for number, moment in enumerate(started))
    assert sum(group.executions for group in look.groups) == inside
    assert sum(group.executions for group in look.errors) == failed
    assert (len(look.running), len(look.recent)) == (3, 40)


def test_what_is_stored_between_two_looks_is_recent(observer, path):
    """A long one that began before all others, too; and once."""
    store(path, record(execution_id="first", timestamp=before(minutes=1)))
    assert recent(observer) == ["first"]

    store(path, record(execution_id="long", timestamp=before(days=1), duration_seconds=86_000))

    assert recent(observer) == ["long", "first"]
    assert recent(observer) == ["long", "first"]


def test_more_than_is_kept_leaves_the_last(observer, path, monkeypatch):
    """However many came between two looks."""
    monkeypatch.setattr(state, "RECENT", 5)
    rows = [record(execution_id=f"{number:02}", timestamp=before(minutes=50 - number)) for number in range(50)]
    store(path, *rows[:3])
    assert recent(observer) == ["02", "01", "00"]

    store(path, *rows[3:6])
    assert recent(observer) == ["05", "04", "03", "02", "01"]
    store(path, *rows[6:])
    assert recent(observer) == ["49", "48", "47", "46", "45"]


def test_other_filters_find_what_was_there_before(observer, path):
    """And take it away again."""
    store(path, *(record(execution_id=tier, model_tier=tier) for tier in ("small", "large")))
    run(path, "r", model_tier="large")

    assert set(recent(observer)) == {"small", "large"}
    asked = Asked(Selection(model_tier="large"))
    look = observer.look(asked)
    assert [each.execution_id for each in (*look.recent, *look.running)] == ["large", "r"]
    store(path, record(execution_id="small again", model_tier="small"), record(execution_id="new", model_tier="large"))
    assert recent(observer, asked) == ["new", "large"]
    assert set(recent(observer)) == {"small", "large", "small again", "new"}


def test_filter_that_no_execution_meets_is_explained(observer, path):
    """With what may have been meant."""
    store(path, record(model_tier="small"))

    look = observer.look(Asked(Selection(model_tier="smal")))

    assert [note for note in look.notes if "Did you mean small?" in note]
    assert observer.look(Asked(Selection(model_tier="small"))).notes == ()


def test_deleted_file_is_said_and_shown_until_another_is_there(observer, path):
    """Which takes its place, with none of the old rows."""
    store(path, record(execution_id="old"))
    assert recent(observer) == ["old"]

    for name in (path, f"{path}-wal", f"{path}-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
    look = observer.look(ALL)
    assert [each.execution_id for each in look.recent] == ["old"]
    assert ["is gone" in note for note in look.notes] == [True]

    with open(path, "w") as file:
        file.write("no database")
    assert ["is gone" in note for note in observer.look(ALL).notes] == [True]
    os.unlink(path)
    store(path, record(execution_id="new"))
    look = observer.look(ALL)
    assert [each.execution_id for each in look.recent] == ["new"]
    assert look.notes == ()


def test_error_is_over_with_what_caused_it(observer, path):
    """The next look opens the file again."""
    store(path, record(execution_id="e"))
    os.rename(path, f"{path}.away")
    with pytest.raises(DatabaseError, match="There is no database"):
        observer.look(ALL)
    os.rename(f"{path}.away", path)

    assert recent(observer) == ["e"]


def test_it_only_reads(observer, path):
    """No row, no file beside it, no lock."""
    store(path, record())
    with open(path, "rb") as file:
        whole = file.read()
    observer.look(ALL)
    with contextlib.closing(sqlite3.connect(path, timeout=0)) as connection, connection:
        connection.execute("BEGIN EXCLUSIVE")
    observer.close()

    with open(path, "rb") as file:
        assert file.read() == whole
    assert os.listdir(os.path.dirname(path)) == ["learning.db"]


def test_window_and_filters_of_the_command_stay(path):
    """What is typed is asked for in addition."""
    asked = Asked(Selection(repo="shop"), timedelta(hours=1)).narrowed(
        "model_tier=large 'metadata.a b=c d' Fix 'the x'"
    )

    assert asked.selection.filters == (("repo", "shop"), ("model_tier", "large"), ("metadata.a b", "c d"))
    assert (asked.window, asked.words) == (timedelta(hours=1), ("fix", "the x"))
    assert asked.has_words("The X is fixed")
    assert not asked.has_words("fix the y")
    with pytest.raises(ConfigurationError, match="Did you mean model"):
        asked.narrowed("modle=x")


@given(text=st.text())
def test_any_text_is_a_filter_or_refused(text):
    """In one way: an error that is said."""
    try:
        asked = ALL.narrowed(text)
    except ConfigurationError:
        return
    assert asked.has_words(text) or '"' in text or "'" in text or "\\" in text or "=" in text
