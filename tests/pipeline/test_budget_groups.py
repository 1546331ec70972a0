"""Budgets for each model, and for each value of a key of metadata: known before the task starts."""

import enum
from datetime import datetime, timezone

import pytest

from learning_instrument import Budget, BudgetExceeded, ExecutionRecord, LearningDatabase, record_execution
from learning_instrument.analytics import budget_status
from learning_instrument.errors import ConfigurationError

KEY = "metadata.customer"


class Plan(str, enum.Enum):
    """A value that is stored as its text."""

    PRO = "pro"


def task_of(database, budget, **keywords):
    """Return a function whose calls cost a cent."""

    @record_execution(learning_db=database, budget=budget, **keywords)
    def execute_task(task):
        return {"cost": 0.01}

    return execute_task


def run(execute_task, most=50, **task):
    for count in range(most):
        try:
            execute_task(task)
        except BudgetExceeded as refused:
            return count, str(refused)
    return most, None


@pytest.fixture
def database(tmp_path):
    """An empty database."""
    with LearningDatabase(tmp_path / "learning.db") as database:
        yield database


@pytest.mark.parametrize(
    "value", ["acme", "it's", True, 7, 1.5, 1e22, Plan.PRO, ["a", "\u00e9"], {"id": 1}, "", "unknown"]
)
def test_each_value_of_a_key_has_its_limit(database, value):
    """In this process and in the next, which reads the file; other values, and tasks without the key, go on."""
    budget = Budget(usd=0.05, by=KEY, on_limit="raise")
    execute_task = task_of(database, budget)

    count, message = run(execute_task, metadata={"customer": value})

    assert count == 5
    assert message.startswith("The budget of $0.05 a day for metadata.customer ")
    (status,) = budget_status(database, budget)
    assert (status.spent_usd, status.executions) == (pytest.approx(0.05), 5)
    assert f"metadata.customer {status.group!r} is spent" in message
    with LearningDatabase(database.path) as another:
        again = task_of(another, budget)
        assert run(again, metadata={"customer": value})[0] == 0
        assert run(again, 1, metadata={"customer": "globex"})[0] == 1
        assert run(again, 1)[0] == (0 if value == "unknown" else 1)


def test_task_without_the_key_is_of_the_unknown(database):
    """Metadata that come later count where the row has them, and hold no task that does not know them."""
    budget = Budget(usd=0.03, by=KEY, on_limit="raise")
    execute_task = task_of(database, budget)

    assert run(execute_task, metadata={"other": "acme"})[0] == 3
    assert run(execute_task, metadata={"customer": None})[0] == 0
    assert run(execute_task, 1, metadata={"customer": "acme"})[0] == 1
    assert {status.group for status in budget_status(database, budget)} == {"unknown", "acme"}


@pytest.mark.parametrize("key", ["a.b", 'say "x"', "caf\u00e9", "two words", "x' --"])
def test_any_key_has_a_budget(database, key):
    """As in reports."""
    execute_task = task_of(database, Budget(usd=0.02, by=f"metadata.{key}", on_limit="raise"))

    assert run(execute_task, metadata={key: "acme"})[0] == 2
    assert run(execute_task, 1, metadata={key: "globex"})[0] == 1


def test_fields_name_what_is_known_before_the_start(database):
    """A name or a path of the task; a function of the result comes too late."""
    paths = {"metadata": "job.tags", "model": "llm", "repo": "project"}
    for by, tasks in (
        (KEY, ({"job": {"tags": {"customer": "acme"}}}, {"job": {"tags": {"customer": "globex"}}})),
        ("model", ({"llm": "gpt-4o"}, {"llm": "claude"})),
        ("repo", ({"project": "shop"}, {"project": "site"})),
    ):
        execute_task = task_of(database, Budget(usd=0.02, by=by, on_limit="raise"), fields=paths)
        assert run(execute_task, **tasks[0])[0] == 2
        assert run(execute_task, 1, **tasks[1])[0] == 1
    late = task_of(database, Budget(usd=0.5, by="model", on_limit="raise"), fields={"model": lambda i, t, r: "late"})
    assert run(late, 3)[0] == 3
    assert "late" in {status.group for status in budget_status(database, Budget(usd=1, by="model"))}


def test_spending_of_rows_counts_by_model(database):
    """Stored by another process."""
    now = datetime.now(timezone.utc)
    database.append([ExecutionRecord(task_type="t", timestamp=now, model="gpt-4o", actual_cost=1.0)])
    execute_task = task_of(database, Budget(usd=1.0, by="model", on_limit="raise"), fields={"model": "llm"})

    assert run(execute_task, llm="gpt-4o")[0] == 0
    assert run(execute_task, 1, llm="claude")[0] == 1


def test_items_of_a_batch_have_groups_of_their_own(database):
    """One that is spent keeps the batch from starting."""
    budget = Budget(usd=0.02, by=KEY, on_limit="raise")

    @record_execution(learning_db=database, budget=budget, batch=True)
    def execute_batch(tasks):
        return [{"cost": 0.02} for _ in tasks]

    execute_batch([{"metadata": {"customer": "acme"}}])
    execute_batch([{"metadata": {"customer": "globex"}}])
    with pytest.raises(BudgetExceeded, match="'acme'"):
        execute_batch([{"metadata": {"customer": "initech"}}, {"metadata": {"customer": "acme"}}])


def test_text_that_is_no_content_is_known_without_contents(database):
    """Of metadata, ``keep_metadata`` names the keys that are."""
    budget = Budget(usd=0.02, by=KEY, on_limit="raise")
    execute_task = task_of(database, budget, capture_content=False)

    assert run(execute_task, metadata={"customer": "acme"})[0] == 2
    assert [status.group for status in budget_status(database, budget)] == ["unknown"]


@pytest.mark.parametrize("by", ["metadata.", "metadata", "task_type", "customer", ["metadata.a"]])
def test_other_groups_are_refused(by):
    """What a task is checked by is known before it starts."""
    with pytest.raises(ConfigurationError, match=r"Invalid by .*model, metadata\.KEY"):
        Budget(usd=1, by=by)
