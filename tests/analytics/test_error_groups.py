"""Failures grouped by message template: the same from the counts as from the executions."""

import sqlite3
from datetime import datetime, timedelta, timezone

import pytest
from executions import LIVES, Asked, live, new_database
from hypothesis import given, settings
from hypothesis import strategies as st

from learning_instrument import ErrorType, ExecutionRecord, message_templates
from learning_instrument.analytics.error_groups import GroupCost, error_groups
from learning_instrument.errors import ConfigurationError
from learning_instrument.outcome import Outcome
from learning_instrument.record import row_from_record
from learning_instrument.rollups import error_counts
from learning_instrument.sqlite.connection import WriteConnection
from learning_instrument.sqlite.selection import Selection

NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)


@pytest.fixture
def store(database):
    """A connection for writing to ``database``."""
    connection = WriteConnection(database.path, 5.0)
    yield connection
    connection.close()


def failure(message="boom 1", days=0.0, **values):
    values = {"task_type": "fix", "error_type": ErrorType.UNKNOWN, "repo": "a", "pool_type": "p", **values}
    return ExecutionRecord(success=False, error_message=message, timestamp=NOON + timedelta(days=days), **values)


def success(days=0.0, **values):
    values = {"task_type": "fix", "repo": "a", "pool_type": "p", **values}
    return ExecutionRecord(success=True, timestamp=NOON + timedelta(days=days), **values)


def advance_all(store, rows=3):
    while error_counts.advance(store, rows):
        pass


def only_group(database, *arguments, **keywords):
    (group,) = error_groups(database, *arguments, **keywords).groups
    return group


def test_messages_of_one_statement_are_one_group(database):
    """With any numbers, paths and names."""
    database.append([failure(f"worker {n} lost /tmp/{n}.log after {n}.5 s: 'x{n}'") for n in range(5)])

    group = only_group(database)

    assert (group.template, group.executions) == ("worker <N> lost <PATH> after <N> s: <TEXT>", 5)


def test_alike_templates_are_merged_within_one_error_type_and_class(database):
    """Two thirds of their words and all that tell are equal; another exception's stay apart."""
    database.append(
        [
            failure("connection to alpha was lost"),
            failure("connection to beta was lost"),
            failure("connection to gamma was lost", exception_type="OSError"),
            failure("connection to delta was lost", error_type=ErrorType.CRASH),
        ]
    )

    report = error_groups(database)

    assert (report.groups[0].template, report.groups[0].executions) == ("connection to <*> was lost", 2)
    assert {(group.error_type, group.exception_type) for group in report.groups} == {
        ("unknown", None),
        ("unknown", "OSError"),
        ("crash", None),
    }


def test_failure_without_a_message_is_called_by_what_is_known(database):
    """Its exception, else its outcome."""
    database.append([failure(""), failure("", exception_type="KeyError")])

    assert {group.template for group in error_groups(database).groups} == {"failed", "KeyError"}


def test_report_counts_executions_and_names_the_version(database):
    """So that a share of failures can be told, and answers of two releases be told apart."""
    database.append([failure(), success(), success()])

    report = error_groups(database)

    assert (report.executions, report.failures, report.version) == (3, 1, message_templates.VERSION)


def test_empty_database_has_no_groups(database):
    """Nothing is divided by zero."""
    report = error_groups(database)

    assert (report.executions, report.failures, report.groups) == (0, 0, ())


@pytest.mark.parametrize("is_counted", [False, True])
def test_seen_first_and_last(database, store, is_counted):
    """The first also before the selection."""
    database.append([failure(days=-30), failure(days=-2), failure(days=-1)])
    if is_counted:
        advance_all(store)

    group = only_group(database, Selection(since=NOON - timedelta(days=5)))

    assert (group.first_seen, group.last_seen) == (NOON - timedelta(days=30), NOON - timedelta(days=1))
    assert group.executions == 2


