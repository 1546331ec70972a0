"""Executions are found by the id of their task, however far the index goes."""

import contextlib
import sqlite3

import pytest
from databases import make_older
from executions import new_database
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.analytics.executions import execution_id_of
from learning_instrument.record import row_from_record
from learning_instrument.rollups import catch_up, task_ids
from learning_instrument.sqlite.connection import WriteConnection
from learning_instrument.sqlite.read_only import ReadOnlyDatabase
from learning_instrument.sqlite.task_lookup import BETWEEN, EXACTLY
from learning_instrument.sqlite.yielding import SliceSizer

FOUND = "SELECT execution_id FROM executions WHERE task_id = ? ORDER BY timestamp DESC LIMIT 1"
BEGUN = "SELECT execution_id FROM executions WHERE task_id > ? AND task_id < ?"
IDS = st.sampled_from(("a", "ab", "b", "task-1", "task-2", "10", "größer"))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(IDS, min_size=1, max_size=4)),
        st.tuples(st.just("delete"), st.integers(0, 20)),
        st.tuples(st.just("rename"), st.tuples(st.integers(0, 20), IDS)),
        st.tuples(st.just("advance"), st.integers(1, 3)),
        st.tuples(st.just("reset"), st.none()),
    ),
    max_size=20,
)


def indexed(target):
    return [task_id for (task_id,) in target.execute("SELECT task_id FROM task_ids ORDER BY id")]


@contextlib.contextmanager
def slices_of(rows, tail=0):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task_ids, "TAIL_ROWS", tail)
        patch.setattr(task_ids, "SLICE_ROWS", rows)
        yield


@pytest.fixture
def without_tail():
    """Slices of any size, up to the last row."""
    with slices_of(1):
        yield


def add(target, *ids):
    """Store an execution of each task."""
    records = [ExecutionRecord(task_type="x", task_id=task_id) for task_id in ids]
    target.insert([row_from_record(record) for record in records])


@given(steps=STEPS)
def test_look_up_finds_what_a_scan_finds(steps):
    """After rows were added, deleted and renamed, with any part of them in the index."""
    with slices_of(1), new_database() as target:
        for step, value in steps:
            if step == "add":
                add(target, *value)
            elif step == "delete":
                target.execute("DELETE FROM executions WHERE rowid = ?", [value])
            elif step == "rename":
                target.execute("UPDATE executions SET task_id = ? WHERE rowid = ?", [value[1], value[0]])
            elif step == "advance":
                task_ids.advance(target, value)
            else:
                task_ids.reset(target)
            for task_id in ("a", "b", "task-1", "größer", "none"):
                assert target.execute(EXACTLY, {"id": task_id}) == target.execute(FOUND, [task_id])
                between = [task_id, task_id + "\U0010ffff"]
                named = {"first": between[0], "last": between[1], "most": 99}
                assert sorted(target.execute(BETWEEN, named)) == sorted(target.execute(BEGUN, between))


def test_index_has_no_ids_of_deleted_and_renamed_executions(target, without_tail):
    """What a user deletes is gone from it as well."""
    add(target, "first", "second", "third")
    task_ids.advance(target, 3)
    assert indexed(target) == ["first", "second", "third"]

    target.execute("DELETE FROM executions WHERE task_id = 'first'")
    target.execute("UPDATE executions SET task_id = 'other' WHERE task_id = 'second'")

    assert indexed(target) == ["other", "third"]


def test_ids_stay_without_index_until_there_are_many(target):
    """And then are indexed at once, also while other work waits."""
    with slices_of(10, tail=10):
        add(target, *["x"] * 10)
        catch_up.catch_up(target, SliceSizer(), lambda: True)
        assert indexed(target) == []

        add(target, *["x"] * 5)
        catch_up.catch_up(target, SliceSizer(), lambda: True)
        assert len(indexed(target)) == 15


def test_copy_with_other_row_numbers_is_read_without_its_index(target, asked, without_tail, tmp_path):
    """``.dump`` and ``.read`` number the rows anew, and copy the index as it is."""
    add(target, *[f"task-{number}" for number in range(4)])
    target.execute("DELETE FROM executions WHERE rowid = 2")
    task_ids.advance(target, 4)
    path = tmp_path / "copy.db"
    with contextlib.closing(sqlite3.connect(asked.path)) as source, contextlib.closing(sqlite3.connect(path)) as copy:
        copy.executescript("\n".join(line for line in source.iterdump() if "execution_search" not in line))
        copy.execute("VACUUM")

        (found,) = copy.execute(EXACTLY, {"id": "task-3"}).fetchall()

        assert found == copy.execute(FOUND, ["task-3"]).fetchone()


def test_older_file_is_asked_without_the_index(database, tmp_path):
    """It is read, and not changed."""
    database.append([ExecutionRecord(task_type="x", task_id="task-1", execution_id="e1")])
    database.flush()
    older = make_older(tmp_path / "older.db", 22, database.path)
    before = older.read_bytes()

    with ReadOnlyDatabase(older) as asked:
        assert execution_id_of(asked, "task-1") == "e1"
        assert execution_id_of(asked, "task") == "e1"

    assert older.read_bytes() == before


def test_older_file_is_indexed_by_the_next_writer(database, tmp_path, without_tail):
    """The index of before goes."""
    database.append([ExecutionRecord(task_type="x", task_id=f"task-{number}") for number in range(5)])
    database.flush()
    older = make_older(tmp_path / "older.db", 22, database.path)

    with LearningDatabase(older) as migrated:
        migrated.open()
        assert "idx_executions_task_id" not in {
            row["name"] for row in migrated.query("SELECT name FROM sqlite_master WHERE type = 'index'")
        }
    with contextlib.closing(WriteConnection(str(older), 5.0)) as target:
        while task_ids.advance(target):
            pass
        assert len(indexed(target)) == 5
