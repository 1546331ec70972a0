"""Common names of the trade fill columns that promised names leave empty."""

import collections
import dataclasses
import enum
import types
from typing import Any, NamedTuple

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import made, refusing_properties, values

from learning_instrument import semconv
from learning_instrument.recording import guesses
from learning_instrument.recording.capture import Capture, CaptureOptions
from learning_instrument.recording.fields import FIELD_OF, FIELDS

FOUND = {"kind": "review", "instructions": "Look at it", "tier": "small", "repository": "our/repo", "files": ["a", "b"]}
EXPECTED = {
    "task_type": "review", "task_description": "Look at it", "estimated_tokens": 5, "model_tier": "small",
    "repo": "our/repo", "file_count": 2,
}  # fmt: skip
NAMES = sorted({name for field in FIELDS for name in field.guessed_in_task + field.guessed_in_result})


class Kind(enum.Enum):
    REVIEW = "review"
    NUMBER = 3


@dataclasses.dataclass
class Data:
    kind: Any = "review"
    instructions: str = "Look at it"
    tier: str = "small"
    repository: str = "our/repo"
    files: list = dataclasses.field(default_factory=lambda: ["a", "b"])


class Model(pydantic.BaseModel):
    kind: str = "review"
    instructions: str = "Look at it"
    tier: str = "small"
    repository: str = "our/repo"
    files: list = ["a", "b"]


class Tuple(NamedTuple):
    kind: str = "review"
    instructions: str = "Look at it"
    tier: str = "small"
    repository: str = "our/repo"
    files: Any = ("a", "b")


class Slotted:
    __slots__ = tuple(FOUND)

    def __init__(self):
        for name, value in FOUND.items():
            setattr(self, name, value)


class Constants:
    kind, tier, repository = Kind.REVIEW, "small", "our/repo"

    def __init__(self):
        self.instructions, self.files = "Look at it", ("a", "b")


@pytest.fixture(autouse=True)
def no_types(monkeypatch):
    """No type has been guessed in this process."""
    monkeypatch.setattr(guesses, "_types", set())


def captured(task, result=None, **options):
    """Return the columns that task and result fill, and the invalid values."""
    capture = Capture(CaptureOptions(**options), None, task)
    capture.returned(result)
    column_of = {field.key: field.column for field in FIELDS}
    found = {column_of[key]: value for key, value in capture.attributes.items() if key in column_of}
    del found["task_id"]
    assert "invalid" not in capture.attributes[semconv.METADATA]
    return found


@pytest.mark.parametrize(
    "task",
    [
        FOUND,
        collections.OrderedDict(FOUND),
        types.SimpleNamespace(**FOUND),
        Data(),
        Model(),
        Tuple(),
        Slotted(),
        Constants(),
    ],
    ids=lambda task: type(task).__name__,
)
def test_common_names_are_found_in_any_kind_of_object(task):
    """In what it stores: items, attributes, slots, fields, constants of its class."""
    assert captured(task) == EXPECTED


def test_names_in_a_result():
    """Costs, tokens, the model and a summary."""
    result = {
        "summary": "It was fine", "total_cost_usd": 0.5, "prompt_tokens": 7, "completion_tokens": 2, "model": "m-1",
        "modified_files": ["a"],
    }  # fmt: skip

    assert captured(None, result) == {
        "solution_summary": "It was fine", "actual_cost": 0.5, "input_tokens": 7, "output_tokens": 2, "model": "m-1",
        "file_count": 1,
    }  # fmt: skip


def test_promised_names_come_first():
    """And what ``fields`` says."""
    task = {**FOUND, "task_type": "fix", "prompt": "Mend it", "own": "wash"}

    assert captured(task)["task_type"] == "fix"
    assert captured(task)["task_description"] == "Mend it"
    assert captured(task)["estimated_tokens"] == 4
    assert captured(FOUND | {"own": "wash"}, fields={"task_type": "own"})["task_type"] == "wash"


def test_library_s_own_type_comes_first():
    """Of a celery task the name, and not a word of its message."""
    assert captured(FOUND, task_type="shop.tasks.charge")["task_type"] == "shop.tasks.charge"


def test_without_content_no_text_is_taken():
    """The estimate is only a number."""
    found = captured(FOUND, {"summary": "private"}, capture_content=False)

    assert found == {name: value for name, value in EXPECTED.items() if name != "task_description"}


@pytest.mark.parametrize("value", ["review", "code-review", "user.created", "a/b:c", Kind.REVIEW])
def test_type_is_a_word_of_a_kind(value):
    """An identifier, or the value of an enum member."""
    assert captured({"type": value})["task_type"] == getattr(value, "value", value)


@pytest.mark.parametrize(
    "value",
    [
        "Fix the crash.",
        "",
        "x" * 65,
        "7",
        7,
        True,
        str,
        dict,
        Kind.NUMBER,
        ["a"],
        object(),
        "sk-abcdefghijklmnopqrstuv12",
    ],
)
def test_other_values_are_no_type(value):
    """No sentence, no number, no class, no secret; and nothing is invalid."""
    assert "task_type" not in captured({"type": value})
    assert "task_type" not in captured(Data(kind=value))


@pytest.mark.parametrize("name", ["name", "id", "task_name", "job_id", "function"])
def test_name_or_id_is_no_type(name):
    """One would be a group of its own in every report."""
    assert captured({name: "review"}) == {}


def test_a_thousand_types_are_guessed():
    """Of a process; what comes after is unknown, and those stay."""
    found = [captured({"kind": f"kind{number}"}).get("task_type") for number in range(1010)]

    assert found == [f"kind{number}" for number in range(1000)] + [None] * 10
    assert captured({"kind": "kind7"})["task_type"] == "kind7"


def test_members_that_do_work_are_not_read():
    """Methods and properties under these names, of any class; they would be noise, or ask a database."""
    assert captured(refusing_properties(names=tuple(NAMES))) == {}

    class Agent:
        def kind(self):
            raise AssertionError

        instructions = property(lambda self: 1 / 0)

        def __getattr__(self, name):
            assert name not in NAMES
            raise AttributeError(name)

    assert captured(Agent()) == {}


def test_method_called_prompt_is_no_noise():
    """As of crewai's tasks: the description is the next that there is."""

    class Task:
        description = "Look at it"

        def prompt(self):
            raise AssertionError

    assert captured(Task()) == {"task_description": "Look at it", "estimated_tokens": 5}


@given(st.dictionaries(st.sampled_from(NAMES), values, max_size=8), st.booleans(), st.booleans())
def test_any_values_are_quiet(each, is_object, capture_content):
    """They are taken or not; nothing is invalid, raised or of another type than a column's."""
    task = {name: made(value) for name, value in each.items()}
    source = types.SimpleNamespace(**task) if is_object else task

    found = captured(source, source, capture_content=capture_content)

    assert {type(value) for value in found.values()} <= {str, int, float}
    assert capture_content or not {"task_description", "solution_summary"} & found.keys()


def test_adapter_replaces_a_guess():
    """What its library says of a task is no guess."""
    capture = Capture(CaptureOptions(), None, FOUND)
    capture.set_default("task_description", "Charge order 7")
    capture.set_default("model_tier", "large")
    capture.set_default("repo", "theirs")

    found = {column: capture.attributes[FIELD_OF[column].key] for column in EXPECTED}
    assert found == EXPECTED | {
        "task_description": "Charge order 7", "estimated_tokens": 7, "model_tier": "large", "repo": "theirs",
    }  # fmt: skip