@pytest.mark.parametrize("is_counted", [False, True])
def test_new_is_what_was_first_seen_since(database, store, is_counted):
    """Since the moment asked for, else since the selection's first."""
    database.append([failure("old thing here"), failure("old thing here", days=-9), failure("brand new")])
    if is_counted:
        advance_all(store)
    week = NOON - timedelta(days=7)

    def new(*arguments, **keywords):
        return {group.template for group in error_groups(database, *arguments, **keywords).groups if group.is_new}

    assert new() == set()
    assert new(Selection(since=week)) == {"brand new"}
    assert new(new_since=week) == {"brand new"}
    assert new(new_since=NOON - timedelta(days=9)) == {"brand new", "old thing here"}


@pytest.mark.parametrize("is_counted", [False, True])
@pytest.mark.parametrize(("days", "is_back"), [(6.99, False), (7.0, True), (20.0, True)])
def test_back_is_what_was_silent_for_a_week(database, store, days, is_back, is_counted):
    """With the moment and the length of the silence."""
    database.append([failure(days=-days - 1), failure(days=-days), failure()])
    if is_counted:
        advance_all(store)

    group = only_group(database)

    assert group.back_since == (NOON if is_back else None)
    assert group.silence_seconds == (pytest.approx(days * 86400) if is_back else None)


def test_return_before_the_selection_is_no_news(database):
    """It was back then, and has not been away since."""
    database.append([failure(days=-40), failure(days=-10), failure(days=-5), failure()])

    assert only_group(database).back_since == NOON - timedelta(days=10)
    assert only_group(database, Selection(since=NOON - timedelta(days=8))).back_since is None


def test_lift_is_how_much_more_often_than_among_all(database):
    """A pool that has a quarter of the executions and all of the failures: four times as often."""
    database.append([failure(pool_type="bad"), failure(pool_type="bad", repo="b")])
    database.append([success(pool_type="good") for _ in range(6)])

    group = only_group(database)

    (pool,) = group.pool_types
    assert (pool.name, pool.executions, pool.lift) == ("bad", 2, 4.0)
    assert [(repo.name, repo.executions) for repo in group.repos] == [("a", 1), ("b", 1)]
    assert [repo.lift for repo in group.repos] == pytest.approx([0.5 / (7 / 8), 0.5 / (1 / 8)])


def test_places_are_told_from_chance(database):
    """For any number of them: of many places one is by chance worse than others."""
    pools = "abcdefghij"
    database.append([success(pool_type=pool) for pool in pools for _ in range(30)])
    database.append([failure(pool_type=pool) for pool in pools + "aaa" + "b" * 20])

    places = {place.name: place for place in only_group(database).pool_types}

    assert [name for name, place in places.items() if place.is_telling] == ["b"]
    assert places["b"].times_elsewhere == pytest.approx((21 / 51) / (12 / 282))
    assert places["a"].times_elsewhere == pytest.approx((4 / 34) / (29 / 299))
    assert places["a"].p_value > 0.05 / 10
    assert [repo.times_elsewhere for repo in only_group(database).repos] == [None]
    assert [repo.is_telling for repo in only_group(database).repos] == [False]


def test_hardly_more_than_elsewhere_tells_nothing(database):
    """However sure that is."""
    database.append([failure(pool_type=pool) for pool, count in (("a", 1200), ("b", 1000)) for _ in range(count)])
    database.append([success(pool_type=pool) for pool, count in (("a", 800), ("b", 1000)) for _ in range(count)])

    places = {place.name: place for place in only_group(database).pool_types}

    assert places["a"].times_elsewhere == pytest.approx(1.2)
    assert places["a"].p_value < 0.001
    assert not places["a"].is_telling


def test_two_failures_tell_nothing(database):
    """However rare the place is."""
    database.append([success() for _ in range(500)])
    database.append([failure(pool_type="rare"), failure(pool_type="rare")])

    (pool,) = only_group(database).pool_types

    assert (pool.times_elsewhere, pool.is_telling) == (None, False)
    assert pool.p_value < 0.001


