"""Storms of short processes that record into one file at once: how many executions are lost.

``python -m tests.e2e.storms [ROUNDS [PROCESSES]]`` runs 30 storms of 200 processes, plain, forked and spawned, in
``commit`` and in ``batch``, on a busy machine, and prints what was lost. Nothing may be.
"""

import itertools
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from learning_instrument import LearningDatabase
from learning_instrument.storage import spill_names

HERE = Path(__file__).parent
ROUNDS = 30
PROCESSES = 200
EXECUTIONS = 25
#: Processes that are started at once by one other, where it forks or spawns them.
FAMILY = 4
KINDS = tuple(itertools.product(("plain", "fork", "spawn"), ("commit", "batch")))
#: Programs that only use the processor, for each core.
BUSY_PER_CORE = 3
TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class Storm:
    """What became of the executions of one storm."""

    executions: int
    stored: int
    #: Rows that waited in spill files when the last process had ended.
    spilled: int
    #: By reason, in the file.
    counted: dict[str, int]
    failed: int
    seconds: float

    @property
    def lost(self) -> int:
        """The number of executions that returned, and are not in the file."""
        return self.executions - self.stored


def storm(kind: str, durability: str, processes: int, folder: Path) -> Storm:
    """Run *processes* of *kind* at once, which record into one new file in *folder*."""
    database = str(folder / "learning.db")
    starters = processes if kind == "plain" else processes // FAMILY
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "LEARNING_"))}
    environment |= {
        "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])]),
        "LEARNING_INSTRUMENT_DATABASE": database,
        "LEARNING_INSTRUMENT_DURABILITY": durability,
    }
    command = [sys.executable, "-c", f"import storms; storms.start({kind!r})"]
    began = time.monotonic()
    running = [subprocess.Popen(command, env=environment) for _ in range(starters)]
    failed = sum(process.wait(TIMEOUT_SECONDS) != 0 for process in running)
    took = time.monotonic() - began
    spilled = spill_names.waiting(database).executions
    with LearningDatabase(database) as opened:
        ((stored,),) = (row.values() for row in opened.query("SELECT count(DISTINCT task_id) FROM executions"))
        losses = opened.query("SELECT reason, sum(executions) AS n FROM losses GROUP BY reason")
    count = starters * (1 if kind == "plain" else FAMILY) * EXECUTIONS
    return Storm(count, stored, spilled, {row["reason"]: row["n"] for row in losses}, failed, took)


def start(kind: str) -> None:
    """Be one process of a storm, or start some."""
    if kind == "plain":
        record("0")
        return
    family = [multiprocessing.get_context(kind).Process(target=record, args=(f"{n}",)) for n in range(FAMILY)]
    for child in family:
        child.start()
    for child in family:
        child.join()
    assert [child.exitcode for child in family] == [0] * FAMILY


def record(name: str) -> None:
    """Record some executions, and end."""
    from learning_instrument import configure, record_execution

    configure()

    @record_execution
    def execute_task(task: dict[str, str]) -> dict[str, bool]:
        return {"success": True}

    for n in range(EXECUTIONS):
        execute_task({"task_id": f"{os.getppid()}-{os.getpid()}-{name}-{n}"})


@contextmanager
def busy(programs: int) -> Iterator[None]:
    """Keep the processor busy with so many *programs*."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(programs)]
    try:
        yield
    finally:
        for program in running:
            program.kill()
            program.wait()


def main() -> int:
    """Print one line for each storm, and the sum."""
    given = [int(text) for text in sys.argv[1:]]
    rounds, processes = (*given, *(ROUNDS, PROCESSES)[len(given) :])
    total: Counter[str] = Counter()
    print("| storm | executions | lost | counted | in spill files at the end | seconds |\n|---|---|---|---|---|---|")
    with busy(BUSY_PER_CORE * (os.cpu_count() or 1)):
        for number in range(rounds):
            kind, durability = KINDS[number % len(KINDS)]
            with tempfile.TemporaryDirectory() as folder:
                found = storm(kind, durability, processes, Path(folder))
            total.update(executions=found.executions, lost=found.lost, spilled=found.spilled, failed=found.failed)
            print(
                f"| {kind}, `{durability}` | {found.executions:,} | {found.lost} | {found.counted or 0} |"
                f" {found.spilled} | {found.seconds:.0f} |",
                flush=True,
            )
    print(f"| all {rounds} | {total['executions']:,} | {total['lost']} | | {total['spilled']} | |")
    return min(total["lost"] + total["failed"], 1)


if __name__ == "__main__":
    sys.exit(main())
