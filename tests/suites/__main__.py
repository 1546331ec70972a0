"""Prints a table of other people's suites: do they pass recorded where they pass bare, test for test?

python -m tests.suites                               all suites, on this Python
python -m tests.suites --python .venv3.13/bin/python one that has learning_instrument installed
python -m tests.suites --suite test_functools        one suite, or a class or test of it; may be repeated
python -m tests.suites --suite celery-5.7.0/t/unit --arm adapters   a folder that pytest runs, of an unpacked release
python -m tests.suites --quick                       the suites that take some seconds
python -m tests.suites --times 20                    each so many times: for hangs
"""

import argparse
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

HERE: Final = Path(__file__).parent
PROJECT: Final = HERE.parents[1]
QUICK: Final = (
    "test_functools", "test_weakref", "test_inspect", "test_pickle", "test_generators", "test_coroutines",
    "test_asyncgen", "test_contextlib", "test_contextlib_async", "test_context", "test_copy", "test_descr",
    "test_decorators", "test_thread", "test_queue",
)  # fmt: skip
SLOW: Final = (
    "test_threading", "test_concurrent_futures", "test_asyncio", "test_unittest", "test_multiprocessing_fork",
    "test_multiprocessing_spawn", "test_multiprocessing_forkserver",
)  # fmt: skip
PYTEST: Final = [
    "-m", "pytest", "-q", "-p", "pytest_outcomes", "-p", "no:cacheprovider", "-o", "addopts=",
    "--continue-on-collection-errors",
]  # fmt: skip
ARMS: Final = ("adapters", "recorded", "plain")
#: How long one test may take: then it hangs, and its suite is ended.
SECONDS: Final = 240.0
HANGS: Final = "hangs"

Outcomes = Mapping[str, str]
"""Test -> its outcome."""


class Comparison(NamedTuple):
    """One suite in one arm, against bare runs."""

    suite: str
    arm: str
    tests: int
    equal: int
    hangs: int
    #: Rows in the database: none where the arm records nothing.
    executions: int
    #: Test -> the outcome bare, and in this arm.
    differences: Mapping[str, tuple[str, str]]


def run(python: str, suite: str, arm: str) -> tuple[Outcomes, int]:
    """Run *suite* once; return the outcomes, and the number of executions recorded."""
    with tempfile.TemporaryDirectory(prefix="suites-") as folder:
        outcomes = Path(folder, "outcomes")
        environment = {
            **os.environ,
            "SUITES_ARM": arm,
            "LEARNING_INSTRUMENT_DATABASE": str(Path(folder, "learning.db")),
            "PYTHONPATH": os.pathsep.join([str(HERE / "startup"), str(PROJECT)]),
            "SUITES_OUTCOMES": str(outcomes),
            "TMPDIR": folder,
        }
        unittest = [str(HERE / "runner.py"), f"test.{suite}"]
        command = [python, *([*PYTEST, os.path.abspath(suite)] if os.path.isdir(suite) else unittest)]
        with open(Path(folder, "log"), "wb") as log:
            process = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
            try:
                _wait(process, outcomes)
            finally:
                try:
                    os.killpg(process.pid, signal.SIGKILL)  # its children too
                except ProcessLookupError:
                    pass
                process.wait()
        if os.environ.get("SUITES_LOGS"):
            version = os.path.basename(os.path.dirname(os.path.dirname(python)))
            name = f"{suite.replace(os.sep, '-')}-{arm}-{version}.log"
            Path(os.environ["SUITES_LOGS"], name).write_bytes(Path(folder, "log").read_bytes())
        executions = _count(Path(folder, "learning.db"))
        lines = outcomes.read_text().splitlines() if outcomes.exists() else []
    found = {test: HANGS if outcome == "begun" else outcome for test, outcome in map(json.loads, lines)}
    if process.returncode not in (0, -signal.SIGKILL):
        found["(the process)"] = f"ended with {process.returncode}"
    return found, executions


