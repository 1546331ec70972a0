"""Budgets: which tasks start, when it warns, and what counts as spent."""

import asyncio
import contextlib
import logging
import multiprocessing
import os
import pickle
import re
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest

from learning_instrument import (
    Budget,
    BudgetExceeded,
    ExecutionRecord,
    LearningDatabase,
    PoolInstrumentor,
    configure,
    current_execution,
    record_execution,
    shutdown,
)
from learning_instrument.budgets import window_around
from learning_instrument.configuration import configure_privately, configured_budgets
from learning_instrument.costs.spending import SpendReader, budget_status
from learning_instrument.database import store_of
from learning_instrument.errors import ConfigurationError
from learning_instrument.pipeline import budget_gate
from learning_instrument.pipeline.budget_gate import gate_of
from learning_instrument.recording import drivers
from learning_instrument.storage.background_writer import BackgroundWriter

UTC = timezone.utc
NOON = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Let readings take as long as a slow machine needs."""
    monkeypatch.setattr(budget_gate, "_TASK_SECONDS", 20.0)
    monkeypatch.setattr(budget_gate, "_FIRST_SECONDS", 20.0)
    monkeypatch.setattr(budget_gate, "_FIRST_SECONDS_CLOSED", 20.0)


@pytest.fixture
def warnings_of(caplog):
    """Return a function that lists the warnings logged."""
    caplog.set_level(logging.WARNING, "learning_instrument")
    return lambda: [record.getMessage() for record in caplog.records]


def spend(database, *costs, **columns):
    """Store executions, as another process would have."""
    database.append([ExecutionRecord(task_type="t", actual_cost=cost, **columns) for cost in costs])
    assert database.flush(30)


def task_of(database, budget, cost=0.01, **keywords):
    """Return a function whose calls cost *cost*, and the list of its tasks that started."""
    began = []

    @record_execution(learning_db=database, budget=budget, **keywords)
    def execute_task(task):
        began.append(task)
        return {"cost": cost}

    return execute_task, began


def run_until_refused(execute_task, most=1000):
    for count in range(most):
        try:
            execute_task({})
        except BudgetExceeded:
            return count
    raise AssertionError("nothing was refused")


# What a budget is.


@pytest.mark.parametrize(
    "arguments",
    [
        {"usd": 0},
        {"usd": -1},
        {"usd": float("nan")},
        {"usd": float("inf")},
        {"usd": "5"},
        {"usd": True},
        {"usd": 1, "per": "week"},
        {"usd": 1, "by": "task_type"},
        {"usd": 1, "warn_at": 0},
        {"usd": 1, "warn_at": 80},
        {"usd": 1, "on_limit": "stop"},
        {"usd": 1, "on_limit": None},
        {"usd": 1, "on_limit": asyncio.sleep},
        {"usd": 1, "fail_closed": 1},
    ],
)
def test_invalid_argument_is_refused(arguments):
    """Where the budget is created."""
    with pytest.raises(ConfigurationError):
        Budget(**arguments)


@pytest.mark.parametrize("budget", [5.0, "5", [5.0], {"usd": 5.0}])
def test_invalid_budget_is_refused(budget, tmp_path):
    """By the decorator, ``configure()`` and the instrumentor."""
    with pytest.raises(ConfigurationError, match="expected a Budget"):
        record_execution(budget=budget)
    with pytest.raises(ConfigurationError, match="expected a Budget"):
        configure(tmp_path / "learning.db", budget=budget)
    with pytest.raises(ConfigurationError, match="expected a Budget"):
        PoolInstrumentor().instrument(targets=[], budget=budget)


@pytest.mark.parametrize(
    ("per", "start", "end"),
    [
        ("hour", "2026-11-22T12:00", "2026-11-22T13:00"),
        ("day", "2026-11-22T00:00", "2026-11-23T00:00"),
        ("month", "2026-11-01T00:00", "2026-12-01T00:00"),
    ],
)
def test_window_is_a_calendar_period(per, start, end):
    """In UTC, for a time of any zone."""
    moment = NOON.astimezone(timezone(timedelta(hours=-8)))

    window = window_around(moment, per)

    assert [each.strftime("%Y-%m-%dT%H:%M") for each in window] == [start, end]
    assert window.start.utcoffset() == timedelta(0)


def test_december_ends_with_the_year():
    """And a month begins with its first day."""
    assert window_around(datetime(2026, 12, 31, 23, 59, tzinfo=UTC), "month").end == datetime(2027, 1, 1, tzinfo=UTC)


def test_refusal_can_be_pickled():
    """A process pool sends it to the caller."""
    error = BudgetExceeded("spent", spent_usd=1.5, limit_usd=1.0, opens=NOON)

    copy = pickle.loads(pickle.dumps(error))

    assert (str(copy), copy.spent_usd, copy.limit_usd, copy.opens) == ("spent", 1.5, 1.0, NOON)


# What counts as spent.


def status_of(database, **keywords):
    (found,) = budget_status(database, Budget(usd=10, **keywords), NOON)
    return found


def test_status_is_of_the_window(database):
    """Executions that began before it, or after, belong to another."""
    for cost, moment in [(1, NOON - timedelta(days=1)), (2, NOON), (4, NOON + timedelta(days=1))]:
        spend(database, cost, timestamp=moment)

    found = status_of(database)

    assert (found.spent_usd, found.executions, found.unpriced, found.left_usd, found.share) == (2, 1, 0, 8, 0.2)
    assert (found.window_start, found.window_end) == window_around(NOON, "day")
    assert status_of(database, per="month").spent_usd == 7


def test_unused_budget_has_a_status(database):
    """Where it has groups, it has none."""
    assert status_of(database).spent_usd == 0
    assert budget_status(database, Budget(usd=1, by="repo"), NOON) == ()


def test_status_by_group_has_the_costliest_first(database):
    """Each has the whole limit to itself."""
    spend(database, 1, 2, timestamp=NOON, pool_type="small")
    spend(database, 4, timestamp=NOON, pool_type="large")

    found = budget_status(database, Budget(usd=10, by="pool_type"), NOON)

    assert [(each.group, each.spent_usd, each.executions) for each in found] == [("large", 4, 1), ("small", 3, 2)]


def test_unknown_cost_is_not_zero(database):
    """It is counted separately."""
    spend(database, 1.0, None, timestamp=NOON)
    spend(database, 2.0, timestamp=NOON, cost_source="unpriced")

    found = status_of(database)

    assert (found.spent_usd, found.executions, found.unpriced) == (1, 3, 2)


def test_cost_of_which_a_part_is_unknown_is_spent_and_counted(database):
    """What is known of it; a stand-in is not."""
    spend(database, 1.0, 2.0, timestamp=NOON, cost_source="partial")
    spend(database, 4.0, timestamp=NOON, cost_source="partial", defaulted=("actual_cost",))
    spend(database, 8.0, timestamp=NOON, cost_source="priced")

    found = status_of(database)

    assert (found.spent_usd, found.executions, found.partial, found.unpriced) == (11, 4, 2, 1)


def nested(database, *executions):
    """Store ``(name, name of the one around it, cost, cost_source)``."""
    database.append(
        [
            ExecutionRecord(
                task_type="t",
                execution_id=name,
                parent_execution_id=parent,
                actual_cost=cost,
                cost_source=source,
                timestamp=NOON,
            )
            for name, parent, cost, source in executions
        ]
    )


@pytest.mark.parametrize(
    ("executions", "spent"),
    [
        ([("a", None, 3, None), ("b", "a", 1, None), ("c", "a", 2, None)], 3),
        ([("a", None, 5, None), ("b", "a", 1, None), ("c", "a", 2, None)], 5),
        ([("a", None, 0, None), ("b", "a", 1, None)], 1),
        ([("a", None, None, None), ("b", "a", 1, None)], 1),
        ([("a", None, 3, None), ("b", "a", 3, None), ("c", "b", 3, None)], 3),
        ([("a", None, 3, "priced"), ("b", "a", 1, "reported")], 4),
        ([("a", None, 3, "estimated"), ("b", "a", 1, "priced")], 3),
        ([("a", None, 3, "partial"), ("b", "a", 1, "reported")], 4),
        ([("a", None, 3, None), ("b", "a", 1, "partial")], 3),
    ],
)
def test_nested_costs_count_once(database, executions, spent):
    """A cost that the pool reported counts where it exceeds those within; a cost of model calls counts in full."""
    nested(database, *executions)

    found = status_of(database)

    assert found.spent_usd == spent
    assert found.unpriced == 0


@pytest.mark.parametrize("by", [None, "pool_type"])
def test_last_reading_agrees_with_the_whole(database, by):
    """With rows since, costs corrected late, and a parent whose children were read before."""
    window, never = window_around(NOON, "day"), lambda: False
    reader = SpendReader(database.path, by)
    nested(database, ("old", None, 1, None))
    reader.read_whole(window, 5.0, never)
    nested(database, ("late", None, None, None), ("child", "parent", 2, None))
    reader.read_whole(window, 5.0, never)
    nested(database, ("parent", None, 5, None))
    with contextlib.closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute("UPDATE executions SET actual_cost = 8, defaulted = '[]' WHERE execution_id = 'late'")

    last = reader.read_last(window, 5.0, never)

    assert last == SpendReader(database.path, by).read_whole(window, 5.0, never)
    (spent,) = last.values()
    assert (spent.nano, spent.executions) == (14 * 10**9, 4)


def test_last_reading_notices_that_rows_were_deleted(database):
    """New ones get their numbers."""
    window, never = window_around(NOON, "day"), lambda: False
    reader = SpendReader(database.path, None)
    nested(database, *((name, None, 1, None) for name in "abc"))
    for _ in range(2):
        reader.read_whole(window, 5.0, never)
    store_of(database).transact(lambda execute: execute("DELETE FROM executions"))
    nested(database, ("new", None, 5, None))

    (spent,) = reader.read_last(window, 5.0, never).values()

    assert (spent.nano, spent.executions) == (5 * 10**9, 1)


def test_reading_that_takes_too_long_is_given_up(database):
    """A task does not wait for it."""
    database.append([ExecutionRecord(task_type="t", timestamp=NOON) for _ in range(5000)])

    assert SpendReader(database.path, None).read_whole(window_around(NOON, "day"), 5.0, lambda: True) is None


# Which tasks start.


def test_task_beyond_the_limit_does_not_start(database, rows):
    """It is no execution either."""
    execute_task, began = task_of(database, Budget(usd=0.1, on_limit="raise"))

    assert run_until_refused(execute_task) == 10

    assert len(began) == len(rows()) == 10


def test_refusal_says_why_and_until_when(database):
    """In words, and in attributes."""
    spend(database, 7)
    execute_task, _ = task_of(database, Budget(usd=5, per="month", by="repo", on_limit="raise"))

    with pytest.raises(BudgetExceeded) as refused:
        execute_task({})

    end = window_around(datetime.now(UTC), "month").end
    assert (refused.value.spent_usd, refused.value.limit_usd, refused.value.opens) == (7, 5, end)
    text = str(refused.value)
    assert "$5.00 a month for repo 'unknown'" in text
    assert "$7.00 since" in text
    assert f"{end:%Y-%m-%d %H:%M} UTC" in text


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_own_spending_counts_at_once(tmp_path, durability):
    """Whether its rows are in the file yet or not."""
    with LearningDatabase(tmp_path / "own.db", durability) as database:
        execute_task, _ = task_of(database, Budget(usd=1, on_limit="raise"))

        assert run_until_refused(execute_task) == 100


def test_execution_stored_during_a_reading_counts_once(database, monkeypatch):
    """It is in the file already, and its own thread says so a moment later."""
    execute_task, began = task_of(database, Budget(usd=0.04, per="day", on_limit="raise"))
    execute_task({})
    is_stored, is_read = threading.Event(), threading.Event()
    append, read_whole = database._store.append, SpendReader.read_whole

    def append_slowly(*arguments):
        database._store.append = append
        answer = append(*arguments)
        is_stored.set()
        assert is_read.wait(20)
        return answer

    def read_slowly(*arguments):
        found = read_whole(*arguments)
        is_read.set()
        slow.result(20)
        return found

    database._store.append = append_slowly
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(execute_task, {})
        assert is_stored.wait(20)
        execute_task({})  # so that the next one reads
        with monkeypatch.context() as patched:
            patched.setattr(SpendReader, "read_whole", read_slowly)
            execute_task({})

    with pytest.raises(BudgetExceeded) as refused:
        execute_task({})
    assert refused.value.spent_usd == pytest.approx(0.04)
    assert len(began) == 4


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_execution_stored_right_after_a_reading_began_counts_once(tmp_path, monkeypatch, durability):
    """The reading does not find it."""
    monkeypatch.setattr(budget_gate, "_FRESH_SECONDS", 600.0)  # no other reading
    database, budget = LearningDatabase(tmp_path / "learning.db", durability), Budget(usd=1000, per="day")
    execute_task, _ = task_of(database, budget, cost=0.25)
    gate = gate_of(budget, database)
    execute_task({})

    def read(window, patience, is_over, uncertain):
        def execute_first():
            pool.submit(execute_task, {}).result(20)
            return uncertain()

        return SpendReader(database.path, None).read_whole(window, patience, is_over, execute_first)

    with ThreadPoolExecutor(1) as pool:
        assert gate._read(read, 20, lambda: False)

    assert gate._view.spending[""].executions == 1
    assert gate._view.spending[""].nano + gate._own[""] - gate._view.own[""] == 0.5 * 10**9
    database.close()


def test_own_spending_counts_while_the_queue_is_not_written(tmp_path, monkeypatch):
    """A reading does not find it, however often the database is read."""
    database = LearningDatabase(tmp_path / "learning.db", "batch")
    spend(database, 0.01)
    execute_task, _ = task_of(database, Budget(usd=0.05, per="day", on_limit="raise"))
    with monkeypatch.context() as patched:
        patched.setattr(LearningDatabase, "flush", lambda self, timeout=None: False)
        patched.setattr(BackgroundWriter, "_write_batch", lambda self: False)
        assert run_until_refused(execute_task) == 4
    database.close()


def test_brief_reading_needs_the_queue_in_the_file(database, monkeypatch):
    """Without it, what is in the file would count as spent since as well."""
    monkeypatch.setattr(budget_gate, "_TASK_SECONDS", 0.5)
    monkeypatch.setattr(LearningDatabase, "flush", lambda self, timeout: timeout > 1)
    execute_task, _ = task_of(database, Budget(usd=0.05, per="day", on_limit="raise"))

    assert run_until_refused(execute_task) == 5


def test_others_spending_counts_within_a_second(database):
    """Another process's rows are read when the last reading is too old."""
    execute_task, _ = task_of(database, Budget(usd=1, on_limit="raise"), cost=0)
    execute_task({})
    with LearningDatabase(database.path) as other:
        spend(other, 2)

    assert run_until_refused(execute_task, most=10_000_000) >= 0


