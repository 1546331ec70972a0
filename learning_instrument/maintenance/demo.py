"""Writes a synthetic database to try the reports on; each execution is labelled as synthetic."""

import contextlib
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import Any, Final

from ..database import LearningDatabase
from ..errors import ConfigurationError
from ..ids import execution_id
from ..outcome import ErrorType, Outcome
from ..record import ExecutionRecord
from ..rollups import catch_up
from ..sqlite.connection import open_for_maintenance

#: In ``service_name``, and in the metadata of every execution.
LABEL: Final = "synthetic-demo"
_BATCH: Final = 500
_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class _Task:
    type: str
    #: Median, on the medium tier.
    seconds: float
    failure_rate: float
    prompts: tuple[str, ...]
    solution: str


_TASKS: Final = (
    _Task(
        "bugfix", 40, 0.12, ("Fix the crash in {}", "Mend the off-by-one in {}"), "Added a check before the loop in {}"
    ),
    _Task("refactor", 90, 0.08, ("Split {} into two modules", "Rename what {} calls core"), "Moved helpers out of {}"),
    _Task("test", 25, 0.05, ("Write tests for {}", "Cover the error paths of {}"), "Wrote parametrised tests for {}"),
    _Task("review", 15, 0.02, ("Review the change to {}",), "Found nothing serious in {}"),
    _Task("docs", 10, 0.01, ("Document {}",), "Wrote docstrings for {}"),
)
_MODULES: Final = ("parser.py", "billing.py", "session.py", "cache.py", "export.py", "search.py")
_REPOS: Final = ("shop", "platform", "website")
_POOLS: Final = ("agents", "threads", "remote")
#: Tier -> model, speed, failures and US dollars per thousand tokens, relative to the medium one.
_TIERS: Final = {
    "small": ("demo-small", 0.6, 1.8, 0.0004),
    "medium": ("demo-medium", 1.0, 1.0, 0.003),
    "large": ("demo-large", 1.9, 0.5, 0.015),
}
_ERRORS: Final = (
    (Outcome.TIMEOUT, ErrorType.TIMEOUT, "TimeoutError", "timed out after {n} s"),
    (Outcome.ERROR, ErrorType.UNKNOWN, "ConnectionError", "connection to 10.0.0.{n}:8080 was refused"),
    (Outcome.ERROR, ErrorType.VALIDATION, "ValidationError", "validation of field 'item_{n}' failed"),
    (Outcome.FAILED, ErrorType.QUALITY_GATE, None, "{n} tests of 412 failed"),
    (Outcome.CANCELLED, ErrorType.CANCELLED, "CancelledError", "CancelledError"),
)


def write_demo(
    path: str,
    executions: int = 2000,
    seed: int = 1,
    now: datetime | None = None,
    progress: Callable[[str, int, int], object] | None = None,
) -> LearningDatabase:
    """Write the synthetic database *path* with all its derived tables, and return it, closed.

    Args:
        path: a file that does not exist yet.
        executions: the number of executions.
        seed: the same seed gives the same executions.
        now: the latest start of an execution.
        progress: called with a label, the number done and the total.

    Raises:
        ConfigurationError: if the file exists.
        DatabaseError: if it cannot be written.
    """
    database = LearningDatabase(path, durability="commit")
    if os.path.lexists(database.path):
        raise ConfigurationError(f"{path} exists already: ask it as it is, or name a new one; demo overwrites no file.")
    records = _records(random.Random(seed), executions, now or datetime.now(timezone.utc))  # noqa: S311
    tell = progress or (lambda what, done, of: None)
    try:
        with database:
            _fill(database, records, executions, tell)
        with open_for_maintenance(database.path) as connection:
            # As a pool does in the background: reports are slow until then.
            catch_up.catch_up_fully(connection, tell)
    except BaseException:  # after Ctrl-C too: a partial file would block the next run
        for ending in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                os.unlink(database.path + ending)
        raise
    return database


def _fill(
    database: LearningDatabase,
    records: Iterator[ExecutionRecord],
    count: int,
    tell: Callable[[str, int, int], object],
) -> None:
    between_feedback = max(1, count // 60)
    for start in range(0, count, _BATCH):
        batch = list(islice(records, _BATCH))
        database.append(batch)
        for record in batch[-start % between_feedback :: between_feedback]:
            database.add_feedback(
                record.execution_id,
                accepted=record.success,
                rating=4 if record.success else 2,
                comment="Synthetic feedback.",
                source=LABEL,
            )
        tell("Writing", start + len(batch), count)


def _records(chance: random.Random, count: int, now: datetime) -> Iterator[ExecutionRecord]:
    """Yield executions, the oldest first; since a week ago bug fixes fail twice as often."""
    starts = sorted(now - timedelta(days=_DAYS) * chance.random() for _ in range(count))
    for number, start in enumerate(starts):
        task = chance.choices(_TASKS, weights=(5, 2, 4, 3, 1))[0]
        tier = chance.choices(tuple(_TIERS), weights=(3, 5, 2))[0]
        model, slowness, failing, price = _TIERS[tier]
        is_recent_bugfix = task.type == "bugfix" and now - start < timedelta(days=7)
        has_failed = chance.random() < task.failure_rate * failing * (2 if is_recent_bugfix else 1)
        tokens_in, tokens_out = chance.randrange(500, 9000), chance.randrange(100, 3000)
        cost = (tokens_in + 4 * tokens_out) / 1000 * price
        module = chance.choice(_MODULES)
        prompt = chance.choice(task.prompts).format(module)
        yield ExecutionRecord(
            task_type=task.type,
            task_id=f"demo-{number:06d}",
            timestamp=start,
            task_description=prompt,
            repo=chance.choices(_REPOS, weights=(4, 2, 1))[0],
            file_count=chance.randrange(1, 9),
            estimated_tokens=(len(prompt) + 1) // 2,
            model_tier=tier,
            pool_type=chance.choice(_POOLS),
            routing_confidence=round(chance.uniform(0.5, 1.0), 2),
            complexity_score=chance.randrange(10, 90),
            duration_seconds=task.seconds * slowness * chance.lognormvariate(0, 0.6),
            queue_seconds=chance.expovariate(1.0),
            quality_score=None if has_failed else round(min(100.0, chance.gauss(82, 8)), 1),
            cost_estimate=cost * chance.lognormvariate(0, 0.3),
            actual_cost=cost,
            model=model,
            input_tokens=tokens_in,
            output_tokens=tokens_out,
            cost_source="reported",
            worker_id=f"worker-{chance.randrange(8)}",
            execution_id=execution_id(int(start.timestamp() * 1e9), chance.getrandbits(128), chance.getrandbits(64)),
            service_name=LABEL,
            metadata={"synthetic": True},
            **(_failure(chance) if has_failed else _success(task.solution.format(module))),
        )


def _success(solution: str) -> dict[str, Any]:
    return {"outcome_source": "reported", "solution_summary": solution}


def _failure(chance: random.Random) -> dict[str, Any]:
    outcome, error_type, exception_type, message = chance.choices(_ERRORS, weights=(3, 3, 2, 4, 1))[0]
    return {
        "outcome": outcome,
        "error_type": error_type,
        "exception_type": exception_type,
        "error_message": message.format(n=chance.randrange(2, 200)),
        "outcome_source": "raised" if exception_type else "reported",
    }
