"""Two files that differ over an execution are a conflict, and nothing else is."""

import json
from datetime import datetime, timezone

import pytest

from learning_instrument import ErrorType, ExecutionRecord, LearningDatabase
from learning_instrument.costs.call_store import ModelCallBatch
from learning_instrument.costs.model_calls import ModelCall
from learning_instrument.costs.prices import prices_of
from learning_instrument.database import store_of
from learning_instrument.maintenance.repricing import reprice
from learning_instrument.outcome import Outcome
from learning_instrument.transfer import Conflict, export_executions, import_executions

from .records import make, stored_in

MOMENT = datetime(2026, 11, 22, 10, tzinfo=timezone.utc)


@pytest.fixture
def target(tmp_path):
    """The path of a database that does not exist yet."""
    return str(tmp_path / "target.db")


def record(number, **values):
    return ExecutionRecord(task_type="t", task_id="t", execution_id=f"{number}", timestamp=MOMENT, **values)


def test_conflict_names_the_execution_both_files_and_the_columns(target, tmp_path):
    """Wherever the row is from that is kept: a file, another of the same import, the database.

    A column about which a file says nothing does not differ.
    """
    first = make(tmp_path / "first.db", [record(number, repo="a", attempt=2) for number in range(300)])
    second = make(tmp_path / "second.db", [record(number, repo="b", attempt=1) for number in range(299, 602)])
    third = tmp_path / "third.jsonl"
    third.write_text(
        "\n".join(
            json.dumps(record(number, repo=repo).to_dict()) for number, repo in ((601, "c"), (900, "c"), (900, "d"))
        )
    )
    make(target, [record(7, repo="mine")])

    answer = import_executions(target, [third, second, first])

    assert answer.conflicts == 4
    assert answer.conflicting == (
        Conflict("7", target, first, ("repo", "attempt")),
        Conflict("299", first, second, ("repo", "attempt")),
        Conflict("601", second, str(third), ("repo",)),
        Conflict("900", str(third), str(third), ("repo",)),
    )
    repos = {each.execution_id: each.repo for each in stored_in(target)}
    assert [repos[name] for name in ("7", "299", "601", "900")] == ["mine", "a", "b", "c"]


@pytest.mark.parametrize("name", ["7", "écrit à la main/7", "\N{PILE OF POO}"])
def test_conflict_over_an_id_of_any_letters_is_one(target, tmp_path, name):
    """Imported again, the file in other words."""
    make(target, [record(name, repo="mine")])
    other = make(tmp_path / "other.db", [record(name, repo="theirs")])

    answer = import_executions(target, [other])

    assert answer.conflicting == (Conflict(name, target, other, ("repo",)),)


def test_all_conflicts_are_counted_and_the_first_are_named(target, tmp_path):
    first = make(tmp_path / "first.db", [record(number, repo="a") for number in range(150)])
    second = make(tmp_path / "second.db", [record(number, repo="b") for number in range(150)])

    answer = import_executions(target, [first, second])
    again = import_executions(target, [first, second])

    assert (answer.conflicts, len(answer.conflicting), again.conflicts) == (150, 100, 150)
    assert {(each.kept, each.left_out) for each in again.conflicting} == {(target, second)}


def test_lost_execution_and_its_result_do_not_differ(target, tmp_path):
    """In any order."""
    lost = make(tmp_path / "lost.db", [record(1, outcome=Outcome.LOST, error_type=ErrorType.CRASH)])
    ended = make(tmp_path / "ended.db", [record(1)])

    assert [import_executions(target, [file]).conflicts for file in (lost, ended, lost)] == [0, 0, 0]
    assert [each.outcome for each in stored_in(target)] == [Outcome.SUCCEEDED]


def test_feedback_that_came_later_is_no_conflict(target, tmp_path):
    """Without it, a difference in what it determines is one."""
    source = make(tmp_path / "source.db", [record(1), record(2)])
    before, after = tmp_path / "before.csv", tmp_path / "after.csv"
    export_executions(source, before)
    with LearningDatabase(source) as database:
        database.add_feedback("1", rating=2, visibility="public")
    export_executions(source, after)

    for files in ([before, source], [source, before, after]):
        answers = [import_executions(target, [file]) for file in files]
        assert [answer.conflicts for answer in answers] == [0] * len(files)
    alone = import_executions(str(tmp_path / "alone.db"), [after, before])

    assert [(each.kept, each.columns) for each in alone.conflicting] == [(str(after), ("user_rating",))]


def test_costs_of_model_calls_are_no_conflict(target, tmp_path):
    """Prices change, and calls come after their execution."""
    identity = f"{1:016x}-{'a' * 32}-{'b' * 16}"
    source = make(tmp_path / "source.db", [ExecutionRecord(task_type="t", execution_id=identity, timestamp=MOMENT)])
    early, late = tmp_path / "early.jsonl", tmp_path / "late.csv"
    export_executions(source, early)
    call = ModelCall(
        identity, "a" * 32, "c" * 16, None, "", None, MOMENT.isoformat(), "local", None, None, 1_000_000, None, None, 4,
        None, "unpriced", None, 0.5, None,
    )  # fmt: skip
    with LearningDatabase(source) as database:
        store_of(database).model_calls.price_with(prices_of({"local": {"input": 2.0}}))
        store_of(database).append_model_calls(ModelCallBatch([call]))
    export_executions(source, late)

    assert import_executions(target, [early]).conflicts == 0
    assert import_executions(target, [source]).conflicts == 0
    with LearningDatabase(target) as database:
        reprice(database, prices_of({"local": {"input": 3.0}}))

    assert [import_executions(target, [file]).conflicts for file in (early, late, source)] == [0, 0, 0]
