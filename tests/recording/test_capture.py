"""Task, result, pool and exception as attributes and a verdict."""

import collections
import dataclasses
import decimal
import enum
import json
import logging
import pathlib
import types
import uuid
from typing import NamedTuple

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import exceptions, made, refusing, refusing_properties, results, tasks, texts

from learning_instrument.outcome import QUALITY_GATE, SUCCEEDED, ErrorType, Outcome
from learning_instrument.recording.capture import Capture, CaptureOptions
from learning_instrument.recording.fields import FIELD_OF, MARKED
from learning_instrument.safety.redaction import MARKER
from learning_instrument.semconv import (
    DEFAULTED,
    ERROR_KIND,
    ERROR_MESSAGE,
    ERROR_TYPE,
    METADATA,
    TASK_ID,
    TASK_OUTCOME,
)

KEYS = {column: field.key for column, field in FIELD_OF.items()}
SECRET = "sk-abcdefghijklmnopqrstuvwxyz"


class Captured:
    """The captured attributes of one execution: ``captured["column"]``, its verdict, metadata and ``defaulted``."""

    def __init__(self, task=None, result=None, pool=None, raised=None, given=None, **options):
        capture = Capture(CaptureOptions(**options), pool, task)
        capture.set(given or {})
        self.verdict = capture.returned(result) if raised is None else capture.raised(raised)
        self.attributes = capture.attributes
        self.metadata = json.loads(capture.attributes[METADATA])
        self.defaulted = capture.attributes[DEFAULTED]

    def __getitem__(self, column):
        return self.attributes.get(KEYS[column])


class Level(enum.Enum):
    HIGH = "high"


class Status(enum.Enum):
    FAILED = 1
    DONE = "completed"


FIELDS = {"task_type": "review", "prompt": "abc", "repo": "here", "complexity_score": 7}


@dataclasses.dataclass
class Data:
    task_type: str = "review"
    prompt: str = "abc"
    repo: str = "here"
    complexity_score: int = 7


class Model(pydantic.BaseModel):
    task_type: str = "review"
    prompt: str = "abc"
    repo: str = "here"
    complexity_score: int = 7


class Tuple(NamedTuple):
    task_type: str = "review"
    prompt: str = "abc"
    repo: str = "here"
    complexity_score: int = 7


class Pool:
    pool_id = "p1"


TASKS = [FIELDS, collections.UserDict(FIELDS), types.MappingProxyType(FIELDS), types.SimpleNamespace(**FIELDS), Data(),
         Model(), Tuple()]  # fmt: skip


# The field mapping.


def test_fields_are_found_in_any_kind_of_object(subtests):
    """Items of mappings, attributes of everything else."""
    for task in TASKS:
        with subtests.test(task=task):
            captured = Captured(task)

            assert captured["task_type"] == "review"
            assert captured["task_description"] == "abc"
            assert captured["estimated_tokens"] == 2
            assert captured["repo"] == "here"
            assert captured["complexity_score"] == 7
            assert not {"task_type", "task_description", "estimated_tokens", "repo", "complexity_score"} & {
                *captured.defaulted
            }


def test_task_without_fields_leaves_defaults(subtests):
    """All of them marked, and a new id."""
    for task in [None, "", True, [], object()]:
        with subtests.test(task=task):
            captured = Captured(task)

            assert captured.defaulted == tuple(column for _, column in MARKED)
            assert uuid.UUID(captured["task_id"]).version == 4
            assert captured.metadata == {}


class Text(str):
    pass


class Prompt(enum.Enum):
    MEND = "Mend it"


@pytest.mark.parametrize(
    ("task", "text"), [("Mend it", "Mend it"), (Text("Mend it"), "Mend it"), (Prompt.MEND, "Mend it")]
)
def test_text_is_its_own_description(task, text):
    """Of any class, redacted and cut; its tokens are estimated before."""
    captured = Captured(task)
    long = Captured(f"Mend it with {SECRET} " + "x y" * 1000)

    assert (captured["task_description"], captured["estimated_tokens"]) == (text, 4)
    assert len(long["task_description"]) == 500
    assert SECRET not in long["task_description"]
    assert MARKER in long["task_description"]
    assert long["estimated_tokens"] > 1500


def test_number_is_its_own_description():
    """A task without fields is described by its plain values."""
    assert (Captured(5)["task_description"], Captured(5)["estimated_tokens"]) == ("5", 1)


