"""``feedback --ask`` at a real terminal."""

import sys
from datetime import timedelta

import pytest
from asking import NOON, ask, record, store
from terminals import Terminal

from learning_instrument import LearningDatabase
from learning_instrument.cli.asking import parsed
from learning_instrument.outcome import Outcome


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("y", {"accepted": True}),
        (" No \n", {"accepted": False}),
        ("4", {"rating": 4}),
        ("y 5", {"accepted": True, "rating": 5}),
        ("n 1 wrong file", {"accepted": False, "rating": 1, "comment": "wrong file"}),
        ("n wrong file", {"accepted": False, "comment": "wrong file"}),
        ("3 so so", {"rating": 3, "comment": "so so"}),
        ("y 6", {"accepted": True, "comment": "6"}),
        ("c no idea", {"comment": "no idea"}),
        ("", {}),
        ("skip", {}),
        ("q", {"quit": True}),
        ("QUIT", {"quit": True}),
        ("6", None),
        ("yep", None),
        ("c", None),
        ("quite good", None),
        ("?", None),
    ],
)
def test_answers(line, said):
    """What is no answer is asked again, and not taken for a comment."""
    assert parsed(line) == said


@pytest.fixture
def path(tmp_path):
    """The path of a database with three executions that are worth asking about."""
    path = str(tmp_path / "learning.db")
    store(
        path,
        *(
            record(
                execution_id=name,
                timestamp=NOON - timedelta(minutes=number),
                task_description=f"Fix the {name} part\x1b[31m",
                outcome=Outcome.FAILED,
                error_message="2 tests failed",
                duration_seconds=30.0,
            )
            for number, name in enumerate(("first", "second", "third"))
        ),
    )
    return path


def feedback(path):
    with LearningDatabase(path) as database:
        rows = database.query(
            "SELECT execution_id, accepted, rating, comment, source FROM feedback ORDER BY feedback_id"
        )
    return [tuple(row.values()) for row in rows]


needs_a_terminal = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
PROMPT = "Enter, q, ? "


@needs_a_terminal
def test_each_execution_is_shown_and_its_answer_stored(path):
    """At once; and what was said is not asked again."""
    terminal = Terminal("--database", path, "feedback", "--ask", "--source", "me")

    shown = terminal.read_until(PROMPT)
    assert "1 of 3" in shown
    assert "Fix the first part" in shown
    assert "\x1b[31m" not in shown
    assert "failed: 2 tests failed" in shown
    assert "30.0 s, unknown" in shown
    terminal.say("what\n")
    assert "Enter: skip it" in terminal.read_until(PROMPT)
    terminal.say("y 4 nice work\n")
    assert "Fix the second part" in terminal.read_until(PROMPT)
    assert feedback(path) == [("first", 1, 4, "nice work", "me")]
    terminal.say("\n")
    assert "Fix the third part" in terminal.read_until(PROMPT)
    terminal.say("n\n")
    terminal.read_until("Stored feedback on 2 executions.")
    assert terminal.end() == 0
    assert feedback(path)[1:] == [("third", 0, None, None, "me")]

    again = Terminal("--database", path, "feedback", "--ask")
    assert "Fix the second part" in again.read_until("1 of 1") + again.read_until(PROMPT)
    again.say("q\n")
    again.read_until("Stored feedback on 0 executions.")
    assert again.end() == 0


@needs_a_terminal
def test_length_that_was_not_measured_is_unknown(tmp_path):
    """Of one that is asked for since it is dear."""
    path = str(tmp_path / "learning.db")
    stand_in = {"duration_seconds": 600.0, "defaulted": ("duration_seconds",)}
    store(path, record(actual_cost=9.0, **stand_in), *(record(actual_cost=0.01) for _ in range(20)))
    terminal = Terminal("--database", path, "feedback", "--ask")

    assert "unknown, $9.00" in terminal.read_until(PROMPT)
    terminal.say("q\n")
    assert terminal.end() == 0


@needs_a_terminal
@pytest.mark.parametrize(("key", "status"), [("\x03", 130), ("\x04", 0)])
def test_answers_before_ctrl_c_or_the_end_of_input_are_stored(path, key, status):
    """Without a traceback."""
    terminal = Terminal("--database", path, "feedback", "--ask")
    terminal.read_until(PROMPT)
    terminal.say("5\n")
    terminal.read_until(PROMPT)
    terminal.read_until("Stored feedback on 1 execution.", key)

    assert terminal.end() == status
    assert "Traceback" not in terminal.text
    assert feedback(path) == [("first", None, 5, None, "cli")]


@pytest.mark.slow
@needs_a_terminal
def test_nothing_worth_asking_is_said(tmp_path):
    """And nothing asked."""
    store(tmp_path / "learning.db", record())
    terminal = Terminal("--database", str(tmp_path / "learning.db"), "feedback", "--ask")

    terminal.read_until("No execution without feedback is worth asking about.")
    assert terminal.end() == 0


@pytest.mark.parametrize("options", [["--ask"], ["--ask", "--accept"], ["--ask", "first"], ["--ask", "--clear"]])
def test_without_a_terminal_or_with_other_options_it_is_one_line(path, options):
    """Exit code 2, and nothing stored."""
    refused = ask(path, "feedback", *options)

    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert ("--ask needs a terminal" in refused.stderr) == (options == ["--ask"])
    assert feedback(path) == []
