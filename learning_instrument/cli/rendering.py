"""Prints answers to a terminal, to a pipe, as JSON and as CSV.

A terminal gets a table that fits its width: texts are shortened first, then the least important columns are left
out, and a line names them. A pipe gets every column and every text in full, without colours.
"""

import csv
import dataclasses
import enum
import io
import json
import math
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import ConfigurationError
from ..safety import formulas
from .formatting import bound, escaped, one_line

#: Where a command's context has whether it was given ``--raw``.
RAW: Final = "learning_instrument.raw"
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


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table.

    Args:
        name: the attribute or key of each row that it shows; dots lead further in.
        heading: the heading of the column.
        show: a value -> its text. None is shown as a dash.
        is_number: whether it is set flush right.
        is_text: whether it may be cut where the terminal is narrow.
        least: how many characters such a text keeps where it has them.
        rank: columns of the highest rank go first where even that is not enough; those of rank 0 stay.
        style: a value -> its style on a terminal.
        bound_if: counts of the row; where any is above 0, the value is a lower bound, and is shown as one.
    """

    name: str
    heading: str
    show: Callable[[Any], str] = str
    is_number: bool = False
    is_text: bool = False
    least: int = 10
    rank: int = 0
    style: Callable[[Any], str] = lambda value: ""
    bound_if: tuple[str, ...] = ()

    def cell(self, row: Any) -> str:
        """Return the text of this column in *row*, on one line."""
        value = value_of(row, self.name)
        if value is None:
            return "-"
        return bound(one_line(self.show(value)), any(value_of(row, name) for name in self.bound_if))


def render(
    rows: Sequence[Any],
    columns: Sequence[TableColumn],
    output: Output,
    *,
    document: Any = None,
    nothing: str = "Nothing was found.",
    notes: Iterable[str] = (),
) -> None:
    """Print *rows*.

    Args:
        rows: mappings or dataclasses.
        columns: the columns of the table. CSV has all fields of the rows.
        output: the format.
        document: the JSON document, by default the rows.
        nothing: the line printed where there are no rows.
        notes: lines below the table.
    """
    if output is Output.JSON:
        print_json(rows if document is None else document)
    elif output is Output.CSV:
        print_csv(rows, columns)
    else:
        print_table(rows, columns, nothing)
        for note in notes:
            print_note(note)


def print_json(document: Any, indent: int | None = 2) -> None:
    """Print one JSON document."""
    text = json.dumps(plain(document), indent=indent, ensure_ascii=not _writes_unicode(), allow_nan=False)
    write(escaped(text) if is_terminal() else text)


def print_csv(rows: Sequence[Any], columns: Sequence[TableColumn], with_heading: bool = True) -> None:
    """Print all that is in *rows*; where there are none, the names of *columns*."""
    values = [plain(_flat(row)) for row in rows]
    names = list(values[0]) if values else [column.name for column in columns]
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    if with_heading:
        writer.writerow(names)
    leaves_formulas = is_raw()
    for row in values:
        writer.writerow(_csv_cell(row.get(name), leaves_formulas) for name in names)
    write(escaped(sheet.getvalue()) if is_terminal() else sheet.getvalue(), end="")


def print_fields(fields: Mapping[str, str]) -> None:
    """Print names and values, each value in full."""
    width = max(map(len, fields)) + _GAP
    for name, text in fields.items():
        text = one_line(text)
        if is_terminal():
            room = max(_NARROWEST, terminal_width() - width)
            first, *rest = textwrap.wrap(text, room) or [""]
            write(click.style(f"{name:<{width}}", dim=True) + first)
            for line in rest:
                write(" " * width + line)
        else:
            write(f"{name:<{width}}{text}".rstrip())


def fitted(line: str) -> str:
    """Return *line*, cut where it is longer than a line of the terminal."""
    if not is_terminal() or cell_len(line) <= terminal_width():
        return line
    return set_cell_size(line, terminal_width() - 1).rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def print_table(rows: Sequence[Any], columns: Sequence[TableColumn], nothing: str) -> None:
    """Print *rows* as a table that fits the terminal, or in full where there is none."""
    if not rows:
        write(nothing)
    elif is_terminal():
        write(table_of(rows, columns, terminal_width()), end="")
    else:
        write(_aligned(rows, columns), end="")


def print_section(title: str, rows: Sequence[Any], columns: Sequence[TableColumn]) -> None:
    """Print *rows* below a title, or nothing where there are none."""
    if rows:
        write(f"\n{title}")
        print_table(rows, columns, "")


def bar(value: float | None, most: float) -> str:
    """Return a bar as long as *value* is beside *most*."""
    length = _BAR * (value or 0.0) / most if most > 0 else 0.0
    return ("\N{FULL BLOCK}" if _writes_unicode() else "#") * math.ceil(length)


def print_note(note: str) -> None:
    """Print a line below a table, wrapped where a terminal is narrow."""
    write(textwrap.fill(escaped(note), terminal_width()) if is_terminal() else note)


def table_of(rows: Sequence[Any], columns: Sequence[TableColumn], width: int, colour: bool = True) -> str:
    """Return a table of *rows* whose lines are at most *width* characters wide."""
    cells = {column.name: [column.cell(row) for row in rows] for column in columns}
    wanted = {column.name: max(cell_len(text) for text in (column.heading, *cells[column.name])) for column in columns}
    shown = _columns_that_fit(columns, wanted, width)
    widths = _widths(shown, wanted, width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), show_edge=False, header_style="bold")
    for column in shown:
        table.add_column(
            column.heading,
            justify="right" if column.is_number else "left",
            width=widths[column.name],
            no_wrap=True,
            overflow="ellipsis",
        )
    for number, row in enumerate(rows):
        table.add_row(
            *(
                Text(cells[column.name][number], style=column.style(value_of(row, column.name)), no_wrap=True)
                for column in shown
            )
        )
    screen = io.StringIO()
    console = Console(
        file=screen, width=width, force_terminal=colour, no_color=not colour, highlight=False, legacy_windows=False
    )
    console.print(table)
    if len(shown) < len(columns):
        left_out = ", ".join(column.heading for column in columns if column not in shown)
        console.print(Text(f"Not shown (too narrow): {left_out}.", style="dim"))
    return screen.getvalue()


def value_of(row: Any, name: str) -> Any:
    """Return the value at the dotted path *name* in *row*; None where a part is missing."""
    if isinstance(row, Mapping) and name in row:
        return row[name]
    for part in name.split("."):
        row = row.get(part) if isinstance(row, Mapping) else getattr(row, part, None)
    return row


def fields_of(answer: Any) -> dict[str, Any]:
    """Return the fields of a dataclass."""
    return {item.name: getattr(answer, item.name) for item in dataclasses.fields(answer)}


def plain(value: Any) -> Any:
    """Return *value* in JSON types: dataclasses as objects, datetimes in ISO form, NaN and infinity as null."""
    if hasattr(value, "to_dict"):
        return plain(value.to_dict())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(fields_of(value))
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def write(text: str, end: str = "\n") -> None:
    """Print *text* unchanged: ``click.echo`` would strip escape sequences from data in a pipe."""
    sys.stdout.write(text + end)
    sys.stdout.flush()


def is_terminal() -> bool:
    """Tell whether standard output is a terminal."""
    return sys.stdout.isatty()


def terminal_width() -> int:
    """Return how many characters fit on a line."""
    return max(20, shutil.get_terminal_size().columns)


def _writes_unicode() -> bool:
    return (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"


def _columns_that_fit(columns: Sequence[TableColumn], wanted: Mapping[str, int], width: int) -> list[TableColumn]:
    shown = list(columns)
    while _least_width(shown, wanted) > width:
        last = max(shown, key=lambda column: column.rank)
        if not last.rank:
            break
        shown.remove(last)
    return shown


def _least_width(columns: Sequence[TableColumn], wanted: Mapping[str, int]) -> int:
    return sum(_least(column, wanted) for column in columns) + _GAP * (len(columns) - 1)


def _least(column: TableColumn, wanted: Mapping[str, int]) -> int:
    return min(wanted[column.name], column.least) if column.is_text else wanted[column.name]


def _widths(columns: Sequence[TableColumn], wanted: Mapping[str, int], width: int) -> dict[str, int]:
    """Share the remaining width equally among the texts; none gets more than it needs."""
    widths = {column.name: _least(column, wanted) for column in columns}
    left = width - _least_width(columns, wanted)
    while left > 0:
        hungry = [name for name in widths if widths[name] < wanted[name]]
        if not hungry:
            break
        for name in hungry[:left]:
            widths[name] += 1
        left -= len(hungry[:left])
    return widths


def _aligned(rows: Sequence[Any], columns: Sequence[TableColumn]) -> str:
    lines = [[column.heading for column in columns], *([column.cell(row) for column in columns] for row in rows)]
    widths = [max(cell_len(line[number]) for line in lines) for number in range(len(columns))]
    return "".join(
        "  ".join(
            " " * (width - cell_len(text)) + text if column.is_number else text + " " * (width - cell_len(text))
            for column, text, width in zip(columns, line, widths, strict=True)
        ).rstrip()
        + "\n"
        for line in lines
    )


def _flat(row: Any) -> Any:
    """Return *row* with the fields of a dataclass in it as fields of its own: ``success_low``."""
    if hasattr(row, "to_dict"):
        return row
    items = row if isinstance(row, Mapping) else fields_of(row)
    flat: dict[str, Any] = {}
    for name, value in items.items():
        if dataclasses.is_dataclass(value):
            flat |= {f"{name}_{inner}": part for inner, part in _flat(value).items()}
        else:
            flat[name] = value
    return flat


def is_raw() -> bool:
    """Tell whether the command was told to leave formulas in CSV as they are."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(RAW))


def _csv_cell(value: Any, leaves_formulas: bool) -> Any:
    if isinstance(value, str):
        return value if leaves_formulas else formulas.escaped(value)
    if isinstance(value, bool):
        return int(value)
    return json.dumps(value) if isinstance(value, (dict, list)) else value


def is_confirmed(question: str, is_agreed: bool) -> bool:
    """Ask before an action that cannot be undone; without a terminal, require ``--yes``.

    Raises:
        ConfigurationError: if standard input is not a terminal and *is_agreed* is false.
    """
    if is_agreed:
        return True
    if not sys.stdin.isatty():
        raise ConfigurationError(f"{question} There is no terminal to answer at; pass --yes.")
    return click.confirm(question, err=True)
