"""Which values are valid for each column, and under which names they are read."""

import decimal
import enum
import math
import pathlib
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import ODDITIES, Loud, LoudFloat, LoudInteger, LoudList, Refusal, made, texts, values

from learning_instrument.columns import COLUMNS
from learning_instrument.recording.fields import (
    CLEAN_GIVEN,
    FIELD_OF,
    FIELDS,
    FROM_RESULT,
    FROM_TASK,
    INVALID,
    MARKED,
    SETTABLE,
)
from learning_instrument.safety.redaction import MARKER

IDENTIFIERS = [
    "task_id", "task_type", "repo", "model_tier", "pool_type", "swarm_topology", "pool_id", "worker_id", "model",
]  # fmt: skip
AMOUNTS = ["cost_estimate", "actual_cost", "cpu_time_seconds", "queue_seconds"]
SCORES = {"routing_confidence": 1, "complexity_score": 100, "quality_score": 100}
COUNTS = ["file_count", "input_tokens", "output_tokens"]
PROSE = {"task_description": 500, "solution_summary": 4000}


class Level(enum.Enum):
    HIGH = "high"
    TEN = 10


def cleaned(column, value):
    return FIELD_OF[column].clean(value)


def names_in(plan):
    names = {}
    for name, _, column, _, _ in plan:
        names.setdefault(column, []).append(name)
    return names


# Identifiers.


def test_identifier_is_text(subtests):
    """Numbers, UUIDs and paths are common identifiers; 500 characters are enough."""
    for value, expected in [
        ("local", "local"),
        ("", ""),
        (0, "0"),
        (-5, "-5"),
        (Level.HIGH, "high"),
        (Level.TEN, "10"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (pathlib.PurePosixPath("/srv/repo"), "/srv/repo"),
        (pathlib.Path("repo"), "repo"),
        (Loud("text"), "text"),
        (LoudInteger(5), "5"),
        ("a\ud800", "a\ufffd"),
        ("é" * 600, "é" * 500),
    ]:
        with subtests.test(value=value):
            found = [cleaned(column, value) for column in IDENTIFIERS]

            assert found == [expected] * len(IDENTIFIERS)
            assert set(map(type, found)) == {str}


def test_other_types_are_invalid_identifiers(subtests):
    """Integers beyond 64 bits included."""
    for value in [True, 1.5, b"a", [], {}, object(), 2**63, -(2**63) - 1]:
        with subtests.test(value=value):
            assert [column for column in IDENTIFIERS if cleaned(column, value) is not INVALID] == []


def test_repository_url_keeps_no_password():
    """A repository is often a URL."""
    assert cleaned("repo", "https://me:hunter22@host/repo.git") == f"https://me:{MARKER}@host/repo.git"


# Numbers.


def test_number_is_kept(subtests):
    """Zero is a value; a Decimal is a number."""
    for column in [*AMOUNTS, *SCORES]:
        for value in [0, 0.0, 1, 0.5, decimal.Decimal("0.25"), LoudFloat(0.5)]:
            with subtests.test(column=column, value=value):
                found = cleaned(column, value)

                assert type(found) in (int, float)
                assert found == (0.5 if type(value) is LoudFloat else float(value))


def test_number_of_the_wrong_type_or_range_is_invalid(subtests):
    """Negative, infinite, text, or a bool."""
    for column in [*AMOUNTS, *SCORES, "peak_memory_mb"]:
        for value in [-1, -0.001, math.nan, math.inf, -math.inf, "1", True, [], 10**400, decimal.Decimal("nan")]:
            with subtests.test(column=column, value=value):
                assert cleaned(column, value) is INVALID


@given(st.integers() | st.floats())
def test_scores_have_a_range(value):
    """A value within it is kept unchanged; any other is invalid."""
    for column, highest in SCORES.items():
        found = cleaned(column, value)
        assert found == value if 0 <= value <= highest else found is INVALID


def test_memory_is_in_bytes(subtests):
    """A megabyte has 10^6 of them; the number is whole."""
    for megabytes, expected in [(0, 0), (1, 1_000_000), (0.5, 500_000), (1.5e3, 1_500_000_000)]:
        with subtests.test(megabytes=megabytes, expected=expected):
            found = cleaned("peak_memory_mb", megabytes)

            assert (type(found), found) == (int, expected)


# Counts.


def test_count_is_a_number_or_the_length_of_a_list(subtests):
    """An empty list is a value."""
    for column in COUNTS:
        for value, expected in [
            (0, 0),
            (3, 3),
            (3.0, 3),
            ([], 0),
            (["a", "b"], 2),
            (("a",), 1),
            ({"a"}, 1),
            ({"a": 1}, 1),
            (LoudList([1]), 1),
            (2**63 - 1, 2**63 - 1),
        ]:
            with subtests.test(column=column, value=value, expected=expected):
                found = cleaned(column, value)

                assert (type(found), found) == (int, expected)


def test_other_values_are_invalid_counts(subtests):
    """The length of a text is not a count either."""
    for column in COUNTS:
        for value in [-1, 1.5, math.nan, math.inf, True, "3", b"abc", 2**63, object()]:
            with subtests.test(column=column, value=value):
                assert cleaned(column, value) is INVALID


# Texts.


@pytest.mark.parametrize(("column", "limit"), PROSE.items())
def test_prose_is_cut(column, limit):
    """Exactly at its limit."""
    assert cleaned(column, "x" * limit) == "x" * limit
    assert cleaned(column, "x" * (limit + 1)) == "x" * limit


def test_prose_is_text_only(subtests):
    """A list of messages is invalid."""
    for column in PROSE:
        for value in [1, 1.5, True, b"a", [], {}, object()]:
            with subtests.test(column=column, value=value):
                assert cleaned(column, value) is INVALID


def test_estimate_is_two_characters_a_token_rounded_up(subtests):
    """Of the whole text."""
    for text in ["", "a", "ab", "abc", "😀" * 3, "x" * 100_001]:
        with subtests.test(text=text):
            assert cleaned("estimated_tokens", text) == math.ceil(len(text) / 2)


@given(texts)
def test_estimate_is_never_less_than_half_the_length(text):
    """And at most one more."""
    assert len(text) <= 2 * cleaned("estimated_tokens", text) <= len(text) + 1


def test_estimate_may_be_set_as_a_number():
    """By ``set()`` or ``fields``; a number in a task's prompt is invalid."""
    assert CLEAN_GIVEN["estimated_tokens"](7) == 7
    assert CLEAN_GIVEN["estimated_tokens"]("abc") == 2
    assert CLEAN_GIVEN["estimated_tokens"](-1) is INVALID
    assert cleaned("estimated_tokens", 7) is INVALID


# All.


@given(values, st.sampled_from(FIELDS))
def test_valid_values_are_plain_and_stay_valid(value, field):
    """An attribute: exact str, int or float, that UTF-8 and 64 bits can hold."""
    try:
        found = field.clean(made(value))
    except (Refusal, SystemExit, decimal.DecimalException, ValueError):
        return  # callers guard: some objects refuse even this

    assert found is INVALID or found is None or type(found) in (str, int, float)
    if type(found) is str:
        found.encode()
        assert field.clean(found) == found
    if type(found) is int:
        assert 0 <= found < 2**63


def test_odd_numbers_are_invalid(subtests):
    """For scores and counts alike."""
    for name in [name for name in ODDITIES if name.startswith(("2**", "10**", "nan", "inf", "-inf", "-1"))]:
        with subtests.test(name=name):
            number = ODDITIES[name]()

            assert {cleaned(column, number) for column in [*SCORES, *COUNTS]} == {INVALID}


@pytest.mark.parametrize("number", [1, 2, 3.0, decimal.Decimal(4)])
def test_attempts_are_counted_from_1(number):
    """A whole number, of any kind."""
    assert cleaned("attempt", number) == number


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "2", [1, 2], {}, math.nan, math.inf, 2**63])
def test_other_attempts_are_invalid(value):
    """No length of a list is one, and no bool."""
    assert cleaned("attempt", value) is INVALID


