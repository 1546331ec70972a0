"""Tables of a page: the numbers beside each chart, and rows to read."""

from dataclasses import dataclass
from typing import Final

from .markup import Child, Markup, element

#: Shown in place of what is not known, or not reported.
NOTHING: Final = "-"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    heading: Child
    #: Numbers stand at the right, where their digits are below one another.
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text or markup. The first cell of a row is its heading; None is shown as ``-``."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Child, ...], ...]

    def markup(self, label: str | None = None) -> Markup:
        """Return the table, in a frame that scrolls where the screen is narrower.

        Args:
            label: what a screen reader calls it.
        """
        headings = [
            element("th", column.heading, scope="col", class_="n" if column.is_number else None)
            for column in self.columns
        ]
        rows = [element("tr", *map(self._cell, range(len(row)), row)) for row in self.rows]
        table = element("table", element("thead", element("tr", *headings)), element("tbody", *rows))
        # Focusable, for a keyboard to scroll it.
        return element("div", table, class_="scroll", tabindex=0, role="group" if label else None, aria_label=label)

    def _cell(self, place: int, child: Child) -> Markup:
        shown = NOTHING if child is None or child == "" else child
        class_ = "n" if self.columns[place].is_number else None
        if place == 0:
            return element("th", shown, scope="row", class_=class_)
        return element("td", shown, class_=class_)
