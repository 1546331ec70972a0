"""What every report prints, kept as text: ``UPDATE_SNAPSHOTS=1 pytest tests/cli/test_snapshots.py`` writes it anew.

Of a synthetic database on terminals of 40, 80 and 120 columns and in a pipe; of one without executions and of one with
one. ``^[[`` stands for the beginning of a colour.
"""

import functools
import itertools
import os
import re
import shlex
import sys
from pathlib import Path

import pytest
from asking import NOON, ask, on_a_terminal, record, store
from every_command import REPORTS

from learning_instrument.analytics import burn_down
from learning_instrument.cli import terminal
from learning_instrument.maintenance import write_demo
from learning_instrument.outcome import ErrorType, Outcome

SNAPSHOTS = Path(__file__).parent / "snapshots"
WIDTHS = (40, 80, 120)
COLOUR = re.compile(r"\^\[\[[\d;]*m")
#: Shown where an answer takes long, as on a busy machine, and taken back.
WAITING = re.compile(r"\^\[\[\?25l.*?\^\[\[\?25h\n?(?:\r?\^\[\[1A\^\[\[2K)?", re.S)
#: The execution of the synthetic database that is shown.
SHOWN = "18e9bd11c467ae00"
ONE = {
    "execution_id": "18e9bd3f1d2e0000-0123456789abcdef0123456789abcdef-0123456789abcdef", "task_id": "first",
    "model_tier": "small", "pool_type": "agents", "repo": "shop", "task_description": "Fix the crash in parser.py",
    "outcome": Outcome.ERROR, "error_type": ErrorType.CRASH, "error_message": "it broke", "actual_cost": 0.25,
}  # fmt: skip


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    """The paths of the databases: synthetic, with one execution, with none."""
    folder = tmp_path_factory.mktemp("snapshots")
    demo, one, none = (str(folder / name) for name in ("demo.db", "one.db", "empty.db"))
    write_demo(demo, 800, now=NOON)
    store(one, record(**ONE))
    store(none)
    return demo, one, none


@pytest.fixture(autouse=True)
def fixed(monkeypatch):
    """The present is NOON; nothing in the environment says how to print."""
    monkeypatch.setattr("learning_instrument.cli.commands.costs.burn_down", functools.partial(burn_down, now=NOON))
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def printed(monkeypatch, path, line, width=None):
    """Return what the line prints on a terminal so wide, by default in a pipe."""
    monkeypatch.setattr(terminal, "is_terminal", lambda: width is not None)
    monkeypatch.setenv("COLUMNS", str(width or 80))
    words = [SHOWN if word == "first" and "demo" in path else word for word in line]
    return visible(ask(path, *words).output, path)


def visible(text, path):
    return text.replace("\x1b", "^[").replace("\r\n", "\n").replace(path, os.path.basename(path))


def sections(text):
    """Return the title of each section of a snapshot -> its text."""
    parts = re.split(r"^=== (.*)\n", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def title(path, line, where):
    return f"{os.path.basename(path).removesuffix('.db')}, {where}: {shlex.join(line)}"


@pytest.mark.parametrize("report", REPORTS)
def test_report_prints_what_is_kept(databases, monkeypatch, report):
    """NO_COLOR takes the colours away, and nothing else."""
    demo, one, none = databases
    found = {}
    for line in REPORTS[report]:
        for width in WIDTHS:
            text = found[title(demo, line, f"{width} columns")] = printed(monkeypatch, demo, line, width)
        with monkeypatch.context() as patch:
            patch.setenv("NO_COLOR", "1")
            assert printed(patch, demo, line, width) == COLOUR.sub("", text)
        found[title(demo, line, "pipe")] = printed(monkeypatch, demo, line)
        for path in (one, none):
            found[title(path, line, "80 columns")] = printed(monkeypatch, path, line, 80)
        for form in ("--json", "--csv"):
            found[title(one, [*line, form], "pipe")] = printed(monkeypatch, one, [*line, form])
    text = "".join(f"=== {name}\n{shown}" for name, shown in found.items())
    file = SNAPSHOTS / f"{report}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")

    assert sections(text) == sections(file.read_text("utf-8"))


def test_no_snapshot_is_left_of_a_report_that_is_gone():
    assert {file.stem for file in SNAPSHOTS.iterdir()} == set(REPORTS)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("width", WIDTHS)
def test_real_terminal_shows_what_is_kept(databases, width):
    """Also where another process makes it."""
    demo = databases[0]
    for line in itertools.chain(*REPORTS.values()):
        kept = sections((SNAPSHOTS / f"{line[0]}.txt").read_text("utf-8"))[title(demo, line, f"{width} columns")]
        words = [SHOWN if word == "first" else word for word in line]
        if "--budget" not in line:  # it depends on the day
            shown = visible(on_a_terminal(width, "--database", demo, *words, TERM="xterm")[1], demo)
            assert WAITING.sub("", shown) == kept
