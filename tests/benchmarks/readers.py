"""What readers of ``learning-instrument serve`` add to recorded tasks: a hundred at once, of many views.

Beside it what two processes add that only use the processors: the rest is what readers do to the file. The server and
the readers are processes of their own. Run as a module it is the readers.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from learning_instrument import configure, record_execution

from .recorded_files import DRAWN, copy_of

ALONE: Final = "no readers"
LOADED: Final = "two processes that only compute"
READ: Final = "100 readers at once"
_READERS: Final = 100
_SECONDS: Final = 4.0
_PAUSE_SECONDS: Final = 0.002
_COMPUTE: Final = "import time; end = time.monotonic() + float({seconds})\nwhile time.monotonic() < end: pass"
_PAGES: Final = (
    "?days=7",
    "?days=30",
    "?pool_type=agents",
    "?model_tier=small&days=30",
    "executions",
    "executions?outcome=unsuccessful",
    "executions?q=fix+the+parser",
    "metrics",
)


@dataclass(frozen=True)
class Situation:
    """What a recorded task of no work takes beside others, in µs, and what the readers were answered."""

    name: str
    tasks: int
    median: float
    p95: float
    longest: float
    answered: int
    failed: int
    log_mb: float


def measure(rounds: int) -> list[Situation]:
    """Measure all situations in turn, in each round."""
    with tempfile.TemporaryDirectory() as folder:
        path = copy_of(DRAWN, Path(folder, "readers.db"))
        configure(str(path))
        with _Server(path) as url:
            taken: dict[str, list[float]] = {ALONE: [], LOADED: [], READ: []}
            answers: Counter[str] = Counter()
            log_bytes = dict.fromkeys(taken, 0)
            for _ in range(rounds):
                for name, durations in taken.items():
                    others = _others(name, url)
                    time.sleep(1.0)  # they start
                    log_bytes[name] = max(log_bytes[name], _record(path, durations))
                    for process in others:
                        said = process.communicate(timeout=120)[0]
                        answers += Counter(json.loads(said)) if said else Counter()
        missing = sum(map(len, taken.values())) - _rows(path)
        assert missing == 0, f"{missing} tasks were not recorded"
    return [_situation(name, taken[name], answers if name == READ else {}, log_bytes[name]) for name in taken]


@record_execution(pool_type="agents")
def execute_task(task: dict[str, Any]) -> dict[str, Any]:
    """Do nothing."""
    return {"success": task["number"] % 20 > 0, "cost": 0.01}


def _record(path: Path, durations: list[float]) -> int:
    """Run tasks, one after the other; add what each took, and return the largest size of the log."""
    end, largest = time.monotonic() + _SECONDS, 0
    while time.monotonic() < end:
        task = {"task_type": "served", "number": len(durations), "description": f"fix the parser of {len(durations)}"}
        started = time.perf_counter()
        execute_task(task)
        durations.append((time.perf_counter() - started) * 1e6)
        if len(durations) % 50 == 0:
            largest = max(largest, os.path.getsize(f"{path}-wal"))
        time.sleep(_PAUSE_SECONDS)
    return largest


def _others(name: str, url: str) -> "list[subprocess.Popen[str]]":
    seconds = str(_SECONDS + 1.0)
    if name == LOADED:
        line, count = [sys.executable, "-c", _COMPUTE.format(seconds=seconds)], 2
    else:
        line, count = [sys.executable, "-m", __spec__.name, url, seconds], int(name == READ)
    return [subprocess.Popen(line, stdout=subprocess.PIPE, text=True) for _ in range(count)]


def _rows(path: Path) -> int:
    from learning_instrument.sqlite.read_only import ReadOnlyDatabase

    with ReadOnlyDatabase(path) as database:
        return int(database.query("SELECT count(*) AS n FROM executions WHERE task_type = 'served'")[0]["n"])


def _situation(name: str, durations: list[float], answers: "dict[str, int] | Counter[str]", log: int) -> Situation:
    ordered = sorted(durations)
    p95 = ordered[int(len(ordered) * 0.95)]
    answered = answers.get("200", 0)
    failed = sum(answers.values()) - answered
    return Situation(name, len(ordered), statistics.median(ordered), p95, ordered[-1], answered, failed, log / 1e6)


class _Server:
    """``learning-instrument serve`` of one database, for as long as the block runs."""

    def __init__(self, path: Path) -> None:
        line = [sys.executable, "-m", "learning_instrument", "serve", "--database", str(path), "--port", "0"]
        self._process = subprocess.Popen([*line, "--no-token"], stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().split(" at ")[1].partition(";")[0]

    def __exit__(self, *exc_info: object) -> None:
        self._process.kill()
        self._process.communicate()


def read(url: str, seconds: float) -> dict[str, int]:
    """Ask as a hundred readers, each for one page again and again; return how many answers had which status."""
    end = time.monotonic() + seconds
    counted: Counter[str] = Counter()
    lock = threading.Lock()

    def ask(page: str) -> None:
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(url + page, timeout=60) as answer:
                    answer.read()
                    status = str(answer.status)
            except OSError as error:
                status = repr(error)
            with lock:
                counted[status] += 1

    threads = [threading.Thread(target=ask, args=(_PAGES[number % len(_PAGES)],)) for number in range(_READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return dict(counted)


if __name__ == "__main__":
    print(json.dumps(read(sys.argv[1], float(sys.argv[2]))))
