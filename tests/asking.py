"""The command asked in a test's own process, and databases made for it."""

import csv
import io
import json
import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

from click.testing import CliRunner

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.cli import main

COMMAND = Path(sys.executable).parent / "learning-instrument"
NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)


def ask(path, *arguments):
    """Give the command a line of arguments. No traceback is an answer."""
    result = CliRunner().invoke(main, ["--database", path, *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def answer(path, *arguments, status=0):
    result = ask(path, *arguments)
    assert (result.exit_code, result.stderr) == (status, "")
    return result.stdout


def document(path, *arguments, status=0):
    return json.loads(answer(path, *arguments, "--json", status=status))


def rows(path, *arguments, status=0):
    return list(csv.DictReader(io.StringIO(answer(path, *arguments, "--csv", status=status))))


def store(path, *records):
    with LearningDatabase(path) as database:
        database.append(records)


def record(**fields):
    return ExecutionRecord(**{"task_type": "fix", "duration_seconds": 1.0, "timestamp": NOON, **fields})


def on_a_terminal(columns, *arguments, **variables):
    """Run the command on a terminal so wide; return its exit code and what it printed."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {
        name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")
    }
    with subprocess.Popen(
        [COMMAND, *arguments], stdout=theirs, stderr=theirs, env={**environment, **variables}
    ) as process:
        os.close(theirs)
        printed = b""
        while True:
            try:
                some = os.read(ours, 65536)
            except OSError:  # Linux: the other side is closed
                break
            if not some:
                break
            printed += some
    os.close(ours)
    return process.returncode, printed.decode()
