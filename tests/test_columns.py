"""One table of columns: the database, the record and the span attributes agree with it."""

import dataclasses

from learning_instrument import ExecutionRecord, semconv
from learning_instrument.columns import COLUMN_OF, COLUMNS, TABLE, Kind
from learning_instrument.recording.fields import FIELDS, INVALID

_SQL_TYPES = {Kind.INTEGER: {"INTEGER"}, Kind.BOOLEAN: {"INTEGER"}, Kind.REAL: {"REAL", "FLOAT", "INTEGER"}}


def test_the_database_has_these_columns(database):
    """In this order, of these types: the released migration and the table agree."""
    stored = database.query("SELECT name, type, \"notnull\" FROM pragma_table_info('executions')")

    assert tuple(column["name"] for column in stored) == COLUMNS
    for column, info in zip(TABLE, stored, strict=True):
        assert info["type"] in _SQL_TYPES.get(column.kind, {"TEXT"}), column.name
        assert bool(info["notnull"]) == column.is_not_null, column.name


def test_the_record_has_these_fields():
    """Under the same names."""
    assert {field.name for field in dataclasses.fields(ExecutionRecord)} == set(COLUMNS)


def test_defaults_are_those_of_a_record():
    """And they are named in ``defaulted``."""
    record = ExecutionRecord(task_type="any")
    defaults = {column.name: column.default for column in TABLE if column.default is not None}
    del defaults["task_type"]  # the one that a record requires

    assert {name: getattr(record, name) for name in defaults} == defaults
    assert set(record.defaulted) == {*defaults, "task_id", "cost_estimate"}


def test_keys_are_of_the_semantic_conventions():
    """Each once."""
    keys = [column.key for column in TABLE if column.key is not None]

    assert len(set(keys)) == len(keys)
    assert set(keys) <= {value for name, value in vars(semconv).items() if name.isupper()}


def test_numbers_outside_the_range_are_invalid(subtests):
    """Those at its ends are valid."""
    for field in FIELDS:
        with subtests.test(column=field.column):
            column = COLUMN_OF[field.column]
            if column.kind not in (Kind.REAL, Kind.INTEGER) or field.column == "estimated_tokens":
                assert field.clean(object()) is INVALID
                continue

            assert field.clean(column.low) is not INVALID
            assert field.clean(column.low - 1) is INVALID
            assert field.clean(column.high * 2 if column.kind is Kind.REAL else 2**63) is INVALID