def test_spent_budget_is_not_read_for_each_task(database, monkeypatch):
    """Beyond the limit another reading would change nothing, whether tasks go on or not."""
    readings = []
    read = SpendReader._read
    monkeypatch.setattr(SpendReader, "_read", lambda *args: readings.append(args) or read(*args))
    monkeypatch.setattr(budget_gate, "_FRESH_SECONDS", 600.0)
    spend(database, 2)
    execute_task, began = task_of(database, Budget(usd=1))
    execute_task({})
    before = len(readings)

    for _ in range(10):
        execute_task({})

    assert len(began) == 11
    assert len(readings) == before


@pytest.mark.parametrize("by", ["pool_type", "model_tier", "repo"])
def test_groups_have_limits_of_their_own(database, by):
    """A spent group stops no other."""
    spend(database, 2, **{by: "full"})
    of_task = {"repo": "full", "model_tier": "full"}

    def tasks_of(name):
        keywords = {"pool_type": name} if by == "pool_type" else {}
        execute_task, _ = task_of(database, Budget(usd=1, by=by, on_limit="raise"), **keywords)
        return lambda: execute_task({key: name for key in of_task if key == by})

    tasks_of("free")()
    with pytest.raises(BudgetExceeded, match="'full'"):
        tasks_of("full")()


