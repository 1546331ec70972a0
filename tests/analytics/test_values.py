"""The values that there are, and conditions that nothing meets."""

import contextlib
import sqlite3

import pytest
from asking import record
from executions import database_of

from learning_instrument.analytics import Selection, unmatched, values_of
from learning_instrument.analytics import values as values_module
from learning_instrument.errors import ConfigurationError


def test_values_are_counted_the_most_frequent_first(database):
    """From roll-ups, from the rows, and from both: a value that was not reported is unknown."""
    records = [record(task_type=name, model=model) for name, model in [("fix", "m1"), ("docs", None), ("fix", None)]]
    database.append(records)

    assert list(values_of(database, "task_type").executions.items()) == [("fix", 2), ("docs", 1)]
    assert list(values_of(database, "model").executions.items()) == [("unknown", 2), ("m1", 1)]
    with database_of([*records, record(task_type="docs"), record(task_type="docs")], rolled_up=3) as rolled_up:
        assert list(values_of(rolled_up, "task_type").executions.items()) == [("docs", 3), ("fix", 2)]


def test_values_of_a_name_without_a_roll_up_are_those_of_the_newest(database, monkeypatch):
    """And it says so."""
    monkeypatch.setattr(values_module, "_NEWEST", 2)
    database.append([record(task_type="old", model="m1"), record(model="m2"), record(model="m3")])

    assert values_of(database, "model") == values_module.Values("model", {"m2": 1, "m3": 1}, newest=2)
    assert values_of(database, "task_type").newest is None
    (found,) = unmatched(database, Selection(where="model=m1"))
    assert str(found) == ("None of the newest 2 executions has model=m1. The values: m2 (1), m3 (1).")


def test_indexed_name_is_answered_by_its_roll_up(monkeypatch):
    """However many executions there are."""
    monkeypatch.setattr(values_module, "_NEWEST", 1)
    records = [record(metadata={"task": {"customer": name}}) for name in ("acme", "globex", "acme")]
    with database_of(records, rolled_up=3, names=["metadata.customer"]) as database:
        assert values_of(database, "metadata.customer").executions == {"acme": 2, "globex": 1}


def test_value_that_nothing_has_names_those_that_there_are(database):
    """With the nearest, in any case of its letters, and how many more there are."""
    names = ["bugfix"] * 3 + ["docs"] * 2 + ["a", "b", "c", "d, e", "f"]
    database.append([record(task_type=name, model_tier="Small") for name in names])

    (mistyped,) = unmatched(database, Selection(task_type="BUGFIXX", model_tier="Small"))
    (other,) = unmatched(database, Selection(model_tier="huge"))

    assert str(mistyped) == (
        "No execution has task_type=BUGFIXX. Did you mean bugfix?"
        " The values: bugfix (3), docs (2), a (1), b (1), c (1) and 2 more."
    )
    assert str(other) == "No execution has model_tier=huge. The values: Small (10)."


def test_filters_that_something_meets_are_not_named(database):
    """Each by itself, in any window."""
    database.append([record(task_type="fix", repo="a"), record(task_type="docs", repo="b")])

    assert unmatched(database, Selection(task_type="fix", repo="b")) == ()
    assert unmatched(database, Selection()) == ()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("metadata.verison", "Did you mean metadata.version? "),
        ("metadata.Customer", "Did you mean metadata.customer? "),
        ("metadata.modle", "Did you mean model? "),
        ("metadata.zzz", ""),
    ],
)
def test_key_that_nothing_has_names_the_keys(database, name, meant):
    """Those of the task and those beside it; a column that it is like is named as well."""
    database.append([record(metadata={"task": {"version": "1", "customer": "a"}}), record(metadata={"version": 2})])

    (found,) = unmatched(database, Selection(where={name: "1"}))

    key = name.removeprefix("metadata.")
    assert str(found) == (
        f"No execution has {key!r} in its task's metadata. {meant}The keys of metadata: version, customer."
    )
    assert found.is_name_unknown


def test_metadata_of_any_shape_has_keys(database):
    """A task that is no mapping has none, nor has a document that was cut."""
    database.append([record(metadata={"task": "text", "a": 1}), record(metadata={"task": [1, 2]}), record()])
    database.flush()
    with contextlib.closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute("UPDATE executions SET metadata = '{\"b\": ' WHERE rowid = 2")

    assert values_module.metadata_keys(database) == ["a"]


def test_every_key_of_metadata_is_one_to_ask_by(database):
    """An empty one cannot be named, and is none."""
    database.append([record(metadata={key: "1", "task": {key: "2"}}) for key in ("", "a b", ".", "c\0d")])

    found = values_module.metadata_keys(database)

    assert {"a b", "."} <= set(found)
    assert all(values_of(database, f"metadata.{key}") for key in found)


def test_empty_database_has_no_values(database):
    """Nor keys."""
    texts = [str(found) for found in unmatched(database, Selection(where={"task_type": "a", "metadata.b": "c"}))]

    assert texts == [
        "No execution has task_type=a. There are no values.",
        "No execution has 'b' in its task's metadata. There are no keys of metadata.",
    ]


@pytest.mark.parametrize("value", ["a, b", "", "x" * 100, "two\nlines"])
def test_odd_values_are_quoted_and_cut(database, value):
    """A sentence stays a line."""
    database.append([record(model=value or None)])

    (found,) = unmatched(database, Selection(where={"model": value and "zz"}))

    assert str(found).isprintable()
    assert len(str(found)) < 200


@pytest.mark.parametrize(
    ("name", "meant"),
    [("modeltier", "model_tier"), ("tier", "model_tier"), ("Pool", "pool_type"), ("worker", "worker_id")],
)
def test_mistyped_name_is_told_what_it_is_like(name, meant):
    """Before any question is asked; also where it is one word of a name, as the headings of tables are."""
    with pytest.raises(ConfigurationError, match=rf"Did you mean {meant}\?"):
        Selection(where=f"{name}=small")