def test_values_of_other_kinds_become_plain():
    """Enum values, Decimals, UUIDs and paths."""
    task_id = uuid.uuid4()
    captured = Captured(
        {"task_id": task_id, "task_type": Level.HIGH, "repo_path": pathlib.PurePosixPath("/a/b")},
        {"cost": decimal.Decimal("0.25"), "files_changed": ["a", "b"]},
    )

    assert captured["task_id"] == str(task_id)
    assert captured["task_type"] == "high"
    assert captured["repo"] == "/a/b"
    assert captured["actual_cost"] == 0.25
    assert captured["file_count"] == 2


def test_the_first_that_is_not_none_is_taken(subtests):
    """0, 0.0 and an empty list are values, not defaults."""
    for column, task, result, expected in [
        ("task_description", {"prompt": "", "description": "b"}, {}, ""),
        ("task_description", {"prompt": None, "description": "b"}, {}, "b"),
        ("repo", {"repo": "a", "repo_path": "b"}, {}, "a"),
        ("file_count", {"file_count": 3}, {"files_changed": []}, 0),
        ("file_count", {"file_count": 3}, {"files_changed": 0}, 0),
        ("file_count", {"file_count": 3}, {"files_changed": None}, 3),
        ("model_tier", {"model_tier": "a"}, {"model_tier": "b"}, "b"),
        ("model_tier", {"model_tier": "a"}, {}, "a"),
        ("complexity_score", {"complexity_score": 0.0}, {"complexity": 5}, 0.0),
        ("complexity_score", {}, {"complexity": 5}, 5),
        ("actual_cost", {}, {"cost": 0.0}, 0.0),
        ("routing_confidence", {"routing_confidence": 0}, {}, 0),
    ]:
        with subtests.test(column=column, task=task, result=result, expected=expected):
            captured = Captured(task, result)

            assert captured[column] == expected
            assert column not in captured.defaulted


def test_invalid_values_are_missing_and_kept_apart(subtests):
    """Named in ``defaulted``; the original value stays in the metadata."""
    for column, task, result, stored in [
        ("task_type", {"task_type": 1.5}, {}, 1.5),
        ("routing_confidence", {"routing_confidence": 1.1}, {}, 1.1),
        ("complexity_score", {"complexity_score": "high"}, {}, "high"),
        ("actual_cost", {}, {"cost": -1}, -1),
        ("actual_cost", {}, {"cost": float("nan")}, "nan"),
        ("file_count", {}, {"files_changed": "all"}, "all"),
        ("file_count", {}, {"files_changed": 2**64}, "an integer of 65 bits"),
        ("cost_estimate", {"cost_estimate": True}, {}, True),
    ]:
        with subtests.test(column=column, task=task, result=result, stored=stored):
            captured = Captured(task, result)

            assert captured[column] is None
            assert column in captured.defaulted
            assert captured.metadata["invalid"] == {column: stored}


def test_description_is_cut_and_its_tokens_are_estimated_before():
    """500 characters are kept, and all are counted."""
    captured = Captured({"prompt": "x y" * 667})

    assert len(captured["task_description"]) == 500
    assert captured["estimated_tokens"] == 1001


def test_without_content_no_text_is_kept():
    """Not from the task, the result, ``set()`` or as invalid; the estimate is only a number."""
    captured = Captured(
        {"prompt": "private"},
        {"solution_summary": "private"},
        given={"solution_summary": "private"},
        capture_content=False,
    )

    assert "private" not in repr(captured.attributes)
    assert captured["estimated_tokens"] == 4
    text, number = Captured("private", capture_content=False), Captured(5, capture_content=False)
    assert "private" not in repr(text.attributes)
    assert text["estimated_tokens"] == 4
    assert (text["task_description"], number["task_description"], number["estimated_tokens"]) == (None, None, None)


# The pool.


def test_pool_type_comes_from_the_nearest(subtests):
    """The decorator, the pool's config, the pool, its class."""
    for pool, options, expected in [
        (types.SimpleNamespace(config=types.SimpleNamespace(pool_type="a"), pool_type="b"), {"pool_type": "c"}, "c"),
        (types.SimpleNamespace(config=types.SimpleNamespace(pool_type="a"), pool_type="b"), {}, "a"),
        (types.SimpleNamespace(config={"pool_type": "a"}), {}, "a"),
        (types.SimpleNamespace(config=None, pool_type="b"), {}, "b"),
        (Pool(), {}, "Pool"),
        (Pool, {}, "Pool"),
        (refusing_properties(), {}, "Refusing"),
        (None, {}, None),
    ]:
        with subtests.test(pool=pool, options=options, expected=expected):
            assert Captured(pool=pool, **options)["pool_type"] == expected


