"""``top`` as the installed command, at a real terminal; and where there is none."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
from asking import COMMAND, ask, store
from terminals import Terminal
from watched import fill

needs_a_terminal = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


@pytest.fixture
def path(tmp_path):
    return fill(str(tmp_path / "learning.db"))


@pytest.fixture
def without_textual(tmp_path):
    """Return the environment of a Python that lacks it."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['textual'] = None\n")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}


@needs_a_terminal
@pytest.mark.parametrize("name", ["xterm", "screen"])
def test_screen_is_drawn_and_the_terminal_left_as_it_was(path, name):
    """Its modes, the cursor, and what stood on it; on old terminals, too."""
    terminal = Terminal("--database", path, "top", TERM=name)
    terminal.read_all("Running 2, 1 dead", "sorted by age")
    assert terminal.modes != terminal.before
    terminal.say("\t")
    terminal.read_all("sorted by executions")
    terminal.say("\t\r")
    terminal.read_all("task_description")
    terminal.say("q")
    terminal.read_all("Running 2, 1 dead", "sorted by ended")
    terminal.say("q")

    assert terminal.end() == 0
    assert terminal.after == terminal.before
    assert terminal.printed.count("\x1b[?1049h") == terminal.printed.count("\x1b[?1049l") == 1
    assert terminal.printed.rindex("\x1b[?25h") > terminal.printed.rindex("\x1b[?25l")
    assert "Traceback" not in terminal.printed


@needs_a_terminal
@pytest.mark.parametrize(
    ("end", "status"),
    [("\x03", 130), (signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)],
)
def test_however_it_ends_the_terminal_is_left_as_it_was(path, end, status):
    """By Ctrl-C, and by a signal."""
    terminal = Terminal("--database", path, "top", TERM="xterm")
    terminal.read_all("Running 2, 1 dead", "sorted by age")
    if isinstance(end, str):
        terminal.say(end)
    else:
        terminal.process.send_signal(end)

    assert terminal.end() == status
    assert terminal.after == terminal.before
    assert terminal.printed.count("\x1b[?1049l") == 1
    assert "Traceback" not in terminal.printed


@needs_a_terminal
@pytest.mark.parametrize(
    ("options", "variables", "has_colours"),
    [
        ([], {"NO_COLOR": None}, True),
        ([], {"NO_COLOR": "1"}, False),
        (["--no-color"], {"NO_COLOR": None}, False),
    ],
)
def test_colours_are_the_terminal_s_own_or_none(path, options, variables, has_colours):
    """The 16 that every terminal has, whatever it could show."""
    terminal = Terminal("--database", path, "top", *options, TERM="xterm-256color", COLORTERM="truecolor", **variables)
    terminal.read_all("Running 2, 1 dead", "sorted by age")
    terminal.say("q")
    assert terminal.end() == 0

    styles = {part for found in re.findall(r"\x1b\[([\d;]*)m", terminal.printed) for part in found.split(";")}
    assert not styles & {"38", "48"}
    assert bool(styles & {str(number) for number in (*range(30, 38), *range(90, 98))}) == has_colours


@pytest.mark.slow
@needs_a_terminal
def test_little_is_written_where_little_changes(path):
    """Over a slow line: the time, the ages, and not the screen."""
    terminal = Terminal("--database", path, "top", "--every", "1", TERM="xterm")
    terminal.read_all("Running 2, 1 dead", "sorted by age", "UTC", "Window")
    time.sleep(5)
    terminal.read_all("learning.db")
    before = len(terminal.printed)
    time.sleep(5)
    terminal.read_all("learning.db")
    written = len(terminal.printed) - before
    terminal.say("q")

    assert terminal.end() == 0
    assert 0 < written < 80 * 24


@needs_a_terminal
def test_missing_database_is_one_line(tmp_path):
    """Before the screen is taken."""
    terminal = Terminal("--database", str(tmp_path / "none.db"), "top", TERM="xterm")

    assert terminal.end() == 2
    assert re.fullmatch(r"Error: There is no database [^\r\n]*\r\n", terminal.printed)


def test_without_a_terminal_it_is_one_line(tmp_path):
    """With what to ask instead."""
    store(tmp_path / "learning.db")
    refused = ask(str(tmp_path / "learning.db"), "top")

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == "Error: top needs a terminal; summary, list and tail write to a pipe.\n"


def test_without_the_extra_it_is_one_line(without_textual):
    """With the remedy. The help needs it not."""
    found = {
        name: subprocess.run(
            [COMMAND, "top", *options], env=without_textual, capture_output=True, text=True, timeout=60
        )
        for name, options in {"run": [], "help": ["--help"]}.items()
    }

    assert (found["run"].returncode, found["run"].stdout) == (2, "")
    assert found["run"].stderr == "Error: top needs textual; run: pip install 'learning_instrument[tui]'.\n"
    assert found["help"].returncode == 0


def test_only_the_command_that_needs_it_imports_textual(tmp_path):
    """The others start as fast as before."""
    store(tmp_path / "learning.db")
    program = (
        "import sys\nfrom learning_instrument.cli import main\n"
        "try:\n    main()\nfinally:\n    print('textual' in sys.modules)"
    )
    for line in (["summary"], ["top", "--help"], ["--help"]):
        done = subprocess.run(
            [sys.executable, "-c", program, "--database", str(tmp_path / "learning.db"), *line],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout.endswith("False\n")
