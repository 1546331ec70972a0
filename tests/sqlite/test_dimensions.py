"""What executions are grouped and filtered by: the same text in SQL and in Python."""

import contextlib
import json
import sqlite3

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from learning_instrument.columns import COLUMNS, metadata_key
from learning_instrument.errors import ConfigurationError
from learning_instrument.sqlite.dimensions import DIMENSIONS, dimension, equals, is_column, is_equal, value_in

CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
ODD = ["a.b", 'say "x"', "it's", "back\\slash", "caf\u00e9", "two words", "pool_id", "$", "[0]", "\U0001f600", "x' --"]
KEYS = st.one_of(st.sampled_from(ODD), st.text(CHARACTERS, min_size=1, max_size=8).filter(lambda key: key != "task"))
TEXTS = st.text(CHARACTERS, max_size=8)
VALUES = st.one_of(
    TEXTS, st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False),
    st.just("unknown"), st.lists(st.integers(0, 9), max_size=3), st.dictionaries(TEXTS, st.integers(0, 9), max_size=2),
)  # fmt: skip


def in_sql(name, **columns):
    values = dict.fromkeys(COLUMNS) | {"metadata": "{}"} | columns
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE executions ({', '.join(COLUMNS)})")
        connection.execute(f"INSERT INTO executions VALUES ({', '.join('?' * len(COLUMNS))})", list(values.values()))
        ((found,),) = connection.execute(f"SELECT {dimension(name)} FROM executions").fetchall()
    assert found == value_in(values, name)
    return found


@given(key=KEYS, value=VALUES, is_ascii=st.booleans())
@example(key='say "x"', value="y", is_ascii=True)
@example(key="caf\u00e9", value="y", is_ascii=True)
@example(key="n", value=1e22, is_ascii=True)
@example(key="n", value=0.1 + 0.2, is_ascii=True)
def test_any_key_finds_its_value(key, value, is_ascii):
    """With dots, quotes, spaces and letters of any script, however the document writes them."""
    is_ascii = is_ascii or isinstance(value, list | dict)  # an object is compared as it is written, and we write ASCII
    metadata = json.dumps(
        {"pool_id": "p", "task": {"other": 1, key: value}}, ensure_ascii=is_ascii, separators=(",", ":")
    )

    found = in_sql(f"metadata.{key}", metadata=metadata)

    if value is None:
        assert found == ("p" if key == "pool_id" else "unknown")
    elif isinstance(value, bool):
        assert found == ("true" if value else "false")
    elif isinstance(value, str | int):
        assert found == str(value)
    elif isinstance(value, float):
        assert float(found) == pytest.approx(value, rel=1e-14)


def test_key_of_the_task_comes_before_that_of_the_execution():
    """The pool's id is a key as well."""
    assert in_sql("metadata.pool_id", metadata='{"pool_id": "p"}') == "p"
    assert in_sql("metadata.pool_id", metadata='{"pool_id": "p", "task": {"pool_id": "own"}}') == "own"
    assert in_sql("metadata.customer", metadata='{"customer": "acme", "task": {"customer": null}}') == "acme"


@pytest.mark.parametrize(
    "metadata", ['{"task": {"customer": "ac', "", "null", "[1]", '"text"', '{"task": "text"}', "{}"]
)
def test_metadata_without_the_key_is_unknown(metadata):
    """Cut by a limit of the host, or of another form."""
    assert in_sql("metadata.customer", metadata=metadata) == "unknown"


@pytest.mark.parametrize(
    ("function_name", "shown"),
    [
        ("shop.crawl.Crawler.fetch", "unknown: Crawler.fetch"), ("app.execute_task", "unknown: app.execute_task"),
        ("__main__.main.<locals>.fetch", "unknown: main.fetch"), ("fetch", "unknown: fetch"), (None, "unknown"),
        ("", "unknown"),
    ],
)  # fmt: skip
def test_unknown_types_are_told_apart_by_their_function(function_name, shown):
    """By the last two parts of its name; a type that is known is itself."""
    assert in_sql("task_type", task_type="unknown", function_name=function_name) == shown
    assert in_sql("task_type", task_type="fix", function_name=function_name) == "fix"


@given(st.text("a.<b>", max_size=12) | st.lists(st.sampled_from(["a", "<locals>", "", "b"]), max_size=5).map(".".join))
def test_any_name_of_a_function_is_shortened_alike(name):
    """In SQL and in Python."""
    assert in_sql("task_type", task_type="unknown", function_name=name).startswith("unknown")


@given(
    st.sampled_from(["fix", "unknown"]),
    st.sampled_from([None, "m.f", "m.g"]),
    st.sampled_from(["fix", "unknown", "unknown: m.f"]),
)
def test_unknown_is_the_type_of_all_functions(task_type, function_name, value):
    """A filter for it takes them all, one for ``unknown: m.f`` those of that one: in SQL and in Python."""
    found = in_sql("task_type", task_type=task_type, function_name=function_name)
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        ((is_met,),) = connection.execute(
            f"SELECT {equals(':found', 'task_type', ':value')}", {"found": found, "value": value}
        )

    assert bool(is_met) == is_equal("task_type", found, value)
    assert is_equal("task_type", found, value) == (value in (found, task_type))


def test_columns_are_text():
    """A number is compared as text, a missing value is unknown."""
    assert in_sql("process_id", process_id=7) == "7"
    assert in_sql("success", success=True) == in_sql("success", success=1) == "true"
    assert in_sql("user_accepted", user_accepted=False) == "false"
    assert in_sql("user_accepted") == "unknown"
    assert in_sql("model") == in_sql("service_name") == "unknown"
    assert in_sql("hour", timestamp="2026-11-22T10:00:00.000000+00:00") == "2026-11-22T10"


@pytest.mark.parametrize("name", ["customer", "metadata", "metadata.", "metadata.a\0b", "x' --", "defaulted", ""])
def test_other_names_are_refused_with_the_columns(name):
    """In one line, which names the columns and how to write a key."""
    with pytest.raises(ConfigurationError) as refused:
        dimension(name, "by")

    assert str(refused.value).startswith(f"Invalid by {name!r}: expected one of attempt, batch_id, ")
    assert "model, " in str(refused.value)
    assert "metadata.customer" in str(refused.value)
    assert not is_column(name)


def test_grammar_is_that_of_the_columns():
    """A key may look like anything."""
    assert metadata_key("metadata.metadata.x") == "metadata.x"
    assert metadata_key("model") is None
    assert all(map(is_column, DIMENSIONS))
