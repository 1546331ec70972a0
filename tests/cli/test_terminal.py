"""What reaches a terminal or a pipe, with any text of the executions."""

import itertools
import logging
import re
import time
import unicodedata

import pytest
from asking import ask, record, store
from every_command import REPORTS, lines
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from learning_instrument import ExecutionRecord
from learning_instrument.cli import terminal
from learning_instrument.columns import TABLE, Kind
from learning_instrument.outcome import ErrorType, Outcome

OBEYED = "".join(
    character
    for character in map(chr, range(0x10000))
    if unicodedata.category(character) in ("Cc", "Zl", "Zp")
    or unicodedata.bidirectional(character) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    or character in "\u061c\u200e\u200f\ufeff"
)
COLOURS = re.compile(r"\x1b\[[\d;]*m")
#: SQLite's text ends at NUL for some functions, and no argument has one.
TEXTS = st.text(
    st.one_of(st.sampled_from(OBEYED[1:]), st.characters(codec="utf-8", exclude_characters="\0")), max_size=30
)


def obeyed(text):
    return {character for character in COLOURS.sub("", text) if character != "\n" and character in OBEYED}


def executions_that_say(text):
    """Return executions with *text* in every column and key that may have any."""
    ids = {"execution_id", "task_id", "parent_execution_id", "trace_id", "span_id", "cost_source", "outcome_source"}
    names = {column.name for column in TABLE if column.kind is Kind.TEXT} & ExecutionRecord.__dataclass_fields__.keys()
    said = dict.fromkeys(names - ids - {"error_message", "exception_type"}, text)
    failed = {"outcome": Outcome.ERROR, "error_type": ErrorType.UNKNOWN, "error_message": text, "exception_type": text}
    metadata = {"task": {text or "key": text}}
    return [
        record(**said, task_id="first", metadata=metadata),
        record(**said, task_id="second", metadata=metadata, **failed),
    ]


def check_that_nothing_is_obeyed(text, is_terminal, folder, monkeypatch):
    monkeypatch.setattr(terminal, "is_terminal", lambda: is_terminal)
    name = re.sub("[/\0]", "", text).encode("utf-8", "replace").decode()[:40]
    path = str(folder / f"{name}.db")
    store(path, *executions_that_say(text))
    formats = [[]] if is_terminal else [[], ["--json"], ["--csv"]]
    questions = [[*line, *more] for line in itertools.chain(*REPORTS.values()) for more in formats]
    questions += [
        *lines(str(folder / f"{name}.out")),
        ["similar", text],
        ["compare", "--by", "model_tier", "--markdown"],
        ["compare", "--before", f"repo={text}", "--after", "..2026-11-13", "--markdown"],
        ["compare", "--before", f"repo={text}!", "--after", f"metadata.{text}=x"],
        ["summary", "--task-type", f"{text}!"],
        ["performance", "--by", f"metadata.{text}"],
        ["summary", "--where", f"metadata.{text}=x"],
        ["summary", "--where", f"{text}=x"],
        ["summary", "--since", text],
        ["list", "--limit", text],
        ["show", text],
        [f"{text}x"],
        ["list", f"--{text}"],
    ]
    for line in questions:
        result = ask(path, *line)
        assert (line, obeyed(result.output)) == (line, set())


