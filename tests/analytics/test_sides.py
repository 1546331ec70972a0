"""The sides of a comparison: how they are written, when they overlap, and within what they are compared."""

from datetime import datetime, timedelta, timezone

import pytest
from asking import record

from learning_instrument.analytics import Selection, Version, compare, side
from learning_instrument.analytics.sides import mix_between
from learning_instrument.errors import ConfigurationError

NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
OLD = Version("version", "1")


@pytest.mark.parametrize("key", ["", "a\0b"])
def test_keys_that_are_none_are_refused(key):
    """SQL ends at a null character."""
    with pytest.raises(ConfigurationError, match="metadata key"):
        Version(key, "1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-19..2026-11-20T12:00", (NOON - timedelta(days=1, hours=12), NOON)),
        ("2026-11-20T14:00:00+02:00..", (NOON, None)),
        ("..2026-11-20T12:00:00Z", (None, NOON)),
    ],
)  # fmt: skip
def test_windows_can_be_written(text, expected):
    """Either end may be open."""
    window = side(text)

    assert (window.since, window.until) == expected


def test_ages_are_counted_from_one_moment():
    """So that one window begins where another ends."""
    before, after = side("14d..7d", NOON), side("7d..", NOON)

    assert (before.since, before.until) == (NOON - timedelta(days=14), NOON - timedelta(days=7))
    assert (after.since, after.until) == (before.until, None)


def test_versions_can_be_written():
    """Only the first equals sign tells key and value apart."""
    assert side("model.version=a=b..c") == Version("model.version", "a=b..c")


def test_texts_that_name_no_side_are_refused(subtests):
    """In one line."""
    for text in ["", "..", "yesterday", "=1", "metadata.=1", "2026-13-01..", "2026-11-08..2026-11-01"]:
        with subtests.test(text=text), pytest.raises(ConfigurationError):
            side(text)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (OLD, OLD),
        (Selection(), Selection(since=NOON)),
        (Selection(until=NOON), Selection(since=NOON - timedelta(seconds=1))),
        (Selection(since=NOON), Selection(until=NOON + timedelta(days=1))),
        (Selection(since=NOON), Selection(since=NOON, repo="a")),
    ],
)
def test_sides_with_executions_in_common_are_refused(database, before, after):
    """An execution is not evidence against itself."""
    with pytest.raises(ConfigurationError, match="in common"):
        compare(database, before, after)


@pytest.mark.parametrize(
    ("text", "since", "until", "filters"),
    [
        ("model=gpt-4o", None, None, [("model", "gpt-4o")]),
        ("7d..,model=gpt-4o", NOON - timedelta(days=7), None, [("model", "gpt-4o")]),
        ("version=1.4,14d..7d", NOON - timedelta(days=14), NOON - timedelta(days=7), [("metadata.version", "1.4")]),
        ("pool_type=a,metadata.my key=b", None, None, [("pool_type", "a"), ("metadata.my key", "b")]),
        ("pool_type=a, b,c,repo=d", None, None, [("pool_type", "a, b,c"), ("repo", "d")]),
        ("model=", None, None, [("model", "")]),
    ],
)
def test_several_conditions_all_hold(text, since, until, filters):
    """A comma that no condition follows is part of the value."""
    found = side(text, NOON)

    assert (found.since, found.until, list(found.filters)) == (since, until, filters)


def test_two_windows_are_no_side():
    """Nor is a window in a place that it cannot have."""
    for text in ["7d..,..3d", "model=a,..", "model", "model=a,b.."]:
        with pytest.raises(ConfigurationError, match="Invalid"):
            side(text)


@pytest.mark.parametrize(
    ("before", "after", "mix"),
    [
        ("7d..", "14d..7d", ("task_type", "model_tier")),
        ("model_tier=small", "model_tier=large", ("task_type",)),
        ("model=a,7d..", "model=b,7d..", ("task_type",)),
        ("task_type=a", "task_type=b", ("model_tier",)),
        ("task_type=a,model_tier=b", "task_type=c,model_tier=d", ()),
        ("version=1,model_tier=small", "version=2,model_tier=small", ("task_type", "model_tier")),
    ],
)
def test_mix_is_without_what_the_sides_differ_in(before, after, mix):
    """A model decides the tier."""
    assert mix_between(side(before), side(after)) == mix


def test_tiers_are_compared_over_the_same_task_types(database):
    """Each task type with its own; a tier with more of the hard tasks is not worse."""
    database.append(
        [
            record(task_type=task_type, model_tier=tier, success=number < good)
            for task_type, tier, count, good in [
                ("easy", "small", 300, 300), ("easy", "large", 60, 60), ("hard", "small", 60, 30),
                ("hard", "large", 300, 150),
            ]
            for number in range(count)
        ]
    )  # fmt: skip

    found = compare(database, side("model_tier=small"), side("model_tier=large"))

    assert (found.mix, found.compared_share) == (("task_type",), 1.0)
    assert (found.success.before, found.success.after, found.success.verdict) == (0.75, 0.75, "no change")
    assert {(cell.task_type, cell.model_tier) for cell in found.cells} == {("easy", None), ("hard", None)}


def test_sides_without_a_tier_in_common_are_compared_across_tiers(database):
    """Of two pools with a tier each the pool decides the tier, though no condition names it."""
    pairs = [("a", "small"), ("b", "large")]
    database.append([record(pool_type=pool, model_tier=tier) for pool, tier in pairs for _ in range(30)])

    found = compare(database, Selection(pool_type="a"), Selection(pool_type="b"))

    assert (found.mix, found.compared_share, found.success.verdict) == (("task_type",), 1.0, "no change")


def test_sides_of_different_names_are_compared_where_nothing_is_in_both(database):
    """And refused where something is, with how much."""
    database.append([record(model="a", pool_type="x"), record(model="b", pool_type="y")])
    database.append([record(model="b", pool_type="x", timestamp=NOON - timedelta(days=1)) for _ in range(2)])

    assert compare(database, side("model=a"), side("pool_type=y")).before_executions == 1
    assert compare(database, side("model=b"), side("pool_type=x"), Selection(since=NOON)).after_executions == 1
    with pytest.raises(ConfigurationError, match=r"overlap in 2 executions"):
        compare(database, side("model=b"), side("pool_type=x"))
    with pytest.raises(ConfigurationError, match="in common"):
        compare(database, side("version=1"), side("version=1,model=b"))
