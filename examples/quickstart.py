"""Analyse Python's own standard library with a pool of workers, and record every execution.

    python examples/quickstart.py          100 files, 400 executions, some seconds
    python examples/quickstart.py --all    every file, a minute or so

Each file is measured, and checked for a backport (would Python 3.7 parse it?), on two tiers: "light" looks at the
tokens, "deep" parses and compiles. Some files do not parse, and some tasks get a time limit that is too short.
"""

import argparse
import ast
import asyncio
import collections
import contextlib
import io
import multiprocessing
import os
import shlex
import shutil
import signal
import sys
import sysconfig
import textwrap
import time
import tokenize
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from learning_instrument import configure, record_execution, shutdown
from learning_instrument.errors import LearningInstrumentError

STDLIB = Path(sysconfig.get_path("stdlib"))
INTERPRETER = f"{sys.implementation.name}-{sys.version_info.major}.{sys.version_info.minor}"
DOLLARS_PER_CPU_SECOND = 0.05 / 3600
CPU_SECONDS_PER_MEGABYTE = {"light": 0.8, "deep": 1.6}  # a guess, for the cost estimates
QUESTIONS = {"measure": 5, "backport": 3}  # what a complete answer would contain
DECISIONS = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.BoolOp, ast.comprehension)


# What the workers do: source -> facts.


def measure_light(source: bytes) -> dict[str, Any]:
    names = collections.Counter(token.string for token in tokens_of(source) if token.type == tokenize.NAME)
    return {"lines": source.count(b"\n"), "functions": names["def"], "classes": names["class"]}


