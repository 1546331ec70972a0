"""Every way a process ends, and what is kept of the executions that had returned.

``python -m tests.e2e.ends`` ends real processes in each of them and prints the table of docs/explanation/lossless.md.
"""

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from learning_instrument import LearningDatabase

HERE = Path(__file__).parent
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("OTEL_", "LEARNING_INSTRUMENT_", "COVERAGE_"))
}
DURABILITIES = ("commit", "batch")
ALL = "all"
ALL_BUT_THE_LAST = "all but the last 100 ms"
#: How many executions a process runs in ``endings``, and its pause before each: together far longer than ``batch``
#: may keep a row back.
EXECUTIONS = 100
PAUSE_SECONDS = 0.006
#: What ``batch`` promises, and what a busy machine is forgiven.
BATCH_SECONDS = 0.1
ALLOWANCE_SECONDS = 0.25
ATTEMPTS = 3
#: Programs that run at a time. They sleep more than they work.
AT_ONCE = 6
TIMEOUT_SECONDS = 60
RESEND_SECONDS = 10


@dataclass(frozen=True)
class Way:
    """One way a process ends: its row in the table, and the program in ``endings`` that does it."""

    name: str
    program: str
    status: int = 0
    #: Sent from outside, once the program has run for a while.
    sent: signal.Signals | None = None
    #: Whether the process could run code at its end.
    has_last_words: bool = True

    def keeps(self, durability: str) -> str:
        """Return what must be kept of the executions that had returned, in the words of the table."""
        return ALL if durability == "commit" or self.has_last_words else ALL_BUT_THE_LAST


_fork, _forkserver, _spawn = (
    Way(f"`multiprocessing` child, {method}", f"multiprocessing_child('{method}')")
    for method in ("fork", "forkserver", "spawn")
)
WAYS = (
    Way("the program's last line", "return_()"),
    Way("`sys.exit()`", "sys_exit()", status=3),
    Way("the last line, while another process holds the lock", "return_behind_a_lock()"),
    Way("the last line, while a stopped process holds the lock", "return_behind_a_lock(stop=True)"),
    Way("an uncaught exception", "raise_()", status=1),
    Way("`SIGINT`, as by Ctrl-C", "go_on()", status=-signal.SIGINT, sent=signal.SIGINT),
    Way(
        "`SIGTERM`, a handler of which exits",
        "go_on_and_handle_sigterm()",
        status=6,
        sent=signal.SIGTERM,
    ),
    Way("`SIGTERM` without a handler", "go_on()", status=-signal.SIGTERM, sent=signal.SIGTERM, has_last_words=False),
    Way("`SIGKILL`", "go_on()", status=-signal.SIGKILL, sent=signal.SIGKILL, has_last_words=False),
    Way("`os._exit()`", "os_exit()", status=4, has_last_words=False),
    Way("`os.execv()`", "exec_()", status=5, has_last_words=False),
    Way("`os.fork()` child, by `os._exit()`", "fork_and_os_exit()", has_last_words=False),
    Way("`os.fork()` child, by `sys.exit()`", "fork_and_sys_exit()"),
    _fork,
    _forkserver,
    _spawn,
    Way("`multiprocessing` child whose thread goes on", "multiprocessing_child_with_a_thread()"),
    Way("`multiprocessing.Pool`, closed", "pool_closed()"),
    Way("`multiprocessing.Pool`, terminated, as `with` does", "pool_terminated()", has_last_words=False),
    Way("`ProcessPoolExecutor`", "process_pool_executor()"),
    Way("celery prefork child, recycled after each task", "celery_worker(folder)"),
    Way("gunicorn worker, the server terminated", "gunicorn_terminated()"),
    Way("gunicorn worker, by `SIGKILL`", "gunicorn_killed()", has_last_words=False),
    Way("uWSGI worker, the server terminated", "uwsgi_terminated()"),
)


@dataclass(frozen=True)
class Returned:
    """One execution that had returned to its caller, as the program reported it."""

    task_id: str
    process_id: int
    at: float
    #: Rows its process had to leave to the background by then, because of another's lock.
    deferred: int


@dataclass(frozen=True)
class Ended:
    """What became of a program's executions."""

    status: int
    errors: str
    returned: list[Returned]
    stored: list[str]
    is_sound: bool

    @property
    def missing(self) -> list[Returned]:
        """The executions that had returned and are not in the database."""
        stored = set(self.stored)
        return [execution for execution in self.returned if execution.task_id not in stored]

    @property
    def deferred(self) -> int:
        """The number of rows that were not committed at once though ``commit`` was asked for."""
        return sum(max(execution.deferred for execution in group) for group in self._by_process().values())

    @property
    def oldest_missing_seconds(self) -> float:
        """How long before the last of its process the oldest that is missing had returned."""
        last = {pid: max(execution.at for execution in group) for pid, group in self._by_process().items()}
        return max((last[execution.process_id] - execution.at for execution in self.missing), default=0.0)

    def _by_process(self) -> dict[int, list[Returned]]:
        in_order = sorted(self.returned, key=lambda execution: execution.process_id)
        groups = itertools.groupby(in_order, key=lambda execution: execution.process_id)
        return {pid: list(group) for pid, group in groups}