def test_examples_are_the_newest(database):
    """One of each day, and no more than three."""
    records = [failure(days=day) for day in (-4, -3, -2, -1, 0)]
    database.append(records)

    assert list(only_group(database).examples) == [record.execution_id for record in records[:1:-1]]


@pytest.mark.parametrize("is_counted", [False, True])
def test_filters_select_executions(database, store, is_counted):
    """By pool, tier, repository, task type and time."""
    database.append([failure(), failure(pool_type="q"), failure(repo="b"), failure(task_type="t"), failure(days=-3)])
    database.append([failure(model_tier="large")])
    if is_counted:
        advance_all(store)

    def count(**filters):
        return error_groups(database, Selection(**filters)).failures

    assert count() == 6
    assert [count(pool_type="q"), count(repo="b"), count(task_type="t"), count(model_tier="large")] == [1, 1, 1, 1]
    assert count(since=NOON) == 5
    assert count(until=NOON) == 1
    assert count(since=NOON, until=NOON + timedelta(microseconds=1), repo="a") == 4


def test_moment_without_a_time_zone_is_refused(database):
    """With the remedy."""
    with pytest.raises(ConfigurationError, match=r"timezone\.utc"):
        error_groups(database, new_since=datetime(2026, 1, 1))


def test_counts_of_another_version_are_made_anew(database, store, monkeypatch):
    """A release with other masks does not answer from what the old ones made, not even before it has caught up."""
    database.append([failure("boom 1"), failure("boom 2")])
    advance_all(store)
    monkeypatch.setattr(message_templates, "VERSION", message_templates.VERSION + 1)
    monkeypatch.setattr(message_templates, "mask", lambda message: f"masked anew: {message}")

    report = error_groups(database)

    assert report.version == message_templates.VERSION
    assert {group.template for group in report.groups} == {"masked anew: boom <*>"}


def test_file_of_the_version_before_is_grouped_anew(database, store):
    """At once, and by ``rebuild`` for good: half of the words, once enough, is not any more."""
    database.append([failure("no such table: users"), failure("no such column: users"), failure("no such table: jobs")])
    advance_all(store)
    store.execute("UPDATE error_state SET version = ?", (message_templates.VERSION - 1,))
    store.execute("UPDATE error_templates SET template = 'of the version before ' || template_id")

    before = error_groups(database)
    database.rebuild_rollups()

    assert {group.template: group.executions for group in before.groups} == {
        "no such table: <*>": 2,
        "no such column: users": 1,
    }
    assert error_groups(database) == before
    assert store.execute("SELECT version FROM error_state") == [(message_templates.VERSION,)]
    assert store.execute("SELECT count(*) FROM error_templates") == [(3,)]


def test_rebuild_finds_what_was_there(database, store):
    """From nothing but the executions."""
    database.append([failure(f"boom {n}", days=-n) for n in range(5)])
    advance_all(store)
    before = error_groups(database)
    store.execute("DELETE FROM error_days")
    store.execute("DELETE FROM error_counts")
    assert error_groups(database) != before

    error_counts.reset(store)
    advance_all(store)

    assert error_groups(database) == before
    assert store.execute("SELECT sum(executions) FROM error_days") == [(5,)]


MESSAGES = ("boom 1", "boom 2", "boom one", "cannot open '/x/y'", "cannot open it", "", "two words", "2 words")

failures = st.builds(
    failure,
    outcome=st.sampled_from([None, None, Outcome.LOST]),
    message=st.sampled_from(MESSAGES),
    days=st.sampled_from([-30, -12, -1.5, -1, -0.5, 0, 0.4]),
    repo=st.sampled_from("ab"),
    pool_type=st.sampled_from("pq"),
    exception_type=st.sampled_from([None, "OSError"]),
)
successes = st.builds(success, days=st.sampled_from([-30, -1, 0]), repo=st.sampled_from("ab"))
steps = st.lists(
    st.one_of(
        st.lists(failures | successes, min_size=1, max_size=6).map(lambda records: ("append", records)),
        st.tuples(st.just("advance"), st.integers(1, 4)),
        st.tuples(st.sampled_from(["delete", "delete newest", "change", "move", "vacuum"]), st.integers(0, 30)),
        LIVES.map(lambda operation: ("live", operation)),
    ),
    max_size=12,
)
selections = st.builds(
    Selection,
    since=st.sampled_from([None, NOON - timedelta(days=12), NOON - timedelta(days=1.5), NOON.replace(hour=0)]),
    until=st.sampled_from([None, NOON + timedelta(days=0.1), (NOON + timedelta(days=1)).replace(hour=0)]),
    repo=st.sampled_from([None, "a"]),
)

