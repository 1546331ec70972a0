"""Faults of the file and its surroundings, and what becomes of the executions that return meanwhile.

``python -m tests.e2e.faults`` brings about each of them around a real process and prints the table of
docs/explanation/lossless.md: rows kept, rows counted as lost, and rows of which neither is true.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from learning_instrument.maintenance.recovery import recover
from learning_instrument.sqlite.read_only import ReadOnlyDatabase

DURABILITIES = ("commit", "batch")
#: How many executions a process runs before the fault, during it, and after it.
EXECUTIONS = 50
#: Longer than the background thread takes to notice a change of the files.
NOTICED_SECONDS = 2.5

PROGRAM = """
import atexit, json, sys

@atexit.register  # first, so that it runs last
def say():
    print(json.dumps(dict(database.statistics().lost)), flush=True)

from learning_instrument import configure, record_execution

database = configure(sys.argv[1], durability=sys.argv[2], **json.loads(sys.argv[3]))

@record_execution
def execute_task(task):
    return {"success": True}

for line in sys.stdin:
    command, *arguments = line.split()
    if command == "run":
        for number in range(int(arguments[0])):
            execute_task({"task_id": f"{arguments[1]}-{number}", "task_description": "what there is to do " * 8})
    elif command == "flush":
        database.flush()
    elif command == "fork":
        import os
        child = os.fork()
        if child == 0:
            execute_task({"task_id": f"{arguments[0]}-0"})
            sys.exit()
        os.waitpid(child, 0)
    print("done", flush=True)
"""

HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


class Worker:
    """A process that runs executions when it is asked to."""

    def __init__(self, database: Path, durability: str, errors: Any, **options: Any) -> None:
        self.database = database
        self.ran: list[str] = []
        self._errors = errors
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(database), durability, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "LEARNING_"))},
        )

    def run(self, name: str, executions: int = EXECUTIONS) -> None:
        """Run executions, and wait until they have returned."""
        self.ask(f"run {executions} {name}")
        self.ran += [f"{name}-{number}" for number in range(executions)]

    def ask(self, command: str) -> None:
        """Send a command, and wait until it is done."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n", self._process.returncode

    def kill(self) -> None:
        """End the process as the kernel does that runs out of memory."""
        self._process.kill()
        self._process.communicate()

    def end(self) -> int:
        """Let the process end by itself; return how many executions it says that it lost."""
        said, _ = self._process.communicate(timeout=60)
        assert self._process.returncode == 0
        return sum(json.loads(said).values())


@dataclass(frozen=True)
class Fault:
    """One fault: its row in the table, and what brings it about around a worker."""

    name: str
    happen: Callable[[Worker], object]
    #: Options of ``configure()``.
    options: tuple[tuple[str, Any], ...] = ()
    needs_a_disk: bool = False
    #: Whether what was in the file is deleted, and so not lost: the executions before the fault do not count.
    is_deleting: bool = False


def beside(path: Path, suffix: str) -> Path:
    """Return the path of one of SQLite's files beside the database."""
    return path.with_name(path.name + suffix)


def deleted(*suffixes: str) -> Callable[[Worker], None]:
    """Delete files while the worker uses them."""

    def happen(worker: Worker) -> None:
        for suffix in suffixes:
            beside(worker.database, suffix).unlink(missing_ok=True)

    return happen


def emptied(worker: Worker) -> None:
    """Empty the file in place, as ``copytruncate`` does."""
    os.truncate(worker.database, 0)


def replaced_by_backup(worker: Worker) -> None:
    """Copy an older state over the file."""
    backup = beside(worker.database, ".backup")
    shutil.copyfile(backup, worker.database)


def damaged(worker: Worker) -> None:
    """Overwrite pages of the file, and forget its log."""
    with worker.database.open("r+b") as file:
        size = os.path.getsize(worker.database)
        file.seek(4096)
        file.write(os.urandom(min(size, 40 * 4096) - 4096))


def locked_for_a_while(worker: Worker) -> None:
    """Hold the lock of writers for some seconds."""
    with locked(worker.database):
        worker.run("locked")
        time.sleep(3)


