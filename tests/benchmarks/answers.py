"""How long answers take on a million executions, beside DuckDB on the same rows in a Parquet file.

Of errors DuckDB masks the numbers in the messages and counts, which is less than we answer: it merges no templates,
sees no silence and knows no lift.
"""

import contextlib
import json
import os
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from learning_instrument import LearningDatabase
from learning_instrument.analytics import costs, error_groups, performance, summary
from learning_instrument.columns import COLUMNS
from learning_instrument.rollups import catch_up
from learning_instrument.rollups.cubes import CUBES
from learning_instrument.sqlite import schema
from learning_instrument.sqlite.connection import WriteConnection

from .error_messages import failures

DAYS = 90
TASK_TYPES = {
    "code_review": 30, "bug_fix": 22, "test_generation": 15, "refactoring": 10, "documentation": 8, "migration": 5,
    "triage": 4, "summarize": 3, "security_audit": 2, "release_notes": 1,
}  # fmt: skip
#: Weight, dollars of a median execution, median seconds, and the share that succeeds.
TIERS = {
    "small": (55, 0.002, 4.0, 0.91),
    "medium": (30, 0.02, 12.0, 0.94),
    "large": (13, 0.15, 30.0, 0.97),
    "huge": (2, 0.9, 75.0, 0.98),
}
POOLS = {"mahavishnu": 60, "thread": 20, "process": 15, "kubernetes": 5}
REPOS = {f"repo-{number:02}": 1000 / (number + 1) for number in range(25)}
CUSTOMERS = {f"customer-{number:03}": 1000 / (number + 1) for number in range(300)}
#: What has to be answered in time.
TIMELY = ("summary", "costs", "errors", "performance by pool")
#: Statements that print prose have as many templates as texts; pools have few of those.
_PROSE = {"tool raised", "lint", "output parser"}


@dataclass(frozen=True)
class Answer:
    """How long one question takes, in seconds: us, and DuckDB."""

    name: str
    ours: float
    duckdb: float

    @property
    def is_timely(self) -> bool:
        """Whether it is as fast as it should be."""
        return self.ours <= min(0.3, self.duckdb)


@dataclass(frozen=True)
class Answers:
    """What was measured."""

    executions: int
    answers: list[Answer]
    #: The largest relative error of p50, p95 and p99 of any tier or pool.
    quantile_error: float
    #: Executions a second that roll-ups, error counts and the index of words take in, with nothing else going on.
    followed_per_second: float
    table_mb: float
    rollups_mb: float


def measure(executions: int) -> Answers:
    """Measure on so many executions, in a file that is kept in the temporary folder for the next time."""
    path = database_of(executions)
    parquet = path.with_suffix(".parquet")
    if not parquet.exists():
        _write_parquet(path, parquet)
    database = LearningDatabase(path)
    return Answers(
        executions=executions,
        answers=[_compare(name, database, parquet, ours, sql) for name, (ours, sql) in questions().items()],
        quantile_error=_quantile_error(database, parquet),
        followed_per_second=json.loads(path.with_suffix(".json").read_text()),
        table_mb=_megabytes(path, ["executions"]),
        rollups_mb=_megabytes(path, [cube.table for cube in CUBES]),
    )


