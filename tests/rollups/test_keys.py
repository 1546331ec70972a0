"""Cubes on demand: what they say is what the rows say, while they grow, and they stay small."""

import contextlib
import sqlite3
from datetime import timedelta

from databases import make_older
from executions import START, Asked

from learning_instrument import ExecutionRecord
from learning_instrument.analytics import Selection, costs, performance
from learning_instrument.record import row_from_record
from learning_instrument.rollups import cubes
from learning_instrument.rollups.cubes import advance, is_indexable, lag
from learning_instrument.rollups.keys import IndexedName, add_name, drop_name, indexed_names
from learning_instrument.sqlite.connection import WriteConnection

KEY = "metadata.customer"


def insert(target, count, customer=lambda number: f"c{number % 2}"):
    target.insert(
        [
            row_from_record(
                ExecutionRecord(
                    task_type="t", timestamp=START + timedelta(minutes=number), actual_cost=1.0, model="m",
                    metadata={"task": {"customer": customer(number)}},
                )
            )
            for number in range(count)
        ]
    )  # fmt: skip


def advance_all(target):
    while advance(target):
        pass


def counts(asked, name=KEY):
    return {group.group[0]: group.executions for group in costs(asked, by=name).groups}


def falsify(target):
    """Change the sums, so that an answer tells whether it comes from them."""
    target.execute("UPDATE rollup_days_key SET executions = executions + 1000")


def test_report_reads_the_cube_of_its_name(target, asked):
    """And those of other names, of pairs and of conditions on other names the executions."""
    insert(target, 10)
    advance_all(target)
    add_name(target, KEY)
    advance_all(target)
    falsify(target)

    assert counts(asked) == {"c0": 1005, "c1": 1005}
    assert performance(asked, KEY, Selection(where={KEY: "c1"}))[0].executions == 1005
    assert costs(asked, by=(KEY, "day")).groups[0].executions == 1005
    assert counts(asked, "model") == {"m": 10}
    assert costs(asked, by=(KEY, "model")).groups[0].executions == 5
    assert costs(asked, Selection(where={"model": "m"}), by=KEY).groups[0].executions == 5


def test_cube_that_is_not_complete_is_not_read(target, asked):
    """It reads the executions until its cells go as far as the roll-ups, in slices."""
    insert(target, 10)
    advance_all(target)
    add_name(target, KEY)
    assert lag(target) == 10
    assert advance(target, 4)
    falsify(target)

    assert counts(asked) == {"c0": 5, "c1": 5}
    assert lag(target) == 6
    assert indexed_names(asked) == [IndexedName(KEY, 4, 2, is_complete=False, is_stopped=False)]
    advance_all(target)
    assert indexed_names(asked) == [IndexedName(KEY, 10, 2, is_complete=True, is_stopped=False)]
    assert counts(asked) == {"c0": 1005, "c1": 1005}


def test_changes_move_executions_between_values(target, asked):
    """Metadata that change, rows that are deleted, before and after they are rolled up again."""
    insert(target, 10)
    add_name(target, KEY)
    advance_all(target)

    target.execute("""UPDATE executions SET metadata = '{"task":{"customer":"new"}}' WHERE rowid <= 3""")
    target.execute("DELETE FROM executions WHERE rowid > 8")

    for _ in range(2):
        assert counts(asked) == {"c0": 2, "c1": 3, "new": 3}
        advance_all(target)
    falsify(target)
    assert counts(asked) == {"c0": 1002, "c1": 1003, "new": 1003}


def test_newest_rows_deleted_while_a_cube_is_made_are_not_subtracted(target, asked):
    """Their rowids are those of new executions, which it does not have yet."""
    insert(target, 10)
    advance_all(target)
    add_name(target, KEY)
    advance(target, 5)
    target.execute("DELETE FROM executions WHERE rowid > 3")
    assert counts(asked) == {"c0": 2, "c1": 1}
    insert(target, 4, lambda number: "new")

    for _ in range(9):
        assert counts(asked) == {"c0": 2, "c1": 1, "new": 4}
        advance(target, 2)
    falsify(target)
    assert counts(asked) == {"c0": 1002, "c1": 1001, "new": 1004}


