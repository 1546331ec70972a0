"""The INSERT of executions: columns that are NULL are left out, and no row differs for it."""

import contextlib
import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from learning_instrument.columns import COLUMNS, TABLE, Kind
from learning_instrument.sqlite import schema
from learning_instrument.sqlite.executions import FIRST_INSERT

#: A value of each kind, beside NULL.
VALUES = {
    Kind.TEXT: st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3),
    Kind.WORD: st.sampled_from(["failed", "lost"]),
    Kind.TIMESTAMP: st.just("2026-11-22T10:00:00.123456+00:00"),
    Kind.INTEGER: st.integers(0, 5),
    Kind.REAL: st.floats(0, 1),
    Kind.BOOLEAN: st.booleans(),
    Kind.OBJECT: st.just("{}"),
    Kind.NAMES: st.just("[]"),
}


def values_of(column):
    if column.name == "execution_id":
        return st.sampled_from("abc")
    present = VALUES[column.kind]
    return present if column.is_not_null else st.none() | present


ROWS = st.tuples(*map(values_of, TABLE))


@pytest.fixture
def connection():
    """A connection to a new database in memory."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        schema.migrate(connection)
        yield connection


def test_columns_are_null_by_default(connection):
    """One that the INSERT leaves out is NULL, then."""
    defaults = connection.execute("SELECT name, dflt_value FROM pragma_table_info('executions')").fetchall()

    assert {name: default for name, default in defaults if default not in (None, "NULL")} == {}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(ROWS, max_size=34), max_size=3))
def test_rows_are_stored_as_if_each_column_were_bound(connection, batches):
    """With NULL in any columns of them, of the rows before, and of the lost row that one replaces."""
    connection.execute("BEGIN")
    try:
        expected, insert = {}, FIRST_INSERT
        for rows in batches:
            insert = insert.fitting(rows)
            changed = 0
            for row in (dict(zip(COLUMNS, values, strict=True)) for values in rows):
                old = expected.get(row["execution_id"])
                if old is None:
                    expected[row["execution_id"]] = row
                    changed += 1
                elif old["outcome"] == "lost" != row["outcome"]:
                    kept = {name: old[name] for name in ("user_accepted", "user_rating")}
                    expected[row["execution_id"]] = row | kept
                    changed += 1
            assert insert.execute(connection, rows) == changed
        found = connection.execute(f"SELECT {','.join(COLUMNS)} FROM executions").fetchall()
    finally:
        connection.execute("ROLLBACK")

    assert {row[COLUMNS.index("execution_id")]: dict(zip(COLUMNS, row, strict=True)) for row in found} == expected


def test_insert_is_kept_for_rows_that_have_no_other_column():
    """SQLite prepares it once."""
    row = tuple("x" if column.is_not_null else None for column in TABLE)
    failed = tuple("x" if column.name == "error_message" else value for column, value in zip(TABLE, row, strict=True))

    grown = FIRST_INSERT.fitting([row, failed])

    assert FIRST_INSERT.fitting([row]) is FIRST_INSERT is not grown
    assert grown.fitting([failed]) is grown.fitting([row, row]) is grown


def test_insert_of_all_columns_takes_any_row(connection):
    """None is left out then."""
    whole = tuple(1 for _ in COLUMNS)
    insert = FIRST_INSERT.fitting([whole])

    assert insert.fitting([whole, (None,) * len(COLUMNS)]) is insert
    assert insert.execute(connection, [whole]) == 1
