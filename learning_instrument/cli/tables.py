"""Lays out tables: one that fits the width of a terminal, or one with every text in full."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.cells import cell_len, chop_cells, set_cell_size

from ..formatting import bound
from ..safety.control_characters import one_line
from .moments import clock, zone
from .terminal import painted, terminal_width, writes_unicode

_GAP: Final = 2
#: No column gets narrower than this; where even that is too wide, the last ones go.
_NARROWEST: Final = 3
#: In a pipe, no column is padded beyond this: one long text would put blanks into every row.
_PADDED: Final = 40


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table.

    Args:
        name: the attribute or key of each row that it shows; dots lead further in.
        heading: the heading of the column.
        show: a value -> its text. None is shown as a dash. ``moments.clock`` adds the time zone to the heading.
        is_number: whether it is set flush right.
        is_text: whether it may be cut where the terminal is narrow.
        least: how many characters such a text keeps where it has them.
        rank: columns of the highest rank go first where even that is not enough; those of rank 0 stay.
        brief: a value -> its text where columns of rank 0 alone are too wide.
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
    brief: Callable[[Any], str] | None = None
    style: Callable[[Any], str] = lambda value: ""
    bound_if: tuple[str, ...] = ()

    def cell(self, row: Any, is_brief: bool = False) -> str:
        """Return the text of this column in *row*, on one line."""
        value = value_of(row, self.name)
        if value is None:
            return "-"
        show = self.brief if is_brief and self.brief is not None else self.show
        return bound(one_line(show(value)), any(value_of(row, name) for name in self.bound_if))

    @property
    def title(self) -> str:
        """The heading on one line, with the zone of times."""
        return one_line(f"{self.heading} ({zone()})" if self.show is clock else self.heading)


def table(rows: Sequence[Any], columns: Sequence[TableColumn], width: int | None) -> Iterator[str]:
    """Yield the lines of a table of *rows*, at most *width* characters wide; None: with every text in full."""
    shown = [_Column.of(column, rows) for column in columns]
    if width is None:
        widths = [min(column.wanted, _PADDED) for column in shown]
    else:
        shown = _those_that_fit(shown, rows, width)
        widths = _widths(shown, width)
    for number in range(-1, len(rows)):
        yield (
            (" " * _GAP)
            .join(
                column.line(number, None if number < 0 else rows[number], own, width is not None)
                for column, own in zip(shown, widths, strict=True)
            )
            .rstrip()
        )
    left_out = [each.heading for each in columns if each.heading and all(one.column is not each for one in shown)]
    if left_out and width is not None:
        for line in wrapped(f"Not shown (too narrow): {', '.join(left_out)}.", width):
            yield painted(line, "dim")


def value_of(row: Any, name: str) -> Any:
    """Return the value at the dotted path *name* in *row*; None where a part is missing."""
    if isinstance(row, Mapping) and name in row:
        return row[name]
    for part in name.split("."):
        row = row.get(part) if isinstance(row, Mapping) else getattr(row, part, None)
    return row


def fitted(line: str, width: int | None = None) -> str:
    """Return *line*, cut where it is longer than *width*, by default a line of the terminal."""
    width = terminal_width() if width is None else width
    if cell_len(line) <= width:
        return line
    return set_cell_size(line, width - 1).rstrip() + ("\N{HORIZONTAL ELLIPSIS}" if writes_unicode() else "~")


def wrapped(text: str, width: int) -> list[str]:
    """Return the lines of *text*, each at most *width* characters wide; a longer word is broken."""
    lines = [""]
    for word in text.split():
        for part in chop_cells(word, width) if cell_len(word) > width else [word]:
            if not lines[-1]:
                lines[-1] = part
            elif cell_len(lines[-1]) + 1 + cell_len(part) <= width:
                lines[-1] += f" {part}"
            else:
                lines.append(part)
    return lines


@dataclass(frozen=True, slots=True)
class _Column:
    """A column and its texts, of which the first is the heading."""

    column: TableColumn
    texts: Sequence[str]
    wanted: int

    @classmethod
    def of(cls, column: TableColumn, rows: Sequence[Any], is_brief: bool = False) -> "_Column":
        texts = [column.title, *(column.cell(row, is_brief) for row in rows)]
        return cls(column, texts, max(map(cell_len, texts)))

    @property
    def least(self) -> int:
        """The least width: of a text, enough for its heading."""
        if not self.column.is_text:
            return self.wanted
        return min(self.wanted, max(self.column.least, cell_len(self.texts[0])))

    def line(self, number: int, row: Any, width: int, is_cut: bool) -> str:
        """Return the text of the row *number*, -1 being the heading, painted and as wide as the others."""
        text = fitted(self.texts[number + 1], width) if is_cut else self.texts[number + 1]
        style = "bold" if number < 0 else self.column.style(value_of(row, self.column.name))
        blanks = " " * (width - cell_len(text))
        text = painted(text, style)
        return blanks + text if self.column.is_number else text + blanks


def _those_that_fit(columns: Sequence[_Column], rows: Sequence[Any], width: int) -> list[_Column]:
    """Return *columns* without the least important, and the others in brief where they are too wide still."""
    shown = list(columns)
    while _least_width(shown) > width and any(each.column.rank for each in shown):
        shown.remove(max(shown, key=lambda each: each.column.rank))
    if _least_width(shown) > width:
        shown = [_Column.of(each.column, rows, is_brief=True) for each in shown]
    return shown[: (width + _GAP) // (_NARROWEST + _GAP)]


def _least_width(columns: Sequence[_Column]) -> int:
    return sum(column.least for column in columns) + _GAP * (len(columns) - 1)


def _widths(columns: Sequence[_Column], width: int) -> list[int]:
    """Share the remaining width equally among the texts; none gets more than it needs."""
    widths = [column.least for column in columns]
    while sum(widths) + _GAP * (len(widths) - 1) > width and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    left = width - sum(widths) - _GAP * (len(widths) - 1)
    while left > 0:
        hungry = [number for number, column in enumerate(columns) if widths[number] < column.wanted]
        if not hungry:
            break
        for number in hungry[:left]:
            widths[number] += 1
        left -= len(hungry[:left])
    return widths