CHANGES = {
    "delete": "DELETE FROM executions WHERE rowid % 7 = :n % 7",
    "delete newest": "DELETE FROM executions WHERE rowid > (SELECT max(rowid) FROM executions) - :n % 4",
    "change": "UPDATE executions SET error_message = 'cannot open door', repo = 'b' WHERE rowid % 5 = :n % 5",
    "move": "UPDATE executions SET timestamp = '2026-11-01T00:00:00+00:00', success = 0 WHERE rowid % 9 = :n % 9",
    "vacuum": "VACUUM",
}


@given(steps=steps, selection=selections)
@settings(max_examples=60)
def test_counts_say_what_the_executions_say(steps, selection):
    """After any appends, deletes, changes and replaced lost rows, with any part counted."""
    with new_database() as store:
        for name, value in steps:
            if name == "append":
                store.insert([row_from_record(record) for record in value])
            elif name == "advance":
                error_counts.advance(store, value)
            elif name == "live":
                live(store, value)
            else:
                store.execute(CHANGES[name], {"n": value} if ":n" in CHANGES[name] else {})
        database = Asked(store._path)
        from_counts = error_groups(database, selection)
        advance_all(store)
        from_all_counts = error_groups(database, selection)
        error_counts.reset(store)
        from_executions = error_groups(database, selection)
        condition, parameters = selection.condition()
        expected = database.query(
            f"SELECT count(*) AS n, total(NOT success) AS failures FROM executions WHERE {condition}", parameters
        )

    assert from_counts == from_executions
    assert from_all_counts == from_executions
    assert {"n": from_executions.executions, "failures": from_executions.failures} == expected[0]
    assert sum(group.executions for group in from_executions.groups) == from_executions.failures


def test_slice_that_fails_leaves_counts_and_mark_as_they_were(database, store, monkeypatch):
    """They are one transaction, and the next attempt goes on from there."""
    database.append([failure(days=-day) for day in range(5)])
    error_counts.reset(store)
    error_counts.advance(store, 2)
    with monkeypatch.context() as patched:
        patched.setattr(error_counts, "_ADD", (*error_counts._ADD[:2], "INSERT INTO nowhere VALUES (?)"))
        with pytest.raises(sqlite3.OperationalError, match="nowhere"):
            error_counts.advance(store, 2)

    assert store.execute("SELECT sum(executions), mark FROM error_days, error_state") == [(2, 2)]
    advance_all(store)
    assert store.execute("SELECT sum(executions) FROM error_days") == [(5,)]


@pytest.mark.parametrize("is_counted", [False, True])
def test_costs_of_a_group_are_those_of_its_failures(database, store, is_counted):
    """What is unknown is counted apart, and successes and others' failures are not in it."""
    database.append(
        [
            failure("boom 1", actual_cost=0.5),
            failure("boom 2", actual_cost=0.25, cost_source="partial"),
            failure("boom 3", actual_cost=0.0, cost_source="unpriced"),
            failure("boom 4"),
            failure("nobody knows what this cost"),
            failure("boom 5", days=-30, actual_cost=8.0),
            success(actual_cost=2.0),
        ]
    )
    if is_counted:
        advance_all(store)

    groups = error_groups(database, Selection(since=NOON - timedelta(days=7)), with_costs=True).groups

    assert [group.cost for group in groups] == [GroupCost(0.75, 1, 1, 1), GroupCost(None, 0, 0, 1)]
    assert [group.cost for group in error_groups(database)] == [None, None]