def test_pool_id_of_the_result_takes_precedence():
    """Else it is the pool's; both are in the metadata."""
    assert Captured(pool=Pool()).metadata == {"pool_id": "p1"}
    captured = Captured(result={"pool_id": "p2", "worker_id": 3}, pool=Pool())

    assert captured["pool_id"] == "p2"
    assert captured.metadata == {"pool_id": "p2", "worker_id": "3"}


# Metadata.


def test_metadata_holds_the_tasks_own():
    """Under ``task``, without secrets."""
    captured = Captured({"metadata": {"team": "a", "api_key": "hunter2", "note": f"use {SECRET}"}})

    assert captured.metadata == {"task": {"team": "a", "api_key": MARKER, "note": f"use {MARKER}"}}


def test_metadata_of_another_type_is_invalid():
    """It is kept as an invalid value."""
    assert Captured({"metadata": ["a"]}).metadata == {"invalid": {"metadata": ["a"]}}


def test_metadata_set_is_added():
    """It takes precedence where both have a name."""
    captured = Captured({"metadata": {"a": 1, "b": 1}}, given={"metadata": {"b": 2, "c": 2}})

    assert captured.metadata == {"task": {"a": 1, "b": 2, "c": 2}}


# ``fields`` and ``set()``.


def test_fields_say_where_a_column_is_found(subtests):
    """By name, by dotted path, by a function; it takes precedence over the task's own."""
    for extractor in ["kind", "inner.kind", "inner.deep.kind", lambda pool, task, result: task["kind"]]:
        with subtests.test(extractor=extractor):
            inner = types.SimpleNamespace(kind="mine", deep={"kind": "mine"})

            captured = Captured({"kind": "mine", "inner": inner, "task_type": "x"}, fields={"task_type": extractor})

            assert captured["task_type"] == "mine"


def test_fields_are_found_in_task_result_and_pool():
    """A task's column in the task first, any other in the result."""
    fields = {"task_type": "a", "actual_cost": "b", "worker_id": "c"}
    captured = Captured(
        {"a": "task", "b": 1}, {"a": "result", "b": 2}, types.SimpleNamespace(a="pool", c="pool"), fields=fields
    )

    assert [captured[column] for column in fields] == ["task", 2, "pool"]


def test_fields_that_find_nothing_change_nothing(subtests):
    """The task's own value is kept."""
    for extractor in ["no.such.path", refusing(), refusing(SystemExit), lambda *args: None]:
        with subtests.test(extractor=extractor):
            assert Captured({"task_type": "x"}, fields={"task_type": extractor})["task_type"] == "x"


def test_fields_see_the_task_when_it_raised():
    """There is no result then."""
    seen = []
    Captured("task", pool="pool", raised=ValueError(), fields={"model": lambda *args: seen.append(args)})

    assert seen == [("pool", "task", None)]


def test_value_set_takes_precedence_and_is_not_marked():
    """Over task, result and ``fields``."""
    captured = Captured(
        {"task_type": "x"}, {"cost": 1}, given={"task_type": "set", "actual_cost": 2}, fields={"task_type": "task_type"}
    )

    assert (captured["task_type"], captured["actual_cost"]) == ("set", 2)
    assert not {"task_type", "actual_cost"} & {*captured.defaulted}


def test_invalid_value_set_leaves_the_found_one():
    """And stays in the metadata."""
    captured = Captured(result={"cost": 1}, given={"actual_cost": "much"})

    assert captured["actual_cost"] == 1
    assert captured.metadata == {"invalid": {"actual_cost": "much"}}


def test_description_set_is_estimated_too():
    """Unless the estimate is set as well."""
    assert Captured(given={"task_description": "x" * 601})["estimated_tokens"] == 301
    assert Captured(given={"task_description": "abc", "estimated_tokens": 9})["estimated_tokens"] == 9


# The verdict.


