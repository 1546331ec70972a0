"""The screen of ``top``, kept as text: ``UPDATE_SNAPSHOTS=1 pytest tests/dashboard/top/test_app.py`` writes it anew."""

import os
import re
from pathlib import Path

import pytest
from asking import record, store
from watched import HOSTILE, NOBODY, app_of, fill, press, run, screen, settled

from learning_instrument.outcome import ErrorType, Outcome
from learning_instrument.storage.liveness import this_process

SNAPSHOTS = Path(__file__).parent / "snapshots"


def hostile(path):
    store(
        path,
        record(
            execution_id="e",
            task_id="t",
            task_type=HOSTILE,
            pool_type=HOSTILE,
            model_tier=HOSTILE,
            task_description=HOSTILE,
            outcome=Outcome.ERROR,
            error_type=ErrorType.CRASH,
            exception_type=HOSTILE,
            error_message=HOSTILE,
        ),
    )
    run(path, "r", task_type=HOSTILE, pool_type=HOSTILE, model_tier=HOSTILE, task_description=HOSTILE)


#: What is shown -> the database, columns and lines of the terminal, and the keys that are pressed.
SCREENS = {
    "first": (fill, (80, 24), []),
    "wide": (fill, (140, 30), ["tab", "tab"]),
    "narrow": (fill, (40, 12), ["tab"]),
    "sorted": (fill, (80, 24), ["tab", "tab", "s", "s", "r", "down"]),
    "day": (fill, (80, 24), ["w", "w", "tab", "tab", "tab"]),
    "filtered": (fill, (80, 24), ["slash", *"review model_tier=large", "enter"]),
    "pool": (fill, (80, 24), ["tab", "enter"]),
    "wrong": (fill, (80, 24), ["slash", *"modle=x", "enter"]),
    "opened": (fill, (80, 24), ["tab", "tab", "down", "enter"]),
    "opened-error": (fill, (80, 24), ["shift+tab", "enter"]),
    "opened-running": (fill, (80, 24), ["enter"]),
    "empty": (store, (80, 24), []),
    "hostile": (hostile, (80, 24), []),
    "hostile-opened": (hostile, (80, 24), ["tab", "tab", "enter"]),
}


@pytest.mark.parametrize("name", SCREENS)
async def test_screen_shows_what_is_kept(name, tmp_path):
    """On a terminal of so many columns and lines, after these keys."""
    make, size, keys = SCREENS[name]
    path = str(tmp_path / "learning.db")
    make(path)
    app = app_of(path)
    async with app.run_test(size=size) as pilot:
        await settled(app, pilot)
        await press(app, pilot, *keys)
        lines = screen(app)
    text = "".join(f"{line}\n" for line in lines)
    ours = this_process()
    for number in (ours.process_id, NOBODY):
        named = f"{ours.host}:{number}"
        text = re.sub(f"{re.escape(named[:20])}(?:{re.escape(named[20:])}|…)? *", "HOST:1".ljust(22), text)
    file = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        file.write_text(text, "utf-8")

    assert text == file.read_text("utf-8")
    assert text.isprintable() or set(filter(lambda each: not each.isprintable(), text)) == {"\n"}


def test_no_snapshot_is_left_of_a_screen_that_is_gone():
    assert {file.stem for file in SNAPSHOTS.iterdir()} == set(SCREENS)