@contextlib.contextmanager
def locked(database: Path, is_stopped: bool = False) -> Iterator[None]:
    """Hold the lock of writers by another process, which may be stopped."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout
    assert holder.stdout.readline() == b"held\n"
    if is_stopped:
        holder.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        holder.kill()
        holder.communicate()


def locked_at_the_end(is_stopped: bool) -> Callable[[Worker], int]:
    """End the worker while another process holds the lock."""

    def happen(worker: Worker) -> int:
        with locked(worker.database, is_stopped):
            worker.run("locked")
            return worker.end()

    return happen


def full(worker: Worker) -> None:
    """Leave no byte free on the disk."""
    filler = worker.database.with_name("filler")
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def full_for_a_while(worker: Worker) -> None:
    """Fill the disk while executions run, and make room again."""
    full(worker)
    worker.run("full", 2000)
    worker.database.with_name("filler").unlink()


def full_to_the_end(worker: Worker) -> int:
    """Fill the disk, and end the worker."""
    full(worker)
    worker.run("full", 2000)
    return worker.end()


def ending(happen: Callable[[Worker], object]) -> Callable[[Worker], int]:
    """Bring about a fault, and end the worker before its background thread looks at the files."""

    def end(worker: Worker) -> int:
        happen(worker)
        worker.run("during")
        return worker.end()

    return end


def killed(worker: Worker) -> int:
    """Kill the worker once all is flushed."""
    worker.ask("flush")
    worker.kill()
    return 0


#: What other programs do to the files.
CHANGES = (
    Fault("`-shm` deleted", deleted("-shm")),
    Fault("`-wal` deleted", deleted("-wal")),
    Fault("`-wal` and `-shm` deleted", deleted("-wal", "-shm")),
    Fault("the file deleted", deleted(""), is_deleting=True),
    Fault("the file and its log deleted", deleted("", "-wal", "-shm"), is_deleting=True),
    Fault("the file emptied in place", emptied),
    Fault("a backup copied over the file", replaced_by_backup),
    Fault("pages of the file overwritten", damaged),
)
FAULTS = (
    Fault("another process holds the lock for 3 s", locked_for_a_while),
    Fault("another process holds the lock when this one ends", locked_at_the_end(False)),
    Fault("a stopped process holds the lock when this one ends", locked_at_the_end(True)),
    Fault("`SIGKILL` after `flush()`", killed),
    Fault("the disk is full for a while", full_for_a_while, needs_a_disk=True),
    Fault("the disk is full to the end, and after it", full_to_the_end, needs_a_disk=True),
    *CHANGES,
    *(
        replace(change, name=f"{change.name}, and the process ends at once", happen=ending(change.happen))
        for change in CHANGES
    ),
)


@dataclass(frozen=True)
class Outcome:
    """What became of the executions that returned."""

    returned: int
    kept: int
    lost: int

    @property
    def neither(self) -> int:
        """Executions that are neither in a file nor counted: there must be none."""
        return max(0, self.returned - self.kept - self.lost)


def try_fault(fault: Fault, durability: str, folder: Path) -> Outcome:
    """Bring about *fault* around a worker in *folder*, then record one execution by another process, and count.

    What was set aside is salvaged, and what ``recover`` cannot read is counted as lost.
    """
    database = folder / "learning.db"
    options = dict(fault.options)
    with (folder / "errors.txt").open("w") if not fault.needs_a_disk else tempfile.TemporaryFile("w") as errors:
        first = Worker(database, durability, errors, **options)
        first.run("earlier", 5)
        first.end()
        shutil.copyfile(database, beside(database, ".backup"))
        worker = Worker(database, durability, errors, **options)
        worker.run("before")
        worker.ask("flush")
        lost = fault.happen(worker)
        if lost is None:
            worker.run("during")
            time.sleep(NOTICED_SECONDS)
            worker.run("after")
            lost = worker.end()
        next_one = Worker(database, durability, errors, **options)
        next_one.run("next", 1)
        next_one.ask("flush")
        lost += next_one.end()
    lost += sum(found.unreadable for found in recover(database))
    ran = {task for task in (*worker.ran, *next_one.ran) if not (fault.is_deleting and task.startswith("before-"))}
    return Outcome(len(ran), len(ran & stored_in(database)), lost)


def stored_in(database: Path) -> set[str]:
    """Return the ids of the tasks in the file; read as the command does, for which a full disk has room."""
    with ReadOnlyDatabase(database) as source:
        return {row["task_id"] for row in source.query("SELECT task_id FROM executions")}


@contextlib.contextmanager
def place(fault: Fault) -> Iterator[Path | None]:
    """Yield an empty folder, on a small disk of its own where the fault needs one; None where there is none."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "disk")
        folder.mkdir()
        if not fault.needs_a_disk:
            yield folder
            return
        try:
            command = ["mount", "-t", "tmpfs", "-o", "size=6m", "none", str(folder)]
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            yield None
            return
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def main() -> None:
    """Try each fault in both durabilities, and print the table."""
    print("| fault | durability | returned | kept | counted as lost | neither |")
    print("|---|---|---|---|---|---|")
    for fault in FAULTS:
        for durability in DURABILITIES:
            with place(fault) as folder:
                if folder is None:
                    print(f"| {fault.name} | `{durability}` | not tried: no disk can be mounted here | | | |")
                    continue
                found = try_fault(fault, durability, folder)
            print(
                f"| {fault.name} | `{durability}` | {found.returned:,} | {found.kept:,} | {found.lost:,} |"
                f" {found.neither:,} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