def test_key_that_is_nearly_unique_is_stopped(target, asked, monkeypatch):
    """It takes no space, costs no further time, and answers are what the rows say."""
    monkeypatch.setattr(cubes, "MOST_CELLS", 20)
    insert(target, 60, lambda number: f"request-{number}")
    insert(target, 60)
    add_name(target, KEY)
    add_name(target, "model")
    advance(target, 30)

    assert [(key.name, key.is_stopped) for key in indexed_names(asked)] == [(KEY, True), ("model", False)]
    assert target.execute("SELECT count(*) FROM rollup_days_key WHERE name = ?", (KEY,)) == [(0,)]
    advance_all(target)
    assert lag(target) == 0
    assert len(counts(asked)) == 62
    assert counts(asked, "model") == {"m": 120}


def test_dropped_name_leaves_nothing(target, asked):
    """And begins anew when it is added again; to add it twice changes nothing."""
    insert(target, 10)
    add_name(target, KEY)
    advance_all(target)
    falsify(target)
    add_name(target, KEY)
    assert counts(asked) == {"c0": 1005, "c1": 1005}

    assert drop_name(target, KEY)
    assert not drop_name(target, KEY)

    assert target.execute("SELECT count(*) FROM rollup_days_key") == [(0,)]
    assert counts(asked) == {"c0": 5, "c1": 5}
    add_name(target, KEY)
    advance_all(target)
    assert counts(asked) == {"c0": 5, "c1": 5}


def test_names_outlast_a_rebuild(target, asked):
    """The sums are made anew with all others."""
    insert(target, 10)
    add_name(target, KEY)
    advance_all(target)
    falsify(target)

    cubes.reset(target)
    assert counts(asked) == {"c0": 5, "c1": 5}
    advance_all(target)

    assert indexed_names(asked) == [IndexedName(KEY, 10, 2, is_complete=True, is_stopped=False)]
    assert counts(asked) == {"c0": 5, "c1": 5}


def test_metadata_of_changed_rows_are_kept_only_for_a_name(target):
    """They may be long."""
    insert(target, 2)
    advance_all(target)
    target.execute("UPDATE executions SET actual_cost = 2 WHERE rowid = 1")
    add_name(target, KEY)
    target.execute("UPDATE executions SET actual_cost = 2 WHERE rowid = 2")

    kept = target.execute("SELECT metadata, model FROM rollup_changes ORDER BY id")

    assert kept == [(None, None), ('{"task":{"customer":"c1"}}', "m")]


def test_file_of_an_older_release_has_no_names(target, tmp_path):
    """Reports read its executions."""
    insert(target, 4)
    older = make_older(tmp_path / "older.db", 16, target._path)

    assert indexed_names(Asked(older)) == []
    assert counts(Asked(older)) == {"c0": 2, "c1": 2}
    with contextlib.closing(sqlite3.connect(older)) as changed, changed:
        changed.execute("PRAGMA user_version = 16")
    with contextlib.closing(WriteConnection(str(older), 5.0)) as newer:
        newer.open()
        add_name(newer, KEY)
        advance_all(newer)
    assert indexed_names(Asked(older)) == [IndexedName(KEY, 4, 2, is_complete=True, is_stopped=False)]


def test_only_names_whose_old_values_are_kept_can_be_indexed():
    """A change of a row tells what to subtract."""
    assert all(map(is_indexable, ("model", "worker_id", "metadata.x y", 'metadata."')))
    assert not any(map(is_indexable, ("outcome", "customer", "metadata.", "day")))


def test_row_that_changes_before_its_cube_reaches_it_is_counted_once(target, asked):
    """As it is by then; a row that the cube has already is corrected."""
    insert(target, 10)
    advance_all(target)
    add_name(target, KEY)
    advance(target, 5)
    target.execute("""UPDATE executions SET metadata = '{"task":{"customer":"new"}}' WHERE rowid IN (1, 9)""")
    assert counts(asked) == {"c0": 3, "c1": 5, "new": 2}

    advance_all(target)

    assert counts(asked) == {"c0": 3, "c1": 5, "new": 2}
    falsify(target)
    assert counts(asked) == {"c0": 1003, "c1": 1005, "new": 1002}
