"""The same executions in a SQLite file and in a fleet."""

import random
from datetime import datetime, timedelta, timezone

from learning_instrument import ExecutionRecord
from learning_instrument.columns import COLUMNS

START = datetime(2026, 11, 1, tzinfo=timezone.utc)
OUTCOMES = [*["succeeded"] * 6, "failed", "error", "timeout", "cancelled", "lost"]


def executions(number, seed=3):
    """Executions of some days, of all outcomes, with defaults, NULLs and names of functions."""
    chance = random.Random(seed)
    return [
        ExecutionRecord(
            task_id=f"task-{n % 500}",
            task_type=chance.choice(["fix", "unknown", "doc"]),
            task_description=f"mend café part {n % 7}" if n % 5 else "write the manual",
            timestamp=START + timedelta(seconds=n * 300 + chance.random()),
            model_tier=chance.choice(["small", "large", None]),
            pool_type=chance.choice(["A", "B"]),
            repo=chance.choice(["x", "y's", "z"]),
            outcome=(outcome := chance.choice(OUTCOMES)),
            error_message=None if outcome == "succeeded" else f"no room for {n} in table {chance.choice('ab')}",
            duration_seconds=chance.lognormvariate(0, 2),
            queue_seconds=chance.choice([None, chance.random()]),
            actual_cost=chance.choice([None, chance.random()]),
            cost_estimate=chance.choice([None, chance.random()]),
            input_tokens=chance.choice([None, chance.randrange(10**6)]),
            quality_score=chance.choice([None, 50.5]),
            function_name=chance.choice([None, "shop.jobs.Crawler.<locals>.fetch"]),
            metadata={"customer": chance.choice(["acme", "glöbex"])},
        )
        for n in range(number)
    ]


def fill(database, client, records):
    """Store *records* in a SQLite database, and in a fleet as a push does."""
    database.append(records)
    assert database.flush(60)
    copy(database, client)


def copy(database, client):
    """Insert what is in a SQLite database into a fleet."""
    rows = database.query(f"SELECT {', '.join(COLUMNS)} FROM executions ORDER BY rowid")
    client.insert("learning_instrument_executions", COLUMNS, [[*row.values()] for row in rows])
