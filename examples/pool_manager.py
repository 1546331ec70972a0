"""A pool manager with a learning database, and the same manager without one.

    python examples/pool_manager.py

Tasks become small Python programs, written from templates, which worker processes run: some work, one fails its own
check, one raises, one never ends. Each is a row in data/learning.db; with ``learning_db=None`` all goes the same way
and nothing is recorded.
"""

import asyncio
import contextlib
import itertools
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from learning_instrument import LearningDatabase, current_execution, record_execution

#: What a worker writes for each type of task. The last line of its output is the answer.
TEMPLATES = {
    "code_generation": """
def fibonacci(count):
    numbers = [0, 1]
    while len(numbers) < count:
        numbers.append(numbers[-2] + numbers[-1])
    return numbers[:count]

assert fibonacci(10)[-1] == 34, "fibonacci(10) ends with 34"
print(fibonacci(10))
""",
    "code_review": """
import ast, inspect, textwrap
names = [n.name for n in ast.walk(ast.parse(inspect.getsource(textwrap))) if isinstance(n, ast.FunctionDef)]
print(len(names), "functions,", len([name for name in names if name.startswith("_")]), "of them private")
""",
    "refactoring": """
before, after = [x * x for x in range(9)], [x**2 for x in range(1, 9)]
assert before == after, "the refactored code gives another result"
""",
    "search": "import time\nwhile True: time.sleep(1)",
}
DOLLARS_PER_SECOND = 0.0001


@dataclass(frozen=True)
class PoolConfig:
    """How a pool is to be."""

    name: str
    pool_type: str
    min_workers: int = 1
    time_limit: float = 1.0


@dataclass(frozen=True)
class PoolResult:
    """What became of a task. These names are all recorded, without any mapping."""

    pool_id: str
    worker_id: str
    status: str
    output: str
    error: str | None
    cost: float
    quality_score: float | None
    solution_summary: str


