"""What reaches a terminal or a pipe, whatever the executions say."""

import itertools
import re
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
