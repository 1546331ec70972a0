"""Executions per second into a database, from files of every kind, beside ``.import`` of the ``sqlite3`` shell."""

import contextlib
import random
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.ids import execution_id
from learning_instrument.transfer import export_executions, import_executions

from .workload import PROMPT

SHELL = "sqlite3 .import, CSV"
COUNTING = "after an import: roll-ups, error counts, words"
_BATCH = 1000
_FORMATS = {"jsonl": "JSON Lines", "parquet": "Parquet", "otlp": "OTLP JSON Lines"}


@dataclass(frozen=True)
class Transfer:
    """How fast something went: rows per second, and the share of the shell's rate; None without a shell."""

    name: str
    rows_per_second: float
    of_shell: float | None


def measure(rows: int) -> list[Transfer]:
    """Measure the import of as many executions, and their export, each once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source.db"
        _fill(source, rows)
        seconds = {}
        files = {}
        for kind in ("csv", *_FORMATS):
            files[kind] = folder / f"executions.{kind}"
            seconds[f"export, {_FORMATS.get(kind, 'CSV')}"] = _seconds(
                lambda kind=kind: export_executions(source, files[kind], format=kind)
            )
        if shutil.which("sqlite3") is not None:
            seconds[SHELL] = _shell(folder / "shell.db", files["csv"], rows)
        imports = {"import, database": source} | {f"import, {_FORMATS[kind]}": files[kind] for kind in _FORMATS}
        for what, file in imports.items():
            target = folder / "target.db"
            seconds[what], seconds[COUNTING] = _import(target, file, rows)
            seconds[f"{what}, again"], _ = _import(target, file, 0)
            for path in folder.glob("target.db*"):
                path.unlink()
    shell = seconds.get(SHELL)
    return [
        Transfer(what, rows / taken, None if shell is None else shell / taken)
        for what, taken in sorted(seconds.items(), key=lambda item: item[0] != SHELL)
    ]


def _import(target: Path, file: Path, stored: int) -> tuple[float, float]:
    """Return how long it takes until all is stored, and from then on until reports are quick."""
    start = end_of_file = time.perf_counter()

    def tell(what: str, done: int, of: int) -> None:
        nonlocal end_of_file
        if what == str(file):
            end_of_file = time.perf_counter()

    answer = import_executions(target, [file], progress=tell)
    if answer.stored != stored or answer.refused:
        raise RuntimeError(f"Not {stored:,} executions were stored: {answer}")
    return end_of_file - start, time.perf_counter() - end_of_file


def _shell(target: Path, file: Path, rows: int) -> float:
    """Return how long the shell takes, into the same table with the same indexes; one transaction, no checks."""
    LearningDatabase(target).__enter__().close()
    script = f".mode csv\nPRAGMA synchronous = NORMAL;\n.import --skip 1 '{file}' executions\n"
    taken = _seconds(lambda: subprocess.run(["sqlite3", target], input=script, text=True, check=True))
    with contextlib.closing(sqlite3.connect(target)) as connection:
        (stored,) = connection.execute("SELECT count(*) FROM executions").fetchone()
    if stored != rows:
        raise RuntimeError(f"sqlite3 stored {stored:,} of {rows:,} rows")
    return taken


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _fill(path: Path, rows: int) -> None:
    records = _records(rows)
    with LearningDatabase(path) as database:
        for _ in range(0, rows, _BATCH):
            database.append([record for _, record in zip(range(_BATCH), records, strict=False)])


def _records(count: int) -> Iterator[ExecutionRecord]:
    chance, start = random.Random(1), datetime(2026, 1, 1, tzinfo=timezone.utc)
    for number in range(count):
        moment = start + timedelta(seconds=number)
        identity = execution_id(int(moment.timestamp()) * 10**9, chance.getrandbits(128), chance.getrandbits(64))
        yield ExecutionRecord(
            task_type=chance.choice(("bugfix", "refactor", "test", "review")),
            task_id=f"task-{number:09d}",
            timestamp=moment,
            task_description=PROMPT,
            repo=chance.choice(("shop", "platform", "website")),
            file_count=3,
            estimated_tokens=200,
            model_tier=chance.choice(("small", "medium", "large")),
            pool_type="agents",
            routing_confidence=0.9,
            complexity_score=chance.randrange(100),
            duration_seconds=chance.expovariate(0.1),
            quality_score=87.5,
            cost_estimate=0.0125,
            actual_cost=chance.random(),
            execution_id=identity,
            trace_id=identity[17:49],
            span_id=identity[50:],
            pool_id="pool-1",
            worker_id=f"worker-{chance.randrange(8)}",
            service_name="benchmark",
            process_id=4321,
            metadata={"pool_id": "pool-1", "task": {"branch": "main", "attempt": 1}},
        )