def test_next_window_opens_again(database, monkeypatch):
    """Earlier spending belongs to the window before."""
    execute_task, _ = task_of(database, Budget(usd=0.02, per="hour", on_limit="raise"))
    run_until_refused(execute_task)
    (gate,) = budget_gate._gates[database].values()

    later = datetime.now(UTC) + timedelta(hours=1)
    monkeypatch.setattr(budget_gate.time, "time", later.timestamp)
    monkeypatch.setattr(budget_gate, "datetime", _Clock(later))
    gate._view = gate._view._replace(expires=float("-inf"))

    execute_task({})


class _Clock:
    def __init__(self, moment):
        self._moment = moment

    def now(self, tz):
        return self._moment.astimezone(tz)


def test_several_budgets_apply_together(database):
    """The first that is spent refuses."""
    wide, narrow = Budget(usd=100, per="month", on_limit="raise"), Budget(usd=0.05, per="hour", on_limit="raise")
    execute_task, _ = task_of(database, [wide, narrow])

    assert run_until_refused(execute_task) == 5


def test_configured_budget_is_for_all(tmp_path):
    """In addition to the decorator's, to which all spending counts."""
    database = configure(tmp_path / "learning.db", budget=Budget(usd=1, on_limit="raise"))
    limited = record_execution(budget=Budget(usd=0.5, on_limit="raise"))(lambda task: {"cost": 0.1})
    free = record_execution(lambda task: {"cost": 0.1})

    assert run_until_refused(limited) == 5
    assert run_until_refused(free) == 5
    assert len(database.query("SELECT 1 FROM executions")) == 10


