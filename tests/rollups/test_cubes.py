"""Roll-ups: after any change of the executions, an answer equals what the rows say."""

import contextlib
import json
import math
import sqlite3
import sys
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from unittest import mock

import pytest
from databases import make_older
from executions import LIVES, MINUTES, NEW, START, WHICH, Asked, live, new_database
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import wait_until

from learning_instrument import ExecutionRecord
from learning_instrument.analytics import Selection, error_groups, performance
from learning_instrument.analytics.group_totals import totals
from learning_instrument.database import store_of
from learning_instrument.maintenance import chosen_rows, prune
from learning_instrument.outcome import Outcome
from learning_instrument.record import row_from_record
from learning_instrument.rollups import catch_up, cubes, histograms, keys
from learning_instrument.rollups.cubes import CUBES, WIDE, advance, reset
from learning_instrument.rollups.measures import MEASURES, SOURCE_COLUMNS
from learning_instrument.sqlite.connection import WriteConnection
from learning_instrument.sqlite.dimensions import DIMENSIONS, is_equal, value_in
from learning_instrument.sqlite.migrations import M026_CHANGE_COLUMNS
from learning_instrument.sqlite.yielding import YieldedError, YieldingTransactions
from learning_instrument.storage.retention import Limits, trim

KEY = "metadata.customer"
QUESTIONS = [
    (KEY,), (KEY, "day"), ("model",), (), ("model_tier",), ("task_type", "day"), ("pool_type", "hour"), ("repo",),
    ("worker_id", "model_tier"),
]  # fmt: skip
RATIOS = ("scaled", "log_e5", "log2_e10")


def records(count, **values):
    return [
        ExecutionRecord(**{"task_type": f"t{n % 3}", "timestamp": START + timedelta(minutes=n), "duration_seconds": n}
                        | values)
        for n in range(count)
    ]  # fmt: skip


def insert(target, new):
    target.insert([row_from_record(record) for record in new])


def advance_all(target):
    while advance(target):
        pass


def state(target):
    return target.execute("SELECT mark, executions FROM rollup_state")[0]