def questions() -> dict[str, tuple[Callable[[LearningDatabase], Any], str]]:
    """Return what is asked, by its name: of us, and in SQL of DuckDB, where ``executions`` is the Parquet file."""
    reported = "NOT contains(defaulted, '\"{}\"')"
    cost = f"sum(actual_cost) FILTER ({reported.format('actual_cost')} AND cost_source IS DISTINCT FROM 'unpriced')"
    timed = f"FILTER ({reported.format('duration_seconds')})"
    asked = (
        "SELECT {0}, count(*), avg(success), approx_quantile(duration_seconds, [0.5, 0.95, 0.99]) "
        + timed
        + f", avg(queue_seconds), avg(quality_score), {cost}, sum(input_tokens), sum(output_tokens)"
        " FROM executions GROUP BY {0}"
    )
    compared = f"{reported.format('cost_estimate')} AND {reported.format('actual_cost')}"
    off = "abs(actual_cost - cost_estimate)"
    return {
        "errors": (
            error_groups,
            "SELECT error_type, exception_type, regexp_replace(error_message, '[0-9]+', '<N>', 'g'), count(*) AS n,"
            " min(timestamp), max(timestamp), max(execution_id), histogram(pool_type), histogram(model_tier),"
            " histogram(repo) FROM executions WHERE success = 0 GROUP BY 1, 2, 3 ORDER BY n DESC",
        ),
        "summary": (
            summary,
            f"SELECT model_tier, count(*), avg(success), {cost},"
            f" {cost.replace('FILTER (', 'FILTER (success = 0 AND ')}, count(*) FILTER (outcome = 'failed'),"
            " count(*) FILTER (outcome = 'error'),"
            " count(*) FILTER (outcome = 'timeout'), min(timestamp), max(timestamp) FROM executions GROUP BY 1",
        ),
        "costs": (
            costs,
            "SELECT substr(timestamp, 1, 10), task_type, model_tier, count(*),"
            f" {cost}, sum({off}) FILTER ({compared}), avg({off} / actual_cost) FILTER ({compared}),"
            f" count(*) FILTER ({compared} AND {off} <= 0.2 * actual_cost),"
            f" avg(ln(actual_cost / cost_estimate)) FILTER ({compared}),"
            f" var_samp(ln(actual_cost / cost_estimate)) FILTER ({compared}) FROM executions GROUP BY 1, 2, 3",
        ),
        "performance by model tier": (lambda database: performance(database, "model_tier"), asked.format("model_tier")),
        "performance by pool": (lambda database: performance(database, "pool_type"), asked.format("pool_type")),
        "performance by task type": (lambda database: performance(database, "task_type"), asked.format("task_type")),
        "performance by repo": (lambda database: performance(database, "repo"), asked.format("repo")),
        "performance by worker": (lambda database: performance(database, "worker_id"), asked.format("worker_id")),
        "performance by worker and task type": (
            lambda database: performance(database, ("worker_id", "task_type")),
            asked.format("worker_id, task_type"),
        ),
    }


def database_of(executions: int) -> Path:
    """Return a database of so many executions with its roll-ups; made where the temporary folder has none."""
    path = Path(tempfile.gettempdir(), f"learning_instrument_benchmark_{executions}_{schema.VERSION}.db")
    if not path.exists():
        building = path.with_suffix(f".{os.getpid()}")
        with contextlib.closing(sqlite3.connect(building, isolation_level=None)) as connection:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            schema.migrate(connection)
            connection.execute("BEGIN")
            places = ", ".join(f":{column}" for column in COLUMNS)
            connection.executemany(f"INSERT INTO executions VALUES ({places})", rows(executions))
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        path.with_suffix(".json").write_text(json.dumps(executions / _follow(building)))
        building.rename(path)
    return path