@pytest.mark.parametrize("begin", [configure, configure_privately])
def test_budgets_of_the_environment_are_for_all(tmp_path, monkeypatch, caplog, begin):
    """With and without code; they warn, and tasks go on."""
    monkeypatch.setenv("LEARNING_INSTRUMENT_BUDGET", " 2.50 / month ;1/day by=metadata.a customer,")
    database = begin(tmp_path / "learning.db")
    execute_task = record_execution(lambda task: {"cost": 1.0})

    for _ in range(4):
        execute_task({"metadata": {"a customer": "acme"}})

    assert configured_budgets() == (Budget(usd=2.5, per="month"), Budget(usd=1.0, by="metadata.a customer"))
    assert [re.sub(r":.*", "", message) for message in caplog.messages] == [
        "The budget of $1.00 a day for metadata.a customer 'acme' is spent",
        "The budget of $2.50 a month is spent to 80%",
        "The budget of $2.50 a month is spent",
    ]
    assert database.query("SELECT count(*) AS n FROM executions") == [{"n": 4}]


@pytest.mark.parametrize("argument", [(), Budget(usd=3)])
def test_argument_goes_before_the_environments_budgets(tmp_path, monkeypatch, argument):
    """None of its own turns them off; a later ``configure()`` without an argument adds none."""
    monkeypatch.setenv("LEARNING_INSTRUMENT_BUDGET", "1/day")

    configure(tmp_path / "learning.db", budget=argument)
    configure(tmp_path / "learning.db")

    assert configured_budgets() == ((argument,) if argument else ())