def measure_deep(source: bytes) -> dict[str, Any]:
    tree = ast.parse(source)
    compile(tree, "<analysed>", "exec", dont_inherit=True)
    nodes = list(ast.walk(tree))
    functions = [node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    complexity = [1 + sum(isinstance(node, DECISIONS) for node in ast.walk(function)) for function in functions]
    return {
        "lines": source.count(b"\n"),
        "functions": len(functions),
        "classes": sum(isinstance(node, ast.ClassDef) for node in nodes),
        "branches": sum(isinstance(node, DECISIONS) for node in nodes),
        "worst_complexity": max(complexity, default=0),
    }


def backport_light(source: bytes) -> dict[str, Any]:
    walrus = sum(token.string == ":=" for token in tokens_of(source))
    return {"walrus": walrus, **({"error": "it uses :=, new in Python 3.8"} if walrus else {})}


def backport_deep(source: bytes) -> dict[str, Any]:
    ast.parse(source, feature_version=(3, 7))
    return {"walrus": 0, "positional_only": 0, "match": 0}


def tokens_of(source: bytes) -> Iterable[tokenize.TokenInfo]:
    return tokenize.tokenize(io.BytesIO(source).readline)


ANALYSES: dict[tuple[str, str], Callable[[bytes], dict[str, Any]]] = {
    ("measure", "light"): measure_light,
    ("measure", "deep"): measure_deep,
    ("backport", "light"): backport_light,
    ("backport", "deep"): backport_deep,
}


# The pool: what its workers are sent, the pool itself, and its one decorated method.


def task_for(task_type: str, tier: str, file: Path, size: int, time_limit: float) -> dict[str, Any]:
    """Return one task. Most of these names are columns: what a task says of itself is recorded."""
    return {
        "task_type": task_type,
        "model_tier": tier,
        "prompt": f"{task_type} {file.relative_to(STDLIB)}",
        "repo": INTERPRETER,
        "complexity_score": min(100, size / 1000),
        "cost_estimate": size / 1e6 * CPU_SECONDS_PER_MEGABYTE[tier] * DOLLARS_PER_CPU_SECOND,
        "file": file,
        "time_limit": time_limit,
        "metadata": {"bytes": size, "time_limit": time_limit},
    }


def analyse(task: dict[str, Any]) -> dict[str, Any]:
    """Do one task, in a worker process. What it returns is recorded by the pool."""
    started = time.process_time()
    facts = ANALYSES[task["task_type"], task["model_tier"]](task["file"].read_bytes())
    cpu_seconds = time.process_time() - started
    error = facts.pop("error", None)
    return {
        "success": error is None,
        "error": error,
        "answer": ", ".join(f"{count} {name}" for name, count in facts.items()),
        "quality_score": 100 * len(facts) / QUESTIONS[task["task_type"]],
        "cost": cpu_seconds * DOLLARS_PER_CPU_SECOND,
        "cpu_time_seconds": cpu_seconds,
        "worker_id": os.getpid(),
    }


class AnalysisPool:
    """An asyncio pool whose workers are processes, so that analysing a file never holds up the event loop."""

    pool_type = "asyncio"

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.is_stopping = False
        self.processes = ProcessPoolExecutor(
            workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=warnings.simplefilter,  # old tests of the standard library compile with warnings
            initargs=("ignore",),
        )
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited: Ctrl-C is for the pool, not its workers
        for _ in range(workers):
            self.processes.submit(int)  # starts one
        signal.signal(signal.SIGINT, handler)

    @record_execution(fields={"solution_summary": "answer"})
    async def execute_task(self, task: dict[str, Any]) -> dict[str, Any]:
        """Have a worker process do *task*, within the task's time limit."""
        analysis = asyncio.get_running_loop().run_in_executor(self.processes, analyse, task)
        return await asyncio.wait_for(analysis, task["time_limit"])

    def stop(self, *_: object) -> None:
        """Take no more tasks. Those that are running come to their end, so that nothing is half recorded."""
        self.is_stopping = True
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a second Ctrl-C does not wait for them

    async def run(self, tasks: Iterable[dict[str, Any]], done: Callable[[], object]) -> None:
        """Do all *tasks*, as many at a time as there are workers; call *done* after each."""
        remaining = iter(tasks)

        async def work() -> None:
            for task in remaining:  # shared by the workers: each takes the next one
                if self.is_stopping:
                    return
                with contextlib.suppress(Exception):  # it is recorded
                    await self.execute_task(task)
                done()

        try:
            await asyncio.gather(*(work() for _ in range(self.workers)))
        finally:
            self.processes.shutdown(cancel_futures=True)


def tasks_for(files: int | None) -> list[dict[str, Any]]:
    """Return four tasks for each of so many files, or of all: the largest, some that are bad, and a sample."""
    every = sorted(path for path in STDLIB.rglob("*.py") if not {"site-packages", "dist-packages"} & {*path.parts})
    sizes = {path: path.stat().st_size for path in every}
    largest = sorted(every, key=sizes.__getitem__)[-3:]
    chosen = every
    if files is not None and files < len(every):
        bad = [path for path in every if path.name.startswith("bad")]  # tests of what does not parse
        special = [*largest, *sample(bad, min(len(bad), files // 10))][:files]
        rest = [path for path in every if path not in special]
        chosen = sorted(special + sample(rest, files - len(special)))
    return [
        # 5 ms is too short for the largest ones.
        task_for(task_type, tier, path, sizes[path], 0.005 if path in largest and tier == "deep" else 30.0)
        for path in chosen
        for task_type, tier in ANALYSES
    ]


def sample(paths: list[Path], count: int) -> list[Path]:
    return [paths[index * len(paths) // count] for index in range(count)]


# The report: questions to the database.


def report(rows: list[dict[str, Any]], console: Console) -> None:
    table = Table("task type", "tier", box=box.SIMPLE_HEAD, show_edge=False)
    for heading in ("runs", "success", "p50 ms", "p95 ms", "quality", "$ a million"):
        table.add_column(heading, justify="right")
    for (task_type, tier), group in grouped(rows, "task_type", "model_tier"):
        seconds = sorted(row["duration_seconds"] for row in group)
        costs = [row["actual_cost"] for row in group if "actual_cost" not in row["defaulted"]]  # the reported ones
        scores = [row["quality_score"] for row in group if row["quality_score"] is not None]
        table.add_row(
            task_type,
            tier,
            f"{len(group)}",
            f"{sum(row['success'] for row in group) / len(group):.0%}",
            f"{1000 * quantile(seconds, 0.50):.1f}",
            f"{1000 * quantile(seconds, 0.95):.1f}",
            f"{sum(scores) / len(scores):.0f}" if scores else "-",
            f"{1e6 * sum(costs) / len(costs):.2f}" if costs else "-",
        )
    console.print()
    console.print(table)
    console.print()

    failures = [row for row in rows if row["error_type"] is not None]
    if failures:
        table = Table("error type", "outcome", "exception", box=box.SIMPLE_HEAD, show_edge=False)
        table.add_column("runs", justify="right")
        table.add_column("for example")
        for (error_type, outcome, exception), group in grouped(failures, "error_type", "outcome", "exception_type"):
            message = textwrap.shorten(group[0]["error_message"], 30, placeholder="...")
            message = message.encode(console.encoding, "replace").decode(console.encoding)
            table.add_row(error_type, outcome, exception.rpartition(".")[2] or "-", f"{len(group)}", message)
        console.print(table)
        console.print()


def grouped(rows: list[dict[str, Any]], *columns: str) -> list[tuple[tuple[str, ...], list[dict[str, Any]]]]:
    groups = collections.defaultdict(list)
    for row in rows:
        groups[tuple(row[column] or "" for column in columns)].append(row)
    return sorted(groups.items())


def quantile(ordered: list[float], q: float) -> float:
    return ordered[round(q * (len(ordered) - 1))]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=100, help="how many files to analyse (default: 100)")
    parser.add_argument("--all", action="store_true", help="analyse every file")
    parser.add_argument("--workers", type=int, default=min(4, os.cpu_count() or 1), help="how many processes")
    path = os.environ.get("LEARNING_INSTRUMENT_DATABASE") or "data/learning.db"
    parser.add_argument("--database", default=path, help=f"where to record (default: {path})")
    options = parser.parse_args()
    if options.files < 1 or options.workers < 1:
        parser.error("--files and --workers are 1 or more")

    try:
        database = configure(options.database)
        database.open()  # in a task, a path that cannot be used would be a warning
    except LearningInstrumentError as error:
        parser.error(str(error))
    console = Console(highlight=False, markup=False)
    before = database.query("SELECT coalesce(max(rowid), 0) AS newest FROM executions")[0]["newest"]

    tasks = tasks_for(None if options.all else options.files)
    files = len(tasks) // len(ANALYSES)
    console.print(f"{len(tasks)} tasks (files: {files} of {INTERPRETER}, workers: {options.workers})")
    pool = AnalysisPool(options.workers)
    signal.signal(signal.SIGINT, pool.stop)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("Analysing", total=len(tasks))
        asyncio.run(pool.run(tasks, lambda: progress.advance(bar)))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if pool.is_stopping:
        console.print("Interrupted. What was done by then is recorded:")

    rows = database.query("SELECT * FROM executions WHERE rowid > ? AND process_id = ?", (before, os.getpid()))
    report(rows, console)
    total = database.query("SELECT count(*) AS executions FROM executions")[0]["executions"]
    console.print(f"{len(rows)} executions recorded; {total} are in {database.path}.", soft_wrap=True)
    shell = "sqlite3 -header -column" if shutil.which("sqlite3") else f"{sys.executable} -m sqlite_utils query --table"
    question = "SELECT task_description, outcome, duration_seconds FROM executions ORDER BY rowid DESC LIMIT 9"
    console.print(f'To look at them:\n{shell} {shlex.quote(options.database)} "{question}"', soft_wrap=True)
    shutdown()
    return 130 if pool.is_stopping else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
