"""Prints answers to a terminal, to a pipe, as JSON and as CSV.

A terminal gets a table that fits its width: texts are shortened first, then the least important columns are left
out, and a line names them. A pipe gets every column and every text in full. What the executions say is data: no
character of it moves the cursor or begins a line of its own.
"""

import enum
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import click
from rich.cells import cell_len

from ..errors import ConfigurationError
from ..safety.control_characters import one_line
from . import terminal
from .json_and_csv import csv_names, fields_of, plain, print_csv, print_json
from .tables import TableColumn, fitted, table, value_of, wrapped
from .terminal import RAW, is_told, painted, tell, terminal_width, write, writes_unicode

__all__ = [
    "Output",
    "TableColumn",
    "bar",
    "csv_names",
    "fields_of",
    "fitted",
    "is_confirmed",
    "is_raw",
    "is_terminal",
    "painted",
    "plain",
    "print_csv",
    "print_fields",
    "print_json",
    "print_note",
    "print_section",
    "print_table",
    "render",
    "tell",
    "value_of",
    "write",
]

_GAP: Final = 2
#: No text beside a name gets narrower than this.
_NARROWEST: Final = 10
#: The longest bar of a chart.
_BAR: Final = 20


class Output(enum.Enum):
    """How an answer is printed."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


def render(
    rows: Iterable[Any],
    columns: Sequence[TableColumn],
    output: Output,
    *,
    names: Sequence[str],
    document: Any = None,
    nothing: str = "Nothing was found.",
    notes: Iterable[str] = (),
) -> None:
    """Print *rows*.

    Args:
        rows: mappings or dataclasses.
        columns: the columns of the table.
        output: the format.
        names: the columns of CSV, for any rows: those of :func:`csv_names`, as a rule.
        document: the JSON document, by default the rows.
        nothing: the line printed where there are no rows.
        notes: lines below the table.
    """
    if output is Output.JSON:
        print_json(rows if document is None else document)
    elif output is Output.CSV:
        print_csv(rows, names)
    else:
        print_table(list(rows), columns, nothing)
        for note in notes:
            print_note(note)


def print_fields(fields: Mapping[str, str]) -> None:
    """Print names and values, each value in full."""
    width = max(map(cell_len, fields)) + _GAP
    room = terminal_width() - width if terminal.is_terminal() else None
    for name, text in fields.items():
        label = painted(one_line(name), "dim") + " " * (width - cell_len(name))
        if room is None:
            write(f"{label}{one_line(text)}".rstrip())
        elif room < _NARROWEST:
            write(label.rstrip())
            print_note(text)
        else:
            first, *rest = wrapped(one_line(text), room)
            write((label + first).rstrip())
            for line in rest:
                write(" " * width + line)


def print_table(rows: Sequence[Any], columns: Sequence[TableColumn], nothing: str) -> None:
    """Print *rows* as a table that fits the terminal, or in full where there is none."""
    if not rows:
        print_note(nothing)
    for line in table(rows, columns, terminal_width() if terminal.is_terminal() else None) if rows else ():
        write(line)


def print_section(title: str, rows: Sequence[Any], columns: Sequence[TableColumn]) -> None:
    """Print *rows* below a title, or nothing where there are none."""
    if rows:
        write("")
        print_note(title)
        print_table(rows, columns, "")


def bar(value: float | None, most: float) -> str:
    """Return a bar as long as *value* is beside *most*."""
    length = _BAR * (value or 0.0) / most if most > 0 else 0.0
    return ("\N{FULL BLOCK}" if writes_unicode() else "#") * math.ceil(length)


def print_note(note: str, style: str = "") -> None:
    """Print a line, wrapped where a terminal is narrow."""
    for line in wrapped(one_line(note), terminal_width()) if terminal.is_terminal() else [one_line(note)]:
        write(painted(line, style))


def is_terminal() -> bool:
    """Tell whether standard output is a terminal."""
    return terminal.is_terminal()


def is_raw() -> bool:
    """Tell whether the command was told to leave texts as they are."""
    return is_told(RAW)


def is_confirmed(question: str, is_agreed: bool) -> bool:
    """Ask before an action that cannot be undone; without a terminal, require ``--yes``.

    Raises:
        ConfigurationError: if standard input is not a terminal and *is_agreed* is false.
    """
    if is_agreed:
        return True
    if not sys.stdin.isatty():
        raise ConfigurationError(f"{question} There is no terminal to answer at; pass --yes.")
    return click.confirm(one_line(question), err=True)