def test_configuring_twice_keeps_the_budget(tmp_path):
    """The same budget again is accepted; another is an error until ``shutdown()``; a first one may come later."""
    path = tmp_path / "learning.db"
    execute_task = record_execution(lambda task: {"cost": 1})
    configure(path)
    configure(path, budget=Budget(usd=1, on_limit="raise"))
    configure(path, budget=Budget(usd=1, on_limit="raise"))
    configure(path)
    assert run_until_refused(execute_task) == 1

    with pytest.raises(ConfigurationError, match="shutdown"):
        configure(path, budget=Budget(usd=2))
    shutdown()
    configure(path)
    execute_task({})


def test_instrumented_pool_is_limited(database):
    """By a keyword of the instrumentor."""

    class Pool:
        def execute_task(self, task):
            return {"cost": 1}

    PoolInstrumentor().instrument(targets=[Pool], learning_db=database, budget=Budget(usd=1, on_limit="raise"))
    try:
        assert run_until_refused(Pool().execute_task) == 1
    finally:
        PoolInstrumentor().uninstrument()
    Pool().execute_task({})


# How each kind of call is refused.


@pytest.fixture
def spent(database):
    """Keywords of a decorator whose calls are refused."""
    spend(database, 2)
    return {"learning_db": database, "budget": Budget(usd=1, on_limit="raise")}


