"""Tables: what stays on a narrow terminal, what a pipe gets, and how wide letters are."""

import itertools

import pytest
from asking import NOON, ask
from every_command import REPORTS
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from learning_instrument.cli import tables, terminal
from learning_instrument.cli.tables import TableColumn, fitted, table, wrapped
from learning_instrument.maintenance import write_demo

COLUMNS = (
    TableColumn("what", "what", is_text=True),
    TableColumn("share", "share", lambda share: f"{share} (of all)", brief=str),
    TableColumn("count", "count", is_number=True, rank=1),
    TableColumn("more", "more", is_text=True, rank=2),
)
WIDE = "\u6f22\u5b57 \u0065\u0301 \U0001f469\u200d\U0001f680 \U0001f1e9\U0001f1ea \u2764\ufe0f \u092e\u0928\u0940"
ROWS = [
    {"what": WIDE, "share": "91.9%", "count": 5, "more": "x" * 90},
    {"what": "a plain one that is long", "share": "7%", "count": 1234, "more": None},
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The path of a synthetic database."""
    path = str(tmp_path_factory.mktemp("tables") / "demo.db")
    write_demo(path, 300, now=NOON)
    return path


@pytest.mark.parametrize("width", range(20, 140, 3))
def test_lines_are_no_wider_than_the_terminal(width):
    """With letters of any width; a line names what was left out."""
    lines = list(table(ROWS, COLUMNS, width))

    assert max(map(cell_len, lines)) <= width
    assert ("Not shown" in " ".join(lines)) == (not lines[0].endswith("more"))


@given(
    rows=st.lists(st.fixed_dictionaries({name: st.text(max_size=40) for name in ("what", "share", "count", "more")})),
    width=st.integers(20, 200),
)
@settings(max_examples=50, deadline=None)
def test_no_text_makes_a_line_too_wide(rows, width):
    """Nor does it make two lines of one."""
    lines = list(table(rows, COLUMNS, width))

    assert max(map(cell_len, lines)) <= width
    assert not any("\n" in line for line in lines)
    assert len([line for line in lines if "Not shown" not in line]) >= len(rows) + 1


@given(text=st.text(max_size=60), width=st.integers(3, 40))
def test_cut_and_wrapped_texts_have_their_width(text, width):
    text = " ".join(text.split())

    assert cell_len(fitted(text, width)) <= width
    assert max(map(cell_len, wrapped(text, width))) <= width
    assert "".join(wrapped(text, width)).replace(" ", "") == text.replace(" ", "")


def test_least_important_columns_go_first():
    """The others are shown in brief before they are cut."""
    headings = {width: next(table(ROWS, COLUMNS, width)).split() for width in (140, 38, 30)}

    assert headings == {140: ["what", "share", "count", "more"], 38: ["what", "share", "count"], 30: ["what", "share"]}
    assert "91.9% (of all)" in " ".join(table(ROWS, COLUMNS, 50))
    assert "91.9% (of all)" not in " ".join(table(ROWS, COLUMNS, 20))
    assert "91.9%" in " ".join(table(ROWS, COLUMNS, 20))


def test_pipe_has_every_text_in_full_and_no_padding_for_the_longest():
    """Columns stand two blanks apart."""
    rows = [{**ROWS[1], "what": "long " * 100}, *[{**ROWS[1], "what": "short"}] * 3]
    lines = list(table(rows, COLUMNS, None))

    assert ("long " * 100).strip() in lines[1]
    assert all(len(line) < 80 for line in lines[2:])
    assert [line.split("  ")[0] for line in lines] == ["what", ("long " * 100).strip(), *["short"] * 3]
    assert lines[0].index("share") == lines[2].index("7% (of all)")


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize(
    ("line", "headings"),
    [
        (["summary"], ["tier", "succeeded"]),
        (["performance"], ["task type", "succeeded"]),
        (["performance", "--by", "task_type", "--by", "model_tier"], ["task type", "tier", "succeeded"]),
        (["compare", "--by", "model_tier"], ["tier", "success", "verdict"]),
        (["errors"], ["count", "message"]),
        (["patterns"], ["solution", "success", "best tier"]),
        (["similar", "fix the crash in parser.py"], ["likeness", "description", "tier"]),
        (["list"], ["tier", "outcome", "about"]),
        (["tail", "--for", "0"], ["medium", "Re"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and len(value) < 9 else str(value),
)
def test_share_tier_and_text_stay(demo, monkeypatch, width, line, headings):
    """However narrow the terminal is."""
    monkeypatch.setattr(terminal, "is_terminal", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))

    lines = ask(demo, *line).stdout.splitlines()

    first = next(text for text in lines if all(heading in text for heading in headings))
    assert max(map(cell_len, lines)) <= width
    assert "(" in lines[lines.index(first) + 1] or width == 40 or "succe" not in " ".join(headings)


def test_every_line_of_every_report_fits(demo, monkeypatch):
    """Notes and fields too."""
    monkeypatch.setattr(terminal, "is_terminal", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    for width in (20, 40):
        monkeypatch.setenv("COLUMNS", str(width))
        for line in itertools.chain(*REPORTS.values()):
            text = ask(demo, *line).stdout
            assert max(map(cell_len, text.splitlines()), default=0) <= width, (line, width)


def test_cut_is_marked_in_any_encoding(monkeypatch):
    monkeypatch.setattr(tables, "writes_unicode", lambda: False)

    assert fitted("abcdefgh", 5) == "abcd~"
