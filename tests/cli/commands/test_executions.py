"""``list``, ``show`` and ``tail``."""

import json

import pytest
from asking import answer, document, record, rows, store

UNKNOWN = {"not reported": {}, "unpriced": {"cost_source": "unpriced", "actual_cost": 0.0}}


@pytest.fixture
def path(tmp_path):
    """The path of a database for records of a test's own."""
    return str(tmp_path / "learning.db")


def shown(path, execution):
    """Return what ``show`` says of each field."""
    return dict(line.split(maxsplit=1) for line in answer(path, "show", execution).splitlines() if " " in line)


@pytest.mark.parametrize("why", UNKNOWN)
def test_unknown_cost_is_never_zero(path, why):
    """In no command, format or field: a dash, the reason, null or nothing."""
    store(path, record(execution_id="e-1", **UNKNOWN[why]))
    store(path, record(execution_id="e-2", parent_execution_id="e-1", **UNKNOWN[why]))
    tail = ("tail", "--lines", "5", "--for", "0")

    for command in (["list"], ["show", "e-1"], tail, ["summary"], ["performance"], ["costs"], ["similar", "x"]):
        assert "$0" not in answer(path, *command), command
    assert shown(path, "e-1")["actual_cost"] == shown(path, "e-1")["cost_estimate"] == f"unknown ({why})"
    found = document(path, "show", "e-1")
    followed = [json.loads(line) for line in answer(path, *tail, "--json").splitlines()]
    for execution in [*document(path, "list"), found["execution"], *found["children"], *followed]:
        assert (execution["actual_cost"], execution["cost_estimate"]) == (None, None)
    for command in (["list"], ["show", "e-1"], tail):
        assert {(row["actual_cost"], row["cost_estimate"]) for row in rows(path, *command)} == {("", "")}


def test_reported_zero_is_zero(path):
    """It is a value, and an estimate that was reported stays beside an unknown cost."""
    store(path, record(execution_id="e-1", actual_cost=0.0), record(execution_id="e-2", cost_estimate=0.5))

    assert shown(path, "e-1")["actual_cost"] == "$0"
    assert shown(path, "e-2")["cost_estimate"] == "$0.5000"
    assert [execution["actual_cost"] for execution in document(path, "list")] == [None, 0.0]
    assert [execution["cost_estimate"] for execution in document(path, "list")] == [0.5, 0.0]
