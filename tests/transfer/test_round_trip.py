"""An execution that is exported and imported is the same execution."""

import csv
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from learning_instrument import ExecutionRecord
from learning_instrument.columns import COLUMNS, TABLE
from learning_instrument.record import row_from_record
from learning_instrument.sqlite.read_only import ReadOnlyDatabase
from learning_instrument.transfer import export_executions, import_executions

from .records import make, records, stored_in


@settings(max_examples=25, deadline=None)
@given(st.lists(records(), max_size=4, unique_by=lambda record: record.execution_id))
def test_execution_survives_every_format(found):
    """Every column with any value; and a second import changes nothing."""
    with tempfile.TemporaryDirectory() as folder:
        source = make(Path(folder, "source.db"), found)
        expected = stored_in(source)
        for kind in ("jsonl", "otlp", "parquet", "database"):
            file, target = source, make(Path(folder, f"{kind}.db"), [])
            if kind != "database":
                file = str(Path(folder, kind))
                assert (kind, export_executions(source, file, format=kind).executions) == (kind, len(found))

            answer = import_executions(target, [file])
            again = import_executions(target, [file, file])  # named twice, read once

            assert (kind, answer.read, answer.stored, answer.refusals) == (kind, len(found), len(found), ())
            assert (kind, again.read, again.stored, again.already_there) == (kind, len(found), 0, len(found))
            assert (kind, again.conflicts) == (kind, 0)
            assert (kind, stored_in(target)) == (kind, expected)


MAY_BE_NULL = {column.name for column in TABLE if not column.is_not_null and column.default != ""}


def as_in_csv(value):
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def rows_of(path):
    with ReadOnlyDatabase(path) as database:
        rows = database.query(f"SELECT {','.join(COLUMNS)} FROM executions ORDER BY rowid")
    return [tuple(row.values()) for row in rows]


@settings(max_examples=25, deadline=None)
@given(st.lists(records(), max_size=4, unique_by=lambda record: record.execution_id))
def test_csv_has_the_table_as_it_is(found):
    """Every value as text, NULL as an empty one; NUL, which CSV cannot hold, is replaced."""
    with tempfile.TemporaryDirectory() as folder:
        source, file = str(Path(folder, "source.db")), str(Path(folder, "exported.csv"))
        make(source, found)

        export_executions(source, file, raw=True)

        with ReadOnlyDatabase(source) as database:
            rows = database.query(f"SELECT {','.join(COLUMNS)} FROM executions ORDER BY rowid")
        with open(file, newline="", encoding="utf-8") as lines:
            assert list(csv.DictReader(lines)) == [
                {name: "" if value is None else str(value).replace("\0", "\ufffd") for name, value in row.items()}
                for row in rows
            ]


@settings(max_examples=25, deadline=None)
@given(st.lists(records(), max_size=4, unique_by=lambda record: record.execution_id), st.booleans())
def test_csv_is_imported_as_it_was(found, has_mark):
    """Text like formulas too. An empty text is NULL where the column may be that, as CSV does not tell them apart."""
    with tempfile.TemporaryDirectory() as folder:
        source, target, file = (str(Path(folder, name)) for name in ("source.db", "target.db", "exported.csv"))
        make(source, found)
        export_executions(source, file)
        if has_mark:
            Path(file).write_bytes(b"\xef\xbb\xbf" + Path(file).read_bytes())

        answer, again = (import_executions(target, [file]) for _ in range(2))

        assert (answer.refusals, answer.stored) == ((), len(found))
        assert (again.refusals, again.already_there, again.conflicts) == ((), len(found), 0)
        assert rows_of(target) == [
            tuple(
                None if value == "" and name in MAY_BE_NULL else as_in_csv(value)
                for name, value in zip(COLUMNS, row, strict=True)
            )
            for row in rows_of(source)
        ]


@settings(deadline=None)
@given(records())
def test_line_is_what_to_dict_gives(record):
    """So that it can be read without us, and ``from_dict`` takes it."""
    from learning_instrument.transfer.writers import _document

    row = dict(zip(COLUMNS, row_from_record(record), strict=True))

    assert _document(row) == ExecutionRecord.from_dict(row).to_dict()
