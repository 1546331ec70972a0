"""A report of several parts: a verdict, fields, tables and notes, for a terminal and as Markdown."""

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..safety.control_characters import one_line
from .rendering import TableColumn, print_fields, print_note, print_section, value_of, write

#: Rows of a table in Markdown: a comment on a pull request has at most 65,536 characters.
_MOST_ROWS: Final = 50
#: What means something to a parser of Markdown, or to the pages that show it.
_ACTIVE: Final = re.compile(r"[\\`*_\[\]<>&|~$#]")
_SIGN: Final = re.compile(r"[!-/:-@\[-`{-~]")


@dataclass(frozen=True, slots=True)
class Field:
    """A line with a label. Its *name*, if any, is text of a user's, and comes first."""

    label: str
    text: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A table with a title. Columns that are text have names in them that users chose."""

    title: str
    rows: Sequence[Any]
    columns: Sequence[TableColumn]
    #: Whether it is folded away where that is possible.
    is_detail: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What a command has to say."""

    #: The verdict in one line, for a reader who reads no further.
    headline: str
    fields: Sequence[Field]
    sections: Sequence[Section]
    notes: Sequence[str]


def print_report(report: Report) -> None:
    """Print *report* to a terminal or a pipe; the headline comes last, where the reader is then."""
    print_fields({field.label: ", ".join(filter(None, (field.name, field.text))) for field in report.fields})
    for section in report.sections:
        print_section(section.title, section.rows, section.columns)
    for note in (*report.notes, report.headline):
        print_note(note)


def print_markdown(report: Report) -> None:
    """Print *report* as Markdown with tables, as pull requests show it."""
    write("\n".join(_markdown(report)))


def _markdown(report: Report) -> Iterator[str]:
    yield f"### {_escaped(report.headline)}"
    yield ""
    for field in report.fields:
        name = "" if field.name is None else f"{_code(field.name)}{', ' * bool(field.text)}"
        yield f"* **{_escaped(field.label)}:** {name}{_escaped(field.text)}"
    for section in report.sections:
        if section.rows:
            yield ""
            yield from _folded(section) if section.is_detail else _table(section)
    if report.notes:
        yield ""
    for note in report.notes:
        yield f"* {_escaped(note)}"


def _folded(section: Section) -> Iterator[str]:
    """Yield a table that is hidden until its title is clicked. Blank lines let Markdown go on within HTML."""
    yield f"<details><summary>{html.escape(one_line(section.title))} ({len(section.rows):,})</summary>"
    yield ""
    yield from _table(section, is_titled=False)
    yield ""
    yield "</details>"


def _table(section: Section, is_titled: bool = True) -> Iterator[str]:
    if is_titled:
        yield f"**{_escaped(section.title)}**"
        yield ""
    yield _line(_escaped(column.heading) for column in section.columns)
    yield _line("--:" if column.is_number else ":--" for column in section.columns)
    for row in section.rows[:_MOST_ROWS]:
        yield _line(_cell(column, row) for column in section.columns)
    if len(section.rows) > _MOST_ROWS:
        yield ""
        yield f"and {len(section.rows) - _MOST_ROWS:,} more, which `--json` has."


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(column: TableColumn, row: Any) -> str:
    text = column.cell(row)
    if column.is_text and text != "-":
        return _code(text)
    value = value_of(row, column.name)
    is_bad = value is not None and column.style(value) == "red"
    return f"**{_escaped(text)}**" if is_bad else _escaped(text)


def _code(text: str) -> str:
    """Return *text* as code, in which nothing is markup: pages make no mentions, references or links of it either."""
    text = one_line(text)
    if text.isprintable() and text and not set(text) & set("`|\\"):
        return f"`{text}`"
    # In a table a backslash before a pipe means one thing to one parser, and another to another.
    return f"<code>{_SIGN.sub(lambda sign: f'&#{ord(sign[0])};', text)}</code>"


def _escaped(text: str) -> str:
    """Return *text* so that it means nothing but itself."""
    return _ACTIVE.sub(r"\\\g<0>", one_line(text)).replace("@", "@<!-- -->")
