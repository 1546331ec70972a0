"""``ExecutionRecord``: defaults and their marks, JSON, rows, and spans."""

import dataclasses
import enum
import json
import math
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from small_pools import SyncPool

from learning_instrument import ErrorType, ExecutionRecord, Outcome, configure
from learning_instrument.columns import COLUMNS
from learning_instrument.errors import ConfigurationError
from learning_instrument.record import row_from_record, row_from_span

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
count = st.integers(0, 2**63 - 1)
amount = st.floats(0, 1e15)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(text, children, max_size=3),
    max_leaves=8,
)
moments = st.datetimes(
    datetime(1970, 1, 2),
    datetime(2262, 1, 1),
    timezones=st.sampled_from([timezone.utc, timezone(timedelta(hours=5.5))]),
)
records = st.builds(
    ExecutionRecord,
    task_type=text,
    task_id=text,
    timestamp=moments,
    task_description=text,
    repo=text,
    file_count=count,
    estimated_tokens=count,
    model_tier=text,
    pool_type=text,
    swarm_topology=st.none() | text,
    routing_confidence=st.floats(0, 1),
    complexity_score=st.floats(0, 100) | st.integers(0, 100),
    duration_seconds=amount,
    quality_score=st.none() | st.floats(0, 100),
    cost_estimate=st.none() | amount,
    actual_cost=st.none() | amount,
    error_type=st.none() | st.sampled_from(ErrorType),
    error_message=st.none() | text,
    user_accepted=st.none() | st.booleans(),
    user_rating=st.none() | st.integers(1, 5),
    peak_memory_mb=st.none() | amount,
    cpu_time_seconds=st.none() | amount,
    solution_summary=st.none() | text,
    metadata=st.dictionaries(text, json_values, max_size=3),
    execution_id=text,
    trace_id=st.none() | text,
    span_id=st.none() | text,
    parent_execution_id=st.none() | text,
    batch_id=st.none() | text,
    pool_id=st.none() | text,
    worker_id=st.none() | text,
    outcome=st.sampled_from(Outcome),
    exception_type=st.none() | text,
    queue_seconds=st.none() | amount,
    wait_seconds=st.none() | amount,
    function_name=st.none() | text,
    attempt=st.none() | st.integers(1, 5),
    model=st.none() | text,
    input_tokens=st.none() | count,
    output_tokens=st.none() | count,
    cost_source=st.none() | text,
    service_name=st.none() | text,
    process_id=st.none() | count,
    defaulted=st.none() | st.lists(st.sampled_from(COLUMNS), unique=True).map(tuple),
    outcome_source=st.sampled_from([None, "raised", "reported", "assumed"]),
)


# What a record can hold.


class Tier(str, enum.Enum):
    SMALL = "small"


@pytest.mark.parametrize(
    ("column", "given", "held"),
    [
        ("outcome", "failed", Outcome.FAILED),
        ("outcome", Outcome.LOST, Outcome.LOST),
        ("error_type", "quality_gate", ErrorType.QUALITY_GATE),
        ("outcome_source", "assumed", "assumed"),
        ("task_id", 42, "42"),
        ("model_tier", Tier.SMALL, "small"),
        ("task_description", "lone \ud800", "lone \ufffd"),
        ("file_count", 3.0, 3),
        ("actual_cost", Decimal("0.25"), 0.25),
        ("success", 1, True),
        ("defaulted", ["repo"], ("repo",)),
    ],
)
def test_values_are_taken_as_the_table_has_them(database, column, given, held):
    """Text for a word, a number for an id: the record is the one that is stored."""
    record = ExecutionRecord(task_type="t", **{column: given})

    assert (getattr(record, column), type(getattr(record, column))) == (held, type(held))
    assert database.append([record])
    (row,) = database.query("SELECT * FROM executions")
    assert ExecutionRecord.from_dict(row) == record


def test_text_of_an_outcome_decides_the_success():
    """As the member does."""
    assert ExecutionRecord(task_type="t", outcome="failed").success is False
    assert ExecutionRecord(task_type="t", outcome="succeeded").success is True


