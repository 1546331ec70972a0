"""Every question of analytics gives the same answer from SQLite and from ClickHouse."""

import dataclasses
import inspect
import math
import random
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import clickhouse_connect
import pytest

from learning_instrument import Budget, ExecutionRecord, LearningDatabase, analytics
from learning_instrument.analytics import Period, Selection
from learning_instrument.columns import COLUMNS
from learning_instrument.costs.model_calls import ModelCall
from learning_instrument.fleet.address import Address
from learning_instrument.fleet.client import connect
from learning_instrument.fleet.database import FleetDatabase
from learning_instrument.fleet.refresh import refresh
from learning_instrument.fleet.schema import init
from learning_instrument.maintenance.demo import _records
from learning_instrument.outcome import Outcome
from learning_instrument.sqlite.executions import placeholders
from learning_instrument.sqlite.read_only import ReadOnlyDatabase

from . import otel_traces

NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)


def of_all_kinds(chance):
    """Yield a few thousand executions of which no two are alike, in any order."""
    for record in _records(chance, 1500, NOW):
        yield dataclasses.replace(
            record, metadata={"task": {"customer": chance.choice(["acme", "glöbex", "it's \\ {a:String}"])}}
        )
    values = ["text", "é", 3, -4, 2.5, 1.0, 1e20, 1e-7, True, False, None, [1, "a"], {"a": {"b": "c"}}, "", 2**53, 0.1]
    for number in range(1500):
        start = NOW - timedelta(seconds=chance.randrange(40 * 86400), microseconds=chance.randrange(10**6))
        outcome = chance.choice(list(Outcome))
        price = chance.choice([None, 0.0, 10 ** chance.uniform(-6, 3)])
        yield ExecutionRecord(
            task_id=f"task-{number % 700}",
            task_type=chance.choice(["unknown", "unknown", "bugfix", "café"]),
            task_description=chance.choice([None, "", "Fix the crash in parser.py", f"Do {number} things"]),
            timestamp=start,
            repo=chance.choice([None, "shop", "x'y"]),
            model_tier=chance.choice([None, "small", "large"]),
            pool_type=chance.choice([None, "agents"]),
            worker_id=chance.choice([None, "w1"]),
            model=chance.choice([None, "demo-small", "m2"]),
            swarm_topology=chance.choice([None, "ring"]),
            routing_confidence=chance.choice([None, 0.0, 0.5, 0.69, 0.95, 1.0]),
            complexity_score=chance.choice([None, 0, 9.99, 10, 55.5, 100]),
            outcome=outcome,
            outcome_source=chance.choice([None, "raised", "reported", "assumed"]),
            error_type=None if outcome is Outcome.SUCCEEDED else chance.choice([None, "timeout", "validation"]),
            exception_type=None if outcome is Outcome.SUCCEEDED else chance.choice([None, "ValueError"]),
            error_message=None
            if outcome is Outcome.SUCCEEDED
            else chance.choice([None, "", f"item {number} is bad", "é"]),
            solution_summary=chance.choice([None, "", "Added a check before the loop in parser.py", "Moved it"]),
            duration_seconds=chance.choice([0.0, 1e-6, 10 ** chance.uniform(-7, 5)]),
            queue_seconds=chance.choice([None, chance.random()]),
            wait_seconds=chance.choice([None, chance.random() * 10]),
            quality_score=chance.choice([None, chance.uniform(0, 100)]),
            cost_estimate=chance.choice([None, 0.0, 10 ** chance.uniform(-4, 1)]),
            actual_cost=price,
            cost_source=chance.choice([None, "reported", "priced", "partial", "estimated", "unpriced"]),
            input_tokens=chance.choice([None, 0, 1234]),
            output_tokens=chance.choice([None, 56]),
            user_rating=chance.choice([None, None, 4]),
            function_name=chance.choice([None, "shop.Crawler.fetch", "shop.crawl.<locals>.störe", "f"]),
            attempt=chance.choice([None, 1, 2, 3]),
            process_id=chance.choice([None, 7]),
            defaulted=chance.choice([None, ("duration_seconds",), ("repo", "actual_cost"), ("complexity_score",)]),
            metadata={
                "task": {
                    "value": chance.choice(values),
                    'a "b" \\ é.c': chance.choice(values),
                    "of me": chance.choice(values),
                },
                "value": chance.choice(values),
                "plain key": chance.choice(values),
            },
            execution_id=f"e{number:04d}-{chance.getrandbits(64):016x}",
            parent_execution_id=f"demo-missing-{number}" if number % 50 == 1 else None,
        )