def test_result_is_judged_by_its_fields(subtests):
    """Success, else status, else error."""
    for result, outcome, message in [
        (None, Outcome.SUCCEEDED, None),
        ("text", Outcome.SUCCEEDED, None),
        ({"success": True, "error": "x"}, Outcome.SUCCEEDED, None),
        ({"success": False}, Outcome.FAILED, "failed"),
        ({"success": False, "error_message": "m", "error": "e"}, Outcome.FAILED, "m"),
        ({"success": "no", "status": "failed"}, Outcome.FAILED, "failed"),
        ({"status": Status.FAILED}, Outcome.FAILED, "FAILED"),
        ({"status": Status.DONE}, Outcome.SUCCEEDED, None),
        ({"status": "timeout"}, Outcome.TIMEOUT, "timeout"),
        ({"status": "cancelled"}, Outcome.CANCELLED, "cancelled"),
        ({"error": "broken"}, Outcome.FAILED, "broken"),
        ({"error": ValueError()}, Outcome.FAILED, "ValueError"),
        ({"error": ["a"]}, Outcome.FAILED, '{"error":["a"]}'),
        ({"error": ""}, Outcome.SUCCEEDED, None),
        ({"error": []}, Outcome.SUCCEEDED, None),
        ({"error": 0}, Outcome.SUCCEEDED, None),
        ({"error": False}, Outcome.SUCCEEDED, None),
        (logging.getLogger("result"), Outcome.SUCCEEDED, None),
    ]:
        with subtests.test(result=result, outcome=outcome, message=message):
            captured = Captured(result=result)

            assert captured.verdict[0] is outcome
            assert captured.attributes[TASK_OUTCOME] == outcome.value
            assert captured.attributes.get(ERROR_MESSAGE) == message


def test_success_when_takes_precedence(subtests):
    """For any result."""
    for opinion, verdict in [(False, QUALITY_GATE), (0, QUALITY_GATE), (True, SUCCEEDED), ("yes", SUCCEEDED)]:
        for result in [{"success": True}, {"success": False}, None]:
            with subtests.test(opinion=opinion, verdict=verdict, result=result):
                assert Captured(result=result, success_when=lambda _, opinion=opinion: opinion).verdict is verdict


def test_success_when_may_leave_it_to_the_result():
    """None is no opinion."""
    assert Captured(result={"success": False}, success_when=lambda result: None).verdict.outcome is Outcome.FAILED


def test_failing_success_when_is_logged_once(caplog):
    """The result is judged by its fields then."""

    def fail(result):
        raise ValueError

    for _ in range(3):
        assert Captured(result={"success": False}, success_when=fail).verdict.outcome is Outcome.FAILED

    assert len(caplog.records) == 1


def test_success_may_be_set():
    """With its message."""
    captured = Captured(result={"success": True}, given={"success": False, "error_message": "validation failed"})

    assert captured.verdict == (Outcome.FAILED, ErrorType.VALIDATION, "validation failed", None, "reported")


def test_exception_is_captured():
    """Its class and its text, cut to 1,000 characters after secrets have gone."""
    captured = Captured(raised=ValueError(f"{SECRET} " + "x " * 1000))

    assert captured.attributes[TASK_OUTCOME] == "error"
    assert captured.attributes[ERROR_TYPE] == "ValueError"
    assert captured.attributes[ERROR_KIND] == "unknown"
    assert captured.attributes[ERROR_MESSAGE] == f"{MARKER} " + ("x " * 1000)[: 1000 - len(MARKER) - 1]


def test_message_of_a_result_is_cut():
    """To 1,000 characters."""
    assert len(Captured(result={"error": "x y" * 1000}).attributes[ERROR_MESSAGE]) == 1000


# All.


@given(tasks, results, st.none() | exceptions, st.booleans())
def test_attributes_are_always_plain(task, result, raised, capture_content):
    """For any task and result: a verdict, an id, valid JSON of 8 KB, and values that a span can hold."""
    captured = Captured(
        made(task),
        made(result),
        made(result),
        None if raised is None else made(raised),
        capture_content=capture_content,
    )
    attributes = captured.attributes

    assert attributes[TASK_ID] is not None
    assert len(attributes[METADATA].encode()) <= 8192
    assert len(captured["task_description"] or "") <= 500
    assert len(attributes.get(ERROR_MESSAGE, "")) <= 1000
    assert {type(value) for value in attributes.values()} <= {str, int, float, tuple}
    for value in attributes.values():
        str(value).encode()
    assert {column for key, column in MARKED if key not in attributes} <= {*captured.defaulted}


@given(texts)
def test_text_of_a_task_has_no_lone_surrogates(text):
    """One would make the OTLP exporter lose its batch."""
    captured = Captured(dict.fromkeys(["task_id", "task_type", "prompt", "repo", "model_tier"], text), {"error": text})

    for value in captured.attributes.values():
        str(value).encode()