@pytest.mark.parametrize("outcome", Outcome)
def test_success_agrees_with_the_outcome(outcome):
    """One that says the opposite is refused."""
    is_success = outcome is Outcome.SUCCEEDED
    assert ExecutionRecord(task_type="t", outcome=outcome, success=is_success).success is is_success
    with pytest.raises(ConfigurationError, match=rf"^Invalid success {not is_success}: expected {is_success}"):
        ExecutionRecord(task_type="t", outcome=outcome, success=not is_success)


_EASTERN, _WESTERN = (timezone(timedelta(hours=hours)) for hours in (14, -12))
_ITSELF = {}
_ITSELF["itself"] = _ITSELF


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("outcome", "fialed"), ("outcome", 1), ("outcome", ErrorType.CRASH), ("error_type", "odd"),
        ("outcome_source", "guessed"), ("task_type", object()), ("task_id", b"bytes"), ("worker_id", ["w"]),
        ("timestamp", "2026-11-22"), ("timestamp", 0), ("timestamp", datetime.min.replace(tzinfo=_EASTERN)),
        ("timestamp", datetime.max.replace(tzinfo=_WESTERN)), ("file_count", 2**70), ("file_count", "3"),
        ("file_count", 2.5), ("duration_seconds", math.nan), ("duration_seconds", "1 s"), ("actual_cost", True),
        ("success", "yes"), ("user_accepted", 2), ("metadata", ["a"]), ("metadata", "text"), ("metadata", _ITSELF),
        ("metadata", {"a": type("Unreadable", (), {"__str__": lambda self: 1 / 0})()}), ("defaulted", "repo"),
        ("defaulted", (1,)),
    ],
)  # fmt: skip
def test_value_that_cannot_be_stored_is_refused(column, value):
    """Where the record is made, with the column's name; it would be lost later."""
    with pytest.raises(ConfigurationError, match=rf"^Invalid {column} .*: expected "):
        ExecutionRecord(**{"task_type": "t", column: value})


# Round trips.


@given(records)
def test_row_and_record_are_each_others_inverse(record):
    """A record is its row, and the row the record."""
    row = row_from_record(record)

    assert ExecutionRecord.from_dict(dict(zip(COLUMNS, row, strict=True))) == record
    assert len(row) == len(COLUMNS)


@given(records)
def test_dictionary_is_json_and_leads_back(record):
    """Through JSON text and back it is the same record."""
    values = json.loads(json.dumps(record.to_dict(), allow_nan=False))

    assert ExecutionRecord.from_dict(values) == record
    assert tuple(values) == COLUMNS


def test_metadata_is_text_that_any_engine_reads():
    """Half a surrogate pair is replaced, in keys too, as it is in the other columns."""
    text = enum.Enum("Text", {"FULL": "caf\u00e9"}, type=str)
    record = ExecutionRecord(task_type="fix", metadata={"a": ["\udcff", Path("\ud800"), text.FULL], "\ud83d": {"b": 1}})

    row = dict(zip(COLUMNS, row_from_record(record), strict=True))

    assert json.loads(row["metadata"]) == {"a": ["\ufffd", "\ufffd", "caf\u00e9"], "\ufffd": {"b": 1}}


def test_stored_record_is_the_same_record(database, rows):
    """Through the database as well."""
    examples = [
        ExecutionRecord(task_type="minimal"),
        ExecutionRecord(
            task_type="odd", task_description="a\0b 💥", metadata={"deep": [1, {"a": None}]}, user_accepted=False
        ),
        ExecutionRecord(task_type="numbers", file_count=2**63 - 1, actual_cost=1e15, complexity_score=75.5),
    ]

    database.append(examples)

    assert [ExecutionRecord.from_dict(row) for row in rows()] == examples


@pytest.mark.parametrize(
    "result",
    [
        {"success": True, "cost": 0.5, "peak_memory_mb": 12.345678, "quality_score": 90, "files_changed": [1, 2]},
        {"status": "failed", "error": "timed out"},
        {},
    ],
)
def test_record_of_the_exported_span_is_the_stored_one(database, provider, exporter, rows, result):
    """Nothing travels beside the span: a collector's file has the whole record."""
    configure(database, tracer_provider=provider)
    task = {"task_type": "x", "prompt": "p" * 600, "metadata": {"a": [1, 2.5, None]}, "complexity_score": 75.5}
    SyncPool(lambda task: result).execute_task(task)

    (span,) = exporter.get_finished_spans()
    assert ExecutionRecord.from_span(span) == ExecutionRecord.from_dict(rows()[0])