@pytest.mark.parametrize("is_terminal", [True, False])
def test_no_command_prints_what_is_obeyed(is_terminal, tmp_path, monkeypatch):
    """Not from executions, and not from names of files, filters, columns and keys of metadata: in any format."""
    check_that_nothing_is_obeyed(OBEYED[1:], is_terminal, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("is_terminal", [True, False])
@given(text=TEXTS)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_makes_a_command_print_what_is_obeyed(text, is_terminal, tmp_path_factory, monkeypatch):
    """Wherever it stands."""
    check_that_nothing_is_obeyed(text, is_terminal, tmp_path_factory.mktemp("odd"), monkeypatch)


def test_what_is_logged_is_one_line_as_well(tmp_path, monkeypatch):
    """Where the application's own logging does not take it; and is left to that afterwards."""
    path = str(tmp_path / "learning.db")
    store(path, record())
    log, before = logging.getLogger("learning_instrument.storage"), logging.lastResort
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(
        "learning_instrument.cli.commands.performance.price_tables", lambda database: log.warning("a\x1b[2J\nb") or ()
    )

    assert ask(path, "summary").stderr == "a\\u001b[2J b\n"
    assert logging.lastResort is before


# Colours, and times.


@pytest.mark.parametrize(
    ("options", "environment", "in_a_terminal", "in_a_pipe"),
    [
        ([], {}, True, False),
        ([], {"NO_COLOR": "1"}, False, False),
        ([], {"NO_COLOR": ""}, True, False),
        ([], {"TERM": "dumb"}, False, False),
        ([], {"FORCE_COLOR": "1"}, True, True),
        ([], {"FORCE_COLOR": ""}, True, False),
        ([], {"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
        ([], {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        (["--no-color"], {}, False, False),
        (["--no-color"], {"FORCE_COLOR": "1"}, False, False),
    ],
)
def test_one_decision_on_colours_holds_for_all_that_is_printed(
    tmp_path, monkeypatch, options, environment, in_a_terminal, in_a_pipe
):
    """Tables, fields and findings, with the option before or after the subcommand."""
    path = str(tmp_path / "learning.db")
    store(path, record(task_id="first", outcome=Outcome.ERROR, error_type=ErrorType.CRASH, error_message="it broke"))
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for is_terminal, expected in ((True, in_a_terminal), (False, in_a_pipe)):
        monkeypatch.setattr(terminal, "is_terminal", lambda answer=is_terminal: answer)
        for line in (["list"], ["summary"], ["show", "first"], ["doctor"], ["compare", "--by", "model_tier"]):
            for words in {(*line, *options), (*options, *line)}:
                assert ("\x1b[" in ask(path, *words).stdout) == expected, (words, is_terminal)


def test_times_say_their_zone(tmp_path, monkeypatch):
    """UTC, or with --local that of this machine; days, JSON and CSV stay UTC."""
    monkeypatch.setenv("TZ", "America/St_Johns")
    time.tzset()
    path = str(tmp_path / "learning.db")
    store(path, record(task_id="first", outcome=Outcome.ERROR, error_type=ErrorType.CRASH, error_message="it broke"))
    utc, local = "2026-11-20 12:00:00", "2026-11-20 08:30:00-03:30"
    try:
        for line in (
            ["list"],
            ["errors"],
            ["summary"],
            ["errors", "--details"],
            ["tail", "--for", "0"],
            ["show", "first"],
        ):
            text, here = (ask(path, *line, *options).stdout for options in ([], ["--local"]))
            assert (utc in text, "UTC" in text) == (True, True), line
            assert (local.partition("-03")[0] in here, "-03:30" in here, utc in here) == (True, True, False), line
        for line in (["performance", "--by", "day"], ["performance", "--by", "hour"], ["costs", "--by", "day"]):
            assert "(UTC)" in ask(path, *line, "--local").stdout
        for line in (["list", "--json"], ["list", "--csv"]):
            assert ask(path, *line, "--local").stdout == ask(path, *line).stdout
    finally:
        monkeypatch.undo()
        time.tzset()


# Filters that match nothing.


@pytest.mark.parametrize(
    "line",
    [
        ["summary"], ["performance"], ["costs"], ["errors"], ["patterns"], ["similar", "mend"], ["list"],
        ["list", "--csv"], ["list", "--json"], ["export"], ["tail", "--for", "0"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_value_that_nothing_has_is_answered_with_those_there_are(tmp_path, line):
    """On standard error; a script's answer stays as it is, and the exit code is 0."""
    path = str(tmp_path / "learning.db")
    store(path, record(task_type="bugfix", repo="shop", metadata={"task": {"customer": "acme"}}))
    for options, said in [
        (
            ["--task-type", "bugfixx"],
            "No execution has task_type=bugfixx. Did you mean bugfix? The values: bugfix (1)",
        ),
        (["--repo", "shpo"], "Did you mean shop?"),
        (["--where", "metadata.customer=acne"], "Did you mean acme?"),
        (["--where", "metadata.custmer=acme"], "Did you mean metadata.customer?"),
        (["--until", "2026-11-01"], "No execution started in this window. The first of those selected started on 2026"),
        (["--task-type", "bugfix", "--repo", "other"], "No execution has repo=other."),
    ]:
        result = ask(path, *line, *options)

        assert (result.exit_code, said in result.stderr, result.stderr.count("\n")) == (0, True, 1), result.stderr
        assert said not in result.stdout


def test_filters_that_hold_for_no_execution_together_are_told_apart(tmp_path):
    """Each alone holds for one. An empty database, and an answer with executions, say nothing."""
    path = str(tmp_path / "learning.db")
    store(path)
    assert ask(path, "list", "--repo", "shop").stderr == ""
    store(path, record(task_type="a", repo="shop"), record(task_type="b", repo="site"))

    assert "no execution matches all" in ask(path, "list", "--repo", "shop", "--task-type", "b").stderr
    assert ask(path, "patterns", "--repo", "shop").stderr == ""