def test_coroutine_is_refused_when_awaited(spent):
    """Without a warning of a coroutine that was never awaited."""

    @record_execution(**spent)
    async def execute_task(task):
        raise AssertionError("it began")

    coroutine = execute_task({})
    with pytest.raises(BudgetExceeded):
        asyncio.run(coroutine)


def test_generators_are_refused_at_their_first_step(spent):
    """Plain and asynchronous."""

    @record_execution(**spent)
    def plain(task):
        yield 1

    @record_execution(**spent)
    async def asynchronous(task):
        yield 1

    with pytest.raises(BudgetExceeded):
        next(plain({}))
    with pytest.raises(BudgetExceeded):
        asyncio.run(anext(asynchronous({})))


def test_methods_are_refused(spent):
    """Of instances, of classes, static; and a subclass's that calls its parent's, once."""

    class Pool:
        @record_execution(**spent)
        def execute_task(self, task):
            return task

        @classmethod
        @record_execution(**spent)
        def of_class(cls, task):
            return task

        @staticmethod
        @record_execution(**spent)
        def static(task):
            return task

    for call in (Pool().execute_task, Pool.of_class, Pool.static):
        with pytest.raises(BudgetExceeded):
            call({})


def test_object_that_a_refused_call_returned_is_closed():
    """As by a coroutine function that is not Python's own."""
    closed = []

    class Made:
        def close(self):
            closed.append(True)

    def refuse():
        raise BudgetExceeded("spent")

    async def like(task): ...

    call = drivers.driver_for(like)
    with pytest.raises(BudgetExceeded):
        call(lambda *_: refuse, lambda task: Made(), None, ({},), {})
    assert closed == [True]


def test_batch_is_refused_whole(database, rows):
    """Where any of its tasks is."""
    spend(database, 2, repo="full")
    began = []

    @record_execution(learning_db=database, batch=True, budget=Budget(usd=1, by="repo", on_limit="raise"))
    def execute_batch(tasks):
        began.append(tasks)
        return [{"cost": 0.1} for _ in tasks]

    execute_batch([{"repo": "free"}, {"repo": "free"}])
    with pytest.raises(BudgetExceeded):
        execute_batch([{"repo": "free"}, {"repo": "full"}])

    assert len(began) == 1
    assert len(rows()) == 3


def test_task_refused_within_a_batch_is_no_execution(database, rows):
    """For any result of the batch."""
    spend(database, 2)

    class Pool:
        @record_execution(learning_db=database, batch=True)
        def execute_batch(self, tasks):
            results = []
            for task in tasks:
                try:
                    results.append(self.execute_task(task))
                except BudgetExceeded as error:
                    results.append({"status": "rejected", "error": str(error)})
            return results

        @record_execution(learning_db=database, budget=Budget(usd=1, on_limit="raise"))
        def execute_task(self, task):
            return task

    Pool().execute_batch([{}, {}])

    assert len(rows()) == 1


def test_task_within_a_task_is_refused_alone(database, rows):
    """The task around it has started, and fails or goes on."""
    inner, _ = task_of(database, Budget(usd=1, on_limit="raise"))

    @record_execution(learning_db=database)
    def outer(task):
        current_execution().set(actual_cost=0)
        return inner(task)

    spend(database, 2)
    with pytest.raises(BudgetExceeded):
        outer({})

    assert [row["exception_type"] for row in rows()] == [None, "learning_instrument.errors.BudgetExceeded"]


@pytest.mark.parametrize("kind", ["thread", "fork", "spawn"])
def test_calls_sent_to_an_executor_are_refused_there(database, kind):
    """The future has the refusal; a function that cannot be sent along does not keep the task from being sent."""
    from concurrent.futures import ProcessPoolExecutor

    spend(database, 2)
    budgets = [Budget(usd=1, on_limit="raise"), Budget(usd=50, on_limit=lambda status: None)]
    PoolInstrumentor().instrument(targets="concurrent.futures", learning_db=database, budget=budgets)
    try:
        if kind == "thread":
            executor = ThreadPoolExecutor(1)
        else:
            executor = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(kind))
        with executor:
            with pytest.raises(BudgetExceeded) as refused:
                executor.submit(abs, -1).result(60)
            assert refused.value.spent_usd == 2
    finally:
        PoolInstrumentor().uninstrument()


