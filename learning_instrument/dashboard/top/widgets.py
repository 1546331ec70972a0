"""What ``top`` draws with: lines of which only the changed cells are written, and a pane of rows with a cursor."""

import itertools
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from .panes import Pane, PaneColumn, Row
from .state import Look

_GAP: Final = 2
_ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"
_DOWN, _UP = "\N{BLACK DOWN-POINTING TRIANGLE}", "\N{BLACK UP-POINTING TRIANGLE}"

#: The text and the style of some cells beside each other.
Part = tuple[str, str]
_Cells = list[tuple[str, Style | None]]


def fitted(text: str, width: int) -> str:
    """Return *text* in exactly so many cells."""
    if cell_len(text) > width > 0:
        text = set_cell_size(text, width - 1) + _ELLIPSIS
    return set_cell_size(text, width)


class Lines(Widget):
    """Lines of text, in which nothing is markup. Of a line that changes, the changed part is written."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self._strips: list[Strip] = []

    def put(self, lines: Sequence[Sequence[Part]]) -> None:
        """Show *lines*, each of parts; what is below them is empty."""
        strips = []
        for line in lines:
            segments = [Segment(text, Style.parse(style)) for text, style in line]
            strips.append(Strip(segments).adjust_cell_length(self.size.width))
        before, self._strips = self._strips, strips
        for number in range(max(len(before), len(strips))):
            old, new = (_cells(each[number]) if number < len(each) else [] for each in (before, strips))
            changed = [place for place, cells in enumerate(itertools.zip_longest(old, new)) if cells[0] != cells[1]]
            if changed:
                self.refresh(Region(changed[0], number, changed[-1] + 1 - changed[0], 1))

    def render_line(self, y: int) -> Strip:
        """Return the line *y*."""
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width)


def _cells(strip: Strip) -> _Cells:
    """Return what is in each cell; the second of a wide character has that character too."""
    return [
        (character, segment.style)
        for segment in strip
        for character in segment.text
        for _ in range(cell_len(character))
    ]


class PaneView(Lines, can_focus=True):
    """One pane: a heading, and rows of which one is chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "app.leave", "Quit"),
        Binding("tab", "app.focus_next", "Next"),
        Binding("enter", "app.open", "Open", key_display="enter"),
        Binding("slash", "app.filter", "Filter", key_display="/", priority=True),
        Binding("s", "app.sort", "Sort"),
        Binding("r", "app.reverse", "Reverse"),
        Binding("w", "app.window", "Window"),
        Binding("escape", "app.clear", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup,ctrl+b", "page(-1)", show=False),
        Binding("pagedown,ctrl+f", "page(1)", show=False),
        Binding("home,g", "move(-1000000)", show=False),
        Binding("end,G", "move(1000000)", show=False),
    ]

    def __init__(self, pane: Pane) -> None:
        super().__init__(id=pane.title.lower())
        self.pane = pane
        self._look: Look | None = None
        self._rows: list[Row] = []
        self._sorted_by = next(each for each in pane.columns if each.heading == pane.sorted_by)
        self._is_reversed = False
        #: The first row that is shown, and the chosen one. As long as that is the first one, it stays on the first.
        self._first = 0
        self._cursor = 0

    @property
    def chosen(self) -> Row | None:
        """The row under the cursor; None where there are no rows."""
        return self._rows[self._cursor] if self._rows else None

    @property
    def order(self) -> str:
        """By what the rows are sorted, in words."""
        return f"{self._sorted_by.heading or 'news'}{' (reversed)' if self._is_reversed else ''}"

    def show(self, look: Look) -> None:
        """Show the answers of *look*. The cursor stays on its row."""
        chosen = self.pane.key(self.chosen) if self._cursor and self._rows else None
        self._look = look
        self._rows = self.pane.ordered(look, self._sorted_by, self._is_reversed)
        if chosen is not None:
            places = (number for number, row in enumerate(self._rows) if self.pane.key(row) == chosen)
            self._cursor = next(places, self._cursor)
        self.draw()

    def sort_by_next(self) -> None:
        """Sort by the next column that is shown."""
        shown = [column for column, _ in self._widths()]
        place = shown.index(self._sorted_by) if self._sorted_by in shown else -1
        self._sorted_by, self._is_reversed = shown[(place + 1) % len(shown)], False
        self._sort()

    def reverse(self) -> None:
        """Sort the other way round."""
        self._is_reversed = not self._is_reversed
        self._sort()

    def _sort(self) -> None:
        self._cursor = 0
        if self._look is not None:
            self.show(self._look)

    def action_move(self, rows: int) -> None:
        """Move the cursor."""
        self._cursor += rows
        self.draw()

    def action_page(self, pages: int) -> None:
        """Move the cursor by what is shown."""
        self.action_move(pages * max(1, self.size.height - 1))

    def on_focus(self) -> None:
        """Show where the keys go."""
        self.draw()

    def on_blur(self) -> None:
        """Show where the keys no longer go."""
        self.draw()

    def on_resize(self, event: Resize) -> None:
        """Lay the columns out anew."""
        self.draw()

    def draw(self) -> None:
        """Draw what has changed."""
        room = max(1, self.size.height - 1)
        self._cursor = max(0, min(self._cursor, len(self._rows) - 1))
        self._first = max(0, min(self._first, self._cursor, len(self._rows) - room))
        self._first = max(self._first, self._cursor - room + 1)
        widths = self._widths()
        lines: list[list[Part]] = [self._heading(widths)]
        for number, row in enumerate(self._rows[self._first : self._first + room], self._first):
            lines.append(self._line(row, widths, self.has_focus and number == self._cursor))
        if not self._rows and self._look is not None:
            lines.append([(fitted("  none", self.size.width), "dim")])
        self.put(lines)

    def _widths(self) -> list[tuple[PaneColumn, int]]:
        """Return the columns that fit, and their widths."""
        fit = [column for column in self.pane.columns if column.from_width <= self.size.width]
        left = self.size.width - sum(column.width for column in fit) - _GAP * (len(fit) - 1)
        return [(column, column.width or max(0, left)) for column in fit]

    def _heading(self, widths: Sequence[tuple[PaneColumn, int]]) -> list[Part]:
        style = "reverse bold" if self.has_focus else "underline bold"
        count = "" if self._look is None else f" {self.pane.counted(self._rows)}"
        parts = []
        for number, (column, width) in enumerate(widths):
            text = column.heading if number else f"{self.pane.title}{count}"
            if column is self._sorted_by:
                text += _UP if self._is_reversed else _DOWN
            parts.append(_padded(text, width, column.is_number))
        return [(fitted((" " * _GAP).join(parts), self.size.width), style)]

    def _line(self, row: Any, widths: Sequence[tuple[PaneColumn, int]], is_chosen: bool) -> list[Part]:
        assert self._look is not None, "its rows are there"
        parts: list[Part] = []
        for column, width in widths:
            text = _padded(column.cell(row, self._look), width, column.is_number)
            style = " ".join(filter(None, (column.style(row), "reverse" if is_chosen else "")))
            parts += [(text, style), (" " * _GAP, "reverse" if is_chosen else "")]
        return parts


def _padded(text: str, width: int, is_number: bool) -> str:
    text = fitted(text, min(width, cell_len(text)))
    blanks = " " * (width - cell_len(text))
    return blanks + text if is_number else text + blanks
