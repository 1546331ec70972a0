"""Executions of every kind, files that hold them, and what they say, worked out in Python from the rows."""

import contextlib
import dataclasses
import json
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import databases
from hypothesis import strategies as st

from learning_instrument import ExecutionRecord
from learning_instrument.costs.execution_totals import apply_totals
from learning_instrument.costs.model_calls import ModelCall
from learning_instrument.costs.prices import Prices
from learning_instrument.maintenance import Limits, prune
from learning_instrument.outcome import Outcome
from learning_instrument.record import row_from_record
from learning_instrument.rollups.cubes import advance
from learning_instrument.rollups.keys import add_name
from learning_instrument.sqlite import connection
from learning_instrument.sqlite.connection import WriteConnection
from learning_instrument.storage import feedback
from learning_instrument.timestamps import iso

START = datetime(2026, 11, 1, 22, 30, tzinfo=timezone.utc)

MONEY = st.one_of(st.just(0.0), st.floats(0.0001, 1000.0))
MINUTES = st.integers(0, 4000)
NEW = st.builds(
    ExecutionRecord,
    task_type=st.sampled_from(["bug_fix", "review", "unknown"]),
    timestamp=MINUTES.map(lambda minutes: START + timedelta(minutes=minutes)),
    model_tier=st.sampled_from(["small", "large", None]),
    pool_type=st.sampled_from(["agents", None]),
    repo=st.sampled_from(["a", "b", None]),
    worker_id=st.sampled_from(["w1", "w2", None]),
    model=st.sampled_from(["m1", "m2", None]),
    metadata=st.sampled_from([{}, {"task": {"customer": "acme"}}, {"task": {"customer": "globex"}}]),
    outcome=st.sampled_from(list(Outcome)),
    duration_seconds=st.floats(0, 1e5),
    queue_seconds=st.one_of(st.none(), st.floats(0, 100)),
    wait_seconds=st.one_of(st.none(), st.floats(0, 100)),
    quality_score=st.one_of(st.none(), st.floats(0, 100)),
    actual_cost=st.one_of(st.none(), MONEY),
    cost_estimate=st.one_of(st.none(), MONEY),
    cost_source=st.sampled_from([None, "reported", "priced", "partial", "estimated", "unpriced"]),
    input_tokens=st.one_of(st.none(), st.integers(0, 10**6)),
    output_tokens=st.one_of(st.none(), st.integers(0, 10**6)),
    defaulted=st.sampled_from([None, (), ("duration_seconds",), ("repo", "actual_cost"), ("cost_estimate",)]),
    outcome_source=st.sampled_from([None, "raised", "reported", "assumed"]),
    function_name=st.sampled_from([None, "shop.Crawler.fetch", "shop.crawl.<locals>.store"]),
    attempt=st.sampled_from([None, 1, 2, 3]),
)


class Asked:
    """A file that can be asked, and nothing more."""

    def __init__(self, path):
        self.path = str(path)

    def query(self, sql, parameters=()):
        return connection.query(self.path, sql, parameters)

    def executions(self):
        return self.query("SELECT * FROM executions ORDER BY timestamp, rowid")


@contextlib.contextmanager
def new_database():
    """Give a connection for writing to an empty database."""
    with tempfile.TemporaryDirectory() as folder:
        path = databases.make(Path(folder, "learning.db"))
        target = WriteConnection(str(path), 5.0)
        try:
            yield target
        finally:
            target.close()


@contextlib.contextmanager
def database_of(records, rolled_up=0, names=()):
    """Give a file that holds *records* and can be asked; so many of them, in their order, are rolled up.

    Roll-ups are by *names* as well.
    """
    with new_database() as target:
        for name in names:
            add_name(target, name)
        target.insert([row_from_record(record) for record in records])
        if rolled_up:
            advance(target, rolled_up)
        yield Asked(target._path)


def is_reported(row, column):
    return column not in json.loads(row["defaulted"])


def is_priced(row):
    return is_reported(row, "actual_cost") and row["cost_source"] != "unpriced"


def is_partial(row):
    """Tell whether the cost is a lower bound."""
    return is_priced(row) and row["cost_source"] == "partial"


def is_compared(row):
    """Tell whether estimate and cost are both known: an estimate says nothing of another, nor does a lower bound."""
    sources = ("estimated", "partial")
    return is_priced(row) and is_reported(row, "cost_estimate") and row["cost_source"] not in sources


def begun(rows):
    """Return how many of *rows* are the first attempt at their task, as far as is known."""
    return sum(row["attempt"] is None or row["attempt"] <= 1 for row in rows)


def assumed(rows):
    """Return how many of *rows* succeeded without saying so."""
    return sum(row["success"] and row["outcome_source"] == "assumed" for row in rows)


def spent(rows):
    """Return the known cost of *rows*; None where none is known."""
    priced = [row["actual_cost"] for row in rows if is_priced(row)]
    return sum(priced) if priced else None


def spent_on_failures(rows):
    """Return the known cost of those of *rows* that failed; None where none of it, or none at all, is known."""
    failures = [row for row in rows if not row["success"]]
    return None if spent(rows) is None else spent(failures) if failures else 0.0


def mean(values):
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


# What happens to executions that are in the database.

WHICH = st.tuples(st.integers(1, 4), st.integers(0, 3))
LIVES = st.one_of(
    st.tuples(st.just("calls end late"), WHICH, st.sampled_from([None, 0.25])),
    st.tuples(st.just("feedback"), WHICH),
    st.tuples(st.just("feedback is cleared")),
    st.tuples(st.just("lost ones come back"), NEW),
    st.tuples(st.just("prune"), st.integers(0, 8)),
)


def live(target, operation):
    """Have one of :data:`LIVES` happen, as it does in practice."""
    name, *arguments = operation
    if name == "calls end late":
        _end_calls(target, *arguments)
    elif name == "feedback":
        for execution_id in _chosen(target, arguments[0]):
            said = feedback.checked(execution_id, None, 4, None, None, "private")
            target.transact(lambda execute, said=said: feedback.add(execute, said))
    elif name == "feedback is cleared":
        target.transact(feedback.clear)
    elif name == "lost ones come back":
        result = dataclasses.replace(arguments[0], outcome=Outcome.SUCCEEDED, success=True)
        lost = target.execute("SELECT execution_id FROM executions WHERE outcome = 'lost'")
        target.insert([row_from_record(dataclasses.replace(result, execution_id=each)) for (each,) in lost])
    else:
        prune(target._path, Limits(keep=arguments[0]))


def _chosen(target, which):
    step, rest = which
    found = target.execute("SELECT execution_id FROM executions WHERE rowid % ? = ?", (step, rest % step))
    return [execution_id for (execution_id,) in found]


def _end_calls(target, which, cost):
    """Add a model call to each of the chosen executions, and add theirs up again."""
    chosen = _chosen(target, which)
    ((known,),) = target.execute("SELECT count(*) FROM model_calls")
    for number, execution_id in enumerate(chosen, known + 1):
        values = dict.fromkeys(ModelCall._fields) | {
            "execution_id": execution_id, "trace_id": "1" * 32, "span_id": f"{number:016x}", "path": "",
            "timestamp": iso(START), "model": "m", "input_tokens": 1000, "output_tokens": 50, "cost": cost,
            "cost_source": "unpriced" if cost is None else "priced", "duration_seconds": 1.0,
        }  # fmt: skip
        target.execute(
            f"INSERT OR IGNORE INTO model_calls ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",
            tuple(values.values()),
        )
    with target.transaction() as opened:
        apply_totals(opened, chosen, Prices().priced)