def rows(executions: int, days: int = DAYS) -> Iterator[dict[str, Any]]:
    """Yield rows as pools of agents leave them within so many *days*: few kinds that are frequent, and long tails."""
    random_ = random.Random(17)
    start = datetime(2026, 8, 1, tzinfo=timezone.utc)
    failing = [failure for failure in failures(max(1000, executions // 5)) if failure.label not in _PROSE]
    types, tiers, pools, repos = (_draw(random_, of, executions) for of in (TASK_TYPES, TIERS, POOLS, REPOS))
    customers = _draw(random_, CUSTOMERS, executions)
    for number in range(executions):
        task_type, tier, pool, repo = types[number], tiers[number], pools[number], repos[number]
        _, dollars, seconds, share = TIERS[tier]
        ok = random_.random() < share
        failure = None if ok else random_.choice(failing)
        outcome = "succeeded" if ok else random_.choice(("failed", "failed", "error", "timeout", "cancelled"))
        cost = dollars * random_.lognormvariate(0, 0.8)
        is_priced = random_.random() < 0.9
        defaulted = [] if is_priced else ["cost_estimate", "actual_cost"]
        trace, span = f"{random_.getrandbits(128):032x}", f"{random_.getrandbits(64):016x}"
        moment = start + timedelta(days=days * number / executions, microseconds=random_.randrange(10**6))
        yield dict.fromkeys(COLUMNS) | {
            "task_id": f"task-{number}",
            "timestamp": moment.isoformat(timespec="microseconds"),
            "task_type": task_type,
            "task_description": f"{task_type} of module {number % 977} in {repo}: " + "as described in the ticket " * 3,
            "repo": repo,
            "file_count": number % 9,
            "estimated_tokens": 120,
            "model_tier": tier,
            "pool_type": pool,
            "routing_confidence": 0.9,
            "complexity_score": 40,
            "success": ok,
            "duration_seconds": seconds * random_.lognormvariate(0, 1),
            "quality_score": random_.uniform(60, 100) if ok and number % 3 == 0 else None,
            "cost_estimate": cost * random_.lognormvariate(-0.2, 0.4) if is_priced else 0.0,
            "actual_cost": cost if is_priced else 0.0,
            "error_type": None if ok else "unknown",
            "exception_type": failure and failure.exception_type,
            "error_message": failure and failure.message[:1000],
            "metadata": json.dumps(
                {
                    "pool_id": f"{pool}-1",
                    "worker_id": f"w{number % 60}",
                    "task": {"n": number, "customer": customers[number]},
                }
            ),
            "execution_id": f"{int(moment.timestamp() * 1e9):016x}-{trace}-{span}",
            "trace_id": trace,
            "span_id": span,
            "pool_id": f"{pool}-1",
            "worker_id": f"{pool}-{number % 60}",
            "outcome": outcome,
            "queue_seconds": random_.expovariate(2) if number % 2 else None,
            "model": f"model-{tier}",
            "input_tokens": random_.randrange(200, 9000) if is_priced else None,
            "output_tokens": random_.randrange(20, 2000) if is_priced else None,
            "cost_source": "priced" if is_priced else "unpriced",
            "service_name": "agents",
            "process_id": 4000 + number % 8,
            "defaulted": json.dumps(defaulted, separators=(",", ":")),
        }


def _draw(random_: random.Random, of: dict[str, Any], count: int) -> list[str]:
    weights = [weight[0] if isinstance(weight, tuple) else weight for weight in of.values()]
    return random_.choices(list(of), weights, k=count)


def _follow(path: Path) -> float:
    """Have everything follow the executions, and return the seconds it took."""
    target = WriteConnection(str(path), 1.0)
    started = time.perf_counter()
    slices = 0
    while catch_up.advance(target):
        slices += 1
        if slices % 100 == 0:
            target.checkpoint()
    seconds = time.perf_counter() - started
    target.checkpoint()
    target.close()
    return seconds


def _write_parquet(path: Path, parquet: Path) -> None:
    import duckdb
    import pyarrow
    import pyarrow.parquet

    del duckdb  # only to say early that it is missing
    with contextlib.closing(sqlite3.connect(path)) as connection:
        cursor = connection.execute("SELECT * FROM executions ORDER BY rowid")
        names = [column[0] for column in cursor.description]
        writer = None
        while chunk := cursor.fetchmany(100_000):
            columns = dict(zip(names, zip(*chunk, strict=True), strict=True))
            if writer is None:
                real = ("duration_seconds", "quality_score", "cost_estimate", "actual_cost", "queue_seconds")
                number = ("success", "input_tokens", "output_tokens", "file_count", "process_id")
                kinds = dict.fromkeys(real, pyarrow.float64()) | dict.fromkeys(number, pyarrow.int64())
                types = pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in names])
                writer = pyarrow.parquet.ParquetWriter(parquet, types, compression="zstd")
            texts = {
                name: values
                if types.field(name).type != pyarrow.string()
                else [None if value is None else str(value) for value in values]
                for name, values in columns.items()
            }
            writer.write_table(pyarrow.table(texts, schema=types))
        if writer is not None:
            writer.close()


def _compare(
    name: str, database: LearningDatabase, parquet: Path, ours: Callable[[LearningDatabase], Any], sql: str
) -> Answer:
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"CREATE VIEW executions AS SELECT * FROM read_parquet('{parquet}')")
    mine, theirs = [], []
    for _ in range(5):  # one after the other, so that a busy moment of the machine hits both
        mine.append(_seconds(lambda: ours(database)))
        theirs.append(_seconds(lambda: connection.execute(sql).fetchall()))
    return Answer(name, statistics.median(mine), statistics.median(theirs))


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _quantile_error(database: LearningDatabase, parquet: Path) -> float:
    import duckdb

    errors = []
    for by in ("model_tier", "pool_type", "task_type", "repo"):
        exact = dict(
            duckdb.execute(
                f"SELECT {by}, quantile_disc(duration_seconds, [0.5, 0.95, 0.99]) FROM read_parquet('{parquet}')"
                " WHERE NOT contains(defaulted, '\"duration_seconds\"') GROUP BY 1"
            ).fetchall()
        )
        for group in performance(database, by):
            ours = (group.p50_seconds, group.p95_seconds, group.p99_seconds)
            errors += [abs(a / b - 1) for a, b in zip(ours, exact[group.group[0]], strict=True) if a is not None]
    return max(errors)


def _megabytes(path: Path, tables: list[str]) -> float:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        try:
            places = ", ".join("?" * len(tables))
            ((size,),) = connection.execute(f"SELECT sum(pgsize) FROM dbstat WHERE name IN ({places})", tables)
        except sqlite3.OperationalError:  # dbstat is a compile option
            return float("nan")
    return size / 1e6
