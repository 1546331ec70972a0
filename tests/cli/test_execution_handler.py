"""``tail --exec``: a real command for each execution of a real file."""

import contextlib
import json
import os
import signal
import subprocess
import sys

import pytest
from asking import answer, ask, document, record, store
from child_programs import KEEPS, is_alive, python, python_name
from waiting import wait_until

from learning_instrument import LearningDatabase
from learning_instrument.cli.child_command import ChildCommand
from learning_instrument.cli.execution_handler import ExecutionHandler
from learning_instrument.outcome import Outcome

HOSTILE = 'it\'s "quoted" $(touch owned) `touch owned`; rm -rf x\n\x1b[31mred\x9b2J \u202e { } \\ %s'


@pytest.fixture
def path(tmp_path):
    """The path of a database with one failure."""
    path = str(tmp_path / "learning.db")
    store(path, record(task_id="before", outcome=Outcome.ERROR, error_message="before"))
    return path


def failure(task_id, message="broke", **fields):
    return record(task_id=task_id, outcome=Outcome.ERROR, error_message=message, **fields)


@contextlib.contextmanager
def tailing(path, command, *arguments):
    """Follow the database in another process, which is ended."""
    line = [sys.executable, "-m", "learning_instrument", "--database", path, "tail", "--every", "0.05"]
    with subprocess.Popen(
        [*line, "--exec", command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            process.stdout.readline()  # the one before: it follows from now on
            yield process
        finally:
            process.kill()


def lines(file):
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_command_gets_each_new_failure_as_show_has_it(path, tmp_path):
    """As it is stored, in order, and not those that are printed first; no text is an argument or a shell's."""
    kept = tmp_path / "kept"
    new = [
        failure("one", HOSTILE, task_description=HOSTILE, metadata={"customer": HOSTILE}, solution_summary=HOSTILE),
        record(task_id="fine"),
        failure("two"),
    ]
    with tailing(path, python(tmp_path, KEEPS, kept), "--failures") as process:
        store(path, *new)
        wait_until(lambda: len(lines(kept)) == 2)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)

    assert (process.returncode, errors.strip()) == (130, "")
    assert lines(kept) == [document(path, "show", each)["execution"] for each in ("one", "two")]
    assert lines(kept)[0]["error_message"] == HOSTILE
    assert kept.read_bytes().isascii()
    assert not list(tmp_path.glob("**/owned"))


def test_failing_command_is_told_and_following_goes_on(path, tmp_path):
    """One line for each, on standard error; its own output goes to ours."""
    program = "import sys, json; print('for', json.load(sys.stdin)['task_id']); raise SystemExit(7)"
    with tailing(path, python(tmp_path, program), "--failed") as process:
        shown, told = [], []
        for task_id in ("one", "two"):
            store(path, failure(task_id))
            shown += [process.stdout.readline() for _ in range(2)]
            told.append(process.stderr.readline())
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=30)

    assert (process.returncode, rest) == (128 + signal.SIGTERM, "")
    assert told == [f"{python_name()} failed: exit code 7.\n"] * 2
    assert [line for line in shown if line.startswith("for")] == ["for one\n", "for two\n"]


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc"), reason="asks /proc for a process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_command_too(path, tmp_path, number):
    """Which hangs, and what it has started."""
    program = (
        "import os, subprocess, sys, time; child = subprocess.Popen(['sleep', '600']);"
        "open(sys.argv[1], 'w').write(f'{os.getpid()} {child.pid}\\n'); time.sleep(600)"
    )
    started = tmp_path / "started"
    with tailing(path, python(tmp_path, program, started)) as process:
        store(path, failure("one"))
        wait_until(lambda: started.exists() and started.read_text().endswith("\n"))
        process.send_signal(number)
        process.communicate(timeout=30)

    assert process.returncode == 128 + number
    wait_until(lambda: not any(is_alive(int(each)) for each in started.read_text().split()))


def test_flood_runs_one_command_at_a_time_and_counts_what_is_dropped(path, tmp_path, capfd):
    """In order; the line comes not once for each."""
    kept = tmp_path / "kept"
    program = f"import time; time.sleep(0.1); {KEEPS}"
    with ExecutionHandler(ChildCommand(python(tmp_path, program, kept)), waiting=3) as handler:
        for start in range(0, 60, 10):
            handler.handle({"number": number} for number in range(start, start + 10))

    told = capfd.readouterr().err.splitlines()
    numbers = [each["number"] for each in lines(kept)]
    assert numbers == sorted(numbers)
    assert 3 <= len(numbers) <= 20
    assert told[-1] == (f"{python_name()} was not run for {60 - len(numbers)} executions: it is slower than they come.")
    assert len(told) <= 5


def test_end_waits_for_what_waits(path, tmp_path):
    """So that ``--for`` loses nothing that was shown."""
    kept = tmp_path / "kept"
    with ExecutionHandler(ChildCommand(python(tmp_path, KEEPS, kept))) as handler:
        handler.handle({"number": number} for number in range(5))

    assert [each["number"] for each in lines(kept)] == [0, 1, 2, 3, 4]


def test_what_is_no_command_is_refused_before_following(path):
    """In one line; exit code 2."""
    for command in ("no-such-program-here", "", "'"):
        result = ask(path, "tail", "--exec", command)

        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.count("\n") == 1


def test_without_new_executions_nothing_is_run(path, tmp_path):
    """The earlier ones are printed only."""
    text = answer(path, "tail", "--for", "0.2", "--exec", python(tmp_path, KEEPS, tmp_path / "kept"))

    assert "before" in text
    assert not (tmp_path / "kept").exists()


@pytest.mark.slow
def test_database_in_the_place_of_another_is_followed(path, tmp_path):
    """From its first execution, however it was made."""
    kept = tmp_path / "kept"
    with tailing(path, python(tmp_path, KEEPS, kept)):
        store(path, failure("one"))
        wait_until(lambda: len(lines(kept)) == 1)
        os.rename(path, tmp_path / "aside.db")
        with LearningDatabase(path) as database:
            database.append([failure("two")])
            wait_until(lambda: len(lines(kept)) == 2)

    assert [each["task_id"] for each in lines(kept)] == ["one", "two"]
