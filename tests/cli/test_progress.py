"""A terminal is told why an answer takes long; a pipe is not, and neither is one who gets it at once."""

import io
import time

import pytest
from rich.console import Console

from learning_instrument.cli import progress


@pytest.fixture
def screen(monkeypatch):
    """What a terminal at standard error gets."""
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, force_interactive=True, width=80)
    monkeypatch.setattr(progress, "Console", lambda **options: terminal)
    monkeypatch.setattr(progress, "_PATIENCE_SECONDS", 0.01)
    return screen


def until_shown(screen):
    """Take as long as it takes to say why."""
    for _ in range(1000):
        if "every row" in screen.getvalue():
            return
        time.sleep(0.01)


def interrupt(screen):
    """Be interrupted when the reason is shown."""
    until_shown(screen)
    raise KeyboardInterrupt


def test_reason_of_a_long_wait_is_shown_and_taken_back(screen):
    with progress.waiting("every row [of it] is read"):
        until_shown(screen)

    assert "every row [of it] is read" in screen.getvalue()
    assert screen.getvalue().endswith("\x1b[2K")  # the line is erased


def test_fault_in_a_long_wait_ends_it(screen):
    with pytest.raises(KeyboardInterrupt), progress.waiting("every row is read"):
        interrupt(screen)

    assert screen.getvalue().endswith("\x1b[2K")


def test_quick_answer_shows_nothing(screen, monkeypatch):
    monkeypatch.setattr(progress, "_PATIENCE_SECONDS", 60)

    with progress.waiting("every row is read"):
        pass

    assert screen.getvalue() == ""


def test_pipe_gets_nothing(capfd, monkeypatch):
    monkeypatch.setattr(progress, "_PATIENCE_SECONDS", 0)

    with progress.waiting("every row is read"):
        time.sleep(0.05)

    assert capfd.readouterr() == ("", "")
