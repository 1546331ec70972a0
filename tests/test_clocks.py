"""Clocks that libraries fake in tests: ours are those that were there when the package was imported."""

import importlib
import pkgutil
import subprocess
import sys
import time
import types

import pytest

import learning_instrument

FROZEN = """
import tempfile
import sqlite_utils  # with pandas where there is one, which crashes when it is imported while the clock stands still
from freezegun import freeze_time
from learning_instrument import LearningDatabase, record_execution

for durability in ("commit", "batch"):
    database = LearningDatabase(tempfile.mkdtemp() + "/learning.db", durability)
    execute_task = record_execution(learning_db=database)(lambda task: task)
    for how in ({}, {"tick": True}, {"auto_tick_seconds": 15}):
        with freeze_time("2012-01-14", **how):
            execute_task("task")
            assert database.flush(), how
            assert database.flush(60), how
    rows = database.query("SELECT timestamp, duration_seconds FROM executions")
    assert len(rows) == 3
    assert all(row["timestamp"] > "2026" and row["duration_seconds"] < 10 for row in rows), rows
    database.close()
"""


def test_no_module_of_ours_holds_a_function_of_time():
    """Where freezegun would replace it: in the namespace of a module, or by the module ``time`` itself."""
    clocks = {id(clock) for clock in vars(time).values() if isinstance(clock, types.BuiltinFunctionType)}
    found = []
    for info in pkgutil.walk_packages(learning_instrument.__path__, "learning_instrument."):
        if not info.name.endswith(("__main__", "datasette_plugin")):  # the latter is for where Datasette is
            module = importlib.import_module(info.name)
            found += [(info.name, name) for name, value in vars(module).items() if id(value) in clocks]
            if getattr(module, "time", None) is time:
                found.append((info.name, "time"))

    # Its one clock, which counts while the machine sleeps, is not faked.
    assert [place for place in found if place[0] != "learning_instrument.storage.liveness"] == []


@pytest.mark.slow
def test_executions_under_freezegun_are_recorded_and_flushed():
    """With a clock that stands still, ticks, or leaps at each look; times are the real ones."""
    pytest.importorskip("freezegun")

    subprocess.run([sys.executable, "-c", FROZEN], check=True, timeout=100)