def test_record_of_a_raised_exception_is_the_stored_one(database, provider, exporter, rows):
    """The same for a failure."""
    configure(database, tracer_provider=provider)
    with pytest.raises(ZeroDivisionError):
        SyncPool(lambda task: 1 / 0).execute_task({})

    (span,) = exporter.get_finished_spans()
    record = ExecutionRecord.from_span(span)
    assert record == ExecutionRecord.from_dict(rows()[0])
    assert (record.outcome, record.exception_type) == (Outcome.ERROR, "ZeroDivisionError")


# Defaults.


def test_record_is_frozen():
    """A fact does not change; ``dataclasses.replace`` makes another."""
    record = ExecutionRecord(task_type="x")

    with pytest.raises(dataclasses.FrozenInstanceError):
        record.task_type = "y"
    assert dataclasses.replace(record, task_type="y").task_id == record.task_id


def test_only_the_task_type_is_required():
    """The fields are the table's columns."""
    required = [
        field.name
        for field in dataclasses.fields(ExecutionRecord)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]

    assert required == ["task_type"]
    assert {field.name for field in dataclasses.fields(ExecutionRecord)} == set(COLUMNS)


def test_defaults_are_marked():
    """A default is named; a given value and NULL are not."""
    record = ExecutionRecord(task_type="x", repo="given", actual_cost=0.0)

    assert set(record.defaulted) == {
        "task_id", "task_description", "file_count", "estimated_tokens", "model_tier", "pool_type",
        "routing_confidence", "complexity_score", "cost_estimate",
    }  # fmt: skip


def test_missing_estimate_is_the_actual_cost_and_marked():
    """The value users were promised, with the mark that keeps it out of reports."""
    record = ExecutionRecord(task_type="x", actual_cost=0.25)

    assert record.cost_estimate == 0.25
    assert "cost_estimate" in record.defaulted


def test_given_marks_are_kept():
    """A row's own marks are not computed again."""
    assert ExecutionRecord(task_type="x", defaulted=("repo",)).defaulted == ("repo",)


def test_success_and_outcome_imply_each_other(subtests):
    """One of them is enough."""
    for given_values, success, outcome in [
        ({}, True, Outcome.SUCCEEDED),
        ({"success": False}, False, Outcome.FAILED),
        ({"success": True}, True, Outcome.SUCCEEDED),
        ({"outcome": Outcome.TIMEOUT}, False, Outcome.TIMEOUT),
        ({"outcome": Outcome.SUCCEEDED}, True, Outcome.SUCCEEDED),
    ]:
        with subtests.test(given_values=given_values, success=success, outcome=outcome):
            record = ExecutionRecord(task_type="x", **given_values)

            assert (record.success, record.outcome) == (success, outcome)


def test_each_record_is_an_execution_of_its_own():
    """Two of the same content are two rows."""
    first, second = ExecutionRecord(task_type="x"), ExecutionRecord(task_type="x")

    assert first.execution_id != second.execution_id
    assert first.task_id != second.task_id
    assert first.timestamp.tzinfo is timezone.utc


# Prediction error.


def test_prediction_error(subtests):
    """In dollars, and in percent of the estimate; 0.0 where that is 0."""
    for estimate, actual, absolute, percent in [
        (0.2, 0.3, 0.1, 50.0),
        (0.3, 0.2, 0.1, 100 / 3),
        (0.2, 0.2, 0.0, 0.0),
        (0.0, 0.2, 0.2, 0.0),
        (0.0, 0.0, 0.0, 0.0),
    ]:
        with subtests.test(estimate=estimate, actual=actual, absolute=absolute, percent=percent):
            error = ExecutionRecord(
                task_type="x", cost_estimate=estimate, actual_cost=actual
            ).calculate_prediction_error()

            assert error == {"cost_error_abs": pytest.approx(absolute), "cost_error_pct": pytest.approx(percent)}


