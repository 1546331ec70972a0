"""Pieces of charts: the frame, the plot in it, marks and labels.

A chart is as wide as its card. Text and strokes keep their size: their places across are shares of the width, and what
has a shape is drawn in a *plot* of 1000 units that is stretched alone (``charts.css``). So a phone shows text as large
as a screen does. All downwards is in pixels.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final

from ... import formatting
from ..markup import Markup, element, shortened
from .axes import ACROSS, Axis

#: The narrowest card, in pixels: what stands side by side has room in it.
NARROWEST: Final = 290
#: Left of a plot, for the labels of an axis that goes upwards: the style has it, too.
MARGIN: Final = 46
#: And right of it, for the half of a label.
_OVERHANG: Final = 8
NARROWEST_PLOT: Final = NARROWEST - MARGIN - _OVERHANG
_NOTE_CHARACTERS: Final = 40
_NARROW: Final = frozenset("iljtfrI.,:;'|!()[]` ")
_WIDE: Final = frozenset("mwMWQO@%&")


def picture(label: str, height: float, *children: Markup | None, is_upwards: bool = False) -> Markup:
    """Return a chart that a screen reader calls *label*; with room at its left for labels if its axis *is_upwards*."""
    return element(
        "svg", *children, class_="c c-up" if is_upwards else "c", role="img", aria_label=shortened(label),
        width="100%", height=round(height),
    )  # fmt: skip


def area(*children: Markup | None, left: float, width: float, height: float, top: float = 0) -> Markup:
    """Return a part of a chart: from *left* %, *width* % wide."""
    return element(
        "svg", *children, x=f"{left:.4g}%", y=round(top) or None, width=f"{width:.4g}%", height=round(height),
        overflow="visible",
    )  # fmt: skip


def plot(*children: Markup | None, height: float, top: float = 0, width: float = 100) -> Markup:
    """Return a plot of 1000 units across, and *height* pixels, that is *width* % wide."""
    return element(
        "svg",
        *children,
        viewBox=f"0 0 {ACROSS} {height:.4g}",
        preserveAspectRatio="none",
        overflow="visible",
        y=round(top) or None,
        width=f"{width:.4g}%",
        height=round(height),
    )


def number(value: float) -> str:
    """Return a coordinate: what is finer than a tenth cannot be seen."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def path(class_: str, parts: Iterable[str], width: float | None = None) -> Markup | None:
    """Return marks of one kind; None where there are none."""
    drawn = "".join(parts)
    return element("path", class_=class_, d=drawn, stroke_width=width) if drawn else None


def dots(class_: str, places: Iterable[tuple[float, float]], width: float) -> Markup | None:
    """Return round dots, *width* pixels across: lines of no length, which a stretched plot leaves round."""
    return path(class_, (f"M{number(x)} {number(y)}h0" for x, y in places), width)


def upright(x: float, y: float, other: float) -> str:
    """Return a line up or down."""
    return f"M{number(x)} {number(y)}V{number(other)}"


def level(x: float, y: float, other: float) -> str:
    """Return a line across."""
    return f"M{number(x)} {number(y)}H{number(other)}"


def box(left: float, top: float, right: float, bottom: float) -> str:
    """Return a rectangle."""
    return f"M{number(left)} {number(bottom)}V{number(top)}H{number(right)}V{number(bottom)}z"


def text(words: str, x: str | float, y: float, class_: str | None = None, anchor: str | None = None) -> Markup:
    """Return a line of text, whose baseline is at *y*."""
    return element("text", words, x=x, y=number(y), class_=class_, text_anchor=anchor)


def percent(x: float) -> str:
    """Return the place of a unit of the plot for text, which is not stretched."""
    return f"{number(x * 100 / ACROSS)}%"


def rungs(axis: Axis) -> tuple[Markup, Markup]:
    """Return the labels, left of the plot, and the grid of an axis that goes upwards."""
    places = [(axis.up(tick), written) for tick, written in axis.ticks]
    labels = (text(written, "-6", y + 4) for y, written in places)
    grid = "".join(f"M0 {number(y)}h{ACROSS}" for y, _ in places)
    return element("g", *labels, class_="c-label", text_anchor="end"), element("path", class_="c-grid", d=grid)


