"""The waterfall of ``show``: a line for each thing that happened, with its bar on one axis of time."""

import io

import pytest
from rich.cells import cell_len

from learning_instrument.analytics import Story, StoryLine, TimeSpent
from learning_instrument.cli import terminal
from learning_instrument.cli.waterfall import print_story

NOTHING = {"queue_seconds": None, "wait_seconds": None, "call_seconds": 0.0, "calls": 0, "within_seconds": 0.0}
SPENT = TimeSpent(**NOTHING, executions=0, other_seconds=8.0)
PLAIN = {
    "execution_id": "e", "seconds": 8.0, "spent": SPENT, "attempt": 1, "attempts": 1, "late": 0, "late_seconds": 0.0,
    "omitted_executions": 0, "omitted_calls": 0, "is_cut": False,
}  # fmt: skip
OWN = StoryLine("execution", "fix", 0.0, 8.0, 0, outcome="succeeded")


def line(kind, offset, seconds, depth=1, name="x", **more):
    return StoryLine(kind, name, offset, seconds, depth, **more)


@pytest.fixture
def printed(capsys, monkeypatch):
    """A function that prints a story, on a terminal of so many columns or in a pipe, and returns its lines."""

    def show(*lines, columns=None, unicode=True, **others):
        if columns is not None:
            monkeypatch.setattr(terminal, "is_terminal", lambda: True)
            monkeypatch.setenv("NO_COLOR", "1")
            monkeypatch.setenv("COLUMNS", str(columns))
        if not unicode:
            written = io.BytesIO()
            monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, "ascii", write_through=True))
        print_story(Story(**{**PLAIN, "lines": (OWN, *lines), **others}))
        return (capsys.readouterr().out if unicode else written.getvalue().decode()).splitlines()

    return show


def test_bars_are_at_their_place(printed):
    """On an axis of 40 characters: each has the share of the whole that it took."""
    found = printed(line("model_call", 2.0, 2.0), line("execution", 4.0, 4.0, wait_seconds=2.0))

    rows = [text for text in found if text.startswith(("fix", "  x"))]
    assert "█" * 40 in rows[0]
    assert " " * 10 + "▓" * 11 + "  " in rows[1]
    assert " " * 20 + "░" * 10 + "█" * 10 in rows[2]


def test_letters_that_the_terminal_lacks_are_ascii(printed):
    """Of bars and of the legend."""
    found = printed(
        line("model_call", 2.0, 2.0), line("wait", 0.0, 2.0), line("queue", -2.0, 2.0, depth=0), unicode=False
    )

    text = "\n".join(found)
    assert text.isascii()
    assert "=" * 10 in text
    assert "# execution, = model call, . waiting" in text


@pytest.mark.parametrize(
    ("offset", "seconds", "bar"),
    [
        (-9.0, 1.0, "<"),
        (-4.0, 6.0, "<" + "▓" * 10),
        (20.0, 1.0, " " * 39 + ">"),
        (6.0, 9.0, " " * 30 + "▓" * 9 + ">"),
        (None, 2.0, "?"),
        (2.0, -1.0, " " * 10 + "▓"),
    ],
)
def test_what_lies_outside_is_drawn_at_the_edge(printed, offset, seconds, bar):
    """Also in part; a start that is unknown is a question mark."""
    (row,) = [text for text in printed(line("model_call", offset, seconds)) if text.startswith("  x")]

    assert row[6:46].rstrip() == bar  # beside the widest of the names


@pytest.mark.parametrize("columns", [20, 40, 80, 120, 200])
@pytest.mark.parametrize("name", ["x" * 300, "語" * 100, "\x1b[31mred\nline"])
def test_no_line_is_wider_than_the_terminal(printed, columns, name):
    """Whatever names the tasks have."""
    found = printed(
        line("execution", 1.0, 2.0, name=name, pool_type=name, execution_id="1" * 66, outcome="error"),
        line("model_call", 1.0, 9.0, depth=3, name=name, input_tokens=10**9, cost_usd=1e5, outcome=name),
        line("attempt", 1e7, 1e5, depth=0, attempt=12),
        columns=columns,
        late=2,
        omitted_calls=10**6,
        attempts=3,
    )

    assert max(map(cell_len, found)) <= columns
    assert not any("\x1b" in text for text in found)


def test_bars_stay_where_the_terminal_is_narrow(printed):
    """With names and lengths; the columns left out are named."""
    found = printed(line("model_call", 2.0, 2.0, name="large"), columns=40)

    assert any(text.startswith("  large") and "▓" in text and text.endswith("2.0 s") for text in found)
    assert any("Not shown (too narrow)" in text for text in found)


def test_where_time_went_is_one_line(printed):
    """What is unknown is left out."""
    spent = TimeSpent(2.1, 0.4, 7.9, 3, 0.5, 2, 1.2)

    assert printed()[2] == "8.0 s of its own work."
    assert printed(spent=TimeSpent(2.1, None, 0.0, 0, 0.0, 0, 8.0))[2] == (
        "Waited 2.1 s in the queue, 8.0 s of its own work."
    )
    assert printed(spent=spent)[2] == (
        "Waited 2.1 s in the queue, 400 ms in the pool, 7.9 s in 3 model calls (overlaps counted once), 500 ms more in"
        " 2 executions within it, 1.2 s elsewhere."
    )
    alone = TimeSpent(None, 0.4, 7.9, 1, 0.0, 0, 1.2)
    assert printed(spent=alone)[2] == "Waited 400 ms in the pool, 7.9 s in 1 model call, 1.2 s elsewhere."


def test_what_the_lines_lack_is_said(printed):
    """Late ends, unknown starts, other attempts, and what is not shown."""
    found = printed(
        line("model_call", None, 2.0),
        late=2,
        late_seconds=3.25,
        attempt=2,
        attempts=3,
        omitted_executions=1200,
        omitted_calls=1,
        is_cut=True,
    )

    assert found[-4:] == [
        "2 of what ran within it ended after it, the last 3.2 s later.",
        "The start of 1 line is not known; no time is counted for them.",
        "This is attempt 2 of 3: the executions of one task id.",
        "Not shown: at least 1,200 executions and 1 model call within it, further in or shorter than these.",
    ]


def test_length_that_was_not_measured_has_no_bar(printed):
    """What was measured within it has the axis."""
    own = StoryLine("execution", "fix", 0.0, 900.0, 0, is_timed=False)
    rows = printed(lines=(own, line("model_call", 2.0, 2.0)), seconds=900.0)

    assert any(text.startswith("fix") and "?" in text and "unknown" in text for text in rows)
    assert any(text.startswith("  x") and text[6:46] == " " * 20 + "▓" * 20 for text in rows)


def test_deep_levels_keep_their_names(printed):
    """The indent ends somewhere."""
    found = printed(*(line("execution", 0.0, 1.0, depth=depth, name="deep") for depth in (7, 8, 9, 900)))

    indents = [len(text) - len(text.lstrip()) for text in found if text.lstrip().startswith("deep")]
    assert indents == [14, 16, 16, 16]


def test_execution_without_a_length_has_a_bar(printed):
    """Lost at once, perhaps."""
    found = printed(seconds=0.0, lines=(StoryLine("execution", "fix", 0.0, 0.0, 0),))

    assert any(text.startswith("fix") and "█" in text for text in found)