@given(records)
def test_prediction_error_is_finite_and_not_negative(record):
    """For any costs."""
    error = record.calculate_prediction_error()

    assert error["cost_error_abs"] >= 0
    assert error["cost_error_pct"] >= 0
    assert math.isfinite(error["cost_error_abs"])


# From dictionaries.


def test_unusable_dictionary_is_refused(subtests):
    """The message names what is wrong."""
    for values, named in [
        ({}, "task_type"),
        ({"task_type": None}, "task_type"),
        ({"task_type": "x", "colour": "red"}, "colour"),
        ({"task_type": "x", "timestamp": "yesterday"}, "yesterday"),
        ({"task_type": "x", "timestamp": "2026-11-22T10:00:00"}, "time zone"),
        ({"task_type": "x", "timestamp": 5}, "Invalid record"),
        ({"task_type": "x", "outcome": "unheard of"}, "unheard of"),
        ({"task_type": "x", "error_type": "unheard of"}, "unheard of"),
        ({"task_type": "x", "defaulted": "not json"}, "Invalid record"),
        ({"task_type": "x", "defaulted": "[" * 100_000}, "Invalid record"),
        ({"task_type": "x", "metadata": 5}, "Invalid record"),
    ]:
        with subtests.test(values=values, named=named), pytest.raises(ConfigurationError, match=named):
            ExecutionRecord.from_dict(values)


@pytest.mark.parametrize("metadata", ['{"task": {"cut', "[1]", '"text"'])
def test_metadata_that_was_cut_is_kept_as_it_is(metadata):
    """A length limit of the host's may have cut the JSON; the rest of the record is good."""
    record = ExecutionRecord.from_dict({"task_type": "x", "metadata": metadata})

    assert record.metadata == {"unreadable": metadata}


# Spans.


def test_span_of_another_library_is_refused(provider, exporter):
    """It is not an execution."""
    with provider.get_tracer("host").start_as_current_span("request"):
        pass

    with pytest.raises(ConfigurationError, match="request"):
        ExecutionRecord.from_span(exporter.get_finished_spans()[0])


def test_unfinished_span_is_refused():
    """It has no attributes."""
    with pytest.raises(ConfigurationError):
        ExecutionRecord.from_span(ReadableSpan("bare"))


def test_row_from_span_has_a_value_for_each_column(provider, exporter):
    """In the table's order."""
    from learning_instrument import record_execution

    record_execution(tracer_provider=provider)(lambda task: None)({"task_id": "t-1", "task_type": "x"})

    row = dict(zip(COLUMNS, row_from_span(exporter.get_finished_spans()[0]), strict=True))
    assert (row["task_id"], row["task_type"], row["outcome"]) == ("t-1", "x", "succeeded")


def test_whole_row_of_a_newer_release_is_taken():
    """Its further columns are left out; beside a part of the columns they are a mistake."""
    record = ExecutionRecord(task_type="t")

    assert ExecutionRecord.from_dict({**record.to_dict(), "of_newer": 1}) == record
    with pytest.raises(ConfigurationError, match="unknown columns"):
        ExecutionRecord.from_dict({"task_type": "t", "of_newer": 1})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_record_made_by_hand_notices_a_fork_without_hooks():
    """Siblings draw different ids, whatever of ours they use first."""
    program = Path(__file__).parent / "e2e" / "made_by_hand.py"
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True, timeout=60)

    ids = done.stdout.split()
    assert len(ids) == len(set(ids)) == 4


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.SUCCEEDED])
@pytest.mark.parametrize("error_type", ErrorType)
def test_failure_is_built_from_public_names(database, outcome, error_type):
    """And read back as it was."""
    failed = ExecutionRecord(task_type="fix", outcome=outcome, error_type=error_type, error_message="it broke")

    database.append([failed])

    (row,) = database.query("SELECT * FROM executions")
    assert ExecutionRecord.from_dict(row) == failed
    assert (failed.success, row["success"], row["outcome"], row["error_type"]) == (False, 0, outcome, error_type)
