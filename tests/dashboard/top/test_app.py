"""The screen of ``top``, kept as text: ``UPDATE_SNAPSHOTS=1 pytest tests/dashboard/top/test_app.py`` writes it anew."""

import contextlib
import dataclasses
import os
import re
import sqlite3
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from asking import NOON, record, store
from textual.events import Key
from watched import HOSTILE, NOBODY, app_of, fill, press, run, screen, settled

from learning_instrument.cli.commands.top import _story
from learning_instrument.dashboard.top.app import TopApp
from learning_instrument.dashboard.top.state import Asked, Observer
from learning_instrument.dashboard.top.widgets import PaneView
from learning_instrument.outcome import ErrorType, Outcome
from learning_instrument.sqlite.selection import Selection
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


def test_page_shows_the_first_screen():
    """As it is."""
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "top.md").read_text("utf-8")

    assert (SNAPSHOTS / "first.txt").read_text("utf-8") in page


class Held:
    """An observer whose looks wait until they are let go."""

    def __init__(self, path):
        self._observer = Observer(path, lambda: NOON)
        self.database = self._observer.database
        self.is_free = threading.Event()
        self.is_free.set()

    def look(self, asked):
        self.is_free.wait(60)
        return self._observer.look(asked)

    def close(self):
        self._observer.close()


@pytest.fixture
def path(tmp_path):
    return fill(str(tmp_path / "learning.db"))


async def test_slow_answer_holds_up_no_key(path):
    """What was answered before is sorted, and the command ends."""
    held = Held(path)
    app = TopApp(held, Asked(Selection()), "learning.db", 3600.0, _story)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        held.is_free.clear()
        await pilot.press("w")
        await pilot.press("r")
        await pilot.pause()
        assert "reading ..." in screen(app)[-2]
        assert screen(app)[2].startswith("docs")
        await pilot.press("q")
    held.is_free.set()

    assert app.return_value == 0


async def test_answer_to_a_question_that_was_taken_back_is_not_shown(path):
    """Only what is asked for now is."""
    held = Held(path)
    app = TopApp(held, Asked(Selection()), "learning.db", 3600.0, _story)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        held.is_free.clear()
        await pilot.press("slash", *"refactor", "enter", "escape")
        held.is_free.set()
        await settled(app, pilot)

        assert "Running 2, 1 dead" in screen(app)[1]


async def test_executions_are_shown_as_they_are_stored(path):
    """The cursor stays on its row; on the first row it stays on the first."""
    app = app_of(path, every=0.05)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        await press(app, pilot, "tab", "tab", "down")
        recent = app.query_one("#recent", PaneView)
        assert recent.chosen.execution_id == "e01"

        store(path, record(execution_id="new", timestamp=NOON))
        for _ in range(1000):
            await pilot.pause(0.01)
            if "Recent 41" in "\n".join(screen(app)):
                break
        assert recent.chosen.execution_id == "e01"
        await pilot.press("home")
        assert recent.chosen.execution_id == "new"
        store(path, record(execution_id="newer", timestamp=NOON + timedelta(seconds=1)))
        for _ in range(1000):
            await pilot.pause(0.01)
            if "Recent 42" in "\n".join(screen(app)):
                break
        assert recent.chosen.execution_id == "newer"


async def test_fault_is_said_until_it_is_over(path):
    """In the line above the keys, without a traceback; what was there is still shown."""
    app = app_of(path, every=0.05)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("ALTER TABLE executions RENAME TO elsewhere")
            for _ in range(1000):
                await pilot.pause(0.01)
                if "hasnotableexecutions" in "".join("".join(screen(app)).split()):  # wherever the line is wrapped
                    break
            assert "hasnotableexecutions" in "".join("".join(screen(app)).split())
            assert "Recent 40" in "\n".join(screen(app))
            connection.execute("ALTER TABLE elsewhere RENAME TO executions")
        for _ in range(1000):
            await pilot.pause(0.01)
            if screen(app)[-2].startswith("Last"):
                break
        assert screen(app)[-2] == "Last 15 minutes; sorted by age."


async def test_filter_whose_keys_arrive_at_once_is_whole(path):
    """As over a slow line: none of them goes to the pane, and Enter is the last."""
    app = app_of(path)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        for character in "/sort way\r":
            app.post_message(Key({"/": "slash", " ": "space", "\r": "enter"}.get(character, character), character))
        for _ in range(1000):
            await pilot.pause(0.01)
            shown = "\n".join(screen(app))
            if "filter: sort way." in shown:
                break
        assert "Last 15 minutes; sorted by age; filter: sort way." in shown


async def test_filter_is_left_as_it_was_or_taken_away(path):
    """Escape in its line leaves it; in a pane it takes it away."""
    app = app_of(path, pool_type="agents")
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        await press(app, pilot, "slash", *"review", "enter")
        assert "filter: review; pool_type=agents." in screen(app)[-2]
        await press(app, pilot, "slash", *"xyz", "escape")
        assert "filter: review;" in screen(app)[-2]
        await press(app, pilot, "escape")
        assert "filter" not in screen(app)[-2]
        assert "pool_type=agents" in screen(app)[-2]


@pytest.mark.parametrize(("key", "status"), [("q", 0), ("ctrl+q", 0), ("ctrl+c", 130)])
@pytest.mark.parametrize("keys", [[], ["slash", "a"]])
async def test_keys_that_end_it(path, key, status, keys):
    """Also where a filter is typed, but for the letter."""
    app = app_of(path)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        await pilot.press(*keys, key)
        await pilot.pause()

    assert app.return_value == (None if keys and key == "q" else status)


async def test_story_is_laid_out_in_the_width_of_the_screen_and_left(path, monkeypatch):
    """By keys that scroll it, and one that leads back."""
    app = app_of(path)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        await press(app, pilot, "tab", "tab", "enter", "end")
        assert any(line.startswith("bugfix" if "e01" in line else "review") for line in screen(app))
        assert any("execution, " in line and "waiting" in line for line in screen(app))
        monkeypatch.setenv("COLUMNS", "60")
        await pilot.resize_terminal(60, 24)
        await pilot.pause()
        assert max(map(len, screen(app))) <= 60
        await press(app, pilot, "q")
        assert screen(app)[1].startswith("Running")


async def test_row_that_is_gone_is_said(path):
    """As by ``show``."""
    app = app_of(path)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DELETE FROM running")
        await press(app, pilot, "enter")

        assert screen(app)[-2] == "Unknown execution 'running-dead'."


async def test_unchanged_cells_are_not_written(path):
    """A look that finds the same draws nothing but the time; one cell that changes is one cell."""
    app = app_of(path)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        drawn = []
        view = app.query_one("#running", PaneView)
        refresh = view.refresh
        view.refresh = lambda *regions, **options: drawn.extend(regions) or refresh(*regions, **options)
        look = view._look
        view.show(look)
        assert drawn == []
        view.show(dataclasses.replace(look, moment=look.moment + timedelta(seconds=1)))

        assert [region.height for region in drawn] == [1, 1]
        assert sum(region.width for region in drawn) <= 4