def _wait(process: "subprocess.Popen[bytes]", outcomes: Path) -> None:
    """Wait until *process* ends, or adds no line to *outcomes* for too long."""
    size, since = -1, time.monotonic()
    while time.monotonic() - since < SECONDS:
        try:
            process.wait(1.0)
            return
        except subprocess.TimeoutExpired:
            now = outcomes.stat().st_size if outcomes.exists() else 0
            if now != size:
                size, since = now, time.monotonic()


def _count(database: Path) -> int:
    if not database.exists():
        return 0
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM executions").fetchone()[0])


def compare(python: str, suite: str, arm: str, times: int, bare: Sequence[Outcomes]) -> Comparison:
    """Run *suite* in *arm*; each test must end as it did in one of the *bare* runs."""
    differences: dict[str, tuple[str, str]] = {}
    tests = equal = hangs = executions = 0
    allowed: dict[str, Counter[str]] = {}
    for outcomes in bare:
        for test, outcome in outcomes.items():
            allowed.setdefault(test, Counter())[outcome] += 1
    for _ in range(times):
        found, recorded = run(python, suite, arm)
        executions += recorded
        hangs += sum(outcome == HANGS for outcome in found.values())
        for test in allowed.keys() | found.keys():
            outcome, before = found.get(test, "missing"), allowed.get(test, Counter({"missing": 1}))
            tests += 1
            if outcome in before:
                equal += 1
            else:
                differences[test] = before.most_common(1)[0][0], outcome
    return Comparison(suite, arm, tests, equal, hangs, executions, differences)


def available(python: str, suites: Sequence[str]) -> list[str]:
    """Return the *suites* that *python* has."""
    program = (
        "import importlib.util as u, sys; print(*[s for s in sys.argv[1:] if u.find_spec('test.' + s.split('.')[0])])"
    )
    folders = [suite for suite in suites if os.path.isdir(suite)]
    names = [suite for suite in suites if suite not in folders]
    found = subprocess.run([python, "-c", program, *names], capture_output=True, text=True, check=True)
    return [*found.stdout.split(), *folders]


def compare_all(python: str, suites: Sequence[str], arms: Sequence[str], times: int, jobs: int) -> Iterator[Comparison]:
    """Compare each suite in each arm with bare runs."""

    def one(suite: str) -> list[Comparison]:
        bare = [run(python, suite, "bare")[0] for _ in range(max(times, 2))]  # two, since some tests are not stable
        return [compare(python, suite, arm, times, bare) for arm in arms]

    with ThreadPoolExecutor(jobs) as pool:
        for comparisons in pool.map(one, suites):
            yield from comparisons


def main() -> int:
    """Print the table; 1 if any outcome differs, but for those of the plain arm."""
    parser = argparse.ArgumentParser(prog="python -m tests.suites", description="Run other people's test suites.")
    parser.add_argument("--python", default=sys.executable, help="a Python with learning_instrument installed")
    parser.add_argument("--suite", action="append", help="one of the suites, a class of it, or a folder of tests")
    parser.add_argument("--quick", action="store_true", help="the suites that take some seconds")
    parser.add_argument("--arm", action="append", choices=ARMS, help="one of the arms")
    parser.add_argument("--times", type=int, default=1, help="run each so many times")
    parser.add_argument("--jobs", type=int, default=1, help="suites that run at the same time")
    options = parser.parse_args()
    # In the background of a shell it is ignored, by the suites too, some of whose tests wait for it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    suites = options.suite or (QUICK if options.quick else QUICK + SLOW)
    print("| suite | arm | tests | equal outcomes | hangs | differences | executions |")
    print("|---|---|---|---|---|---|---|", flush=True)
    has_differences = False
    for found in compare_all(
        options.python, available(options.python, suites), options.arm or ARMS, options.times, options.jobs
    ):
        has_differences = has_differences or (bool(found.differences) and found.arm != "plain")
        shown = f"| {found.suite} | {found.arm} | {found.tests} | {found.equal} | {found.hangs} |"
        print(f"{shown} {len(found.differences)} | {found.executions} |", flush=True)
        for test, (before, now) in sorted(found.differences.items()):
            print(f"{test}: {before} bare, {now} {found.arm}", file=sys.stderr, flush=True)
    return int(has_differences)


if __name__ == "__main__":
    sys.exit(main())