class TerminalManager:
    """Runs programs, each in a Python process of its own."""

    async def run(self, program: str) -> tuple[int | None, str, str]:
        """Return the exit code, the output and the errors of *program*. Where that is not awaited, it is killed."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(sys.executable, "-I", "-c", program, stdout=pipe, stderr=pipe)
        try:
            output, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode, output.decode(), errors.decode()


class Pool:
    """Some workers, and the one method that is recorded."""

    def __init__(
        self, pool_id: str, config: PoolConfig, terminal_manager: TerminalManager, learning_db: LearningDatabase | None
    ) -> None:
        self.pool_id = pool_id
        self.config = config
        self.terminal_manager = terminal_manager
        self.learning_db = learning_db
        self._idle = [f"{config.name}-worker-{number}" for number in range(1, config.min_workers + 1)]
        self._workers = asyncio.Semaphore(config.min_workers)

    @record_execution(learning_db=lambda pool: pool.learning_db)
    async def execute_task(self, task: dict[str, Any]) -> PoolResult:
        """Have a worker write the program for *task*, and run it."""
        program = TEMPLATES.get(task["task_type"])
        if program is None:
            raise ValueError(f"no template for {task['task_type']}")
        async with self._worker() as worker_id:
            current_execution().started()
            current_execution().set(worker_id=worker_id)  # a task that is stopped has no result to say this
            started = time.perf_counter()
            running = self.terminal_manager.run(program)
            code, output, errors = await asyncio.wait_for(running, self.config.time_limit)
            seconds = time.perf_counter() - started
        return PoolResult(
            pool_id=self.pool_id,
            worker_id=worker_id,
            status="completed" if code == 0 else "failed",
            output=output.strip(),
            error=errors.strip().rpartition("\n")[2] or None,
            cost=seconds * DOLLARS_PER_SECOND,
            quality_score=100.0 if code == 0 else None,
            solution_summary=f"{len(program.splitlines())} lines of Python: {output.strip()}",
        )

    @contextlib.asynccontextmanager
    async def _worker(self) -> AsyncIterator[str]:
        async with self._workers:
            worker_id = self._idle.pop()
            try:
                yield worker_id
            finally:
                self._idle.append(worker_id)


class PoolManager:
    """Spawns pools, and sends them tasks. ``learning_db`` may be None: then nothing is recorded."""

    def __init__(self, terminal_manager: TerminalManager, learning_db: LearningDatabase | None = None) -> None:
        self.terminal_manager = terminal_manager
        self.learning_db = learning_db
        self._pools: dict[str, Pool] = {}
        self._turns = itertools.count()

    async def spawn_pool(self, pool_type: str, config: PoolConfig) -> str:
        """Start a pool, and return its id."""
        pool_id = f"{pool_type}-{config.name}-{len(self._pools) + 1}"
        self._pools[pool_id] = Pool(pool_id, config, self.terminal_manager, self.learning_db)
        return pool_id

    async def execute_on_pool(self, pool_id: str, task: dict[str, Any]) -> PoolResult:
        """Do *task* on one pool."""
        return await self._pools[pool_id].execute_task(task)

    async def route_task(self, task: dict[str, Any]) -> PoolResult:
        """Do *task* on the pool whose turn it is."""
        pool_ids = list(self._pools)
        return await self.execute_on_pool(pool_ids[next(self._turns) % len(pool_ids)], task)


async def run_tasks(learning_db: LearningDatabase | None) -> list[str]:
    """Do five tasks; return how each one ended."""
    tm = TerminalManager()
    pool_mgr = PoolManager(terminal_manager=tm, learning_db=learning_db)  # learning_db may be None
    config = PoolConfig(name="local", pool_type="mahavishnu", min_workers=2)
    pool_id = await pool_mgr.spawn_pool("mahavishnu", config)

    result = await pool_mgr.execute_on_pool(
        pool_id,
        {
            "prompt": "Write a function",
            "task_type": "code_generation",
            "repo": "my_project",
            "complexity_score": 75,
        },
    )
    endings = [f"code_generation {result.status}: {result.output}"]
    tasks = [
        {"prompt": "Review textwrap", "task_type": "code_review", "repo": "my_project", "model_tier": "small"},
        {"prompt": "Simplify the squares", "task_type": "refactoring", "repo": "my_project"},
        {"prompt": "Find the last prime", "task_type": "search", "repo": "my_project"},
        {"prompt": "Translate the manual", "task_type": "translation", "repo": "my_project"},
    ]
    results = await asyncio.gather(*map(pool_mgr.route_task, tasks), return_exceptions=True)
    for task, ending in zip(tasks, results, strict=True):
        if isinstance(ending, BaseException):
            endings.append(f"{task['task_type']} raised {ending!r}")
        else:
            endings.append(f"{task['task_type']} {ending.status}: {ending.error or ending.output}")
    return endings


async def main() -> None:
    learning_db = LearningDatabase(database_path="data/learning.db")
    await learning_db.initialize()
    before = learning_db.query("SELECT count(*) AS rows FROM executions")[0]["rows"]

    print("With a learning database:")
    recorded = await run_tasks(learning_db)
    print(*recorded, sep="\n")

    rows = learning_db.query("SELECT * FROM executions ORDER BY rowid LIMIT -1 OFFSET ?", (before,))
    print(f"\n{len(rows)} rows in {learning_db.path}:")
    for row in rows:
        print(
            f"{row['task_type']:<15}  {row['outcome']:<9}  {row['error_type'] or '-':<7}  {row['worker_id'] or '-':<14}"
            f"  waited {row['wait_seconds'] or 0:.2f} s, worked {row['duration_seconds']:.2f} s"
        )

    print("\nWithout one:")
    unrecorded = await run_tasks(None)
    print(f"the same five endings: {unrecorded == recorded}")
    after = learning_db.query("SELECT count(*) AS rows FROM executions")[0]["rows"]
    print(f"rows added: {after - before - len(rows)}")
    await learning_db.close()


if __name__ == "__main__":
    asyncio.run(main())
