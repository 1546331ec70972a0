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
        classes = ["n" if column.is_number else None for column in self.columns]
        headings = [
            element("th", column.heading, scope="col", class_=class_)
            for column, class_ in zip(self.columns, classes, strict=True)
        ]
        # Where all columns but the first are numbers, the table says so once: a page may have many.
        are_numbers = all(classes[1:])
        of_cells = [classes[0], *(None for _ in classes[1:])] if are_numbers else classes
        rows = [element("tr", *map(_cell, range(len(row)), row, of_cells)) for row in self.rows]
        table = element(
            "table",
            element("thead", element("tr", *headings)),
            element("tbody", *rows),
            class_="numbers" if are_numbers else None,
        )
        # Focusable, for a keyboard to scroll it.
        return element("div", table, class_="scroll", tabindex=0, role="group" if label else None, aria_label=label)


def _cell(place: int, child: Child, class_: str | None) -> Markup:
    shown = NOTHING if child is None or child == "" else child
    if place == 0:
        return element("th", shown, scope="row", class_=class_)
    return element("td", shown, class_=class_)