# Names.


def test_names_in_a_task():
    """As promised."""
    assert names_in(FROM_TASK[True]) == {
        "task_id": ["task_id"],
        "task_type": ["task_type"],
        "task_description": ["prompt", "description"],
        "repo": ["repo", "repo_path"],
        "file_count": ["file_count"],
        "estimated_tokens": ["prompt", "description"],
        "model_tier": ["model_tier"],
        "swarm_topology": ["swarm_topology"],
        "routing_confidence": ["routing_confidence"],
        "complexity_score": ["complexity_score"],
        "cost_estimate": ["cost_estimate"],
    }


def test_names_in_a_result():
    """As promised."""
    assert names_in(FROM_RESULT[True]) == {
        "file_count": ["files_changed"],
        "model_tier": ["model_tier"],
        "complexity_score": ["complexity"],
        "quality_score": ["quality_score"],
        "actual_cost": ["cost"],
        "peak_memory_mb": ["peak_memory_mb"],
        "cpu_time_seconds": ["cpu_time_seconds"],
        "solution_summary": ["solution_summary"],
        "pool_id": ["pool_id"],
        "worker_id": ["worker_id"],
    }


def test_without_content_no_text_is_read():
    """Description and summary, and nothing else; the estimate is only a number."""
    assert names_in(FROM_TASK[True]).keys() - names_in(FROM_TASK[False]).keys() == {"task_description"}
    assert names_in(FROM_RESULT[True]).keys() - names_in(FROM_RESULT[False]).keys() == {"solution_summary"}


def test_fields_are_columns():
    """Each once, under a key of its own; the marked ones are those with a default."""
    columns = [field.column for field in FIELDS]

    assert len(set(columns)) == len({field.key for field in FIELDS}) == len(columns)
    assert set(columns) < SETTABLE <= set(COLUMNS)
    assert [column for _, column in MARKED] == [
        "task_id", "task_type", "task_description", "repo", "file_count", "estimated_tokens", "model_tier", "pool_type",
        "routing_confidence", "complexity_score", "cost_estimate", "actual_cost",
    ]  # fmt: skip
