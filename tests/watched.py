"""Databases that ``top`` is shown, and what is on its screen."""

import contextlib
import json
import os
import sqlite3
from datetime import timedelta

from asking import NOON, record, store

from learning_instrument.cli.commands.top import _story
from learning_instrument.columns import COLUMNS
from learning_instrument.dashboard.top.app import TopApp
from learning_instrument.dashboard.top.state import Asked, Observer
from learning_instrument.outcome import ErrorType, Outcome
from learning_instrument.record import row_from_record
from learning_instrument.sqlite.selection import Selection
from learning_instrument.storage.liveness import this_process

#: No process has such an id.
NOBODY = 2**22 + 1
#: What a terminal obeys, what rich and textual take for markup, and what is wider than any screen.
HOSTILE = (
    "\x1b[2J\x1b]0;title\x07 [bold red]shop[/] [@click=app.bell]go[/] \u202eevil \ud83d\ude00 a\nb\r\t" + "x" * 4000
)


def before(**ago):
    return NOON - timedelta(**ago)


def run(path, execution_id, *, process_id=None, **fields):
    """Enter an execution in flight, of this process or of *process_id*."""
    process = this_process()
    entered = record(
        **{"execution_id": execution_id, "task_id": execution_id, "timestamp": before(seconds=90), **fields}
    )
    values = {name: value for name, value in zip(COLUMNS, row_from_record(entered), strict=True) if value is not None}
    entry = (
        execution_id, entered.task_id, entered.task_type, entered.pool_type, process_id or process.process_id,
        process.host, process.identity, values["timestamp"], values["timestamp"], json.dumps(values),
    )  # fmt: skip
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"INSERT INTO running VALUES ({','.join('?' * len(entry))})", entry)


def _finished(number):
    failure = {
        "outcome": Outcome.ERROR,
        "error_type": ErrorType.CRASH,
        "exception_type": "ConnectionError",
        "error_message": f"connection {number} was refused",
    }
    return record(
        execution_id=f"e{number:02}",
        task_id=f"t{number:02}",
        task_type=("bugfix", "review")[number % 3 == 0],
        task_description=f"Fix the crash in part {number}",
        pool_type="agents",
        model_tier=("small", "large")[number % 4 == 0],
        repo="shop",
        service_name="s",
        process_id=7,
        timestamp=before(minutes=number, seconds=10),
        duration_seconds=2.0 + number / 10,
        actual_cost=0.25 if number % 5 else None,
        **(failure if number % 7 == 3 else {"outcome": Outcome.SUCCEEDED}),
    )


def fill(path):
    """Make a database with something in every pane."""
    store(path, *map(_finished, range(40)))
    run(
        path,
        "running-long",
        task_type="refactor",
        pool_type="threads",
        model_tier="large",
        task_description="Rename it",
    )
    run(path, "running-short", task_type="docs", pool_type="agents", timestamp=before(seconds=3))
    run(path, "running-dead", task_type="test", pool_type="agents", process_id=NOBODY, timestamp=before(hours=2))
    return path


def app_of(path, *, every=3600.0, now=lambda: NOON, **filters):
    return TopApp(Observer(path, now), Asked(Selection(**filters)), os.path.basename(path), every, _story)


def screen(app):
    """Return the lines of the screen."""
    strips = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip).rstrip() for strip in strips]


async def settled(app, pilot):
    """Wait until every question is answered, and drawn."""
    for _ in range(3000):
        await pilot.pause(0.01)
        if not app.is_waiting:
            break
    assert not app.is_waiting
    await pilot.pause()


async def press(app, pilot, *keys):
    """Press keys one by one, each after the answer to the one before."""
    for key in keys:
        await pilot.press(key)
        await settled(app, pilot)