# Warnings.


def test_budget_is_described_by_its_period():
    assert Budget(usd=0.5, per="hour").describe() == "The budget of $0.50 an hour"
    assert Budget(usd=0.5, per="day").describe() == "The budget of $0.50 a day"


def test_refusal_and_warning_say_that_more_may_be_spent(database, warnings_of):
    """Where a part of it is unknown."""
    spend(database, 0.5, cost_source="partial")
    execute_task, _ = task_of(database, Budget(usd=0.4, on_limit="raise"))

    with pytest.raises(BudgetExceeded, match=r"is spent: at least \$0\.50 since"):
        execute_task({})

    (text,) = warnings_of()
    assert "is spent: at least $0.50 since" in text


def test_function_is_told_how_much_is_a_lower_bound(database):
    """By the number of executions of which a part is unknown."""
    spend(database, 0.5, cost_source="partial")
    statuses = []
    execute_task, _ = task_of(database, Budget(usd=0.4, on_limit=statuses.append))

    execute_task({})

    assert [(status.spent_usd, status.partial) for status in statuses] == [(0.5, 1)]


def test_warning_comes_once_for_each_share(database, warnings_of):
    """And tasks go on."""
    execute_task, began = task_of(database, Budget(usd=0.1, warn_at=0.5))

    for _ in range(15):
        execute_task({})

    assert len(began) == 15
    half, all_of_it = warnings_of()
    assert "The budget of $0.10 a day is spent to 50%: $0.05 since" in half
    assert "The budget of $0.10 a day is spent: $0.10 since" in all_of_it
    assert "Tasks go on" in all_of_it


def test_function_is_called_instead(database, warnings_of):
    """At both shares, with the status."""
    statuses = []
    budget = Budget(usd=0.1, by="pool_type", warn_at=0.5, on_limit=statuses.append)
    execute_task, began = task_of(database, budget, pool_type="local")

    for _ in range(15):
        execute_task({})

    assert len(began) == 15
    assert [(status.budget, status.group, round(status.spent_usd, 9)) for status in statuses] == [
        (budget, "local", 0.05),
        (budget, "local", 0.1),
    ]
    assert warnings_of() == []


def test_function_that_fails_stops_nothing(database, warnings_of):
    """It is logged once."""

    def on_limit(status):
        raise SystemExit(status)

    execute_task, began = task_of(database, Budget(usd=0.01, on_limit=on_limit))

    for _ in range(5):
        execute_task({})

    assert len(began) == 5
    (text,) = warnings_of()
    assert "failed; the task goes on" in text


def test_unknown_costs_are_logged_once(database, warnings_of):
    """A budget cannot see them, or a part of them."""
    spend(database, None, 0.0, timestamp=datetime.now(UTC) - timedelta(minutes=5))
    spend(database, 0.1, timestamp=datetime.now(UTC) - timedelta(minutes=5), cost_source="partial")
    execute_task, _ = task_of(database, Budget(usd=1, per="month"))

    for _ in range(20):
        execute_task({})

    if datetime.now(UTC) - timedelta(minutes=6) > window_around(datetime.now(UTC), "month").start:
        (text,) = warnings_of()
        assert "cannot see what 2 of 3 executions cost, or a part of it" in text


@pytest.mark.parametrize(("ahead", "is_said"), [(timedelta(0), False), (timedelta(days=400), True)])
def test_executions_of_a_clock_that_is_ahead_are_named(database, warnings_of, ahead, is_said):
    """No window of now counts them: an allowance would seem larger than it is."""
    spend(database, None, 0.5, 0.0, timestamp=datetime.now(UTC) + ahead)
    execute_task, _ = task_of(database, Budget(usd=100, per="month"))

    for _ in range(20):
        execute_task({})

    assert ["dated after its window" in text for text in warnings_of()] == [True] * is_said


# A budget that cannot be checked.