def foot(axis: Axis, y: float, height: float, room: float) -> tuple[Markup, Markup]:
    """Return the labels below a plot, and the grid, of an axis that goes across.

    The plot is at least *room* pixels wide: those between the first and the last label have a place in it, or are left
    out.
    """
    labels, reached = [], 0.0
    *others, (end, written) = ((axis.at(tick), written) for tick, written in axis.ticks)
    is_end = end > ACROSS - 1
    limit = room - width_of(written) - _BETWEEN if is_end else room
    for x, words in others if is_end else (*others, (end, written)):
        wide = width_of(words)
        left = max(0.0, x / ACROSS * room - wide / 2)
        if left >= reached and left + wide <= limit:
            labels.append(text(words, percent(x), y, anchor=None if x else "start"))
            reached = left + wide + _BETWEEN
    if is_end:
        labels.append(text(written, "100%", y, anchor="end"))
    grid = "".join(f"M{number(axis.at(tick))} 0v{number(height)}" for tick, _ in axis.ticks)
    return element("g", *labels, class_="c-label", text_anchor="middle"), element("path", class_="c-grid", d=grid)


_BETWEEN: Final = 6.0


def days_below(labels: Sequence[str], y: float) -> Markup:
    """Return the labels of days below a plot, each a round number of days after the one before."""
    step = next(step for step in _DAY_STEPS if len(labels) <= step * _MOST_DAY_LABELS)
    shown = [
        text(_short_day(label), percent(middle(place, len(labels))), y)
        for place, label in enumerate(labels)
        if place % step == 0
    ]
    return element("g", *shown, class_="c-label", text_anchor="middle")


def _short_day(label: str) -> str:
    """Return ``22 Nov`` for ``2026-11-22``."""
    try:
        day = date.fromisoformat(label)
    except ValueError:
        return shortened(label, _DAY_CHARACTERS)
    return formatting.short_date(day)


_DAY_CHARACTERS: Final = 6
_MOST_DAY_LABELS: Final = 5
_DAY_STEPS: Final = tuple(factor * 10**power for power in range(12) for factor in (1, 2, 5))


def middle(place: int, of: int) -> float:
    """Return the middle of a day of so many."""
    return (place + 0.5) * ACROSS / of


def width_of(words: str) -> float:
    """Return about how wide *words* are, in pixels."""
    return sum(
        12.5
        if unicodedata.east_asian_width(letter) in "WF"
        else 4.2
        if letter in _NARROW
        else 11
        if letter in _WIDE
        else 7.2
        for letter in words
    )


def name(words: str, y: float, note: str = "", most: float = NARROWEST) -> Markup:
    """Return the name of a row, cut to *most* pixels, and a muted *note* after it."""
    muted = element("tspan", f" {shortened(note, _NOTE_CHARACTERS)}", class_="c-muted") if note else None
    room = most - width_of(note[:_NOTE_CHARACTERS]) - 8
    line = shortened(words)
    while len(line) > 4 and width_of(line) > room:
        line = f"{line[:-4].rstrip()}..." if line.endswith("...") else f"{line[:-3].rstrip()}..."
    return element("text", line or "-", muted, x=0, y=number(y), class_="c-name")


def share_beside(words: Iterable[str], room: float) -> float:
    """Return how many % of *room* pixels a plot has, beside text at its right."""
    longest = max(map(width_of, words), default=0.0)
    return round(max(0.25, min(0.85, 1 - (longest + 10) / room)) * 100, 1) if longest else 100.0


def nothing(label: str) -> Markup:
    """Return the chart of no data."""
    return picture(label, 40, text("No data.", 0, 24, "c-label"))


def said(words: str, y: float, x: float = 0) -> Markup:
    """Return a line about the chart, below it."""
    return text(words, number(x), y, "c-label")


def legend(*entries: tuple[str, str], x: float, y: float) -> Markup:
    """Return what the marks mean, class -> words, in a line of its own from *x* on."""
    shown = []
    for class_, words in entries:
        if class_ in ("c-dot", "c-hole"):
            shown += [dots("c-dot", [(x + 5, y - 4)], 8)]
            shown += [dots("c-hole", [(x + 5, y - 4)], 4)] if class_ == "c-hole" else []
        else:
            drawn = box(x + 1, y - 9, x + 10, y) if class_.startswith("c-bar") else level(x, y - 4, x + 11)
            shown += [path(class_, [drawn])]
        shown += [text(words, number(x + 15), y)]
        x += 15 + width_of(words) + 10
    return element("g", *shown, class_="c-label")


def above(rows: Sequence[object], most: int, thing: str) -> str | None:
    """Return which of *rows* are drawn, where that is not all."""
    return f"The first {most:,} of {len(rows):,} {thing}." if len(rows) > most else None
