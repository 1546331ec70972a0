"""What is nested in a row: read from any release, and never the reason that an execution is lost."""

import json

import pytest

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.costs.model_calls import ModelCall
from learning_instrument.transfer import export_executions, import_executions

from .live import tables

CALL = {
    "trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331", "path": "",
    "timestamp": "2026-11-22T10:00:00.000000+00:00", "cost_source": "priced", "duration_seconds": 0.5,
}  # fmt: skip


@pytest.fixture
def imported(tmp_path):
    """Import an execution with these members; return the answer."""

    def imported(**members):
        line = {**ExecutionRecord(task_type="t", execution_id="e").to_dict(), **members}
        (tmp_path / "lines.jsonl").write_text(json.dumps(line))
        return import_executions(tmp_path / "target.db", [tmp_path / "lines.jsonl"])

    return imported


def calls_in(tmp_path):
    with LearningDatabase(tmp_path / "target.db") as database:
        return [ModelCall(**row) for row in database.query(f"SELECT {','.join(ModelCall._fields)} FROM model_calls")]


def test_call_of_an_older_release_is_stored(imported, tmp_path):
    """It lacks the members added since."""
    answer = imported(model_calls=[CALL], reported_cost=0)

    (call,) = calls_in(tmp_path)
    assert (call.execution_id, call.span_id, call.scope, call.usage) == ("e", CALL["span_id"], None, None)
    assert (answer.stored, answer.model_calls, answer.omitted) == (1, 1, {})
    assert tables(tmp_path / "target.db")["reported_costs"] == ["{'execution_id': 'e', 'cost': 0.0}"]


def test_members_of_a_newer_release_are_left_out_and_named(imported, tmp_path):
    """Of the execution, its calls and its feedback."""
    feedback = {"rating": 4, "timestamp": "2026-11-22T10:00:00+00:00", "mood": "good"}

    answer = imported(model_calls=[{**CALL, "colour": "red"}], feedback=[feedback], of_newer=1)

    assert (answer.stored, answer.feedback, len(calls_in(tmp_path))) == (1, 1, 1)
    assert answer.omitted == {
        "unknown members 'colour' of model calls": 1,
        "unknown members 'mood' of feedback": 1,
        "values of the unknown column 'of_newer'": 1,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"trace_id": None}, {"trace_id": 5}, {"input_tokens": 1.5}, {"input_tokens": True}, {"cost": "0.5"},
        {"cost": float("inf")}, {"duration_seconds": None}, {"input_tokens": 10**13}, {"usage": 5}, {"cost": -0.5},
        {"input_tokens": -1}, {"timestamp": "at noon"},
    ],
)  # fmt: skip
def test_invalid_call_is_left_out_and_named(imported, tmp_path, change):
    """Its execution is stored, with the other calls."""
    answer = imported(model_calls=[{**CALL, "span_id": "c7ad6b7169203331", **change}, CALL, 5])

    assert (answer.stored, answer.omitted) == (1, {"invalid model calls": 2})
    assert [call.span_id for call in calls_in(tmp_path)] == [CALL["span_id"]]


def test_names_of_what_is_left_out_are_bounded(imported):
    """A damaged file may have any number of them; all are counted."""
    answer = imported(model_calls=[{**CALL, **{f"x{number}": 1 for number in range(1000)}}])

    assert (len(answer.omitted), answer.passed_over, answer.omitted["others"]) == (51, 1000, 950)


@pytest.mark.parametrize("cost", [-1, float("nan"), "0.5", True, []])
def test_invalid_reported_cost_is_left_out_and_named(imported, tmp_path, cost):
    answer = imported(reported_cost=cost)

    assert (answer.stored, answer.omitted) == (1, {"invalid reported costs": 1})
    assert tables(tmp_path / "target.db")["reported_costs"] == []


@pytest.mark.parametrize("name", ["model", "response_model", "provider", "error_type", "scope", "operation"])
def test_text_of_a_call_is_redacted_and_cut(imported, tmp_path, name):
    """As that of a live span."""
    secret = "sk-proj-" + "aB3" * 20
    imported(model_calls=[{**CALL, name: f"{secret} {'x' * 1000}"}])

    (call,) = calls_in(tmp_path)
    assert secret not in getattr(call, name)
    assert len(getattr(call, name)) <= 200


def test_usage_as_an_object_is_stored_as_its_text(imported, tmp_path):
    imported(model_calls=[{**CALL, "usage": {"service_tier": "flex"}}])

    assert calls_in(tmp_path)[0].usage == '{"service_tier":"flex"}'


@pytest.mark.parametrize("kind", ["jsonl", "otlp", "parquet"])
def test_every_column_of_a_call_survives(imported, tmp_path, kind):
    """The usage as well."""
    whole = {name: "x" if "str" in str(hint) else 1 for name, hint in ModelCall.__annotations__.items()}
    whole |= {**CALL, "cost": 0.1, "usage": '{"web_searches":2}', "time_to_first_chunk_seconds": 0.25}
    del whole["execution_id"], whole["awaited_span_id"]
    imported(model_calls=[whole], reported_cost=0.5)
    expected = calls_in(tmp_path)
    assert None not in expected[0]._replace(awaited_span_id="")

    export_executions(tmp_path / "target.db", tmp_path / "file", format=kind)
    import_executions(tmp_path / "other.db", [tmp_path / "file"])

    assert tables(tmp_path / "other.db") == tables(tmp_path / "target.db")