def end(way: Way, durability: str, folder: Path) -> Ended:
    """Run the program of *way* in *folder*, which is empty, until it has ended."""
    folder.mkdir(parents=True)
    database, report = folder / "learning.db", folder / "returned.txt"
    with LearningDatabase(database) as made:  # here, for it takes each program as long as all that it does
        made.open()
    environment = ENVIRONMENT | {
        "LEARNING_INSTRUMENT_DATABASE": str(database),
        "LEARNING_INSTRUMENT_DURABILITY": durability,
        "ENDS_REPORT": str(report),
        "PYTHONPATH": os.pathsep.join(map(str, [HERE, HERE.parent.parent])),
        "HOME": str(folder),  # gunicorn keeps a socket there
        "PYTHONFAULTHANDLER": "1",  # for the stacks of one that does not end
    }
    command = [sys.executable, "-c", f"import endings; folder = {str(folder)!r}; endings.{way.program}"]
    with (folder / "errors.txt").open("w+") as errors:
        with _session(command, environment, folder, errors) as process:
            if way.sent is not None:
                _wait_for_reports(report, process)
                process.send_signal(way.sent)
            try:
                status = _wait(process, way.sent)
            except subprocess.TimeoutExpired as error:
                os.killpg(process.pid, signal.SIGABRT)
                process.wait()
                raise AssertionError(f"It did not end: {_errors_of(errors)}\n{_lines(report)}") from error
        said = _errors_of(errors)
    with LearningDatabase(database) as next_writer:  # which takes in spill files
        next_writer.open()
    returned = [Returned(line[0], int(line[1]), float(line[2]), int(line[3])) for line in _lines(report)]
    with closing(sqlite3.connect(database)) as connection:
        stored = [row[0] for row in connection.execute("SELECT task_id FROM executions")]
        ((verdict,),) = connection.execute("PRAGMA integrity_check")
    return Ended(status, said, returned, stored, verdict == "ok")


def _errors_of(file: TextIO) -> str:
    """Return what a program has written to *file*."""
    file.seek(0)
    return file.read()


@contextmanager
def _session(
    command: list[str], environment: dict[str, str], folder: Path, output: TextIO
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run *command* in a session of its own, of which nothing is left afterwards."""
    process = subprocess.Popen(
        command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # as it should be: they are all gone
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", sent: signal.Signals | None) -> int:
    """Wait for *process*, and send its signal again now and then: a weakref's callback may take a ``SystemExit``."""
    for _ in range(TIMEOUT_SECONDS // RESEND_SECONDS):
        try:
            return process.wait(RESEND_SECONDS)
        except subprocess.TimeoutExpired:
            if sent is not None:
                process.send_signal(sent)
    return process.wait(RESEND_SECONDS)


def _wait_for_reports(report: Path, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while len(_lines(report)) < EXECUTIONS and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


def _lines(report: Path) -> list[list[str]]:
    return [line.split() for line in report.read_text().splitlines()] if report.exists() else []


def end_in_time(way: Way, durability: str, folder: Path) -> Ended:
    """Run the program of *way*, again where the last rows were late: a busy machine can keep any thread waiting."""
    for attempt in range(ATTEMPTS):
        ended = end(way, durability, folder / f"{attempt}")
        if faults_of(way, durability, ended) != [LATE]:
            break
    return ended


LATE = "rows are missing that had returned long before the end"


def faults_of(way: Way, durability: str, ended: Ended) -> list[str]:
    """Return what does not hold, in words."""
    missing = len(ended.missing)
    # Rows that were deferred, because of another's lock, wait for the background as in ``batch``.
    allowed = 0 if way.has_last_words else ended.deferred if durability == "commit" else missing
    is_late = ended.oldest_missing_seconds > BATCH_SECONDS + ALLOWANCE_SECONDS
    found = {
        f"the exit status is {ended.status}, not {way.status}": ended.status != way.status,
        "nothing returned": not ended.returned,
        "the database is damaged": not ended.is_sound,
        "rows are there twice": len(set(ended.stored)) < len(ended.stored),
        f"{missing} are missing, and {ended.deferred} were deferred": missing > allowed,
        LATE: is_late and missing <= allowed and durability == "batch",
    }
    return [fault for fault, holds in found.items() if holds]


@contextmanager
def ending(ways: Iterable[tuple[Way, str]], folder: Path) -> Iterator[dict[tuple[str, str], "Future[Ended]"]]:
    """Run programs, some at a time, the servers first. What has not begun when the block is left never does."""
    executor = ThreadPoolExecutor(AT_ONCE)
    try:
        yield {
            (way.name, durability): executor.submit(end_in_time, way, durability, folder / f"{number}")
            for number, (way, durability) in enumerate(reversed(list(ways)))
        }
    finally:
        executor.shutdown(cancel_futures=True)


def main() -> int:
    """Print the table, and what does not hold."""
    every = [(way, durability) for way in WAYS for durability in DURABILITIES]
    found = 0
    print("| the process ends by | `commit` keeps | `batch` keeps |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, ending(every, Path(folder)) as programs:
        for way in WAYS:
            cells = [way.name]
            for durability in DURABILITIES:
                ended = programs[way.name, durability].result()
                cells.append(_cell(way, durability, ended))
                for fault in faults_of(way, durability, ended):
                    found += 1
                    print(f"{way.name}, {durability}: {fault}\n{ended.errors}", file=sys.stderr)
            print(f"| {' | '.join(cells)} |", flush=True)
    return min(found, 1)


def _cell(way: Way, durability: str, ended: Ended) -> str:
    returned, missing = len(ended.returned), len(ended.missing)
    age = f" ({ended.oldest_missing_seconds * 1000:.0f} ms)" if missing else ""
    return f"{way.keeps(durability)}: {returned - missing} of {returned}{age}"


if __name__ == "__main__":
    sys.exit(main())
