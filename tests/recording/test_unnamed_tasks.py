"""Names of tasks that lack a type or a description, as the rows have them."""

import json
from collections import UserDict
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from learning_instrument import record_execution


@pytest.fixture
def names(database, rows):
    """Record a task; return the names that its row has."""

    def names(task, **options):
        execute_task = record_execution(learning_db=database, **options)(lambda task: None)
        execute_task(task)
        database.flush()
        return json.loads(rows()[-1]["metadata"]).get("names")

    return names


@dataclass
class Job:
    colour: str = "red"
    payload: object = None
    prompt: str = "known"


class Slotted:
    __slots__ = ("_hidden", "colour", "unset")


class Hostile:
    colour = property(lambda self: 1 / 0)

    def __init__(self):
        self.payload = self

    def __getattr__(self, name):
        raise SystemExit(name)

    def __dir__(self):
        raise SystemExit


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"colour": "red", "payload": {"inner": 1}, "task_id": "t", "metadata": {}}, ["colour", "payload"]),
        (SimpleNamespace(colour="red", _own=1), ["colour"]),
        (Job(), ["colour", "payload"]),
        (Slotted(), ["colour", "unset"]),
        pytest.param(Hostile(), ["payload"], id="hostile"),
        ({"no identifier": 1, 5: 2, "": 3, "x" * 61: 4, "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc": 5}, None),
        ({f"name_{number}": number for number in range(50)}, [f"name_{number}" for number in range(20)]),
        (UserDict(colour="red"), ["data"]),
        ({"task_type": "t", "prompt": "p", "colour": "red"}, None),
        ({"task_type": "t", "colour": "red"}, ["colour"]),
        ({}, None),
        ("text", None),
        (None, None),
    ],
)
def test_names_are_those_of_the_task(names, task, expected):
    """Identifiers that no column is filled from, at most 20; no value, and no code of the task's is run for them."""
    assert names(task) == expected


def test_names_are_contents_left_out_with_them(names):
    assert names({"colour": "red"}, capture_content=False) is None


def test_first_executions_of_a_function_have_names(database, rows):
    """A hundred in each process."""
    execute_task = record_execution(learning_db=database)(lambda task: None)
    for _ in range(103):
        execute_task({"colour": "red"})

    database.flush()

    assert ["names" in json.loads(row["metadata"]) for row in rows()] == [True] * 100 + [False] * 3
