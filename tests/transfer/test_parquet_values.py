"""Parquet of other programs is stored, with columns of any type."""

import json
import uuid
from datetime import date, datetime, timezone
from decimal import Decimal

import pyarrow
import pyarrow.parquet
import pytest

from learning_instrument import ErrorType, ExecutionRecord, LearningDatabase
from learning_instrument.outcome import Outcome
from learning_instrument.transfer import export_executions, import_executions

from .live import PRICES, recorded, tables
from .records import make, stored_in

MOMENT = datetime(2026, 11, 22, 10, 0, 0, 123456, timezone.utc)
ID = uuid.UUID("12345678-1234-5678-1234-567812345678")
ONE = {"task_type": ["t"], "timestamp": pyarrow.array([MOMENT])}


@pytest.fixture
def imported(tmp_path):
    """Import a table; return the record that is stored."""

    def imported(**columns):
        pyarrow.parquet.write_table(pyarrow.table({**ONE, **columns}), tmp_path / "table.parquet")
        answer = import_executions(tmp_path / "target.db", [tmp_path / "table.parquet"])
        assert answer.refusals == ()
        (record,) = stored_in(tmp_path / "target.db")
        return record

    return imported


def uuids():
    """Return a column of UUIDs, as pyarrow has them since 18."""
    return pyarrow.array([ID.bytes], pyarrow.uuid() if hasattr(pyarrow, "uuid") else pyarrow.binary(16))


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("task_id", uuids(), str(ID)),
        ("task_id", pyarrow.array([ID.bytes], pyarrow.binary(16)), str(ID)),
        ("trace_id", uuids(), ID.hex),
        ("trace_id", pyarrow.array([ID.bytes], pyarrow.binary(16)), ID.hex),
        ("timestamp", pyarrow.array([MOMENT.replace(tzinfo=None)], pyarrow.timestamp("us")), MOMENT),
        ("timestamp", pyarrow.array([MOMENT], pyarrow.timestamp("us", "Europe/Berlin")), MOMENT),
        ("timestamp", ["2026-11-22T10:00:00.123456+00:00"], MOMENT),
        ("repo", pyarrow.array(["shop"], pyarrow.large_string()), "shop"),
        ("repo", pyarrow.array([b"shop"]), "shop"),
        ("repo", pyarrow.array(["shop"]).dictionary_encode(), "shop"),
        ("actual_cost", pyarrow.array([Decimal("0.25")], pyarrow.decimal128(10, 4)), 0.25),
        ("actual_cost", pyarrow.array([0.25], pyarrow.float32()), 0.25),
        ("file_count", pyarrow.array([Decimal(3)], pyarrow.decimal128(38, 0)), 3),
        ("file_count", pyarrow.array([3.0]), 3),
        ("user_rating", pyarrow.array([4.0]), 4),
        ("success", pyarrow.array([0], pyarrow.int8()), False),
        ("metadata", pyarrow.array([{"a": {"b": 1}, "c": None}]), {"a": {"b": 1}}),
        ("metadata", pyarrow.array([{"a": [date(2026, 1, 2), None]}]), {"a": ["2026-01-02", None]}),
        ("metadata", pyarrow.array([[("a", 1)]], pyarrow.map_(pyarrow.string(), pyarrow.int64())), {"a": 1}),
        ("metadata", ['{"a": 1}'], {"a": 1}),
        ("defaulted", pyarrow.array([["repo"]]), ("repo",)),
    ],
)  # fmt: skip
def test_column_of_any_type_is_stored(imported, name, values, expected):
    assert getattr(imported(**{name: values}), name) == expected


@pytest.mark.slow
def test_table_that_duckdb_made_of_our_lines_is_the_source(tmp_path, monkeypatch):
    """With feedback, model calls and reported costs; it takes ids for UUIDs, and objects for structures."""
    duckdb = pytest.importorskip("duckdb")
    prices = tmp_path / "prices.toml"
    prices.write_text(PRICES)
    monkeypatch.setenv("LEARNING_INSTRUMENT_PRICES", str(prices))
    source, lines, table, target = (tmp_path / name for name in ("a.db", "a.jsonl", "a.parquet", "b.db"))
    recorded(source)
    more = [
        ExecutionRecord(
            task_type="t",
            metadata={"n": number, "task": {"a": 1.5}},
            outcome=Outcome.FAILED,
            error_type=ErrorType.CRASH,
        )
        for number in range(3)
    ]
    with LearningDatabase(source) as database:
        database.append(more)
        database.add_feedback(more[0].execution_id, rating=4, comment="=good", visibility="team")
    export_executions(source, lines)

    duckdb.sql(f"COPY (SELECT * FROM read_json_auto('{lines}')) TO '{table}' (FORMAT parquet)")
    assert "uuid" in str(pyarrow.parquet.read_schema(table).field("task_id").type)
    answer = import_executions(target, [table])

    assert (answer.stored, answer.refused, answer.feedback, answer.model_calls) == (5, 0, 1, 6)
    assert tables(target) == tables(source)
    assert stored_in(target) == stored_in(source)


def test_files_without_calls_and_feedback_have_the_columns_of_the_table(tmp_path):
    """As those of an older release."""
    source = make(tmp_path / "source.db", [ExecutionRecord(task_type="t")])
    for kind in ("parquet", "jsonl", "otlp"):
        export_executions(source, tmp_path / kind, format=kind)

    assert "model_calls" not in pyarrow.parquet.read_schema(tmp_path / "parquet").names
    assert json.loads((tmp_path / "jsonl").read_text()).keys() == ExecutionRecord(task_type="t").to_dict().keys()
    assert "model_calls" not in (tmp_path / "otlp").read_text()