@pytest.fixture
def broken(tmp_path):
    """A database with an invalid file; it is deleted afterwards, so that the queue can be written."""
    file = tmp_path / "broken.db"
    file.write_bytes(b"no database at all" * 1000)
    with contextlib.closing(LearningDatabase(file)) as database:
        yield database
        file.unlink()
        assert database.flush(30)


def test_broken_database_stops_nothing(broken, warnings_of):
    """It is logged once; what this process spent still counts."""
    execute_task, began = task_of(broken, Budget(usd=0.1, on_limit="raise"))

    execute_task({})
    execute_task({})

    assert len(began) == 2
    assert len([text for text in warnings_of() if "cannot be checked" in text]) == 1
    assert run_until_refused(execute_task) == 8


def test_broken_database_refuses_where_the_budget_fails_closed(broken):
    """For each action at the limit."""
    execute_task, began = task_of(broken, Budget(usd=1, on_limit="warn", fail_closed=True))

    with pytest.raises(BudgetExceeded, match="fail_closed=True") as refused:
        execute_task({})

    assert began == []
    assert refused.value.spent_usd is None


def test_closed_budget_opens_with_a_database_that_works(database):
    """Even before there is a file."""
    execute_task, _ = task_of(database, Budget(usd=0.05, on_limit="raise", fail_closed=True))

    assert run_until_refused(execute_task) == 5


def test_nowhere_to_record_means_nothing_to_check(warnings_of):
    """Nothing is configured, so nothing is known."""
    free = record_execution(budget=Budget(usd=1, on_limit="raise"))(lambda task: {"cost": 5})
    closed = record_execution(budget=Budget(usd=1, fail_closed=True))(lambda task: {"cost": 5})

    free({})
    free({})
    with pytest.raises(BudgetExceeded, match="no database is configured"):
        closed({})

    assert any("no database is configured" in text for text in warnings_of())


def test_reading_makes_no_file(no_file, database):
    """The first execution does."""
    execute_task, _ = task_of(database, Budget(usd=1), cost=0)
    gate = budget_gate.gate_of(Budget(usd=1), database)

    gate.check({})

    assert not os.path.exists(database.path)
    execute_task({})
    assert os.path.exists(database.path)


def test_older_file_is_read_unchanged(database):
    """The index that makes it fast is created with the first row."""
    spend(database, 2, timestamp=NOON)
    with contextlib.closing(sqlite3.connect(database.path)) as connection:
        connection.execute("DROP INDEX idx_executions_parent")
    reader = SpendReader(database.path, None)

    assert reader.read_whole(window_around(NOON, "day"), 5.0, lambda: False)[""].nano == 2 * 10**9


# Several processes.

SPENDER = """
import sys
from learning_instrument import Budget, BudgetExceeded, configure, record_execution
from learning_instrument.pipeline import budget_gate
budget_gate._TASK_SECONDS = budget_gate._FIRST_SECONDS = 60.0  # on a slow machine too, each task waits for its reading
path, durability = sys.argv[1:]
configure(path, durability=durability, budget=Budget(usd=1.0, per="month", on_limit="raise", fail_closed=True))
execute_task = record_execution(lambda task: {"cost": 0.01})
print("ready", flush=True)
sys.stdin.readline()
began = 0
try:
    while began < 1000:
        execute_task({})
        began += 1
except BudgetExceeded:
    print(began, flush=True)
"""


@pytest.mark.parametrize("durability", ["commit", "batch"])
def test_two_processes_stop_together(database, durability):
    """After a hundred tasks of a cent for a dollar, and at most a tenth more: those running, and one late reading."""
    database.open()
    command = [sys.executable, "-c", SPENDER, database.path, durability]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(2)]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        began = [int(process.communicate(timeout=120)[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()

    (found,) = budget_status(database, Budget(usd=1.0, per="month"))
    assert found.executions == sum(began)
    assert 100 <= sum(began) <= 110


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forked_child_knows_what_was_spent(database):
    """Its parent's figures are read from the file, not inherited."""
    execute_task, _ = task_of(database, Budget(usd=0.2, on_limit="raise"))
    for _ in range(15):
        execute_task({})
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()

    child = context.Process(target=lambda: answers.put(run_until_refused(execute_task)))
    child.start()
    child.join(60)

    assert answers.get() == 5
    assert run_until_refused(execute_task) == 0
