"""One finding of a page: what it is, how well it is supported, a chart and the numbers in it."""

from dataclasses import dataclass

from ... import formatting
from ...analytics.headings import Heading
from ...sqlite.selection import Selection
from ..markup import Markup, element
from ..tables import Table


@dataclass(frozen=True, slots=True)
class Section:
    """One finding, with what it is drawn from."""

    #: Its anchor: small letters and hyphens.
    name: str
    heading: Heading
    #: What is drawn, and in which unit.
    caption: str
    chart: Markup | None = None
    table: Table | None = None
    notes: tuple[str, ...] = ()
    #: Whether it takes the width of the page.
    is_wide: bool = False
    #: The executions it is about, where these are others than those of the page.
    selection: Selection | None = None

    def markup(self, prefix: str = "", rows: str | None = None) -> Markup:
        """Return it as a card.

        Args:
            prefix: goes before its anchor, where a page has the section several times.
            rows: the address of the rows behind it.
        """
        anchor = f"{prefix}{self.name}"
        table = None if self.table is None else self.table.markup(self.heading.text)
        return element(
            "section",
            element("h2", self.heading.text, id=f"{anchor}-heading"),
            element("p", self.heading.evidence, class_="evidence") if self.heading.evidence else None,
            element("p", self.caption, class_="caption") if self.caption else None,
            None if self.chart is None else element("div", self.chart, class_="chart"),
            None if table is None or self.chart is not None else table,
            element("ul", *(element("li", note) for note in self.notes), class_="notes") if self.notes else None,
            element("p", element("a", "The rows behind it", href=rows), class_="small") if rows else None,
            element("details", element("summary", "Numbers"), table) if table and self.chart is not None else None,
            id=anchor,
            aria_labelledby=f"{anchor}-heading",
            class_="card wide" if self.is_wide else "card",
        )


def cost_notes(partial: int, unpriced: int, unreported: int) -> tuple[str, ...]:
    """Return what stands below costs that leave some out."""
    missing = ", ".join(formatting.missing_costs(partial, unpriced, unreported))
    return (f"Not in these costs: {missing}.",) if missing else ()
