"""How long the question for error groups takes on a million executions, beside DuckDB on the same rows in Parquet.

python -m tests.benchmarks.error_answers [--executions N]

DuckDB masks the numbers in the messages and counts, which is less than we answer: it merges no templates, sees no
silence and knows no lift.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

from learning_instrument import ExecutionRecord, LearningDatabase, error_counts, rollups, schema
from learning_instrument.analytics.errors import error_groups
from learning_instrument.connection import WriteConnection
from learning_instrument.record import COLUMNS, Row, row_from_record
from learning_instrument.selection import Selection

from . import report
from .error_messages import failures

_DAYS: Final = 90
_FAILING: Final = 0.12
_START: Final = datetime(2026, 8, 1, tzinfo=timezone.utc)
#: Statements that print prose have as many templates as texts; pools have few of those.
_PROSE: Final = {"tool raised", "lint", "output parser"}
_ROUNDS: Final = 5
_DUCKDB: Final = """
    SELECT error_type, exception_type, regexp_replace(error_message, '[0-9]+', '<N>', 'g') AS template, count(*) AS n,
        min(timestamp), max(timestamp), max(execution_id), histogram(pool_type), histogram(model_tier), histogram(repo)
    FROM executions WHERE success = 0 GROUP BY 1, 2, 3 ORDER BY n DESC
"""


def rows(executions: int) -> Iterator[Row]:
    """Yield rows of which about an eighth failed, each with a message of a labelled statement."""
    generator = random.Random(3)
    kinds = [failure for failure in failures(executions // 5) if failure.label not in _PROSE]
    base = dict(zip(COLUMNS, row_from_record(ExecutionRecord(task_type="fix")), strict=True))
    for number in range(executions):
        failure = generator.choice(kinds) if generator.random() < _FAILING else None
        values = base | {
            "execution_id": f"{number:016x}-{generator.getrandbits(128):032x}-{generator.getrandbits(64):016x}",
            "task_id": f"task-{number}",
            "timestamp": (_START + timedelta(days=_DAYS * number / executions)).isoformat(timespec="microseconds"),
            "task_type": generator.choice(("bug_fix", "code_review", "migration", "triage", "refactoring")),
            "task_description": f"module {number % 977}: " + "as described in the ticket " * 3,
            "repo": f"repo-{int(generator.expovariate(0.3)) % 25:02}",
            "pool_type": generator.choices(("mahavishnu", "thread", "process", "kubernetes"), (60, 20, 15, 5))[0],
            "model_tier": generator.choices(("small", "medium", "large"), (55, 30, 15))[0],
            "success": failure is None,
            "outcome": "succeeded" if failure is None else "failed",
            "error_type": None if failure is None else "unknown",
            "exception_type": None if failure is None else failure.exception_type,
            "error_message": None if failure is None else failure.message[:1000],
            "duration_seconds": generator.lognormvariate(2, 1),
        }
        yield tuple(values[column] for column in COLUMNS)


def database_of(executions: int) -> Path:
    """Return a database of so many executions, all counted; made where the temporary folder has none."""
    path = Path(tempfile.gettempdir(), f"learning_instrument_errors_{executions}_{schema.VERSION}.db")
    if not path.exists():
        building = path.with_suffix(".building")
        target = WriteConnection(str(building), 5.0)
        batch: list[Row] = []
        for row in rows(executions):
            batch.append(row)
            if len(batch) == 5000:
                target.insert(batch)
                batch = []
        target.insert(batch)
        started = time.perf_counter()
        while error_counts.advance(target):
            pass
        print(f"counted {executions / (time.perf_counter() - started):,.0f} executions a second in the background")
        while rollups.advance(target, 5000):
            pass
        target.checkpoint()
        target.close()
        building.rename(path)
    return path


def _seconds(question: Callable[[], Any]) -> float:
    """Return the median of some rounds; the first, which fills the caches, is left out."""
    question()
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        question()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> None:
    """Print how long each takes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--executions", type=int, default=1_000_000)
    options = parser.parse_args()
    import duckdb

    report.print_machine()
    path = database_of(options.executions)
    with LearningDatabase(path) as database:
        found = error_groups(database)
        print(f"{found.executions:,} executions, {found.failures:,} failures, {len(found.groups)} groups")
        ours = _seconds(lambda: error_groups(database))
        week = Selection(since=_START + timedelta(days=_DAYS - 7.3))
        print(f"ours, the last 7.3 days     {_seconds(lambda: error_groups(database, week)):.3f} s")
        print(
            f"ours, one repository        {_seconds(lambda: error_groups(database, Selection(repo='repo-01'))):.3f} s"
        )
        parquet = path.with_suffix(".parquet")
        duck = duckdb.connect()
        if not parquet.exists():
            _write_parquet(database, parquet)
        duck.execute(f"CREATE VIEW executions AS SELECT * FROM read_parquet('{parquet}')")
        theirs = _seconds(lambda: duck.execute(_DUCKDB).fetchall())
    print(f"DuckDB, all                 {theirs:.3f} s")
    report.print_target(
        "errors, all", f"{ours:.3f} s", "at most 0.3 s, and faster than DuckDB", ours <= min(0.3, theirs)
    )


def _write_parquet(database: LearningDatabase, parquet: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    names = (
        "execution_id", "timestamp", "success", "error_type", "exception_type", "error_message", "repo", "pool_type",
        "model_tier", "task_type", "duration_seconds",
    )  # fmt: skip
    found = database.query(f"SELECT {', '.join(names)} FROM executions ORDER BY rowid")
    table = pyarrow.table({name: [row[name] for row in found] for name in names})
    pyarrow.parquet.write_table(table, parquet, compression="zstd")


if __name__ == "__main__":
    main()