def rowid_of(record):
    """Return that of ClickHouse, but for what tells apart executions that end together."""
    started = (record.timestamp - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)
    return started + int((record.duration_seconds + (record.wait_seconds or 0)) * 1e6)


@pytest.fixture(scope="module")
def records():
    chance = random.Random(15)
    made = sorted(of_all_kinds(chance), key=rowid_of)
    for number in range(0, 2000, 40):  # trees: within the next, and three deep
        for inner, outer in ((number, number + 1), (number + 1, number + 2), (number + 3, number + 1)):
            made[inner] = dataclasses.replace(made[inner], parent_execution_id=made[outer].execution_id)
    return made


@pytest.fixture(scope="module")
def file(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("questions") / "learning.db"
    with LearningDatabase(path) as database:
        database.append(records)
        for record in records[::31]:
            database.add_feedback(record.execution_id, accepted=record.success, rating=3)
        rows = database.query("SELECT execution_id FROM executions ORDER BY rowid")
    calls = []
    for number, row in enumerate(rows[::9]):
        is_priced = number % 3 > 0
        call = dict.fromkeys(ModelCall._fields) | {
            "execution_id": row["execution_id"],
            "trace_id": f"{number:032x}",
            "span_id": f"{number:016x}",
            "path": "",
            "timestamp": f"2026-11-{number % 28 + 1:02d}T10:00:00.000000+00:00",
            "model": "demo-small",
            "input_tokens": 100,
            "output_tokens": 20,
            "cost": 0.25 if is_priced else None,
            "cost_source": "priced" if is_priced else "unpriced",
            "price_table": "prices of 2026" if is_priced else None,
            "duration_seconds": 1.5,
        }
        calls.append(tuple(call.values()))
    insert = f"INSERT INTO model_calls ({', '.join(ModelCall._fields)}) VALUES {placeholders(ModelCall._fields)}"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(insert, calls)
    return path


@pytest.fixture(scope="module")
def database(file):
    with ReadOnlyDatabase(file) as opened:
        yield opened


@pytest.fixture(scope="module")
def fleet(engine_folder, database):
    """The same executions in ClickHouse."""
    with clickhouse_connect.get_client(interface="chdb", path=str(engine_folder)) as root:
        root.command("CREATE DATABASE questions")
        with clickhouse_connect.get_client(interface="chdb", path=str(engine_folder), database="questions") as client:
            otel_traces.create(client)
        address = Address.parse(f"chdb://{engine_folder}?database=questions")
        with connect(address) as client:
            init(client)
            copy(client, database)
            refresh(client, grace_seconds=0)
        with FleetDatabase(address) as opened:
            yield opened
        root.command("DROP DATABASE questions SYNC")


def copy(client, database):
    for table, columns in (
        ("executions", COLUMNS),
        ("calls", ModelCall._fields),
        ("feedback", ("execution_id", "timestamp", "accepted", "rating", "comment", "source", "visibility")),
    ):
        source = "model_calls" if table == "calls" else table
        rows = database.query(f"SELECT {', '.join(columns)} FROM {source} ORDER BY rowid")
        client.insert(f"learning_instrument_{table}", columns, [tuple(row.values()) for row in rows])


SELECTIONS = {
    "all": Selection(),
    "window": Selection(since=NOW - 12 * DAY, until=NOW - 3 * DAY + timedelta(seconds=1.5)),
    "filters": Selection(repo="shop", where={"model": "demo-small"}, since=NOW - 35 * DAY),
    "unknown": Selection(task_type="unknown", where="success=true"),
    "metadata": Selection(where=("metadata.customer=it's \\ {a:String}",)),
    "none": Selection(where={"metadata.customer": "nobody"}),
}
KEYS = ["value", 'a "b" \\ é.c', "of me", "plain key", "customer", "synthetic"]


def each_selection(ask):
    return {name: (lambda database, chosen=chosen: ask(database, chosen)) for name, chosen in SELECTIONS.items()}


def each(values, ask):
    return {str(value): (lambda database, value=value: ask(database, value)) for value in values}


def stories(database):
    """Return the stories of what has most within it, and of some tasks with several attempts."""
    (widest,) = database.query(
        "SELECT parent_execution_id AS id FROM executions WHERE parent_execution_id IN"
        " (SELECT execution_id FROM executions) GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
    )
    some = database.query(
        "SELECT execution_id AS id FROM executions WHERE task_id LIKE 'task-%' ORDER BY task_id, rowid LIMIT 12"
    )
    return [analytics.story(database, each["id"]) for each in (widest, *some)]


GROUPS = ["task_type", "outcome", "attempt", ("model_tier", "day"), "hour", *(f"metadata.{key}" for key in KEYS)]
BUDGETS = [Budget(100, per, by) for per, by in (("hour", None), ("day", "repo"), ("month", "metadata.customer"))]
BEFORE, AFTER = analytics.side("2026-10-30..2026-11-10"), analytics.side("2026-11-10..")
PERIOD = Period(NOW - 14 * DAY, NOW)
#: Name of a question -> what is asked.
ASKED = {
    "briefing": each_selection(lambda database, chosen: analytics.briefing(database, PERIOD, chosen)),
    "briefings": each(["repo", "model"], lambda database, by: analytics.briefings(database, [PERIOD], by)),
    "budget_status": each(BUDGETS, lambda database, budget: analytics.budget_status(database, budget, NOW - DAY)),
    "burn_down": each_selection(lambda database, chosen: analytics.burn_down(database, 1000.0, "month", chosen, NOW)),
    "compare": each_selection(
        lambda database, chosen: analytics.compare(database, BEFORE, AFTER, replace(chosen, since=None, until=None))
    ),
    "costs": each_selection(lambda database, chosen: analytics.costs(database, chosen, by="repo"))
    | each(GROUPS[:2], lambda database, by: analytics.costs(database, by=by, limit=3)),
    "default_periods": {"now": lambda database: analytics.default_periods(database, NOW)},
    "error_groups": each_selection(lambda database, chosen: analytics.error_groups(database, chosen, with_costs=True)),
    "extremes": each_selection(lambda database, chosen: analytics.extremes(database, chosen)),
    "performance": each_selection(lambda database, chosen: analytics.performance(database, "task_type", chosen))
    | each(GROUPS, lambda database, by: analytics.performance(database, by)),
    "price_tables": {"": lambda database: analytics.price_tables(database)},
    "queue_waits": each_selection(lambda database, chosen: analytics.queue_waits(database, "task_type", chosen)),
    "routing_calibration": each_selection(analytics.routing_calibration),
    "side_by_side": each(["model", "metadata.customer"], lambda database, by: analytics.side_by_side(database, by))
    | {"short": lambda database: analytics.side_by_side(database, "model", Selection(since=NOW - 3 * DAY))},
    "similar_executions": each_selection(
        lambda database, chosen: analytics.similar_executions(database, "fix the crash in the parser", chosen)
    ),
    "solution_patterns": each_selection(lambda database, chosen: analytics.solution_patterns(database, chosen)),
    "story": {"some": stories},
    "summary": each_selection(analytics.summary),
    "unmatched": each_selection(analytics.unmatched)
    | {"typo": lambda database: analytics.unmatched(database, Selection(where="metadata.custmer=x"))},
    "values_of": each(["repo", "success", *(f"metadata.{key}" for key in KEYS)], analytics.values_of),
    "worth_asking": each_selection(analytics.worth_asking),
}
#: A file estimates how many executions have a frequent word, and a fleet counts them.
ESTIMATED = ("similar_executions",)
QUESTIONS = [
    name
    for name in analytics.__all__
    if inspect.isfunction(getattr(analytics, name))
    and [*inspect.signature(getattr(analytics, name)).parameters][:1] == ["database"]
]


@pytest.mark.parametrize("name", [name for name in QUESTIONS if name not in ESTIMATED])
def test_question_has_the_same_answer(name, database, fleet, subtests):
    """What is asked of a file and of a fleet with the same executions has the same answer."""
    for case, ask in ASKED[name].items():
        with subtests.test(case):
            assert_same(ask(database), ask(fleet))


def assert_same(one, other, place="answer"):
    if isinstance(one, int | float) and isinstance(other, int | float) and not isinstance(one, bool):
        assert math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12), place
        return
    assert type(one) is type(other), place
    if dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name), f"{place}.{field.name}")
    elif isinstance(one, Mapping):
        assert [*one] == [*other], place
        for key in one:
            assert_same(one[key], other[key], f"{place}[{key!r}]")
    elif isinstance(one, Sequence) and not isinstance(one, str):
        assert len(one) == len(other), f"{place}: {one} != {other}"
        for number, (first, second) in enumerate(zip(one, other, strict=True)):
            assert_same(first, second, f"{place}[{number}]")
    else:
        assert one == other, place
