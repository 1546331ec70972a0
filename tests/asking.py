"""The command asked in a test's own process, and databases made for it."""

import csv
import io
import json
from datetime import datetime, timezone

from click.testing import CliRunner

from learning_instrument import ExecutionRecord, LearningDatabase
from learning_instrument.cli import main

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