def cells(target):
    tables = [*(cube.table for cube in CUBES), "rollup_days_key"]
    return {table: list(map(counted, target.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3"))) for table in tables}


def sizes(target):
    of_keys = "SELECT name, executions, cells FROM rollup_keys ORDER BY name"
    return target.execute("SELECT executions, wide_cells FROM rollup_state"), target.execute(of_keys)


def counted(cell):
    """The same histogram can be in a cell in several forms."""
    return [histograms.merged(value, b"", b"") if isinstance(value, bytes) else value for value in cell]


def executions_of(asked, **options):
    groups = totals(asked, (), Selection(), (), **options)
    return groups[()].count("executions") if groups else 0


# What executions say, worked out once more, from the rows, in Python.


def expected(rows, by, selection):
    groups = defaultdict(list)
    for row in rows:
        moment = datetime.fromisoformat(row["timestamp"])
        dimensions = {name: value_in(row, name) for name in (*DIMENSIONS, KEY)}
        is_inside = (selection.since is None or moment >= selection.since) and (
            selection.until is None or moment < selection.until
        )
        if is_inside and all(is_equal(name, dimensions[name], value) for name, value in selection.filters):
            groups[tuple(dimensions[name] for name in by)].append(row)
    return {group: (_sums(of_group), _durations(of_group)) for group, of_group in groups.items()}


def _durations(rows):
    return sorted(row["duration_seconds"] for row in rows if "duration_seconds" not in json.loads(row["defaulted"]))


def _sums(rows):
    sums = dict.fromkeys(MEASURES, 0.0)
    outcomes = {
        "failed": "failed", "error": "errors", "timeout": "timeouts", "cancelled": "cancelled", "lost": "lost",
    }  # fmt: skip
    for row in rows:
        defaulted = json.loads(row["defaulted"])
        actual, estimate = row["actual_cost"], row["cost_estimate"]
        is_priced = "actual_cost" not in defaulted and row["cost_source"] != "unpriced"
        sums["executions"] += 1
        sums["succeeded"] += row["success"]
        sums["assumed"] += row["success"] and row["outcome_source"] == "assumed"
        sums["retries"] += row["attempt"] is not None and row["attempt"] > 1
        if row["outcome"] in outcomes:
            sums[outcomes[row["outcome"]]] += 1
        if "duration_seconds" not in defaulted:
            sums["timed"] += 1
            sums["duration_us"] += row["duration_seconds"] * 1e6
        if row["queue_seconds"] is not None:
            sums["queued"] += 1
            sums["queue_us"] += row["queue_seconds"] * 1e6
        if row["quality_score"] is not None:
            sums["rated"] += 1
            sums["quality_e4"] += row["quality_score"] * 1e4
        sums["unpriced"] += row["cost_source"] == "unpriced"
        sums["counted"] += row["input_tokens"] is not None or row["output_tokens"] is not None
        sums["input_tokens"] += row["input_tokens"] or 0
        sums["output_tokens"] += row["output_tokens"] or 0
        if is_priced:
            sums["priced"] += 1
            sums["priced_succeeded"] += row["success"]
            sums["partial"] += row["cost_source"] == "partial"
            sums["cost_nano"] += actual * 1e9
            sums["failure_nano"] += 0 if row["success"] else actual * 1e9
        if is_priced and "cost_estimate" not in defaulted and row["cost_source"] not in ("estimated", "partial"):
            sums["compared"] += 1
            sums["estimate_nano"] += estimate * 1e9
            sums["actual_nano"] += actual * 1e9
            sums["off_nano"] += abs(actual - estimate) * 1e9
            sums["within_20"] += abs(actual - estimate) <= 0.2 * actual
            if actual > 0:
                sums["off_rated"] += 1
                sums["off_e6"] += abs(actual - estimate) / actual * 1e6
            if actual > 0 and estimate > 0:
                sums["scaled"] += 1
                log = math.log(max(1e-6, min(1e7, actual / estimate)))
                sums["log_e5"] += log * 1e5
                sums["log2_e10"] += (log * 1e5) ** 2
    return sums


def check(asked, selection, ways=QUESTIONS):
    rows = asked.query("SELECT * FROM executions")
    for by in ways:
        answer = totals(asked, by, selection, tuple(MEASURES), with_durations=True)
        assert answer == totals(asked, by, selection, tuple(MEASURES), with_durations=True, with_rollups=False)
        truth = expected(rows, by, selection)
        assert answer.keys() == truth.keys()
        for group, (sums, durations) in truth.items():
            for name, value in sums.items():
                is_count = name.rpartition("_")[2] not in ("us", "e4", "nano", "e6", "e5", "e10")
                # What is no count is rounded to whole numbers in each of a few rows.
                slack = 0.0 if is_count else 1e7 if name == "log2_e10" else 1.0
                assert answer[group].sums[name] == pytest.approx(value, rel=1e-6, abs=slack * len(rows)), name
            for share in (0.5, 0.95):
                exact = durations[max(0, math.ceil(share * len(durations)) - 1)] if durations else None
                assert answer[group].quantile(share) == (
                    None if exact is None else pytest.approx(exact, rel=0.0151, abs=1e-6)
                )


CHANGES = st.sampled_from(
    ["metadata = json_set(metadata, '$.task', json_object('customer', 'other'))", "model = 'moved'",
     "actual_cost = 7.5, cost_source = 'priced'", "cost_source = 'partial'", "defaulted = '[]'",
     "success = 1 - success", "model_tier = 'moved'",
     "timestamp = '2026-11-03T05:00:00.000000+00:00'", "input_tokens = 12", "user_rating = 5", "repo = NULL",
     "outcome_source = 'assumed'", "attempt = 2"]
)  # fmt: skip
INSERT = st.tuples(st.just("insert"), st.lists(NEW, min_size=1, max_size=6))
ADVANCE = st.tuples(st.just("advance"), st.integers(1, 8))
DAYS = st.sampled_from([("", "2026-11-02"), ("2026-11-02", "2026-11-03"), ("2026-11-03", "2026-11-04U"), ("", "~")])
OPERATIONS = st.one_of(
    INSERT,
    ADVANCE,
    INSERT,  # twice, for without these two there is little to go wrong
    ADVANCE,
    LIVES,
    LIVES,
    st.tuples(st.just("update"), CHANGES, WHICH),
    st.tuples(st.just("delete"), WHICH),
    st.tuples(st.just("delete newest"), st.integers(1, 4)),
    st.tuples(st.just("delete oldest"), st.integers(1, 4)),
    st.tuples(st.just("put in its place"), WHICH),
    st.tuples(st.just("store again, as it is now"), WHICH),
    st.tuples(st.just("crash while advancing"), st.integers(1, 8), st.integers(0, 40)),
    st.tuples(st.just("give way while advancing"), st.integers(1, 8), st.integers(0, 40)),
    st.tuples(st.just("index"), st.sampled_from([KEY, "model"])),
    st.tuples(st.just("drop"), st.sampled_from([KEY, "model"])),
    st.tuples(st.just("trim")),
    st.tuples(st.just("prune, and crash"), st.integers(0, 6), st.integers(0, 5)),
    st.tuples(st.just("take out"), DAYS),
    st.tuples(st.just("delete days"), DAYS),
    st.tuples(st.just("reset")),
    st.tuples(st.just("vacuum")),
)
SELECTIONS = st.builds(
    lambda first, length, filters: Selection(
        since=None if first is None else START + timedelta(minutes=first),
        until=None if first is None or length is None else START + timedelta(minutes=first + length),
        **filters,
    ),
    st.one_of(st.none(), MINUTES, st.just(90)),
    st.one_of(st.none(), st.integers(1, 5000), st.just(1440)),
    st.sampled_from(
        [
            {},
            {"repo": "a"},
            {"model_tier": "small"},
            {"task_type": "review", "pool_type": "agents"},
            {"where": {KEY: "acme"}},
        ]
    ),
)


def run(target, operation, number):
    name, *arguments = operation
    if name == "insert":
        insert(target, arguments[0])
    elif name == "update":
        change, (step, rest) = arguments
        target.execute(f"UPDATE executions SET {change} WHERE rowid % {step} = {rest % step}")
    elif name == "delete":
        ((step, rest),) = arguments
        target.execute(f"DELETE FROM executions WHERE rowid % {step + 1} = {rest % (step + 1)}")
    elif name in ("delete newest", "delete oldest"):
        order = "DESC" if name == "delete newest" else "ASC"
        target.execute(
            "DELETE FROM executions WHERE rowid IN"
            f" (SELECT rowid FROM executions ORDER BY rowid {order} LIMIT {arguments[0]})"
        )
    elif name == "put in its place":
        ((step, rest),) = arguments
        others = ", ".join(f"{number} AS {c}" if c == "duration_seconds" else c for c in columns_of(target))
        target.execute(
            f"INSERT OR REPLACE INTO executions SELECT {others} FROM executions WHERE rowid % {step} = {rest % step}"
        )
    elif name == "store again, as it is now":
        ((step, rest),) = arguments
        target.execute(
            f"INSERT INTO executions SELECT * FROM executions WHERE rowid % {step} = {rest % step}"
            " ON CONFLICT (execution_id) DO UPDATE SET outcome = 'succeeded', success = 1, queue_seconds = 3"
        )
    elif name == "index":
        keys.add_name(target, arguments[0])
    elif name == "drop":
        keys.drop_name(target, arguments[0])
    elif name == "advance":
        advance(target, arguments[0])
    elif name == "crash while advancing":
        crash_while_advancing(target, *arguments)
    elif name == "give way while advancing":
        give_way_while_advancing(target, *arguments)
    elif name == "trim":
        age = datetime.now(timezone.utc) - START - timedelta(days=1)
        trim(target, Limits(older_than=age))
    elif name == "prune, and crash":
        prune_and_crash(target, *arguments)
    elif name == "take out":
        with target.transaction() as connection:
            cubes.take_out(connection, *arguments[0])
    elif name == "delete days":
        target.execute("DELETE FROM executions WHERE timestamp >= ? AND timestamp < ?", arguments[0])
    elif name == "reset":
        reset(target)
    elif name == "vacuum":
        target.execute("VACUUM")
    else:
        live(target, operation)


def columns_of(target):
    return [name for (name,) in target.execute("SELECT name FROM pragma_table_info('executions')")]


def crash_while_advancing(target, rows, statements):
    """Advance, and end it after so many rows and cells were written: nothing of the slice may stay."""
    seen = 0

    def count(action, *_):
        nonlocal seen
        if action not in (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_DELETE, sqlite3.SQLITE_UPDATE):
            return sqlite3.SQLITE_OK
        seen += 1
        return sqlite3.SQLITE_DENY if seen > statements else sqlite3.SQLITE_OK

    with target.transaction() as raw:
        pass
    raw.set_authorizer(count)
    with contextlib.suppress(sqlite3.DatabaseError):
        advance(target, rows)
    raw.set_authorizer(None if sys.version_info >= (3, 11) else lambda *_: sqlite3.SQLITE_OK)


def prune_and_crash(target, keep, slices):
    """Prune, and end it after so many slices of two executions."""

    def crash(what, done, of):
        if what == "Deleting" and done > 2 * slices:
            raise KeyboardInterrupt

    with mock.patch.object(chosen_rows, "SLICE_ROWS", 2), contextlib.suppress(KeyboardInterrupt):
        prune(target.path, Limits(keep=keep), progress=crash)


def give_way_while_advancing(target, rows, statements):
    """Advance until a caller waits, some statements later."""
    looks = []
    with contextlib.suppress(YieldedError):
        advance(YieldingTransactions(target, lambda: looks.append(1) or len(looks) > statements), rows)


@settings(max_examples=40)
@given(
    beginning=st.tuples(INSERT, INSERT, ADVANCE, st.tuples(st.just("index"), st.just(KEY)), ADVANCE),
    operations=st.lists(OPERATIONS, min_size=1, max_size=14),
    selection=SELECTIONS,
    ways=st.lists(st.sampled_from(QUESTIONS), min_size=2, max_size=2, unique=True),
)
def test_answers_are_what_the_executions_say(beginning, operations, selection, ways):
    """After inserts, late calls, feedback, replaced lost rows, deletes and crashes, with any part rolled up."""
    with new_database() as target:
        asked = Asked(target._path)
        for number, operation in enumerate([*beginning, *operations]):
            run(target, operation, number)
            assert executions_of(asked) == asked.query("SELECT count(*) AS n FROM executions")[0]["n"]
        check(asked, selection, ways)
        advance_all(target)
        check(asked, selection, ways)
        advanced = cells(target), sizes(target)
        reset(target)
        advance_all(target)
        assert (cells(target), sizes(target)) == advanced


def test_rowid_of_a_deleted_newest_row_is_counted_when_it_is_used_again(target, asked):
    """SQLite gives it to the next row, and those of older gaps as well."""
    insert(target, records(7))
    target.execute("DELETE FROM executions WHERE rowid IN (4, 6)")
    advance_all(target)

    target.execute("DELETE FROM executions WHERE rowid IN (5, 7)")
    insert(target, records(2))

    assert [rowid for (rowid,) in target.execute("SELECT rowid FROM executions ORDER BY rowid")] == [1, 2, 3, 4, 5]
    assert target.execute(f"SELECT mark, {cubes.IS_SOUND} FROM rollup_state") == [(3, 1)]
    assert executions_of(asked) == 5
    while advance(target, 1):
        assert executions_of(asked) == 5
    assert executions_of(asked) == 5


def test_row_put_in_the_place_of_another_is_counted_once(target, asked):
    """INSERT OR REPLACE deletes the other without a word, unless triggers may follow each other."""
    insert(target, records(6))
    advance_all(target)

    run(target, ("put in its place", (4, 2)), 0)  # the second row, and the sixth

    assert executions_of(asked) == 6
    target.execute("DELETE FROM executions WHERE rowid > 5")
    insert(target, records(1))
    assert executions_of(asked) == 5
    advance_all(target)
    assert executions_of(asked) == 5


def test_changing_twice_takes_out_what_was_put_in(target, asked):
    """The first of the changes knows what that was."""
    insert(target, records(3, actual_cost=1.0))
    advance_all(target)

    for cost in (2.0, 3.0):
        target.execute("UPDATE executions SET actual_cost = ? WHERE rowid = 2", (cost,))

    assert totals(asked, (), Selection(), ("cost_nano",))[()].sums["cost_nano"] == 5e9
    advance_all(target)
    assert totals(asked, (), Selection(), ("cost_nano",))[()].sums["cost_nano"] == 5e9


def test_advancing_takes_bounded_slices_and_ends(target):
    """The mark and the cells move together."""
    insert(target, records(25))

    marks = []
    while advance(target, 10):
        marks.append(state(target))

    assert marks == [(10, 10), (20, 20)]
    assert state(target) == (25, 25)
    assert advance(target) is False


def test_changes_that_nothing_counts_are_not_noted(target):
    """A rating, say: the roll-ups have no place for it."""
    insert(target, records(3))
    advance_all(target)

    target.execute("UPDATE executions SET user_rating = 5, solution_summary = 'done'")

    assert target.execute("SELECT count(*) FROM rollup_changes") == [(0,)]
    assert not cubes.is_behind(target)


def test_there_is_no_trigger_on_insert(target):
    """The hot path pays nothing."""
    triggers = target.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'rollup%'")

    assert len(triggers) == 2
    assert not [sql for (sql,) in triggers if "AFTER INSERT" in sql]


def test_tables_have_what_measures_and_cubes_say(target):
    """The steps of the schema are frozen and call no live code, so they repeat it."""
    for cube in CUBES:
        names = {name for (name,) in target.execute(f"SELECT name FROM pragma_table_info('{cube.table}')")}
        assert names == {"bucket", *cube.keys, *MEASURES, "histogram"}
    assert (*SOURCE_COLUMNS, "model", "worker_id", "metadata") == M026_CHANGE_COLUMNS


def test_rollups_of_an_older_schema_are_taken_over(target, tmp_path):
    """Nothing of their executions is assumed, so they are right as they are, and go on."""
    insert(target, records(30))
    advance_all(target)
    tables = ["executions", "rollup_state", *(cube.table for cube in CUBES)]
    older = make_older(tmp_path / "older.db", 11, target._path, tables)
    with contextlib.closing(sqlite3.connect(older)) as changed, changed:
        changed.execute("UPDATE rollup_state SET version = 1")

    with contextlib.closing(WriteConnection(str(older), 5.0)) as newer:
        newer.open()
        assert state(newer) == state(target) == (30, 30)
        assert cells(newer) == cells(target)
        insert(newer, records(3, outcome_source="assumed", execution_id=None))
        newer.execute("UPDATE executions SET outcome_source = 'assumed' WHERE rowid < 5")
        check(Asked(older), Selection())
        advance_all(newer)
        check(Asked(older), Selection())


@pytest.mark.parametrize(("attempt", "is_taken_over"), [(1, True), (2, False)])
def test_rollups_that_do_not_count_retries_are_done_over_if_there_are_any(target, tmp_path, attempt, is_taken_over):
    """A count of 0 is right for all others."""
    insert(target, records(30, attempt=attempt))
    advance_all(target)
    tables = ["executions", "rollup_state", *(cube.table for cube in CUBES)]
    older = make_older(tmp_path / "older.db", 25, target._path, tables)
    with contextlib.closing(sqlite3.connect(older)) as changed, changed:
        changed.execute("UPDATE rollup_state SET version = 4")

    with contextlib.closing(WriteConnection(str(older), 5.0)) as newer:
        newer.open()
        assert newer.execute("SELECT version = 5 FROM rollup_state") == [(is_taken_over,)]
        check(Asked(older), Selection())
        newer.execute("UPDATE executions SET attempt = 3 WHERE rowid < 5")
        check(Asked(older), Selection())
        advance_all(newer)
        check(Asked(older), Selection())
        assert cells(newer)


def test_stored_bins_are_those_of_histograms(target):
    """The values that SQL puts in a bin are those that quantiles take it for."""
    bins = target.execute("SELECT bin, low, log FROM rollup_bins ORDER BY low")

    assert [number for number, _, _ in bins] == list(range(histograms.LAST + 1))
    assert [low for _, low, _ in bins[1:]] == pytest.approx(
        [histograms.LOWEST * histograms.RATIO**number for number in range(histograms.LAST)]
    )
    assert [log for _, low, log in bins[1:]] == pytest.approx([math.log(low) for _, low, _ in bins[1:]])
    assert bins[0][2] == pytest.approx(math.log(histograms.LOWEST))


def test_retention_is_seen(target, asked):
    """Trimmed rows leave the answers, and then the roll-ups."""
    insert(target, records(50))
    advance_all(target)
    insert(target, [ExecutionRecord(task_type="today")])

    trim(target, Limits(older_than=timedelta(days=1)))

    assert executions_of(asked) == 1
    advance_all(target)
    assert executions_of(asked) == 1
    assert [len(rows) for rows in cells(target).values()] == [1, 1, 1, 1, 0]


def take_out(target, since, until):
    with target.transaction() as connection:
        cubes.take_out(connection, since, until)


def test_day_that_is_taken_out_is_deleted_without_notes_of_its_values(target, asked):
    """Until then it is read, and the next one forgets the notes of this one."""
    insert(target, records(3000))
    keys.add_name(target, "model")
    advance_all(target)

    for since, until, left in (("", "2026-11-02", 2910), ("2026-11-02", "2026-11-03", 1470)):
        before = executions_of(asked)
        take_out(target, since, until)
        assert executions_of(asked) == before
        assert target.execute("SELECT count(*) FROM rollup_days_wide WHERE bucket < ?", (until,)) == [(0,)]
        target.execute("DELETE FROM executions WHERE timestamp < ?", (until,))
        assert executions_of(asked) == left
        assert target.execute("SELECT count(*), count(model_tier) FROM rollup_changes") == [(before - left, 0)]

    advance_all(target)
    assert target.execute("SELECT count(*) FROM rollup_changes") == [(0,)]
    check(asked, Selection(), [("model",), ("model_tier",), ("repo",)])


@pytest.mark.parametrize("has_many", ["executions", "cells"])
def test_day_that_takes_long_to_take_out_is_left(target, asked, monkeypatch, has_many):
    """All of its executions are noted in one transaction, and writers wait for it."""
    insert(target, [record for n in range(30) for record in records(1, worker_id=f"w{n}")])
    keys.add_name(target, "worker_id")
    advance_all(target)
    before = cells(target)
    insert(target, records(0 if has_many == "cells" else 1))
    monkeypatch.setattr(cubes, "_MOST_TAKEN_OUT", 30)

    take_out(target, "", "~")

    assert cells(target) == before
    assert target.execute("SELECT count(*) FROM rollup_changes") == [(0,)]


def test_older_release_rolls_up_what_was_taken_out(target, asked, monkeypatch):
    """It subtracts the notes as if they had values, from cells after all others, and keeps none of these."""
    insert(target, records(3000))
    keys.add_name(target, KEY)
    advance_all(target)
    before = cells(target)
    take_out(target, "2026-11-02", "2026-11-03")
    monkeypatch.setattr(cubes, "HAS_VALUES", "1")

    while advance(target, 500):
        assert executions_of(asked) == 3000

    assert cells(target) == before


def test_keys_that_are_nearly_unique_are_not_kept(target, asked, monkeypatch):
    """Roll-ups by the wide key would be as large as the table; such questions read the executions then."""
    monkeypatch.setattr(cubes, "MOST_CELLS", 20)
    insert(target, [record for n in range(40) for record in records(1, repo=f"repo-{n}")])

    advance_all(target)

    assert target.execute(f"SELECT count(*) FROM {WIDE.table}") == [(0,)]
    assert target.execute(f"SELECT count(*) FROM {CUBES[0].table}") == [(1,)]
    assert len(performance(asked, "repo")) == 40
    check(asked, Selection(repo="repo-7"))


def test_copy_with_other_rowids_is_not_believed(target, asked, tmp_path):
    """``.dump`` and ``.read`` number the rows anew, and copy the roll-ups as they are."""
    insert(target, records(20))
    target.execute("DELETE FROM executions WHERE rowid < 5")
    advance_all(target)
    target.execute("DELETE FROM executions WHERE rowid = 7")
    path = tmp_path / "copy.db"
    with contextlib.closing(sqlite3.connect(target._path)) as source, contextlib.closing(sqlite3.connect(path)) as copy:
        # Python's dump, other than the shell's, fills virtual tables before it has made them.
        copy.executescript("\n".join(line for line in source.iterdump() if "execution_search" not in line))
        copy.execute(f"PRAGMA user_version = {source.execute('PRAGMA user_version').fetchone()[0]}")
        copy.execute("PRAGMA journal_mode = WAL")
    other = WriteConnection(str(path), 5.0)

    assert executions_of(Asked(path)) == 15
    advance_all(other)
    assert executions_of(Asked(path)) == 15
    assert state(other) == (15, 15)
    other.close()


def test_file_without_a_state_is_read_from_the_executions(target, asked):
    """And the state comes back with the next advance."""
    insert(target, records(5))
    advance_all(target)
    target.execute("DELETE FROM rollup_state")

    assert executions_of(asked) == 5
    advance_all(target)
    assert state(target) == (5, 5)


def test_absurd_numbers_do_not_spoil_their_neighbours(target, asked):
    """They count as the most that makes sense, and can be taken out again."""
    insert(target, records(3, actual_cost=0.25, cost_estimate=0.2))
    insert(target, records(1, actual_cost=1e300, cost_estimate=1e-300, duration_seconds=1e200, input_tokens=2**62))
    advance_all(target)

    target.execute("DELETE FROM executions WHERE actual_cost > 1")

    advance_all(target)
    assert totals(asked, (), Selection(), ("cost_nano",))[()].sums["cost_nano"] == 0.75e9


def test_numbers_that_are_no_measurements_are_rounded_as_others(target, asked):
    """Half away from zero; what is written out for numbers in the usual range gives the same."""
    insert(target, records(8, actual_cost=0.25, cost_estimate=0.2))
    odd = ("actual_cost = -2.5e-9", "actual_cost = 2.5e-9", "cost_estimate = -1.5", "duration_seconds = -0.0000015",
           "actual_cost = 0, cost_estimate = 0", "queue_seconds = 'soon'", "outcome = 'unheard of'")  # fmt: skip
    for rowid, change in enumerate(odd, 1):
        target.execute(f"UPDATE executions SET {change} WHERE rowid = {rowid}")
    advance_all(target)

    answer = totals(asked, (), Selection(), tuple(MEASURES))

    assert answer == totals(asked, (), Selection(), tuple(MEASURES), with_rollups=False)
    sums = answer[()].sums
    assert sums["cost_nano"] == -3 + 3 + 5 * 0.25e9
    assert sums["duration_us"] == -2 + sum({*range(8)} - {3}) * 1e6
    assert (sums["queued"], sums["queue_us"]) == (1, 1e15)
    assert (sums["compared"], sums["off_rated"], sums["scaled"]) == (8, 6, 5)


def test_histograms_stay_short(target, asked):
    """However many slices put theirs behind them, and no value is lost."""
    insert(target, records(900, timestamp=START))

    while advance(target, 50):
        pass

    for cube in CUBES:
        longest = max(length for (length,) in target.execute(f"SELECT length(histogram) FROM {cube.table}"))
        assert longest <= 1024
    check(asked, Selection(), [("model_tier",), ("task_type", "day")])


def test_database_advances_its_rollups_by_itself(database, monkeypatch):
    """In the background, once it is quiet."""
    monkeypatch.setattr("learning_instrument.rollups.catch_up._LEAST_LAG_ROWS", 1)
    monkeypatch.setattr("learning_instrument.storage.background_writer._IDLE_SECONDS", 0.05)
    monkeypatch.setattr("learning_instrument.storage.housekeeping._CHECKPOINT_ROWS", 10)

    for record in records(30):
        database.append([record])

    wait_until(lambda: database.query("SELECT mark FROM rollup_state") == [{"mark": 30}])


def test_busy_database_leaves_its_rollups_for_later(database, monkeypatch):
    """Unless too much is left: those who record come first."""
    monkeypatch.setattr("learning_instrument.rollups.catch_up._LEAST_LAG_ROWS", 1)
    monkeypatch.setattr("learning_instrument.sqlite.yielding.is_idle", lambda *_: False)
    database.append(records(300))

    store_of(database)._writer.between_batches(store_of(database)._background._run_housekeeping)
    assert database.query("SELECT mark FROM rollup_state") == [{"mark": 0}]
    monkeypatch.setattr("learning_instrument.rollups.catch_up._LARGE_LAG_ROWS", 100)
    store_of(database)._writer.between_batches(store_of(database)._background._run_housekeeping)

    assert database.query("SELECT mark FROM rollup_state")[0]["mark"] > 0


def test_rebuilding_makes_them_anew(database):
    """Any content is replaced, and progress is reported."""
    database.append(records(600))
    database.rebuild_rollups()
    with contextlib.closing(sqlite3.connect(database.path)) as other, other:
        other.execute("UPDATE rollup_days_tier_pool SET executions = 1000000")
    assert executions_of(database) == 2_000_000  # of two days
    left = []

    database.rebuild_rollups(left.append)

    assert executions_of(database) == 600
    assert left == sorted(left, reverse=True)
    assert database.query("SELECT mark, executions FROM rollup_state") == [{"mark": 600, "executions": 600}]


@pytest.mark.parametrize("state", ["rollup_state", "error_state"])
def test_derived_table_of_a_newer_release_is_left_to_it(target, asked, state):
    """Both would empty each other's again and again. Reports read the executions until then."""
    insert(target, records(5, outcome=Outcome.FAILED))
    while catch_up.advance(target):
        pass
    target.execute(f"UPDATE {state} SET version = 999")
    before = [target.execute(f"SELECT * FROM {table}") for table in (state, "rollup_days_tier_pool", "error_counts")]
    insert(target, records(3, outcome=Outcome.FAILED))

    while catch_up.advance(target):
        pass

    after = [target.execute(f"SELECT * FROM {table}") for table in (state, "rollup_days_tier_pool", "error_counts")]
    assert (after[0], after[1] == before[1], after[2] == before[2]) == (
        before[0],
        state == "rollup_state",
        state == "error_state",
    )
    assert catch_up.lag(target) == 0
    assert executions_of(asked) == 8
    assert sum(group.executions for group in error_groups(asked).groups) == 8


def test_derived_tables_of_an_older_release_are_done_over(target, asked):
    insert(target, records(5, outcome=Outcome.FAILED))
    for state in ("rollup_state", "error_state"):
        target.execute(f"UPDATE {state} SET version = 0")

    while catch_up.advance(target):
        pass

    assert target.execute("SELECT mark FROM rollup_state UNION ALL SELECT mark FROM error_state") == [(5,), (5,)]
    assert executions_of(asked) == 5
